"""A book: the positions of one account at one venue, and the orders that open and guard them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from engine.clock import Clock
from engine.execution.accounting import (
    apply_entry_fill,
    apply_exit_fill,
    apply_funding,
    open_position,
    split_fill,
)
from engine.execution.desk import OrderDesk, Sent
from engine.execution.exits import Exit, StopMove, stop_reason
from engine.execution.journal import Journal
from engine.execution.order_ids import position_id, reducing_id
from engine.model.decision import Decision
from engine.model.events import (
    ExitDecided,
    FundingPaid,
    Noticed,
    OrderFilled,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Severity,
)
from engine.model.market import Pair
from engine.model.orders import (
    ApprovedOrder,
    ClosedTrade,
    ExitReason,
    Fill,
    OrderKind,
    Position,
    ReduceOrder,
)
from engine.model.signal import Regime
from engine.strategy import Strategy
from engine.venues.port import FundingPayment, OrderReport

PROTECT_RETRY_MS = 500
PROTECT_DEADLINE_MS = 5_000
_REMEMBERED_FILLS = 10_000


class Ticket(NamedTuple):
    """What an entry's position will need once it fills, however late that is heard of."""

    order: ApprovedOrder
    regime: Regime
    confidence: float
    strategy: str
    version: int
    equity: Decimal
    thesis: tuple[str, ...]


class Book:
    """Positions by pair. ``on_trade`` is told of every trade that closes here.

    Every method leaves the book, the venue and the journal in step; the caller flushes the
    journal.
    """

    def __init__(
        self,
        desk: OrderDesk,
        journal: Journal,
        clock: Clock,
        *,
        shadow: bool = False,
    ) -> None:
        self.desk = desk
        self.positions: dict[Pair, Position] = {}
        self.shadow = shadow
        self._journal = journal
        self._clock = clock
        self.on_trade: Callable[[ClosedTrade], None] = _unheard
        self._seen_fills: set[str] = set()
        self._fill_order: deque[str] = deque()
        self._tickets: dict[str, Ticket] = {}  # entries that may still fill, by client order id
        self._last_number = 0

    def adopt(self, positions: Iterable[Position], best: Mapping[str, str] | None = None) -> None:
        """Take over positions that the ledger knows to be open.

        ``best`` are their best prices by position id, as ``best_prices`` gave them.
        """
        for position in positions:
            price = (best or {}).get(position.id)
            known = position if price is None else replace(position, best_price=Decimal(price))
            self.positions[position.pair] = known

    def remember_fills(self, fills: Iterable[Fill]) -> None:
        """Note fills that are in the records already, so that they are not applied again."""
        for fill in fills:
            self._is_new(fill)

    def best_prices(self) -> dict[str, str]:
        """Return the best price of every position, which moves too often to be journalled."""
        return {position.id: str(position.best_price) for position in self.positions.values()}

    # Opening

    async def enter(
        self, order: ApprovedOrder, decision: Decision, strategy: Strategy, equity: Decimal
    ) -> bool:
        """Open a position and rest its stop and target; return whether anything was filled."""
        v2 = decision.v2
        self._tickets[order.client_order_id] = Ticket(
            order,
            decision.regime.regime,
            decision.confidence,
            strategy.name,
            strategy.version,
            equity,
            tuple(vote.rule for vote in v2.supporting) if v2 else (),
        )
        report = await self.desk.send(order)
        fills = [fill for fill in (report.fills if report else ()) if self._is_new(fill)]
        if fills:
            self._open(fills)
        if report is None and order.client_order_id not in self.desk.unknown:
            del self._tickets[order.client_order_id]  # refused; an unknown one may yet fill
        elif report is not None and report.state.final:
            del self._tickets[order.client_order_id]
        if fills:
            await self._journal.flush()  # the position is durable before anything else is sent
            await self.protect(order.pair)
        return bool(fills)

    def expect(self, ticket: Ticket) -> None:
        """Await the fills of an entry that an earlier run has sent."""
        self._tickets[ticket.order.client_order_id] = ticket

    def _open(self, fills: Sequence[Fill]) -> None:
        """Make a position of an entry's fills."""
        ticket = self._tickets[fills[0].client_order_id]
        position = open_position(
            ticket.order,
            fills,
            position_id=position_id(ticket.order.client_order_id),
            regime=ticket.regime,
            confidence=ticket.confidence,
            strategy=ticket.strategy,
            strategy_version=ticket.version,
            entry_equity=ticket.equity,
            thesis=ticket.thesis,
            shadow=self.shadow,
        )
        self.positions[position.pair] = position
        for fill in fills:
            self._emit_fill(fill)
        self._journal.emit(PositionOpened(time=self._clock.now(), position=position))

    async def protect(self, pair: Pair) -> None:
        """Rest stop and target for the whole position; close it if no stop can rest in time."""
        position = self.positions[pair]
        deadline = self._clock.now() + PROTECT_DEADLINE_MS
        while position.stop_order_id is None:
            if self.desk.pending(pair, OrderKind.STOP):  # it may rest or not: never a second one
                await self._give_up(position)
                return
            order = ReduceOrder.stop(
                position, self._id(position, OrderKind.STOP), position.stop_price
            )
            report = await self.desk.send(order)
            if report is not None and not report.state.final:
                position = replace(position, stop_order_id=order.client_order_id)
            elif report is not None and self._apply_new(report.fills):
                if pair not in self.positions:  # it fired at once
                    await self._sweep(position)
                    return
                position = self.positions[pair]
            elif not await self._may_retry(position, deadline):
                await self._give_up(position)
                return
        if position.target_order_id is None and not self.desk.pending(pair, OrderKind.TARGET):
            target = ReduceOrder.target(
                position, self._id(position, OrderKind.TARGET), position.target_price
            )
            report = await self.desk.send(target)
            if report is not None and not report.state.final:
                position = replace(position, target_order_id=target.client_order_id)
        rests = "rests" if position.target_order_id is not None else "could not be placed yet"
        self._update(
            position, f"stop {position.stop_price} rests, target {position.target_price} {rests}"
        )

    async def _may_retry(self, position: Position, deadline: int) -> bool:
        """Wait for the next attempt to rest a stop; False when there is no use in one.

        There is none beyond the deadline, with the market beyond the stop, or where simulated
        time stands still.
        """
        if self._hopeless(position):
            return False
        now = self._clock.now()
        await self._clock.sleep(PROTECT_RETRY_MS)
        return now < self._clock.now() < deadline

    # What happened by itself

    async def settle(self) -> None:
        """Apply what the venue did since the last call: triggers, funding, lost orders."""
        grown: set[Pair] = set()
        naked: set[Pair] = set()
        if self.desk.unsettled:
            await self.desk.sweep()
            for sent, report in await self.desk.ask_again():
                if await self.learn(sent, report):
                    grown.add(sent.pair)
        for event in self.desk.venue.drain():
            if isinstance(event, Fill):
                if self._is_new(event) and self._apply(event):
                    grown.add(event.pair)
            elif isinstance(event, FundingPayment):
                self._fund(event)
            else:
                self.desk.told(event)
                if event.state.final:
                    self._tickets.pop(event.client_order_id, None)
                if self.lost(event):
                    naked.add(event.pair)
        if grown or naked:
            for pair in sorted(grown & self.positions.keys()):
                await self._resize(self.positions[pair])
            for pair in sorted(naked & self.positions.keys() - grown):
                await self.protect(pair)

    async def learn(self, sent: Sent, report: OrderReport) -> bool:
        """Take in what became of an order of unknown outcome.

        Return whether its fills changed the position, so that protection has to follow.
        """
        before = self.positions.get(sent.pair)
        changed = self._apply_new(report.fills)
        position = self.positions.get(sent.pair)
        if report.state.final:
            self._tickets.pop(sent.client_order_id, None)
            if sent.kind is not OrderKind.ENTRY and before is not None and position is None:
                await self._sweep(before)
        elif sent.kind is OrderKind.STOP and position and position.stop_order_id is None:
            stop = sent.trigger_price or position.stop_price
            found = replace(position, stop_order_id=sent.client_order_id, stop_price=stop)
            self._update(found, f"stop {stop} rests after all")
        elif sent.kind is OrderKind.TARGET and position and position.target_order_id is None:
            found = replace(position, target_order_id=sent.client_order_id)
            self._update(found, f"target {position.target_price} rests after all")
        elif sent.kind in (OrderKind.STOP, OrderKind.TARGET):
            guards = (position.stop_order_id, position.target_order_id) if position else ()
            if sent.client_order_id not in guards:  # nobody needs it any more
                await self.desk.cancel(sent.pair, sent.client_order_id)
        return changed

    def lost(self, report: OrderReport) -> bool:
        """Note an order that is over; return whether its position is still there to be guarded."""
        position = self.positions.get(report.pair)
        if position is None or not report.state.final:
            return False
        if report.client_order_id == position.stop_order_id:
            self._update(replace(position, stop_order_id=None), f"stop {report.state}")
        elif report.client_order_id == position.target_order_id:
            self._update(replace(position, target_order_id=None), f"target {report.state}")
        else:
            return False
        return True

    def _apply_new(self, fills: Iterable[Fill]) -> bool:
        """Apply the fills not seen yet; return whether there were any."""
        new = [fill for fill in fills if self._is_new(fill)]
        for fill in new:
            self._apply(fill)
        return bool(new)

    def _apply(self, fill: Fill) -> bool:
        """Apply one fill; return whether protection has to follow it."""
        position = self.positions.get(fill.pair)
        if position is None and fill.client_order_id in self._tickets:
            self._open([fill])
            return True
        self._emit_fill(fill)
        if position is None:
            self._notice(
                Severity.CRITICAL, f"fill {fill.fill_id} without a position in {fill.pair}"
            )
            return False
        if fill.kind is OrderKind.ENTRY:
            self._update(apply_entry_fill(position, fill), "entry filled further")
            return True
        if fill.kind is OrderKind.STOP and fill.reason is ExitReason.STOP_LOSS:
            fill = replace(fill, reason=stop_reason(position))
        closing, flipped = split_fill(position, fill)
        if flipped is not None:
            self._notice(
                Severity.CRITICAL,
                f"fill {fill.fill_id} of {fill.quantity} exceeds the position in {fill.pair} "
                f"by {flipped.quantity}",
            )
        left, trade = apply_exit_fill(position, closing)
        if left is not None:
            self._update(left, f"reduced by {closing.quantity}")
        elif trade is not None:
            del self.positions[fill.pair]
            detail = f"{trade.exit_reason}: {trade.pnl:+.2f} ({trade.r_multiple:+.2f} R)"
            self._journal.emit(
                PositionClosed(
                    time=trade.exit_time, position_id=position.id, trade=trade, detail=detail
                )
            )
            self.on_trade(trade)
        return False

    def _fund(self, payment: FundingPayment) -> None:
        self._journal.emit(
            FundingPaid(
                time=payment.time,
                pair=payment.pair,
                amount=payment.amount,
                rate=payment.rate,
                shadow=self.shadow,
            )
        )
        position = self.positions.get(payment.pair)
        if position is not None:
            funded = apply_funding(position, payment.amount)
            self._update(funded, f"funding so far {funded.funding:f}")

    # What only the venue knows

    def take_over(self, position: Position) -> None:
        """Take over a position that the venue shows and nobody here knows.

        Entries in its pair are no longer awaited: what they filled is part of it.
        """
        for sent in [s for s in self.desk.unknown.values() if s.pair == position.pair]:
            if sent.kind is OrderKind.ENTRY:
                self._tickets.pop(sent.client_order_id, None)
                self.desk.give_up(sent)
        self._notice(
            Severity.CRITICAL,
            f"{position.side} {position.quantity:f} {position.pair.base} is open at the venue "
            "and in no record; taken over",
        )
        self._journal.emit(PositionOpened(time=self._clock.now(), position=position))
        self.positions[position.pair] = position

    async def guard_anew(self, pair: Pair) -> None:
        """Rest stop and target anew, whatever seems to rest already."""
        await self._resize(self.positions[pair])

    # Changing and closing

    def remember_best(self, pair: Pair, price: Decimal) -> None:
        """Note the best mark price a position has seen."""
        position = self.positions[pair]
        if price != position.best_price:
            self.positions[pair] = replace(position, best_price=price)

    async def move_stop(self, pair: Pair, move: StopMove) -> None:
        """Rest the better stop first, then cancel the old one."""
        position = self.positions[pair]
        if self.desk.pending(pair, OrderKind.STOP):
            return  # an earlier better stop may rest already
        order = ReduceOrder.stop(position, self._id(position, OrderKind.STOP), move.price)
        report = await self.desk.send(order)
        if report is None or (report.state.final and not report.fills):
            return  # the old stop still rests; the next pass tries again
        if report.fills:  # it fired at once
            await self._after_exit(position, self._apply_new(report.fills))
            return
        if position.stop_order_id is not None:
            await self.desk.cancel(pair, position.stop_order_id)
        self._update(
            replace(
                position,
                stop_price=move.price,
                stop_order_id=order.client_order_id,
                trailing=move.trailing or position.trailing,
                breakeven=move.breakeven or position.breakeven,
            ),
            move.detail,
        )

    async def leave(self, pair: Pair, decided: Exit) -> bool:
        """Close (part of) a position at market; return whether it is gone (or reduced)."""
        position = self.positions[pair]
        if self.desk.pending(pair, OrderKind.EXIT):
            return False  # an earlier exit may have been executed; it is asked for every pass
        self._journal.emit(
            ExitDecided(
                time=self._clock.now(),
                pair=pair,
                reason=decided.reason,
                detail=decided.detail,
                shadow=self.shadow,
            )
        )
        order = ReduceOrder.exit_at_market(
            position, self._id(position, OrderKind.EXIT), decided.quantity, decided.reason
        )
        report = await self.desk.send(order)
        filled = self._apply_new(report.fills if report else ())
        rest = self.positions.get(pair)
        if filled and rest is not None and decided.reason is ExitReason.PARTIAL_TARGET:
            self.positions[pair] = replace(rest, partial_taken=True)
        await self._after_exit(position, filled)
        return filled

    async def _after_exit(self, before: Position, filled: bool) -> None:
        """Bring protection in step with an exit: none for what is gone, less for what is left."""
        rest = self.positions.get(before.pair)
        if rest is None:
            await self._sweep(before)
        elif filled:
            await self._resize(rest)

    async def close_all(self, reason: ExitReason, detail: str) -> list[Pair]:
        """Close every position at market; return the pairs that are still open."""
        for pair in sorted(self.positions):
            position = self.positions[pair]
            await self.leave(pair, Exit(reason, position.quantity, detail))
        return sorted(self.positions)

    async def _resize(self, position: Position) -> None:
        """Rest protection for what is left before taking the larger orders away."""
        old = (position.stop_order_id, position.target_order_id)
        self.positions[position.pair] = replace(position, stop_order_id=None, target_order_id=None)
        await self.protect(position.pair)
        for identifier in old:
            if identifier is not None:
                await self.desk.cancel(position.pair, identifier)

    async def _sweep(self, position: Position) -> None:
        for identifier in (position.stop_order_id, position.target_order_id):
            if identifier is not None:
                await self.desk.cancel(position.pair, identifier)

    async def _give_up(self, position: Position) -> None:
        self.positions[position.pair] = position
        self._notice(
            Severity.CRITICAL,
            f"no stop could be placed for {position.pair.base}; closing it at market",
        )
        await self.leave(
            position.pair,
            Exit(ExitReason.PROTECTION_FAILED, position.quantity, "no stop could be placed"),
        )

    def _hopeless(self, position: Position) -> bool:
        """Return whether the market is beyond the stop already, so that no stop can rest."""
        mark = self.desk.venue.mark_price(position.pair)
        return mark is not None and (mark - position.stop_price) * position.side.sign <= 0

    # Small things

    def _update(self, position: Position, detail: str) -> None:
        self.positions[position.pair] = position
        self._journal.emit(
            PositionChanged(time=self._clock.now(), position=position, detail=detail)
        )

    def _emit_fill(self, fill: Fill) -> None:
        self.desk.saw_fill(fill.slippage)
        self._journal.emit(OrderFilled(time=fill.time, fill=fill, shadow=self.shadow))

    def _notice(self, level: Severity, detail: str) -> None:
        self._journal.emit(
            Noticed(time=self._clock.now(), level=level, topic="positions", detail=detail)
        )

    def _id(self, position: Position, kind: OrderKind) -> str:
        self._last_number = max(self._clock.now(), self._last_number + 1)
        return reducing_id(position, kind, self._last_number)

    def _is_new(self, fill: Fill) -> bool:
        if fill.fill_id in self._seen_fills:
            return False
        self._seen_fills.add(fill.fill_id)
        self._fill_order.append(fill.fill_id)
        if len(self._fill_order) > _REMEMBERED_FILLS:
            self._seen_fills.discard(self._fill_order.popleft())
        return True


def _unheard(trade: ClosedTrade) -> None:
    """Ignore a trade: nobody listens yet."""
