"""The exchange venue: the venue port over one exchange's dialect.

Writes are sent once and never again, and go on when whoever waited for them is cancelled. An
order is reported filled only together with all its fills. What happens by itself is heard from
the user stream and, every few seconds, from the REST interface (``engine.venues.exchange.
userdata``); a fill is told once whichever way it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from engine.ledger.redact import Redactor
from engine.model.market import Instrument, Pair
from engine.model.orders import ExitReason, Fill, OrderKind, OrderState
from engine.venues.exchange.classify import read_failure, write_failure
from engine.venues.exchange.dialect import Dialect, OrderFacts, TradeFacts, is_ours
from engine.venues.exchange.memory import Known, Memory, kind_of
from engine.venues.port import (
    Account,
    NotExecuted,
    OrderReport,
    Refusal,
    Retryable,
    UnknownOutcome,
    VenueEvent,
    VenueOrderRequest,
    VenuePosition,
)

T = TypeVar("T")
READ_AGAIN_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0)
PATIENCE = 3  # attempts for an order that is still working; its further fills come by drain
_BNB = Pair("BNB/USDT:USDT")


class ExchangeVenue:
    """A live (or demo) account. Implements ``engine.venues.port.Venue``.

    ``marks`` gives the last mark price of a pair; ``held`` the signed quantity our own book has
    in a pair, by which an execution of an order that is not ours opens or closes. ``resync``
    measures the clock anew.
    """

    def __init__(
        self,
        dialect: Dialect,
        instruments: Mapping[Pair, Instrument],
        marks: Callable[[Pair], Decimal | None],
        *,
        redact: Redactor | None = None,
        resync: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.dialect = dialect
        self.memory = Memory()
        self.held: Callable[[Pair], Decimal] = _nothing
        self.in_flight: set[str] = set()
        self.closing: Callable[[], Awaitable[None]] | None = None
        self._instruments = dict(instruments)
        self._marks = marks
        self._redact = redact or Redactor()
        self._resync = resync
        self._writes: set[asyncio.Future[Any]] = set()
        self._events: list[VenueEvent] = []

    @property
    def instruments(self) -> Mapping[Pair, Instrument]:
        """Return the trading rules."""
        return self._instruments

    # The account

    async def account(self) -> Account:
        """Return balance, equity and free margin."""
        return await self.read(self.dialect.account())

    async def positions(self) -> Sequence[VenuePosition]:
        """Return the open positions in the pairs traded here."""
        found = await self.read(self.dialect.positions())
        return [position for position in found if position.pair in self._instruments]

    async def open_orders(self, pair: Pair | None = None) -> Sequence[OrderReport]:
        """Return resting orders, conditional ones and those of other programs included."""
        found = await self.read(self.dialect.resting())
        return [
            self.memory.learn(facts).report(facts)
            for facts in found
            if facts.pair in self._instruments and (pair is None or facts.pair == pair)
        ]

    async def set_leverage(self, pair: Pair, leverage: int) -> None:
        """Set isolated margin and leverage; already set is success."""
        instrument = self._instruments.get(pair)
        if instrument is not None and leverage > instrument.max_leverage:
            raise NotExecuted(
                Refusal.LEVERAGE,
                f"{pair.base} allows {instrument.max_leverage}x at most: lower DEFAULT_LEVERAGE",
            )
        await self.write(self.dialect.set_leverage(pair, leverage))

    def mark_price(self, pair: Pair) -> Decimal | None:
        """Return the last mark price seen, without asking the network."""
        return self._marks(pair)

    # Orders

    async def submit(self, order: VenueOrderRequest) -> OrderReport:
        """Send one order, once.

        Market orders come back with all their fills. Raises ``NotExecuted``, ``UnknownOutcome``
        or ``Fatal``.
        """
        if order.pair not in self._instruments:
            raise NotExecuted(Refusal.UNKNOWN_SYMBOL, f"{order.pair} is not traded here")
        known = Known.of(order, self._marks(order.pair))
        self.memory.note(known)
        self.in_flight.add(order.client_order_id)
        try:
            facts = await self._place(order)
            known = self.memory.learn(facts)
            if facts.conditional:
                return known.report(facts)
            report = await self._complete(facts, known)
        except Retryable as error:  # it was sent, but what became of it cannot be read
            raise UnknownOutcome(f"sent, but not read back: {error}") from None
        finally:
            self.in_flight.discard(order.client_order_id)
        if report.state.final:
            self.memory.close(known.client_id)
        return report

    async def _place(self, order: VenueOrderRequest) -> OrderFacts:
        """Send an order; once more only where our clock was the reason that it was refused."""
        try:
            facts = await self.write(self.dialect.place(order))
        except NotExecuted as refused:
            if refused.refusal is not Refusal.CLOCK or self._resync is None:
                raise
            await self._resync()
            facts = await self.write(self.dialect.place(order))
        if facts.client_id != order.client_order_id:
            raise UnknownOutcome(f"the exchange answered for another order, {facts.client_id}")
        return facts

    async def cancel(self, pair: Pair, client_order_id: str) -> OrderReport:
        """Cancel a resting order and return its final report (it may have filled instead)."""
        facts = self.memory.facts(client_order_id) or await self._look_up(pair, client_order_id)
        if facts is None:
            raise NotExecuted(Refusal.OTHER, f"no order {client_order_id} in {pair}")
        try:
            await self.write(self.dialect.cancel(facts))
        except NotExecuted as refused:
            report = await self._ended(pair, client_order_id)
            if report is None:
                raise NotExecuted(Refusal.OTHER, f"{client_order_id}: {refused}") from None
            return report
        known = self.memory.learn(facts)
        if facts.conditional:
            report = known.report(facts, state=OrderState.CANCELLED)
        else:
            report = await self._ended(pair, client_order_id) or known.report(
                facts, state=OrderState.CANCELLED
            )
        self.memory.close(client_order_id)
        return report

    async def _ended(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        """Return the report of an order that is over, None of one that is not, or unknown."""
        try:
            report = await self.find(pair, client_order_id)
        except Retryable as error:
            raise UnknownOutcome(f"not known whether it was cancelled: {error}") from None
        if report is not None and report.state.final:
            self.memory.close(client_order_id)
            return report
        return None

    async def find(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        """Look an order up by client id, with every fill; None when the venue knows no such.

        Raises ``Retryable`` also while an order's fills cannot be read completely.
        """
        facts = await self._look_up(pair, client_order_id)
        if facts is None:
            return None
        known = self.memory.learn(facts)
        if not facts.conditional:
            return await self._complete(facts, known)
        if facts.state is not OrderState.SUBMITTED:
            return known.report(facts)
        child: OrderFacts | None = None
        if facts.child_id:  # it has fired: its fills are those of the order it sent
            call: Awaitable[OrderFacts | None] = self.dialect.by_id(pair, facts.child_id)
            child = await self.read(call)
        if child is None:
            return known.report(facts)
        return await self._complete(child._replace(detail=facts.detail or child.detail), known)

    async def _look_up(self, pair: Pair, client_order_id: str) -> OrderFacts | None:
        known = self.memory.known(client_order_id)
        kind = known.kind if known else kind_of(client_order_id)
        conditional = kind in (OrderKind.STOP, OrderKind.TARGET)
        call: Awaitable[OrderFacts | None] = self.dialect.look_up(
            pair, client_order_id, conditional=conditional
        )
        return await self.read(call)

    async def _complete(self, facts: OrderFacts, known: Known) -> OrderReport:
        """Return an ordinary order's report once its fills add up to what it has filled."""
        fills: tuple[Fill, ...] = ()
        for attempt, pause in enumerate(READ_AGAIN_S):
            await asyncio.sleep(pause)
            if not facts.state.final and attempt:
                newer = await self.read(self.dialect.by_id(facts.pair, facts.venue_id))
                facts = newer or facts
            if facts.filled > 0:
                trades = await self.read(self.dialect.trades_of(facts.pair, facts.venue_id))
                fills = tuple(known.fill(trade, self.fee(trade)) for trade in trades)
            whole = sum((fill.quantity for fill in fills), Decimal(0)) == facts.filled
            if whole and (facts.state.final or attempt >= PATIENCE):
                return known.report(facts, fills)
        raise Retryable(1_000, f"the fills of {known.client_id} cannot be read yet")

    # What happens by itself

    def tell(self, event: VenueEvent) -> None:
        """Queue something for the next drain."""
        self._events.append(event)

    def drain(self) -> Sequence[VenueEvent]:
        """Return what happened by itself since the last call, in order."""
        events, self._events = self._events, []
        moved: dict[Pair, Decimal] = {}
        told: list[VenueEvent] = []
        for event in events:
            if isinstance(event, Fill):
                if not is_ours(event.client_order_id):
                    event = self._placed(event, moved)
                signed = event.quantity if event.buy else -event.quantity
                moved[event.pair] = moved.get(event.pair, Decimal(0)) + signed
            told.append(event)
        return told

    def _placed(self, fill: Fill, moved: Mapping[Pair, Decimal]) -> Fill:
        """Tell whether an execution of another's order opens or closes, by what we hold."""
        held = self.held(fill.pair) + moved.get(fill.pair, Decimal(0))
        reduces = held < 0 if fill.buy else held > 0
        if not reduces:
            return replace(fill, kind=OrderKind.ENTRY, reason=None)
        return replace(fill, kind=OrderKind.EXIT, reason=fill.reason or ExitReason.EXTERNAL)

    def fee(self, trade: TradeFacts) -> Decimal:
        """Return an execution's fee in quote currency; one paid in BNB at BNB's mark."""
        if trade.fee == 0 or trade.fee_asset in ("USDT", ""):
            return trade.fee
        mark = self._marks(_BNB) if trade.fee_asset == "BNB" else None
        if mark is None:  # the rate of the rules is the best estimate there is
            return trade.quantity * trade.price * self._instruments[trade.pair].taker_fee
        return trade.fee * mark

    # Calls

    async def read(self, call: Awaitable[T]) -> T:
        """Await a read. Raises ``Retryable`` or ``Fatal``."""
        try:
            return await call
        except Exception as error:  # noqa: BLE001 - every failure has its type
            raise read_failure(error, self._redact) from None

    async def write(self, call: Awaitable[T]) -> T:
        """Await a write, which goes on when we are cancelled. Raises what writes raise."""
        task = asyncio.ensure_future(call)
        self._writes.add(task)
        task.add_done_callback(self._written)
        try:
            return await asyncio.shield(task)
        except Exception as error:  # noqa: BLE001 - every failure has its type
            raise write_failure(error, self._redact) from None

    def _written(self, task: asyncio.Future[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved here, so that an abandoned one is not reported twice

    async def close(self) -> None:
        """Let writes under way end, then release connections."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=5)
        if self.closing is not None:
            await self.closing()


def _nothing(pair: Pair) -> Decimal:
    return Decimal(0)
