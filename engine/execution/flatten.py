"""Flatten and make safe: the two things that must succeed while everything else fails.

Both ask the venue and never believe the book alone, both go on through requests that are not
answered, in bounded and paced rounds, and neither opens anything. The caller has halted entries
(``OrderDesk.entries_held``) before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from engine.clock import Clock
from engine.execution.book import Book
from engine.execution.desk import Sent
from engine.execution.exits import Exit
from engine.execution.order_ids import base36
from engine.model.market import Instrument, Pair
from engine.model.orders import ExitReason, OrderKind, Position
from engine.model.signal import Regime
from engine.venues.port import OrderReport, VenueError, VenuePosition

ROUNDS = 40
SAFE_ROUNDS = 8
PAUSES_MS = (250, 500, 1_000, 2_000)
ATTEMPTS = 3  # at one question within a round
HIDDEN_ROUNDS = 6  # how long an entry of unknown outcome may explain a position

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flatness:
    """What flattening came to. ``flat``: the venue said that no position and no order is left.

    ``left`` are the pairs still open as far as is known; ``closed`` counts positions that are
    gone, ``unanswered`` the questions the venue did not answer.
    """

    flat: bool
    closed: int
    rounds: int
    unanswered: int
    left: tuple[Pair, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """The venue's own word: every position and every resting order."""

    positions: dict[Pair, VenuePosition]
    orders: Sequence[OrderReport]


class _Watcher:
    """Asks the venue; a question that is not answered is counted, never fatal."""

    def __init__(self, book: Book, clock: Clock) -> None:
        self.unanswered = 0
        self._venue = book.desk.venue
        self._clock = clock

    async def look(self) -> _Seen | None:
        """Return what the venue shows, None while it does not answer both questions."""
        held = await self.ask(self._venue.positions)
        orders = None if held is None else await self.ask(self._venue.open_orders)
        if held is None or orders is None:
            return None
        return _Seen({position.pair: position for position in held}, orders)

    async def ask(self, question: Callable[..., Awaitable[T]], *about: object) -> T | None:
        """Return the answer to one question, None where none comes to a few attempts."""
        for _ in range(ATTEMPTS):
            try:
                return await question(*about)
            except VenueError as error:
                self.unanswered += 1
                _log.info("the venue does not answer: %s", error)
            await self._clock.sleep(PAUSES_MS[0])
        return None


async def flatten(
    book: Book, clock: Clock, detail: str, reason: ExitReason = ExitReason.FLATTEN
) -> Flatness:
    """Close every position at market, reduce-only, cancel every order, and see that it is so.

    Stops go on guarding a position until it is closed. Ends when the venue shows nothing and no
    entry may still fill, or after ``ROUNDS`` rounds; then calling it again goes on.
    """
    watcher = _Watcher(book, clock)
    known = set(book.positions)
    seen: _Seen | None = None
    number = 0
    for number in range(1, ROUNDS + 1):
        await book.settle()
        closing = [p for p in sorted(book.positions) if seen is None or p in seen.positions]
        exits = [Exit(reason, book.positions[pair].quantity, detail) for pair in closing]
        # Side by side: one pair's silence must not keep the others open.
        await asyncio.gather(*map(book.leave, closing, exits))
        seen = await watcher.look()
        if seen is not None:
            known |= seen.positions.keys()
            await _meet_strangers(book, clock, seen, number)
            await _bury_ghosts(book, watcher, seen)
            await _cancel_idle(book, seen)
            if not seen.positions and not seen.orders and not _may_fill(book):
                return _flat(book, len(known), number, watcher.unanswered)
        await clock.sleep(_pause_ms(number))
    left = tuple(sorted(seen.positions if seen is not None else book.positions))
    names = ", ".join(pair.base for pair in left) or "an order may still be open"
    return Flatness(
        False,
        len(known) - len(left),
        number,
        watcher.unanswered,
        left,
        f"not flat after {number} rounds: {names}",
    )


async def make_safe(book: Book, clock: Clock, detail: str) -> tuple[Pair, ...]:
    """See that every position has a stop working at the venue, or is closed.

    Returns the pairs of which that could not be seen, after ``SAFE_ROUNDS`` rounds of resting
    stops anew and, failing that, flattening.
    """
    watcher = _Watcher(book, clock)
    for number in range(1, SAFE_ROUNDS + 1):
        await book.settle()
        seen = await watcher.look()
        if seen is not None:
            await _meet_strangers(book, clock, seen, HIDDEN_ROUNDS)
            naked = _naked(seen)
            if not naked and not _may_fill(book):
                return ()
            for pair in naked:
                if pair in book.positions:
                    await book.guard_anew(pair)
        await clock.sleep(_pause_ms(number))
    return (await flatten(book, clock, detail, ExitReason.PROTECTION_FAILED)).left


def _naked(seen: _Seen) -> list[Pair]:
    """Return the pairs whose position is not covered by stops resting at the venue."""
    covered: dict[Pair, Decimal] = {}
    for order in seen.orders:
        if order.kind is OrderKind.STOP and not order.state.final:
            covered[order.pair] = covered.get(order.pair, Decimal(0)) + order.quantity
    return [
        pair
        for pair, position in sorted(seen.positions.items())
        if covered.get(pair, Decimal(0)) < position.quantity
    ]


async def _meet_strangers(book: Book, clock: Clock, seen: _Seen, number: int) -> None:
    """Take over positions the book does not know; the next round closes or guards them.

    Where an entry of unknown outcome may explain one, its own report is waited for a while.
    """
    for pair, position in sorted(seen.positions.items()):
        explained = pair in _awaited(book) and number < HIDDEN_ROUNDS
        if pair not in book.positions and not explained:
            book.take_over(adopted(position, book.desk.venue.instruments[pair], clock.now()))


async def _bury_ghosts(book: Book, watcher: _Watcher, seen: _Seen) -> None:
    """Learn how positions ended that only the book still has: their stop or target filled."""
    for pair in sorted(book.positions.keys() - seen.positions.keys()):
        position = book.positions[pair]
        for kind, identifier, price in (
            (OrderKind.STOP, position.stop_order_id, position.stop_price),
            (OrderKind.TARGET, position.target_order_id, position.target_price),
        ):
            if identifier is None or pair not in book.positions:
                continue
            sent = Sent(identifier, pair, kind, position.quantity, price)
            report = await watcher.ask(book.desk.venue.find, pair, identifier)
            if report is not None and report.fills:
                book.desk.told(report)
                await book.learn(sent, report)


async def _cancel_idle(book: Book, seen: _Seen) -> None:
    """Cancel the orders of pairs without a position: nothing is left for them to guard."""
    for order in seen.orders:
        if order.pair not in seen.positions:
            await book.desk.cancel(order.pair, order.client_order_id)


def _awaited(book: Book) -> set[Pair]:
    unknown = book.desk.unknown.values()
    return {sent.pair for sent in unknown if sent.kind is OrderKind.ENTRY}


def _may_fill(book: Book) -> bool:
    """Return whether an entry is on its way or of unknown outcome."""
    return bool(book.desk.entering or _awaited(book))


def _flat(book: Book, closed: int, rounds: int, unanswered: int) -> Flatness:
    ghosts = ", ".join(pair.base for pair in sorted(book.positions))
    words = f"flat: {closed} position{'' if closed == 1 else 's'} closed"
    if ghosts:
        words += f"; the records still have {ghosts}, which the venue does not"
    return Flatness(True, closed, rounds, unanswered, (), words)


def _pause_ms(number: int) -> int:
    return PAUSES_MS[min(number, len(PAUSES_MS)) - 1]


def adopted(held: VenuePosition, instrument: Instrument, now: int) -> Position:
    """Return a position of which only the venue knows, good enough to close it.

    Its stop is set 5 % away where one has to be rested; there is no plan to go by.
    """
    away = held.mark_price * Decimal("0.05") * held.side.sign
    return Position(
        id=f"sgv-{held.pair.base}-{base36(now)}",
        pair=held.pair,
        side=held.side,
        quantity=held.quantity,
        initial_quantity=held.quantity,
        entry_price=held.entry_price,
        opened=now,
        stop_price=instrument.round_price(held.mark_price - away),
        target_price=instrument.round_price(held.mark_price + 2 * away),
        risk_per_unit=abs(away),
        leverage=1,
        regime=Regime.UNKNOWN,
        confidence=0.0,
        strategy="adopted",
        strategy_version=1,
        entry_equity=Decimal(0),
        thesis=(),
        best_price=held.mark_price,
        client_order_ids=(),
    )
