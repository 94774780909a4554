"""The drill's rig: a whole trader on a simulated market whose every part can be broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from engine.account import account_state
from engine.assembly import assemble
from engine.clock import MarketClock
from engine.execution.exits import Exit
from engine.execution.journal import Journal
from engine.ledger.port import RecordError
from engine.model.decision import Decision, Signal
from engine.model.events import Event
from engine.model.market import Candle, MarketStep, Pair
from engine.model.orders import ApprovedOrder, ClosedTrade, ExitReason, ReduceOrder
from engine.model.signal import Action, Regime, RegimeState, Side
from engine.risk.limits import RiskLimits
from engine.risk.safety import approve
from engine.strategy import Strategy
from engine.venues.instruments import simulated_instruments
from engine.venues.port import NotExecuted, OrderReport, Refusal, VenueOrderRequest
from engine.venues.simulated import SimulatedVenue

CANDLE_MS = 60_000
START = 1_764_000_000_000
BTC, ETH = Pair.parse("BTC"), Pair.parse("ETH")
_BALANCE = Decimal(10_000)
_PRICES = {BTC: 50_000.0, ETH: 2_500.0}
_VOLUME = {BTC: 1_000.0, ETH: 20_000.0}  # base currency a minute


class BreakableVenue(SimulatedVenue):
    """A simulated account that refuses every order while ``refusing``."""

    refusing = False

    async def submit(self, order: VenueOrderRequest) -> OrderReport:
        """Fill or rest an order, unless orders are being refused."""
        if self.refusing:
            raise NotExecuted(Refusal.OTHER, "the drill refuses orders")
        return await super().submit(order)


class BreakableRecorder:
    """Keeps nothing; fails while ``full``, as on a full disk."""

    def __init__(self) -> None:
        self.full = False

    async def intend(
        self, order: ApprovedOrder | ReduceOrder, time: int, *, shadow: bool = False
    ) -> None:
        """Take an intent. Raises ``RecordError`` while the disk is full."""
        self._write()

    async def record(self, events: Sequence[Event]) -> None:
        """Take events. Raises ``RecordError`` while the disk is full."""
        self._write()

    def _write(self) -> None:
        if self.full:
            raise RecordError("the drill's disk is full")


class Rig:
    """A trader and its market; ``hear`` is told every event. Minutes pass only by ``minutes``."""

    def __init__(self, hear: Callable[[Sequence[Event]], None]) -> None:
        self.clock = MarketClock(START)
        self.venue = BreakableVenue(simulated_instruments((BTC, ETH)), _BALANCE)
        self.recorder = BreakableRecorder()
        self.silent: set[Pair] = set()  # pairs without prices
        self.prices = dict(_PRICES)
        self.liquidity = 1.0
        self.limits = RiskLimits(allowed_pairs=(BTC, ETH))
        self.trader = assemble(
            pairs=(BTC, ETH),
            candle_ms=CANDLE_MS,
            strategy=Strategy(),
            limits=self.limits,
            venue=self.venue,
            balance=_BALANCE,
            journal=Journal(self.recorder, hear),
            clock=self.clock,
        )
        self.watch = self.trader.watch
        self._number = 0

    async def minutes(self, count: int) -> None:
        """Let minutes of market time pass, a candle of every pair that has prices in each."""
        for _ in range(count):
            opened, now = self.clock.now(), self.clock.now() + CANDLE_MS
            bars = {
                pair: Candle(opened, p, p, p, p, _VOLUME[pair] * self.liquidity)
                for pair, p in self.prices.items()
                if pair not in self.silent
            }
            self.clock.set(now)
            await self.trader.step(MarketStep(now, bars, bars))

    async def enter(self, pair: Pair = BTC) -> bool:
        """Open a long position of 2 % risk through safety checker, desk and venue."""
        account = await self.venue.account()
        price = Decimal(str(self.prices[pair]))
        instrument = self.venue.instruments[pair]
        quantity = instrument.round_quantity(_BALANCE * 2 / price)
        self._number += 1
        now = self.clock.now()
        order = approve(
            pair=pair,
            side=Side.LONG,
            quantity=quantity,
            entry=price,
            stop=instrument.round_price(price * Decimal("0.991")),
            target=instrument.round_price(price * Decimal("1.02")),
            leverage=self.limits.leverage,
            account=account_state(account, now, self.trader.equity, ()),
            limits=replace(self.limits, max_daily_loss=1.0),  # an earlier scene may have lost
            instrument=instrument,
            client_order_id=f"drill-{pair.base}-{self._number}-e",
        )
        entered = await self.trader.book.enter(
            order, _decision(pair, now), Strategy(), account.equity
        )
        await self.tell()
        return entered

    async def leave(self, pair: Pair = BTC) -> None:
        """Close a position at market."""
        position = self.trader.book.positions[pair]
        await self.trader.book.leave(pair, Exit(ExitReason.OPERATOR, position.quantity, "drill"))
        await self.tell()

    async def tell(self) -> None:
        """Let what the breaker made of orders and fills be heard."""
        now = self.clock.now()
        self.trader.journal.extend(self.watch.idle_pass(now, self.trader.record))
        await self.trader.journal.flush()

    def closed(self, count: int, r_multiples: Sequence[float], *, shadow: bool = False) -> None:
        """Let the track record grow by trades that won or lost so many R (10 each), in turn."""
        for index in range(count):
            self._number += 1
            self.clock.set(self.clock.now() + 1_000)
            self.trader.closed(
                _trade(
                    self._number, self.clock.now(), r_multiples[index % len(r_multiples)], shadow
                )
            )


def _decision(pair: Pair, now: int) -> Decision:
    """Return the decision behind a drill's entry: none was made, so it says nothing."""
    return Decision(
        pair=pair,
        time=now,
        indicators=None,
        regime=RegimeState(Regime.RANGE, 1.0, 0.8, now),
        v1=None,
        v2=None,
        signal=Signal(Action.ENTER_LONG, 1.0, 1.0, "", "drill"),
        plan=None,
        sizing=None,
        portfolio=None,
        safety=None,
        breaker=None,
        proposal=Action.ENTER_LONG,
        action=Action.ENTER_LONG,
        quantity=Decimal(0),
        confidence=1.0,
        blocked_by="",
        reason="drill",
    )


def _trade(number: int, now: int, r: float, shadow: bool) -> ClosedTrade:
    pnl = Decimal(str(10 * r))
    return ClosedTrade(
        id=f"drill-{number}",
        pair=ETH,
        side=Side.LONG,
        entry_time=now - 60_000,
        exit_time=now,
        entry_price=Decimal(2_500),
        exit_price=Decimal(2_500) + pnl,
        quantity=Decimal(1),
        fees=Decimal(0),
        funding=Decimal(0),
        pnl=pnl,
        r_multiple=r,
        exit_reason=ExitReason.STOP_LOSS if r < 0 else ExitReason.TAKE_PROFIT,
        regime=Regime.RANGE,
        confidence=1.0,
        strategy="default",
        strategy_version=1,
        entry_equity=_BALANCE,
        client_order_ids=(f"drill-{number}-e",),
        shadow=shadow,
    )
