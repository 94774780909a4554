"""A session with an exchange: clients, clock, checks and rules, opened and closed as one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from engine.ledger.redact import Redactor
from engine.model.market import Instrument, Pair
from engine.venues.exchange import binance, weex
from engine.venues.exchange.classify import read_failure
from engine.venues.exchange.client import (
    CallObserver,
    Keys,
    Unobserved,
    make_client,
    sync_clock,
)
from engine.venues.exchange.dialect import Dialect
from engine.venues.exchange.limiter import RateGate
from engine.venues.exchange.userdata import UserData
from engine.venues.exchange.venue import ExchangeVenue
from engine.venues.port import Fatal, VenueError

CLOCK_S = 60.0
CHECK_ATTEMPTS = 3

Mode = Literal["paper", "testnet", "live"]
Work = Callable[[], Awaitable[None]]
_DIALECTS: Mapping[str, tuple[type[Any], Mapping[str, Any]]] = {
    "binance": (binance.Binance, binance.OPTIONS),
    "weex": (weex.Weex, weex.OPTIONS),
}


def wall_ms() -> int:
    """Return the wall clock, ms since the epoch UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Which exchange, how, and with which keys.

    ``url`` replaces scheme and host of every address; ``allow_withdrawals`` accepts a key that
    may withdraw for live trading.
    """

    exchange: Literal["binance", "weex"]
    mode: Mode
    pairs: tuple[Pair, ...]
    keys: Keys = field(default_factory=Keys)
    url: str = ""
    allow_withdrawals: bool = False

    @property
    def signed(self) -> bool:
        """Return whether orders go to the exchange."""
        return self.mode != "paper"


class Session:
    """Two clients of one exchange that share markets, clock and rate gate: data and trading.

    ``open`` checks everything that can be checked before trading; it raises ``Retryable``
    while the exchange cannot be reached and ``Fatal`` with what to do when a person must act.
    """

    def __init__(
        self,
        config: SessionConfig,
        observer: CallObserver | None = None,
        redact: Redactor | None = None,
        now: Callable[[], int] = wall_ms,
    ) -> None:
        self.config = config
        self.instruments: Mapping[Pair, Instrument] = {}
        self.notes: list[str] = []
        self.checking = ""  # what ``open`` looks at, or failed at
        self.offset_ms = 0.0
        self.now = now
        self.gate = RateGate(now)
        keys = config.keys
        self.redact = redact or Redactor((keys.key, keys.secret, keys.passphrase))
        self._observer: CallObserver = observer or Unobserved()
        kind, options = _DIALECTS[config.exchange]
        demo = config.mode == "testnet"

        def client(keys: Keys, *, data: bool) -> Any:
            return make_client(
                config.exchange,
                keys=keys,
                gate=self.gate,
                observer=self._observer,
                data=data,
                url=config.url,
                demo=demo,
                options=options,
            )

        self.data = client(Keys(), data=True)
        self.trading = client(keys, data=False)
        self.dialect: Dialect = kind(self.trading, self.data)

    @property
    def name(self) -> str:
        """Return the account's name, e.g. ``binance-live``."""
        return f"{self.config.exchange}-{self.config.mode}"

    def server_now(self) -> int:
        """Return the exchange's time as far as we know it (ms UTC)."""
        return self.now() - round(self.offset_ms)

    def hear(self, observer: CallObserver) -> None:
        """Tell another observer of every call from now on."""
        self._observer = self.data.observer = self.trading.observer = observer

    # Opening

    async def open(self) -> None:
        """Load markets, measure the clock, check key and modes, read the rules."""
        try:
            await self._open()
        except VenueError:
            raise
        except Exception as error:  # noqa: BLE001 - every failure has its type
            raise read_failure(error, self.redact) from None

    async def _open(self) -> None:
        config = self.config
        self.checking = "key permissions"
        if config.signed:
            self._need_keys()
        if config.mode == "testnet" and config.exchange == "weex":
            raise Fatal(
                "WEEX's simulation takes no stop and no target orders, so no position could be "
                "protected: use TRADING_MODE=paper"
            )
        self.checking = "exchange"
        await self.data.load_markets()
        self.trading.set_markets_from_exchange(self.data)
        await self.resync()
        if config.signed:
            self.checking = "key permissions"
            await self._check_key()
            self.checking = "margin mode"
            await self.dialect.check_modes()
        self.checking = "minimum notional"
        self.instruments = await self.dialect.rules(config.pairs, signed=config.signed)
        missing = [pair.base for pair in config.pairs if pair not in self.instruments]
        if missing:
            self.notes.append(
                f"{self.dialect.name} does not trade {', '.join(missing)}: left out; "
                "change ALLOWED_SYMBOLS to silence this"
            )
        if not self.instruments:
            raise Fatal(f"{self.dialect.name} trades none of the pairs in ALLOWED_SYMBOLS")

    def _need_keys(self) -> None:
        name, keys = self.config.exchange.upper(), self.config.keys
        lacking = [
            f"{name}_API_{what}"
            for what, value in (("KEY", keys.key), ("SECRET", keys.secret))
            if not value
        ]
        if self.config.exchange == "weex" and not keys.passphrase:
            lacking.append("WEEX_API_PASSPHRASE")
        if lacking:
            raise Fatal(f"{' and '.join(lacking)} must be set for TRADING_MODE={self.config.mode}")

    async def _check_key(self) -> None:
        """Refuse a key that may withdraw (live), or may not trade."""
        if self.config.mode == "testnet":
            return  # demo keys have no withdrawals and the demo has no such endpoint
        for attempt in range(CHECK_ATTEMPTS):
            try:
                allowed = await self.dialect.permissions()
                break
            except Exception as error:  # noqa: BLE001 - every failure has its type
                failure = read_failure(error, self.redact)
                if isinstance(failure, Fatal) or attempt + 1 == CHECK_ATTEMPTS:
                    raise failure from None
                await asyncio.sleep(0.2)
        self.notes += allowed.notes
        if not allowed.may_trade:
            raise Fatal(
                "the API key may not trade futures: allow futures for it on the exchange, "
                "then restart"
            )
        if allowed.may_withdraw and not self.config.allow_withdrawals:
            raise Fatal(
                "the API key may withdraw money and is refused: make one without withdrawals "
                "(or set ALLOW_WITHDRAWAL_KEY=true if you must)"
            )

    # Clock

    async def resync(self) -> None:
        """Measure our clock against the server's; both clients sign with the server's time."""
        self.offset_ms, round_trip = await sync_clock(
            self.dialect.server_time, (self.data, self.trading)
        )
        self._observer.clock(self.offset_ms, round_trip)

    async def keep_time(self) -> None:
        """Measure the clock every minute, for ever."""
        while True:
            await asyncio.sleep(CLOCK_S)
            try:
                await self.resync()
            except Exception as error:  # noqa: BLE001 - the next minute tries again
                self.gate_note(error)

    def gate_note(self, error: Exception) -> None:
        """Keep why something periodic failed, for whoever looks."""
        self.notes[:] = [*self.notes[-20:], str(read_failure(error, self.redact))]

    # Parts

    def venue(self, marks: Callable[[Pair], Decimal | None]) -> ExchangeVenue:
        """Return the venue of this session; closing it closes the session."""
        venue = ExchangeVenue(
            self.dialect, self.instruments, marks, redact=self.redact, resync=self.resync
        )
        venue.closing = self.close
        return venue

    def user_data(self, venue: ExchangeVenue, since: int) -> UserData:
        """Return what feeds the venue's drain; run its ``stream`` and ``follow``."""
        return UserData(venue, self.trading, self.now, since)

    async def close(self) -> None:
        """Release every connection."""
        await self.trading.close()
        await self.data.close()
