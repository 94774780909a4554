"""Strict ccxt clients: what ccxt lets pass in silence is an error here.

A reply of 200 without a readable body raises ``BadResponse`` (ccxt would report an order without
id, or no positions); any 5xx raises ``ExchangeNotAvailable`` whatever its body; nothing is ever
sent twice. Every call passes the rate gate and is told to an observer.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from engine.venues.exchange.library import errors, exchange_class
from engine.venues.exchange.limiter import Priority, RateGate

TRADING_TIMEOUT_MS = 5_000
DATA_TIMEOUT_MS = 10_000
RECV_WINDOW_MS = 5_000
CLOCK_MEASURES = 3


class CallObserver(Protocol):
    """Hears of every call; the API monitor's and the breaker's ears."""

    def called(self, endpoint: str, ms: float, ok: bool) -> None:
        """Note one REST call: its path, latency (ms) and whether it was answered in order."""

    def weight(self, used: int, limit: int) -> None:
        """Note the request weight used in the running minute."""

    def clock(self, offset_ms: float, round_trip_ms: float) -> None:
        """Note our clock against the exchange's (ms, positive = we are ahead)."""


class Unobserved:
    """Hears and forgets."""

    def called(self, endpoint: str, ms: float, ok: bool) -> None:
        """Ignore a call."""

    def weight(self, used: int, limit: int) -> None:
        """Ignore a weight."""

    def clock(self, offset_ms: float, round_trip_ms: float) -> None:
        """Ignore a clock measure."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs requests; all empty for public data."""

    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)

    @property
    def complete(self) -> bool:
        """Return whether there is a key and a secret."""
        return bool(self.key and self.secret)


Listener = Callable[[Any, Any], None]  # (websocket client, decoded message)


def make_client(
    name: str,
    *,
    keys: Keys,
    gate: RateGate,
    observer: CallObserver,
    data: bool,
    url: str = "",
    demo: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return a strict client of an exchange; close it with ``await client.close()``.

    ``data`` clients read public prices and may wait for their turn; trading clients never queue.
    ``url`` replaces scheme and host of every address, ``demo`` chooses the exchange's demo
    trading. ``client.listener`` hears every websocket message before ccxt does.
    """
    client = _strict(exchange_class(name))(
        {
            "apiKey": keys.key,
            "secret": keys.secret,
            "password": keys.passphrase,
            "enableRateLimit": data,
            "timeout": DATA_TIMEOUT_MS if data else TRADING_TIMEOUT_MS,
            "newUpdates": True,
            "options": {
                "maxRetriesOnFailure": 0,
                "recvWindow": RECV_WINDOW_MS,
                "defaultType": "swap",
                **(options or {}),
            },
        }
    )
    client.has["fetchCurrencies"] = False
    exceptions = client.exceptions
    # With an address other than the official one ccxt does not find its futures error table.
    exceptions["exact"] = exceptions["exact"] | exceptions.get("linear", {}).get("exact", {})
    if demo and "demo" in client.urls:
        client.enable_demo_trading(True)
    if url:
        client.urls["api"] = replace_host(client.urls["api"], url)
    client.gate, client.observer = gate, observer
    client.priority = Priority.DATA if data else Priority.ACCOUNT
    client.timeout_on_exit = 0  # the pause is for connections that nobody owns
    return client


def replace_host(addresses: Any, url: str) -> Any:
    """Return addresses (nested mappings of them) with scheme and host replaced, paths kept."""
    if isinstance(addresses, Mapping):
        return {name: replace_host(value, url) for name, value in addresses.items()}
    old, new = urlsplit(addresses), urlsplit(url)
    scheme = new.scheme
    if old.scheme in ("ws", "wss"):
        scheme = "wss" if new.scheme == "https" else "ws"
    path = old.path
    if "contract" in (old.hostname or "") and scheme.startswith("ws"):
        path = f"/contract{path}"  # by this word ccxt tells WEEX's contract stream from spot
    return f"{scheme}://{new.netloc}{new.path.rstrip('/')}{path}"


def _strict(base: type[Any]) -> type[Any]:
    """Return a strict subclass of a ccxt exchange class."""
    ccxt = errors()

    class Strict(base):  # type: ignore[misc]
        """See the module's docstring."""

        listener: Listener | None = None

        async def fetch(
            self, url: str, method: str = "GET", headers: Any = None, body: Any = None
        ) -> Any:
            self.gate.enter(self.priority if method == "GET" else Priority.ORDER)
            endpoint = f"{method} {urlsplit(url).path}"
            began = time.perf_counter()
            answered = False
            try:
                reply = await super().fetch(url, method, headers, body)
                answered = True
                return reply
            except (ccxt.OperationFailed, TimeoutError, OSError):
                raise
            except ccxt.BaseError as error:
                answered = error.__cause__ is None  # a refusal is an answer
                raise
            finally:
                elapsed = (time.perf_counter() - began) * 1000
                self.observer.called(endpoint, elapsed, answered)

        def on_rest_response(
            self, code: int, reason: Any, url: Any, method: Any, headers: Any, *rest: Any
        ) -> Any:
            self.gate.heard(code, headers)
            self.observer.weight(self.gate.used, self.gate.limit)
            return super().on_rest_response(code, reason, url, method, headers, *rest)

        def handle_errors(
            self, code: int, reason: Any, url: Any, method: Any, headers: Any, body: Any,
            response: Any, *rest: Any,
        ) -> Any:  # fmt: skip
            if code >= 500:
                raise ccxt.ExchangeNotAvailable(f"{self.id} {code} {reason} {body[:200]}")
            if code in (418, 429):
                raise ccxt.DDoSProtection(f"{self.id} {code} {reason} {body[:200]}")
            if code < 400 and not isinstance(response, dict | list):
                raise ccxt.BadResponse(f"{self.id} {code} without a readable body: {body[:80]!r}")
            return super().handle_errors(code, reason, url, method, headers, body, response, *rest)

        def handle_message(self, client: Any, message: Any) -> None:
            if self.listener is not None:
                self.listener(client, message)
            super().handle_message(client, message)

        def __del__(self) -> None:
            """Say nothing: whoever made the client closes it."""

    Strict.__name__ = base.__name__
    return Strict


async def sync_clock(
    read_time: Callable[[], Awaitable[int]], clients: tuple[Any, ...]
) -> tuple[float, float]:
    """Measure our clock against the server's and make clients sign with the server's time.

    ``read_time`` asks for the server's time (ms). Returns (offset, round trip) in ms of the
    quickest of three measures, the offset positive when we are ahead; its error is at most half
    the round trip.
    """
    measures = []
    for _ in range(CLOCK_MEASURES):
        sent = time.time() * 1000
        server = await read_time()
        received = time.time() * 1000
        measures.append((received - sent, (sent + received) / 2 - server))
    round_trip, offset = min(measures)
    for client in clients:
        client.options["timeDifference"] = round(offset)
    return offset, round_trip
