"""A small trader for tests of the simulated venue: orders out, fills into the accounting."""

from __future__ import annotations

from collections.abc import Coroutine
from decimal import Decimal
from typing import Any, TypeVar

from engine.execution.accounting import (
    apply_entry_fill,
    apply_exit_fill,
    apply_funding,
    open_position,
)
from engine.model.market import Candle, Instrument, MarketStep, Pair
from engine.model.orders import (
    ApprovedOrder,
    ClosedTrade,
    ExitReason,
    Fill,
    OrderKind,
    Position,
    ReduceOrder,
    seal_for_safety_checker,
)
from engine.model.signal import Regime, Side
from engine.venues.instruments import simulated_instruments
from engine.venues.port import FundingPayment, OrderReport, VenueEvent
from engine.venues.simulated import SimulatedVenue

T = TypeVar("T")
BTC = Pair.parse("BTC")
ETH = Pair.parse("ETH")
DOGE = Pair.parse("DOGE")
MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_699_920_000_000  # 2023-11-14 00:00 UTC
VOLUME = 1e8  # notional a bar: plenty


def now(awaitable: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits."""
    try:
        awaitable.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    awaitable.close()
    raise AssertionError("the simulated venue suspended")


def entry(
    identifier: str,
    side: Side,
    quantity: str,
    *,
    pair: Pair = BTC,
    leverage: int = 10,
    reference: str = "50000",
) -> ApprovedOrder:
    """Build an approved entry with a stop 2 % and a target 4 % away."""
    price = Decimal(reference)
    return ApprovedOrder(
        client_order_id=identifier,
        pair=pair,
        side=side,
        quantity=Decimal(quantity),
        reference_price=price,
        stop_price=price * (1 - side.sign * Decimal("0.02")),
        target_price=price * (1 + side.sign * Decimal("0.04")),
        leverage=leverage,
        seal=seal_for_safety_checker(),
    )


class Paper:
    """One venue, one pair, and the positions that accounting makes of its fills."""

    def __init__(
        self,
        balance: str = "100000",
        *,
        pair: Pair = BTC,
        instrument: Instrument | None = None,
        minutes: int = 5,
        **options: Any,
    ) -> None:
        self.initial = Decimal(balance)
        instruments = simulated_instruments([BTC, ETH, DOGE])
        if instrument is not None:
            instruments[pair] = instrument
        self.venue = SimulatedVenue(instruments, self.initial, **options)
        self.pair = pair
        self.length = minutes * MINUTE
        self.time = START
        self.position: Position | None = None
        self.trades: list[ClosedTrade] = []
        self.events: list[VenueEvent] = []
        self._count = 0

    def bar(
        self, open_: float, high: float, low: float, close: float, volume: float | None = None
    ) -> list[VenueEvent]:
        """Let one bar happen and apply what it did; return the events."""
        volume = VOLUME / close if volume is None else volume
        candle = Candle(self.time, open_, high, low, close, volume)
        self.time += self.length
        self.venue.advance(MarketStep(self.time, {self.pair: candle}, {}))
        return self.settle()

    def flat(self, price: float, volume: float | None = None) -> list[VenueEvent]:
        """Let a bar happen that does not move."""
        return self.bar(price, price, price, price, volume)

    def settle(self) -> list[VenueEvent]:
        """Apply what happened by itself."""
        events = list(self.venue.drain())
        self.events += events
        for event in events:
            if isinstance(event, Fill):
                self._exit(event)
            elif isinstance(event, FundingPayment):
                assert self.position is not None
                self.position = apply_funding(self.position, event.amount)
        return events

    def enter(self, side: Side, quantity: str, **options: Any) -> OrderReport:
        """Enter or add at market."""
        order = entry(self.next_id("entry"), side, quantity, pair=self.pair, **options)
        report = now(self.venue.submit(order))
        if self.position is None:
            self.position = open_position(
                order,
                report.fills,
                position_id=f"position-{self._count}",
                regime=Regime.RANGE,
                confidence=0.5,
                strategy="default",
                strategy_version=1,
                entry_equity=self.initial,
            )
        else:
            for fill in report.fills:
                self.position = apply_entry_fill(self.position, fill)
        return report

    def leave(self, quantity: str | Decimal | None = None) -> OrderReport:
        """Close part or all at market."""
        position = self.open
        amount = position.quantity if quantity is None else Decimal(quantity)
        order = ReduceOrder.exit_at_market(
            position, self.next_id("exit"), amount, ExitReason.OPERATOR
        )
        report = now(self.venue.submit(order))
        for fill in report.fills:
            self._exit(fill)
        self.settle()
        return report

    def rest(self, kind: OrderKind, price: str | Decimal) -> OrderReport:
        """Rest a stop or a target for the whole position."""
        build = ReduceOrder.stop if kind is OrderKind.STOP else ReduceOrder.target
        return now(self.venue.submit(build(self.open, self.next_id(kind), Decimal(price))))

    def stop(self, price: str | Decimal) -> OrderReport:
        """Rest a stop."""
        return self.rest(OrderKind.STOP, price)

    def target(self, price: str | Decimal) -> OrderReport:
        """Rest a target."""
        return self.rest(OrderKind.TARGET, price)

    @property
    def open(self) -> Position:
        """Return the open position."""
        assert self.position is not None
        return self.position

    @property
    def balance(self) -> Decimal:
        """Return the wallet balance the venue reports."""
        return now(self.venue.account()).balance

    @property
    def expected_balance(self) -> Decimal:
        """Return the balance that accounting alone arrives at."""
        total = self.initial + sum((trade.pnl for trade in self.trades), Decimal(0))
        if self.position is not None:
            position = self.position
            total += position.realised_pnl - position.fees - position.funding
        return total

    def next_id(self, prefix: str) -> str:
        """Return a fresh client order id."""
        self._count += 1
        return f"{prefix}-{self._count}"

    def _exit(self, fill: Fill) -> None:
        self.position, trade = apply_exit_fill(self.open, fill)
        if trade is not None:
            self.trades.append(trade)


def fills(events: list[VenueEvent]) -> list[Fill]:
    """Return the fills among events."""
    return [event for event in events if isinstance(event, Fill)]


def reports(events: list[VenueEvent]) -> list[OrderReport]:
    """Return the order reports among events."""
    return [event for event in events if isinstance(event, OrderReport)]
