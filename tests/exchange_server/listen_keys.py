"""Listen keys of the user data streams."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tests.exchange_server.clock import Clock
from tests.exchange_server.errors import ApiError

LIFETIME_MS = 3_600_000


@dataclass
class ListenKeys:
    """One active key per API key, valid an hour unless kept alive."""

    clock: Clock
    valid_until: dict[str, int] = field(default_factory=dict)
    owned: dict[str, str] = field(default_factory=dict)
    made: int = 0

    def create(self, api_key: str) -> str:
        """Return the active listen key, a new one when there is none, extended by an hour."""
        current = self.owned.get(api_key)
        if current is None or not self.alive(current):
            self.made += 1
            current = hashlib.sha256(f"{api_key}-{self.made}".encode()).hexdigest()
            self.owned[api_key] = current
        self.valid_until[current] = self.clock.now() + LIFETIME_MS
        return current

    def keep_alive(self, api_key: str) -> str:
        """Extend the key by an hour; -1125 when there is none."""
        current = self.owned.get(api_key)
        if current is None or not self.alive(current):
            raise ApiError(-1125)
        return self.create(api_key)

    def alive(self, listen_key: str) -> bool:
        return self.valid_until.get(listen_key, 0) > self.clock.now()

    def expired(self, listen_key: str) -> bool:
        """Return whether a key ran out by time; one that was killed is simply unknown."""
        return listen_key in self.valid_until and not self.alive(listen_key)

    def close(self, api_key: str) -> None:
        """End the key of an API key."""
        self.valid_until.pop(self.owned.pop(api_key, ""), None)

    def kill(self) -> list[str]:
        """End every key without a word to its owner; return them."""
        dead = list(self.valid_until)
        self.valid_until.clear()
        self.owned.clear()
        return dead
