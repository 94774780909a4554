"""A book: the positions of one account at one venue, and the orders that open and guard them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from engine.clock import Clock
from engine.execution.accounting import (
    apply_entry_fill,
    apply_exit_fill,
    apply_funding,
    open_position,
    split_fill,
)
from engine.execution.desk import OrderDesk
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
    OrderState,
    Position,
    ReduceOrder,
)
from engine.strategy import Strategy
from engine.venues.port import FundingPayment, OrderReport

PROTECT_RETRY_MS = 500
PROTECT_DEADLINE_MS = 5_000
_REMEMBERED_FILLS = 10_000


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
        self._last_number = 0

    def adopt(self, positions: Iterable[Position]) -> None:
        """Take over positions that the ledger knows to be open."""
        self.positions.update({position.pair: position for position in positions})

    # Opening

    async def enter(
        self, order: ApprovedOrder, decision: Decision, strategy: Strategy, equity: Decimal
    ) -> bool:
        """Open a position and rest its stop and target; return whether anything was filled."""
        await self.desk.venue.set_leverage(order.pair, order.leverage)
        report = await self.desk.send(order)
        fills = [fill for fill in (report.fills if report else ()) if self._is_new(fill)]
        if not fills:
            return False
        v2 = decision.v2
        position = open_position(
            order,
            fills,
            position_id=position_id(order.client_order_id),
            regime=decision.regime.regime,
            confidence=decision.confidence,
            strategy=strategy.name,
            strategy_version=strategy.version,
            entry_equity=equity,
            thesis=tuple(vote.rule for vote in v2.supporting) if v2 else (),
            shadow=self.shadow,
        )
        self.positions[position.pair] = position
        for fill in fills:
            self._emit_fill(fill)
        self._journal.emit(PositionOpened(time=self._clock.now(), position=position))
        await self._journal.flush()  # the position is durable before anything else is sent
        await self.protect(position.pair)
        return True

    async def protect(self, pair: Pair) -> None:
        """Rest stop and target for the whole position; close it if no stop can rest in time."""
        position = self.positions[pair]
        started = self._clock.now()
        while position.stop_order_id is None:
            order = ReduceOrder.stop(
                position, self._id(position, OrderKind.STOP), position.stop_price
            )
            report = await self.desk.send(order)
            if report is not None and not report.state.final:
                position = replace(position, stop_order_id=order.client_order_id)
            elif (
                report is None and self.desk.unknown.get(pair) is None and self._hopeless(position)
            ) or self._clock.now() - started >= PROTECT_DEADLINE_MS:
                await self._give_up(position)
                return
            else:
                await self._clock.sleep(PROTECT_RETRY_MS)
                if self._clock.now() == started:  # simulated time stands still: no use waiting
                    await self._give_up(position)
                    return
        if position.target_order_id is None:
            target = ReduceOrder.target(
                position, self._id(position, OrderKind.TARGET), position.target_price
            )
            report = await self.desk.send(target)
            if report is not None and not report.state.final:
                position = replace(position, target_order_id=target.client_order_id)
        self._update(position, f"stop {position.stop_price}, target {position.target_price} rest")

    # What happened by itself

    async def settle(self) -> None:
        """Apply what the venue did since the last call: triggers, funding, lost orders."""
        naked: set[Pair] = set()
        for event in self.desk.venue.drain():
            if isinstance(event, Fill):
                if self._is_new(event):
                    self._apply(event)
            elif isinstance(event, FundingPayment):
                self._fund(event)
            elif self._lost(event):
                naked.add(event.pair)
        for pair in sorted(naked):
            if pair in self.positions:
                await self.protect(pair)

    def _apply(self, fill: Fill) -> None:
        position = self.positions.get(fill.pair)
        self._emit_fill(fill)
        if position is None:
            self._notice(
                Severity.CRITICAL, f"fill {fill.fill_id} without a position in {fill.pair}"
            )
            return
        if fill.kind is OrderKind.ENTRY:
            self._update(apply_entry_fill(position, fill), "entry filled further")
            return
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

    def _fund(self, payment: FundingPayment) -> None:
        position = self.positions.get(payment.pair)
        if position is not None:
            self.positions[payment.pair] = apply_funding(position, payment.amount)
        self._journal.emit(
            FundingPaid(
                time=payment.time,
                pair=payment.pair,
                amount=payment.amount,
                rate=payment.rate,
                shadow=self.shadow,
            )
        )

    def _lost(self, report: OrderReport) -> bool:
        """Note an order that ended by itself; return whether it was a position's stop or target."""
        position = self.positions.get(report.pair)
        if position is None or report.state not in (OrderState.CANCELLED, OrderState.REJECTED):
            return False
        if report.client_order_id == position.stop_order_id:
            self._update(replace(position, stop_order_id=None), f"stop {report.state}")
        elif report.client_order_id == position.target_order_id:
            self._update(replace(position, target_order_id=None), f"target {report.state}")
        else:
            return False
        return True

    # Changing and closing

    def remember_best(self, pair: Pair, price: Decimal) -> None:
        """Note the best mark price a position has seen."""
        position = self.positions[pair]
        if price != position.best_price:
            self.positions[pair] = replace(position, best_price=price)

    async def move_stop(self, pair: Pair, move: StopMove) -> None:
        """Rest the better stop first, then cancel the old one."""
        position = self.positions[pair]
        order = ReduceOrder.stop(position, self._id(position, OrderKind.STOP), move.price)
        report = await self.desk.send(order)
        if report is None or report.state.final:
            return  # the old stop still rests; the next pass tries again
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
        fills = [fill for fill in (report.fills if report else ()) if self._is_new(fill)]
        for fill in fills:
            self._apply(fill)
        rest = self.positions.get(pair)
        if rest is None:
            await self._sweep(position)
        elif fills:
            rest = replace(rest, partial_taken=decided.reason is ExitReason.PARTIAL_TARGET)
            await self._resize(rest)
        return bool(fills)

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
