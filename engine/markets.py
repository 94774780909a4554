"""Stages: what a trader trades on, by exchange and mode: market, venue and clock in one.

A local stage is simulated or replayed: its clock is the market's. An exchange stage is live
prices, with a simulated venue on paper and the exchange's own venue otherwise; its clock is the
exchange's. The engine runs every stage alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from engine.assembly import paper_venue
from engine.clock import Clock, MarketClock
from engine.ledger.store import Ledger
from engine.market.files import load_directory
from engine.market.funding import load_funding
from engine.market.recorded import RecordedMarket
from engine.market.source import MarketSource
from engine.market.synthetic import SyntheticMarket
from engine.model.market import MarketStep, Pair
from engine.options import RunOptions
from engine.pacer import Pacer
from engine.picture import RunFacts
from engine.protection.api import ApiMonitor
from engine.settings import Settings, SettingsError
from engine.trader import Trader
from engine.venues.port import Venue
from engine.venues.simulated import SimulatedVenue

Work = Callable[[], Awaitable[None]]
Say = Callable[[str], None]


class Stage(Protocol):
    """Market, venue and clock of one run."""

    account: str
    tag: str
    facts: RunFacts
    pairs: tuple[Pair, ...]
    candle_ms: int
    balance: Decimal
    api: ApiMonitor
    pacer: Pacer | None  # steers the time of a local market

    @property
    def clock(self) -> Clock:
        """Return the clock of market and venue."""

    @property
    def venue(self) -> Venue:
        """Return where orders go; once open."""

    @property
    def simulated(self) -> SimulatedVenue | None:
        """Return the venue if it is simulated, so that a restart has to restore it."""

    async def prepare(self) -> None:
        """Do what may fail before anything is written."""

    async def open(self, left: Mapping[str, Any], say: Say) -> None:
        """Make everything ready; ``left`` is what the run before has left."""

    async def recall(self, ledger: Ledger, left: Mapping[str, Any]) -> None:
        """Remember the orders and fills of the run before, before anything is asked."""

    async def join(self, trader: Trader) -> list[str]:
        """Warm the trader up and bring it in step with the venue; return what to tell."""

    def steps(self) -> AsyncIterator[MarketStep]:
        """Yield market steps when they are due."""

    def arrive(self, step: MarketStep, trader: Trader) -> None:
        """Move to a step's instant, before the trader takes it."""

    async def attend(self, trader: Trader) -> None:
        """Do what has to be done beside the steps, after each."""

    def tasks(self) -> Mapping[str, Work]:
        """Return what has to run beside the market, by name."""

    async def close(self) -> None:
        """Release what was opened."""


def stage_of(settings: Settings, options: RunOptions) -> Stage:
    """Return the stage that settings and options ask for. Raises ``SettingsError``."""
    if settings.exchange == "sim":
        return LocalStage(settings, options)
    if options.data is not None:
        raise SettingsError("recorded candles are replayed with EXCHANGE=sim only")
    if settings.trading_mode == "live" and options.confirm_live != settings.exchange:
        raise SettingsError(
            f"live trading needs the exchange's name typed: --confirm-live {settings.exchange}"
        )
    from engine.exchange_stage import ExchangeStage  # ccxt is slow to import

    return ExchangeStage(settings, options)


class LocalStage:
    """A simulated or replayed market with a simulated venue, on the market's own time."""

    tag = "p"

    def __init__(self, settings: Settings, options: RunOptions) -> None:
        self._settings = settings
        self._options = options
        self.replay = options.data is not None
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f"{time.time_ns() % 10**9:09d}"[:6]
        self.account = f"replay-{stamp}" if self.replay else f"sim-{options.seed}"
        self.facts = RunFacts("sim", "SIMULATED", self.account, options.speed)
        self.clock = MarketClock()
        self._pacer = Pacer(options.speed)
        self.pacer: Pacer | None = self._pacer
        self.api = ApiMonitor()
        self.balance = Decimal(repr(settings.paper_balance))
        self.market: MarketSource

    async def prepare(self) -> None:
        """Load a recording, so that an unusable one is told before anything is written."""
        directory, settings = self._options.data, self._settings
        if directory is not None:
            candles = await asyncio.to_thread(
                load_directory,
                directory,
                self._options.pairs,
                settings.default_timeframe,
                allowed=settings.pairs,
            )
            self.market = RecordedMarket(candles)

    async def open(self, left: Mapping[str, Any], say: Say) -> None:
        """Set the clock to where the run before ended, and the market with it."""
        left_at = int(left.get("clock", 0))
        self.clock.set(left_at)
        if not self.replay:
            self.market = self._synthetic_market(left_at)
        self.pairs, self.candle_ms = self.market.pairs, self.market.candle_ms
        recorded = self._options.data
        rates = load_funding(recorded, self.pairs) if recorded is not None else {}
        self.venue = paper_venue(self.pairs, self.balance, dict(rates))

    def _synthetic_market(self, left_at: int) -> MarketSource:
        settings, options = self._settings, self._options
        start = left_at or int(time.time() * 1000) // settings.candle_ms * settings.candle_ms
        return SyntheticMarket(
            options.pairs or settings.pairs, options.seed, start, settings.candle_ms
        )

    @property
    def simulated(self) -> SimulatedVenue:
        """Return the venue."""
        return self.venue

    async def recall(self, ledger: Ledger, left: Mapping[str, Any]) -> None:
        """Do nothing: the venue's own snapshot has everything."""

    async def join(self, trader: Trader) -> list[str]:
        """Warm the trader up on the history."""
        await asyncio.to_thread(self._warm_up, trader)
        return []

    def _warm_up(self, trader: Trader) -> None:
        history = self.market.history()
        trader.scanner.seed(history)
        last = max((candles[-1].time for candles in history.values() if candles), default=None)
        if self.clock.now() == 0:
            if last is not None:
                self.clock.set(last + self.candle_ms)
            else:  # a recording: its first bar opens now
                bars = next(iter(self.market.steps())).bars
                self.clock.set(min(bar.time for bar in bars.values()))

    async def steps(self) -> AsyncIterator[MarketStep]:
        """Yield the steps after now, each at its moment."""
        for step in self.market.steps():
            if step.time > self.clock.now():  # a restarted task goes on where the last one stopped
                await self._pacer.wait_for(step.time)
                yield step

    def arrive(self, step: MarketStep, trader: Trader) -> None:
        """Move the clock to the step."""
        self.clock.set(step.time)

    async def attend(self, trader: Trader) -> None:
        """Do nothing: venue and book cannot differ."""

    def tasks(self) -> Mapping[str, Work]:
        """Return nothing: all happens with the steps."""
        return {}

    async def close(self) -> None:
        """Do nothing."""
