"""The exchange stage: live prices, and orders on paper, on the demo or for real."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from engine.execution.reconcile import Reconciler
from engine.ledger.redact import Redactor
from engine.ledger.store import Ledger
from engine.market.exchange import LiveMarket
from engine.markets import Say, Work
from engine.model.market import MarketStep, Pair
from engine.model.orders import OrderKind
from engine.options import RunOptions
from engine.pacer import Pacer
from engine.picture import RunFacts
from engine.protection.api import ApiMonitor
from engine.settings import Settings, SettingsError
from engine.trader import Trader
from engine.venues.exchange.client import Keys
from engine.venues.exchange.feed import MarketFeed
from engine.venues.exchange.memory import Known
from engine.venues.exchange.session import Session, SessionConfig
from engine.venues.exchange.userdata import UserData
from engine.venues.exchange.venue import ExchangeVenue
from engine.venues.port import Fatal, Retryable, Venue
from engine.venues.simulated import SimulatedVenue

WARM_UP = 3_000
RECALL_MS = 86_400_000  # how far back fills of the run before are remembered
MARGIN_MS = 60_000  # our clock and the exchange's may differ by as much
LONGEST_WAIT_S = 30.0
_LABEL = {"paper": "PAPER", "testnet": "DEMO", "live": "LIVE"}

T = TypeVar("T")
_log = logging.getLogger("sigma.exchange")


class ServerClock:
    """The exchange's time, as far as we know it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last = 0

    def now(self) -> int:
        """Return the time, ms since the epoch UTC; it never goes back."""
        self._last = max(self._last, self._session.server_now())
        return self._last

    async def sleep(self, ms: int) -> None:
        """Wait in real time."""
        await asyncio.sleep(ms / 1000)


class Ears:
    """Hears of every call: the API monitor at once, the breaker once there is a trader."""

    def __init__(self, api: ApiMonitor, now: Callable[[], int]) -> None:
        self.trader: Trader | None = None
        self._api = api
        self._now = now

    def called(self, endpoint: str, ms: float, ok: bool) -> None:
        """Note one REST call."""
        now = self._now()
        self._api.record_call(endpoint, ms, ok, now)
        if self.trader is not None:
            self.trader.journal.extend(self.trader.watch.breaker.record_latency(ms, now))

    def weight(self, used: int, limit: int) -> None:
        """Note the request weight of the running minute."""
        self._api.record_weight(used, limit, self._now())

    def clock(self, offset_ms: float, round_trip_ms: float) -> None:
        """Note our clock against the exchange's."""
        self._api.record_clock(offset_ms, round_trip_ms)
        if self.trader is not None:
            offset = self._api.clock_offset_ms
            changes = self.trader.watch.breaker.record_clock_offset(offset, self._now())
            self.trader.journal.extend(changes)


class ExchangeStage:
    """Binance or WEEX in one of its modes. Implements ``engine.markets.Stage``."""

    def __init__(self, settings: Settings, options: RunOptions) -> None:
        self._settings = settings
        name, mode = settings.exchange, settings.trading_mode
        self.account = f"{name}-{mode}"
        self.tag = {"paper": "p", "testnet": "d", "live": name[0]}[mode]
        self.facts = RunFacts(name, _LABEL[mode], self.account, 1.0)
        self.api = ApiMonitor()
        self.balance = Decimal(repr(settings.paper_balance))
        self._session = Session(
            session_config(settings, options.pairs or settings.pairs),
            redact=Redactor(settings.secrets()),
        )
        self._ears = Ears(self.api, self._session.now)
        self._session.hear(self._ears)
        self.clock = ServerClock(self._session)
        self.pacer: Pacer | None = None  # an exchange's time is its own
        self.candle_ms = settings.candle_ms
        self.pairs: tuple[Pair, ...] = ()
        self.venue: Venue
        self._live: ExchangeVenue | None = None
        self._user: UserData | None = None
        self._reconciler: Reconciler | None = None
        self._since = 0
        self._reconnects = 0
        self._notices: list[str] = []

    @property
    def simulated(self) -> SimulatedVenue | None:
        """Return the paper venue, None when orders go to the exchange."""
        return self.venue if isinstance(self.venue, SimulatedVenue) else None

    # Beginning

    async def prepare(self) -> None:
        """Do nothing: nothing can be told before the exchange is asked."""

    async def open(self, left: Mapping[str, Any], say: Say) -> None:
        """Connect, waiting for the network as long as it takes.

        Raises ``SettingsError`` with what to do when a person must act.
        """
        settings, session = self._settings, self._session
        await self._patiently(session.open, say)
        self.pairs = tuple(session.instruments)
        self._feed = MarketFeed(
            session.dialect, session.data, self.pairs, settings.default_timeframe, session.now
        )
        self._market = LiveMarket(
            session.dialect,
            self._feed,
            self.pairs,
            settings.default_timeframe,
            self.clock.now,
            cycle_ms=round(settings.trade_cycle_seconds * 1000),
            notice=self._notices.append,
        )
        await self._patiently(lambda: self._market.load(WARM_UP), say)
        await self._patiently(self._feed.ask_marks, say)
        if settings.trading_mode == "paper":
            self.venue = SimulatedVenue(session.instruments, self.balance)
        else:
            self._live = session.venue(self._feed.mark)
            self.venue = self._live
            self.balance = (await self._patiently(self._live.account, say)).balance

    async def _patiently(self, work: Callable[[], Awaitable[T]], say: Say) -> T:
        """Do what needs the exchange, again and again until it can be reached."""
        wait = 1.0
        while True:
            try:
                return await work()
            except Fatal as error:
                raise SettingsError(f"{self._session.dialect.name}: {error}") from error
            except Retryable as error:
                say(f"{self._session.dialect.name} cannot be reached, trying again: {error}")
                await asyncio.sleep(max(wait, error.after_ms / 1000))
                wait = min(wait * 2, LONGEST_WAIT_S)

    async def recall(self, ledger: Ledger, left: Mapping[str, Any]) -> None:
        """Give the venue its memory: our open orders, and what was told of them before."""
        now = self.clock.now()
        self._since = int(left.get("clock", now + MARGIN_MS)) - MARGIN_MS
        self._fills = await ledger.recent_fills(self._since - RECALL_MS)
        if self._live is None:
            return
        memory = self._live.memory
        memory.remember_fills(fill.fill_id for fill in self._fills)
        paid = await ledger.recent_funding(self._since - RECALL_MS)
        memory.remember_fills(f"funding-{pair}-{stamp}" for pair, stamp in paid)
        for intent in await ledger.unresolved_intents():
            if intent.shadow:
                continue
            reference = intent.reference_price or intent.trigger_price
            entry = intent.kind is OrderKind.ENTRY
            memory.note(
                Known(
                    intent.client_order_id,
                    intent.pair,
                    intent.kind,
                    intent.quantity,
                    intent.trigger_price,
                    None if entry else intent.reason,
                    reference,
                )
            )

    async def join(self, trader: Trader) -> list[str]:
        """Bring the trader in step with the venue, every position guarded, then warm it up."""
        notes = await self._align(trader)
        await asyncio.to_thread(trader.scanner.seed, self._market.history())
        return notes

    async def _align(self, trader: Trader) -> list[str]:
        self._ears.trader = trader
        notes = list(self._session.notes)
        if self._live is None:
            return notes
        book = trader.book
        book.remember_fills(fill for fill in self._fills)
        self._live.held = lambda pair: _signed(trader, pair)
        self._user = self._session.user_data(self._live, self._since)
        self._reconciler = Reconciler(book, trader.watch.breaker, self._user.poll)
        trader.reconciler = self._reconciler
        notes += [
            f"{pair.base} allows {rules.max_leverage}x at most: no entries until DEFAULT_LEVERAGE "
            "is lowered"
            for pair, rules in self._session.instruments.items()
            if rules.max_leverage < trader.limits.leverage
        ]
        notes += await self._reconciler.run(self.clock.now())
        for pair in sorted(pair for pair, p in book.positions.items() if p.stop_order_id is None):
            await book.protect(pair)
        return notes

    # Running

    def steps(self) -> AsyncIterator[MarketStep]:
        """Yield a step every cycle and at every close."""
        return self._market.steps()

    def arrive(self, step: MarketStep, trader: Trader) -> None:
        """Give the indicators the candles that came too late to decide on."""
        for pair, candles in self._market.take_missed().items():
            for candle in candles:
                trader.scanner.close_candles({pair: candle})

    async def attend(self, trader: Trader) -> None:
        """Reconcile when it is time, and after every reconnect; tell what the market noticed."""
        notices, self._notices[:] = list(self._notices), []
        for text in notices:
            _log.warning(text)
        if self._reconciler is None or self._user is None:
            return
        reconnected = self._user.reconnects != self._reconnects
        self._reconnects = self._user.reconnects
        if reconnected or self._reconciler.due(self.clock.now()):
            await self._reconciler.run(self.clock.now())
            await trader.journal.flush()

    def tasks(self) -> Mapping[str, Work]:
        """Return feed, user stream, polling and clock."""
        work: dict[str, Work] = {**self._feed.tasks(), "clock": self._session.keep_time}
        if self._user is not None:
            work |= {"user stream": self._user.stream, "account": self._user.follow}
        return work

    async def close(self) -> None:
        """Release every connection."""
        if self._live is not None:
            await self._live.close()
        else:
            await self._session.close()


def session_config(settings: Settings, pairs: tuple[Pair, ...]) -> SessionConfig:
    """Return how settings reach an exchange. Raises ``SettingsError`` for a simulated market."""
    if settings.exchange == "binance":
        keys = Keys(
            settings.binance_api_key.get_secret_value(),
            settings.binance_api_secret.get_secret_value(),
        )
    elif settings.exchange == "weex":
        keys = Keys(
            settings.weex_api_key.get_secret_value(),
            settings.weex_api_secret.get_secret_value(),
            settings.weex_api_passphrase.get_secret_value(),
        )
    else:
        raise SettingsError(f"EXCHANGE={settings.exchange} is no exchange")
    return SessionConfig(
        settings.exchange,
        settings.trading_mode,
        pairs,
        keys,
        settings.exchange_url,
        settings.allow_withdrawal_key,
    )


def _signed(trader: Trader, pair: Pair) -> Decimal:
    position = trader.book.positions.get(pair)
    return position.quantity * position.side.sign if position is not None else Decimal(0)
