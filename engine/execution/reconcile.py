"""Reconciliation: the venue's positions, orders and the book brought in step, again and again.

``compare`` is pure: it says where book and venue differ. ``Reconciler`` acts on it: fills that
were missed are booked, a stop that does not rest is rested, orders of ours that guard nothing
are cancelled. What no fill explains halts its pair (``disputed``) and raises the breaker until
the operator adopts or closes it, or it is explained after all. Repeating it changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from engine.execution.book import Book
from engine.execution.desk import Sent
from engine.execution.flatten import adopted
from engine.model.events import Noticed, Severity
from engine.model.market import Pair
from engine.model.orders import ExitReason, Fill, OrderKind, OrderState, Position
from engine.protection.breaker import CircuitBreaker
from engine.venues.port import OrderReport, VenueError, VenuePosition

EVERY_MS = 30_000
LOOKS = 3  # how often a difference is looked at before it counts as unexplained
OUR_PREFIX = "sg"


class Fault(Enum):
    """What can differ between book and venue."""

    STOP_GONE = "stop gone"
    TARGET_GONE = "target gone"
    SIZE = "guard of another size"
    ORPHAN = "orphan order"
    POSITION = "position differs"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference; ``client_order_id`` names the order it is about, if it is about one."""

    fault: Fault
    pair: Pair
    detail: str
    client_order_id: str = ""


def compare(
    ours: Mapping[Pair, Position],
    held: Iterable[VenuePosition],
    resting: Iterable[OrderReport],
    uncertain: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Return where the book and the venue differ, by pair.

    ``uncertain`` are client ids of orders of unknown outcome: they are neither missing nor
    orphans, and a pair with one is not judged by its quantity.
    """
    theirs = {position.pair: position for position in held}
    orders = list(resting)
    resting_by_id = {order.client_order_id: order for order in orders}
    found: list[Finding] = []
    for pair in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(pair), theirs.get(pair)
        if (mine and (mine.side, mine.quantity)) != (other and (other.side, other.quantity)):
            found.append(Finding(Fault.POSITION, pair, f"{_words(mine)}; venue {_words(other)}"))
        if mine is not None and other is not None:
            found += _guards(mine, other, resting_by_id, uncertain)
    guards = {
        identifier
        for position in ours.values()
        for identifier in (position.stop_order_id, position.target_order_id)
    }
    found += [
        Finding(Fault.ORPHAN, order.pair, f"{order.client_order_id} guards nothing",
                order.client_order_id)
        for order in orders
        if order.kind in (OrderKind.STOP, OrderKind.TARGET)
        and order.client_order_id.startswith(OUR_PREFIX)
        and order.client_order_id not in guards
        and order.client_order_id not in uncertain
    ]  # fmt: skip
    return found


def _guards(
    mine: Position,
    other: VenuePosition,
    resting: Mapping[str, OrderReport],
    uncertain: frozenset[str],
) -> list[Finding]:
    """Return what is wrong with stop and target of a position that the venue has too."""
    found: list[Finding] = []
    wrong = ""
    for fault, identifier in (
        (Fault.STOP_GONE, mine.stop_order_id),
        (Fault.TARGET_GONE, mine.target_order_id),
    ):
        if not identifier or identifier in uncertain:
            continue
        order = resting.get(identifier)
        if order is None:
            found.append(Finding(fault, mine.pair, f"{identifier} does not rest", identifier))
        elif mine.quantity == other.quantity != order.quantity:
            wrong = f"{identifier} is for {order.quantity:f}, not {mine.quantity:f}"
    if wrong and not found:  # whatever rests anew has the right size
        found.append(Finding(Fault.SIZE, mine.pair, wrong))
    return found


class Reconciler:
    """Compares and repairs. ``poll`` asks the venue for what has happened meanwhile."""

    def __init__(
        self, book: Book, breaker: CircuitBreaker, poll: Callable[[], Awaitable[None]]
    ) -> None:
        self.disputed: dict[Pair, str] = {}
        self._book = book
        self._breaker = breaker
        self._poll = poll
        self._next = 0

    def due(self, now: int) -> bool:
        """Return whether it is time again (``now`` in ms)."""
        return now >= self._next

    async def run(self, now: int) -> list[str]:
        """Bring book and venue in step; return a sentence for every repair and dispute."""
        self._next = now + EVERY_MS
        notes: list[str] = []
        try:
            for look in range(LOOKS):
                await self._poll()
                await self._book.settle()
                findings = await self._look()
                if not findings:
                    break
                repairs = [f for f in findings if f.fault is not Fault.POSITION]
                for finding in repairs:
                    notes.append(await self._repair(finding))
                if look + 1 < LOOKS:
                    await self._book.desk.clock.sleep(200 * (look + 1))
        except VenueError as error:
            self._tell(Severity.WARNING, f"not reconciled, the venue does not answer: {error}")
            return [*notes, f"not reconciled yet: {error}"]
        self._judge([f for f in findings if f.fault is Fault.POSITION], notes, now)
        return notes

    async def _look(self) -> list[Finding]:
        book = self._book
        held: Sequence[VenuePosition] = await book.desk.venue.positions()
        resting = await book.desk.venue.open_orders()
        found = compare(book.positions, held, resting, frozenset(book.desk.unknown))
        return [
            finding
            for finding in found
            if finding.fault is not Fault.POSITION or finding.pair not in book.desk.blocked
        ]

    async def _repair(self, finding: Finding) -> str:
        """Repair one difference; return what was done."""
        book, pair = self._book, finding.pair
        sentence = f"{pair.base}: {finding.detail}"
        if finding.fault is Fault.ORPHAN:
            await book.desk.cancel(pair, finding.client_order_id)
            sentence += "; cancelled"
        elif finding.fault is Fault.SIZE and pair in book.positions:
            await book.guard_anew(pair)
            sentence += "; rested anew"
        elif pair in book.positions:
            report = await book.desk.venue.find(pair, finding.client_order_id)
            filled = report is not None and bool(report.fills)
            if not filled:  # its fills, if any, come by themselves and are booked first
                await book.guard_anew(pair)
                sentence += "; rested anew"
        self._tell(Severity.WARNING, f"repaired: {sentence}")
        return sentence

    def _judge(self, unexplained: Sequence[Finding], notes: list[str], now: int) -> None:
        """Halt the pairs whose difference nothing explains; clear those explained since."""
        disputed = {finding.pair: finding.detail for finding in unexplained}
        for pair, detail in disputed.items():
            if self.disputed.get(pair) != detail:
                sentence = f"{pair.base}: book {detail}; unexplained: adopt or close it"
                self._tell(Severity.CRITICAL, sentence)
                notes.append(sentence)
        for pair in self.disputed.keys() - disputed.keys():
            self._tell(Severity.INFO, f"{pair.base}: book and venue agree again")
        self.disputed = disputed
        changes = self._breaker.record_mismatch(bool(disputed), now)
        self._book.desk.journal.extend(changes)

    # What the operator may choose

    async def adopt(self, pair: Pair, now: int) -> str:
        """Take what the venue shows in a disputed pair for our own; return what was done."""
        book = self._book
        held = {position.pair: position for position in await book.desk.venue.positions()}
        theirs = held.get(pair)
        ours = book.positions.get(pair)
        if ours is not None:
            await self._write_off(ours, theirs.mark_price if theirs else self._price(ours))
        if theirs is not None:
            book.take_over(adopted(theirs, book.desk.venue.instruments[pair], now))
            await book.guard_anew(pair)
        await self.run(now)
        return f"{pair.base}: adopted {_words(book.positions.get(pair))}"

    async def _write_off(self, position: Position, price: Decimal) -> None:
        """Close a position in the records alone, at a price that stands for one nobody knows.

        The fill's id says that it is an estimate.
        """
        name, desk = f"estimate-{position.id}", self._book.desk
        self._tell(
            Severity.CRITICAL,
            f"{position.pair.base}: {position.quantity:f} written off at {price:f}, an estimate: "
            "the venue tells no fill",
        )
        fill = Fill(
            fill_id=name,
            client_order_id=name,
            pair=position.pair,
            buy=position.side.sign < 0,
            quantity=position.quantity,
            price=price,
            fee=Decimal(0),
            time=desk.clock.now(),
            kind=OrderKind.EXIT,
            reference_price=price,
            reason=ExitReason.EXTERNAL,
        )
        sent = Sent(name, position.pair, OrderKind.EXIT, position.quantity, None)
        report = OrderReport(
            name, position.pair, OrderKind.EXIT, OrderState.FILLED, fill.quantity, fill.quantity,
            None, (fill,), "estimated",
        )  # fmt: skip
        await self._book.learn(sent, report)

    def _price(self, position: Position) -> Decimal:
        return self._book.desk.venue.mark_price(position.pair) or position.entry_price

    def _tell(self, level: Severity, detail: str) -> None:
        desk = self._book.desk
        desk.journal.emit(
            Noticed(time=desk.clock.now(), level=level, topic="reconciliation", detail=detail)
        )


def _words(held: Position | VenuePosition | None) -> str:
    if held is None:
        return "nothing"
    quantity: Decimal = held.quantity
    return f"{held.side} {quantity:f}"
