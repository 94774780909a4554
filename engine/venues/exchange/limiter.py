"""Rate-limit discipline: stop when told to, and keep room for exits.

An exchange counts the weight of all requests from one address, so every client shares one gate.
A 429 or 418 stops *all* traffic until the time it names. Before that, reading stops first and
orders last: market data may use 60 % of a minute's weight, reading the account 85 %, orders all
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

MINUTE_MS = 60_000
DEFAULT_LIMIT = 2_400
DEFAULT_BAN_MS = {429: 10_000, 418: 120_000}
_USED_HEADERS = ("x-mbx-used-weight-1m", "x-mbx-used-weight")


class Priority(Enum):
    """What a request is for; the value is the share of the weight limit it may reach."""

    DATA = 0.60
    ACCOUNT = 0.85
    ORDER = 1.0


class Blocked(Exception):
    """A request was not sent: traffic has to stop for ``after_ms``."""

    def __init__(self, after_ms: int, why: str) -> None:
        super().__init__(f"{why}; nothing is sent for {after_ms / 1000:.1f} s")
        self.after_ms = after_ms


class RateGate:
    """One gate for all clients of an exchange. ``now`` is the wall clock in ms."""

    def __init__(self, now: Callable[[], int], limit: int = DEFAULT_LIMIT) -> None:
        self._now = now
        self.limit = limit
        self.used = 0
        self._minute = 0
        self._banned_until = 0
        self._why = ""

    @property
    def waits_ms(self) -> int:
        """Return for how long all traffic has to stop, 0 when it may flow (ms)."""
        return max(0, self._banned_until - self._now())

    def enter(self, priority: Priority) -> None:
        """Let a request pass. Raises ``Blocked`` when it must not be sent now."""
        now = self._now()
        if now < self._banned_until:
            raise Blocked(self._banned_until - now, self._why)
        self._roll(now)
        if self.used >= self.limit * priority.value:
            left = MINUTE_MS - now % MINUTE_MS
            raise Blocked(
                left, f"{self.used} of {self.limit} request weight used; the rest is for orders"
            )

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Learn from a reply: the weight used, and whether to stop."""
        now = self._now()
        self._roll(now)
        lower = {name.lower(): value for name, value in headers.items()}
        for name in _USED_HEADERS:
            if lower.get(name, "").isdigit():
                self.used = max(self.used, int(lower[name]))
                break
        if status in DEFAULT_BAN_MS:
            told = _seconds(lower.get("retry-after"))
            wait = DEFAULT_BAN_MS[status] if told is None else round(told * 1000)
            self._banned_until = max(self._banned_until, now + wait)
            self._why = f"the exchange answered {status} (too many requests)"

    def _roll(self, now: int) -> None:
        """Begin to count anew when the minute has changed."""
        minute = now // MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self.used = 0


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
