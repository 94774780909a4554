"""A venue that does what a test tells it to, a recorder that can fail, and a desk over both."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

from engine.clock import MarketClock
from engine.execution.book import Book
from engine.execution.desk import OrderDesk
from engine.execution.journal import Journal
from engine.ledger.port import RecordError
from engine.model.events import Event
from engine.model.market import Instrument, Pair
from engine.model.orders import (
    ApprovedOrder,
    Fill,
    OrderKind,
    OrderState,
    ReduceOrder,
    seal_for_safety_checker,
)
from engine.model.signal import Action, Regime, RegimeState, Side
from engine.strategy import Strategy
from engine.venues.port import (
    Account,
    NotExecuted,
    OrderReport,
    Refusal,
    UnknownOutcome,
    VenueEvent,
    VenuePosition,
)
from tests.ledger import factory
from tests.risk.builders import INSTRUMENTS

BTC, ETH = list(INSTRUMENTS)[:2]
START = 1_735_689_600_000
REFUSED = NotExecuted(Refusal.OTHER, "not today")
LOST = UnknownOutcome("the connection was reset")


class TickingClock(MarketClock):
    """A clock whose sleeps pass, so that deadlines are met without waiting."""

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(0)
        self.set(self.now() + ms)


class ScriptedVenue:
    """Implements the port. ``script`` answers per order kind, in order; then orders succeed.

    An answer is an exception to raise, ``"lost"`` (executed, but the reply never came) or a
    quantity (fill only that much). Everything asked for is in ``calls``.
    """

    def __init__(self) -> None:
        self.script: dict[OrderKind, deque[Any]] = {kind: deque() for kind in OrderKind}
        self.calls: list[tuple[str, str]] = []
        self.sent: list[ApprovedOrder | ReduceOrder] = []
        self.orders: dict[str, OrderReport] = {}
        self.held: dict[Pair, tuple[Side, D]] = {}
        self.marks: dict[Pair, D] = {BTC: D(100), ETH: D(50)}
        self.queue: list[VenueEvent] = []
        self.leverage_error: Exception | None = None
        self.cancel_errors: deque[Exception] = deque()
        self.find_errors: deque[Exception | None] = deque()
        self.hidden: set[str] = set()  # orders that ``find`` denies for now
        self._fills = 0

    @property
    def instruments(self) -> Mapping[Pair, Instrument]:
        return INSTRUMENTS

    async def account(self) -> Account:
        return Account(D(10_000), D(10_000), D(10_000))

    async def positions(self) -> Sequence[VenuePosition]:
        return [
            VenuePosition(pair, side, quantity, D(100), self.marks[pair], None)
            for pair, (side, quantity) in self.held.items()
        ]

    async def open_orders(self, pair: Pair | None = None) -> Sequence[OrderReport]:
        return [
            report
            for report in self.orders.values()
            if not report.state.final and pair in (None, report.pair)
        ]

    async def set_leverage(self, pair: Pair, leverage: int) -> None:
        self.calls.append(("leverage", str(pair)))
        if self.leverage_error is not None:
            raise self.leverage_error

    async def submit(self, order: ApprovedOrder | ReduceOrder) -> OrderReport:
        kind = order.kind if isinstance(order, ReduceOrder) else OrderKind.ENTRY
        self.calls.append((str(kind), order.client_order_id))
        assert order.client_order_id not in self.orders, "an order was sent twice"
        self.sent.append(order)
        answer = self.script[kind].popleft() if self.script[kind] else None
        if isinstance(answer, Exception):
            raise answer
        report = self._execute(order, kind, answer if isinstance(answer, D) else order.quantity)
        if answer == "lost":
            raise LOST
        return report

    def _execute(
        self, order: ApprovedOrder | ReduceOrder, kind: OrderKind, quantity: D
    ) -> OrderReport:
        trigger = order.trigger_price if isinstance(order, ReduceOrder) else None
        report = OrderReport(
            order.client_order_id,
            order.pair,
            kind,
            OrderState.ACKNOWLEDGED,
            order.quantity,
            D(0),
            trigger,
        )
        if trigger is None:
            report = self._filled(order, report, quantity)
        self.orders[order.client_order_id] = report
        return report

    def _filled(
        self, order: ApprovedOrder | ReduceOrder, report: OrderReport, quantity: D
    ) -> OrderReport:
        side = order.side if isinstance(order, ApprovedOrder) else order.position_side
        entering = isinstance(order, ApprovedOrder)
        fill = self.fill(
            order.client_order_id,
            order.pair,
            report.kind,
            quantity,
            buy=(side is Side.LONG) is entering,
            reason=None if entering else order.reason,
        )
        whole = quantity == order.quantity
        return replace(
            report,
            state=OrderState.FILLED if whole else OrderState.CANCELLED,
            filled=quantity,
            fills=(fill,),
        )

    def fill(
        self, client_order_id: str, pair: Pair, kind: OrderKind, quantity: D, **changes: Any
    ) -> Fill:
        """Make a fill and book it into what the venue holds."""
        self._fills += 1
        made = factory.fill(
            f"v-{self._fills}",
            client_order_id=client_order_id,
            pair=pair,
            kind=kind,
            quantity=quantity,
            price=self.marks[pair],
            reference_price=self.marks[pair],
            fee=D("0.05"),
            time=START + self._fills,
            **changes,
        )
        side, had = self.held.get(pair, (Side.LONG if made.buy else Side.SHORT, D(0)))
        grown = had + (made.quantity if made.buy is (side is Side.LONG) else -made.quantity)
        self.held.pop(pair, None)
        if grown > 0:
            self.held[pair] = (side, grown)
        return made

    async def cancel(self, pair: Pair, client_order_id: str) -> OrderReport:
        self.calls.append(("cancel", client_order_id))
        if self.cancel_errors:
            raise self.cancel_errors.popleft()
        report = self.orders.get(client_order_id)
        if report is None:
            raise NotExecuted(Refusal.OTHER, "no such order")
        if not report.state.final:
            report = replace(report, state=OrderState.CANCELLED)
            self.orders[client_order_id] = report
        return report

    async def find(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        self.calls.append(("find", client_order_id))
        error = self.find_errors.popleft() if self.find_errors else None
        if error is not None:
            raise error
        return None if client_order_id in self.hidden else self.orders.get(client_order_id)

    def mark_price(self, pair: Pair) -> D | None:
        return self.marks.get(pair)

    def drain(self) -> Sequence[VenueEvent]:
        events, self.queue = self.queue, []
        return events

    async def close(self) -> None:
        """Hold nothing."""

    # What a test lets happen by itself

    def trigger(self, client_order_id: str, quantity: D | None = None) -> Fill:
        """Let a resting order fire: its fill and its final report wait to be drained."""
        report = self.orders[client_order_id]
        order = next(o for o in self.sent if o.client_order_id == client_order_id)
        assert isinstance(order, ReduceOrder)
        final = self._filled(order, report, quantity or order.quantity)
        self.orders[client_order_id] = final
        self.queue += [*final.fills, final]
        return final.fills[0]

    def lose(self, client_order_id: str, state: OrderState = OrderState.CANCELLED) -> None:
        """Let the venue end a resting order by itself."""
        report = replace(self.orders[client_order_id], state=state)
        self.orders[client_order_id] = report
        self.queue.append(report)

    def resting(self, kind: OrderKind) -> list[OrderReport]:
        """Return the resting orders of a kind."""
        return [r for r in self.orders.values() if r.kind is kind and not r.state.final]


class MemoryRecorder:
    """Keeps what was recorded; fails while told to."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.intents: list[str] = []
        self.fail_intents = False
        self.fail_records: Exception | None = None

    async def intend(
        self, order: ApprovedOrder | ReduceOrder, time: int, *, shadow: bool = False
    ) -> None:
        if self.fail_intents:
            raise RecordError("the disk is full")
        self.intents.append(order.client_order_id)

    async def record(self, events: Sequence[Event]) -> None:
        if self.fail_records is not None:
            raise self.fail_records
        self.events.extend(events)


class Observer:
    """Notes what the breaker would hear."""

    def __init__(self) -> None:
        self.results: list[bool] = []
        self.slippages: list[float] = []

    def order_result(self, ok: bool) -> None:
        self.results.append(ok)

    def fill_slippage(self, fraction: float) -> None:
        self.slippages.append(fraction)


class Bench:
    """A book over a scripted venue, with everything it writes."""

    def __init__(self, clock: MarketClock | None = None) -> None:
        self.clock = clock or TickingClock(START)
        self.venue = ScriptedVenue()
        self.recorder = MemoryRecorder()
        self.told: list[Event] = []
        self.journal = Journal(self.recorder, self.told.extend)
        self.observer = Observer()
        self.desk = OrderDesk(self.venue, self.journal, self.clock, self.observer, shadow=False)
        self.book = Book(self.desk, self.journal, self.clock)
        self.trades: list[Any] = []
        self.book.on_trade = self.trades.append

    async def enter(self, **changes: Any) -> bool:
        """Enter a long position in BTC of 2 at 100, stop 98, target 104."""
        order = entry(**changes)
        return await self.book.enter(order, decision(order.pair), Strategy(), D(10_000))

    async def events(self, kind: type[Event]) -> list[Any]:
        """Flush and return what was told of a kind."""
        await self.journal.flush()
        return [event for event in self.told if type(event) is kind]

    def sent(self, kind: OrderKind) -> list[str]:
        """Return the client ids of the orders of a kind that left."""
        return [name for call, name in self.venue.calls if call == str(kind)]


def entry(client_order_id: str = "sgp-BTC-1-e", **changes: Any) -> ApprovedOrder:
    values: dict[str, Any] = {
        "client_order_id": client_order_id,
        "pair": BTC,
        "side": Side.LONG,
        "quantity": D(2),
        "reference_price": D(100),
        "stop_price": D(98),
        "target_price": D(104),
        "leverage": 10,
    }
    return ApprovedOrder(**{**values, **changes}, seal=seal_for_safety_checker())


def decision(pair: Pair = BTC) -> Any:
    regime = RegimeState(Regime.RANGE, 0.6, 0.8, START)
    return factory.decision(START, Action.ENTER_LONG, pair=pair, regime=regime, blocked_by="")
