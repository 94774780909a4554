"""The order desk: the one place from which an order leaves, and where its fate is learned."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, Protocol

from engine.clock import Clock
from engine.execution.journal import Journal
from engine.ledger.port import RecordError
from engine.model.events import Noticed, OrderChanged, Severity
from engine.model.market import Pair
from engine.model.orders import ApprovedOrder, OrderKind, OrderState, ReduceOrder
from engine.venues.port import (
    Fatal,
    NotExecuted,
    OrderReport,
    Refusal,
    Retryable,
    UnknownOutcome,
    Venue,
    VenueError,
)

EVIDENCE_MS = 10_000  # how long "no such order" is asked again before it is believed
EVIDENCE_STEP_MS = 1_000
# A position without a stop cannot wait that long: another stop is harmless, reduce-only as it is,
# and one that turns out to rest after all is swept.
STOP_EVIDENCE_MS = 1_000
STOP_EVIDENCE_STEP_MS = 250
_NONE: frozenset[Pair] = frozenset()


class OrderObserver(Protocol):
    """Learns how orders fare; the circuit breaker's ears."""

    def order_result(self, ok: bool) -> None:
        """Note that an order was accepted or refused."""

    def fill_slippage(self, fraction: float) -> None:
        """Note how much worse than its reference a fill was, as a fraction of price."""


class Sent(NamedTuple):
    """What is needed to look an order up again, and to tell of it."""

    client_order_id: str
    pair: Pair
    kind: OrderKind
    quantity: Decimal
    trigger_price: Decimal | None

    @classmethod
    def of(cls, order: ApprovedOrder | ReduceOrder) -> Sent:
        """Return the essentials of an order."""
        if isinstance(order, ReduceOrder):
            kind, trigger = order.kind, order.trigger_price
        else:
            kind, trigger = OrderKind.ENTRY, None
        return cls(order.client_order_id, order.pair, kind, order.quantity, trigger)


class OrderDesk:
    """Sends orders: intent durable, then the request, then evidence of what became of it.

    An unknown outcome is looked up by client order id until the venue gives evidence; the
    order is never sent again under another id. ``unknown`` holds such orders by client id.

    While ``entries_held`` says why, no entry leaves, not even one approved before; ``entering``
    holds the client ids of entries that are on their way.
    """

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        clock: Clock,
        observer: OrderObserver | None,
        *,
        shadow: bool,
    ) -> None:
        self.venue = venue
        self.journal = journal
        self.clock = clock
        self.shadow = shadow
        self._observer = observer
        self.unknown: dict[str, Sent] = {}
        self.entries_held = ""
        self.entering: set[str] = set()
        self._doubted: dict[str, int] = {}  # since when, for orders whose outcome became unknown
        self._lingering: dict[str, Pair] = {}  # to be cancelled, not yet known to be gone

    # Sending

    async def send(self, order: ApprovedOrder | ReduceOrder) -> OrderReport | None:
        """Send one order and return the venue's report, or None when it was not executed.

        None is also the answer while the outcome is unknown; see ``unknown``. An entry whose
        intent cannot be recorded, or whose leverage cannot be set, does not leave; an order
        that reduces risk leaves all the same.
        """
        if isinstance(order, ReduceOrder):
            return await self._send(order)
        self.entering.add(order.client_order_id)
        try:
            return await self._send(order)
        finally:
            self.entering.discard(order.client_order_id)

    async def _send(self, order: ApprovedOrder | ReduceOrder) -> OrderReport | None:
        sent = Sent.of(order)
        if isinstance(order, ApprovedOrder) and not await self._set_leverage(order, sent):
            return None
        try:
            await self.journal.recorder.intend(order, self.clock.now(), shadow=self.shadow)
        except RecordError as error:
            self.journal.failing = True
            if sent.kind is OrderKind.ENTRY:
                self.tell(sent, OrderState.REJECTED, f"intent not recorded: {error}")
                return None
            self._notice(
                order.pair, f"{sent.kind} sent although its intent was not recorded: {error}"
            )
        if self.entries_held and sent.kind is OrderKind.ENTRY:  # however late that was said
            self.tell(sent, OrderState.CANCELLED, f"not sent: {self.entries_held}")
            return None
        try:
            report = await self.venue.submit(order)
        except UnknownOutcome as error:
            self._observe(False)
            self.doubt(sent, self.clock.now(), str(error))
            found = await self._evidence(sent)
            if found is None:
                return None
            report = found
        except VenueError as error:
            self._refused(sent, error)
            return None
        else:
            self._observe(True)
        self.tell(sent, report.state, report.detail)
        return report

    def saw_fill(self, slippage: float) -> None:
        """Note the slippage of a fill, however it came about (fraction of price)."""
        if self._observer is not None:
            self._observer.fill_slippage(slippage)

    async def _set_leverage(self, order: ApprovedOrder, sent: Sent) -> bool:
        """Set an entry's leverage; a venue that does not confirm it gets no order."""
        try:
            await self.venue.set_leverage(order.pair, order.leverage)
        except VenueError as error:
            self._refused(sent, error, "leverage not set: ")
            return False
        return True

    # Cancelling

    async def cancel(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        """Cancel a resting order; None when it is gone already, or not yet (see ``sweep``)."""
        try:
            report = await self.venue.cancel(pair, client_order_id)
        except NotExecuted:
            report = None
        except (Retryable, UnknownOutcome, Fatal) as error:
            self._lingering[client_order_id] = pair
            self._notice(pair, f"order {client_order_id} not cancelled yet: {error}")
            return None
        self._lingering.pop(client_order_id, None)
        if report is not None:
            self.told(report)
        return report

    async def sweep(self) -> None:
        """Try again to cancel the orders that could not be cancelled before."""
        for client_order_id, pair in list(self._lingering.items()):
            await self.cancel(pair, client_order_id)

    # Unknown outcomes

    @property
    def unsettled(self) -> bool:
        """Return whether ``sweep`` or ``ask_again`` has anything to do."""
        return bool(self.unknown or self._lingering)

    @property
    def blocked(self) -> frozenset[Pair]:
        """Return the pairs with an order of unknown outcome: they take no new risk."""
        return frozenset(sent.pair for sent in self.unknown.values()) if self.unknown else _NONE

    def pending(self, pair: Pair, kind: OrderKind) -> bool:
        """Return whether an order of a kind in a pair may yet turn out to be executed."""
        return any(sent.pair == pair and sent.kind is kind for sent in self.unknown.values())

    def doubt(self, sent: Sent, since: int, why: str) -> None:
        """Take an order's outcome for unknown, since an instant (ms UTC)."""
        self.unknown[sent.client_order_id] = sent
        self._doubted[sent.client_order_id] = since
        self.tell(sent, OrderState.UNKNOWN, why)

    async def ask_again(self) -> list[tuple[Sent, OrderReport]]:
        """Ask once for every order of unknown outcome; return those that were found."""
        found = []
        for sent in list(self.unknown.values()):
            report, answered = await self._look_up(sent)
            if report is not None:
                self._resolved(sent)
                self.told(report)
                found.append((sent, report))
            elif answered and self.clock.now() - self._doubted.get(sent.client_order_id, 0) >= (
                EVIDENCE_MS
            ):
                await self._disbelieve(sent)
        return found

    async def _evidence(self, sent: Sent) -> OrderReport | None:
        """Ask for an order of unknown outcome until there is evidence: 10 s, a stop 1 s.

        Once entries are held an entry is left to ``ask_again``: what held them cannot wait.
        """
        answered = False
        whole, step = EVIDENCE_MS, EVIDENCE_STEP_MS
        if sent.kind is OrderKind.STOP:
            whole, step = STOP_EVIDENCE_MS, STOP_EVIDENCE_STEP_MS
        for _ in range(whole // step + 1):
            report, answered = await self._look_up(sent)
            if report is not None:
                self._resolved(sent)
                return report
            if self.entries_held and sent.kind is OrderKind.ENTRY:
                return None
            await self.clock.sleep(step)
        if answered:
            await self._disbelieve(sent)
        return None

    async def _look_up(self, sent: Sent) -> tuple[OrderReport | None, bool]:
        """Ask for an order once; return the report and whether the venue answered at all."""
        try:
            return await self.venue.find(sent.pair, sent.client_order_id), True
        except VenueError:
            return None, False

    async def _disbelieve(self, sent: Sent) -> None:
        """Take an order that the venue goes on denying for not executed.

        An entry only where the venue shows no position in its pair either.
        """
        if sent.kind is OrderKind.ENTRY:
            try:
                held = await self.venue.positions()
            except VenueError:
                return
            if any(position.pair == sent.pair for position in held):
                return
        self._resolved(sent)
        self.tell(sent, OrderState.REJECTED, "the venue knows no such order: not executed")

    def give_up(self, sent: Sent) -> None:
        """Ask no longer for an order of unknown outcome: the venue's position answers for it."""
        self._resolved(sent)
        self.tell(sent, OrderState.CANCELLED, "answered by the position the venue shows")

    def _resolved(self, sent: Sent) -> None:
        self.unknown.pop(sent.client_order_id, None)
        self._doubted.pop(sent.client_order_id, None)

    # Telling

    def told(self, report: OrderReport) -> None:
        """Journal what the venue says of an order."""
        sent = Sent(
            report.client_order_id,
            report.pair,
            report.kind,
            report.quantity,
            report.trigger_price,
        )
        self.tell(sent, report.state, report.detail)

    def tell(self, sent: Sent, state: OrderState, detail: str) -> None:
        """Journal where an order stands."""
        self.journal.emit(
            OrderChanged(
                time=self.clock.now(),
                client_order_id=sent.client_order_id,
                pair=sent.pair,
                kind=sent.kind,
                state=state,
                quantity=sent.quantity,
                trigger_price=sent.trigger_price,
                detail=detail,
                shadow=self.shadow,
            )
        )

    def _refused(self, sent: Sent, error: VenueError, prefix: str = "") -> None:
        if not (isinstance(error, NotExecuted) and error.refusal is Refusal.REDUCE_ONLY):
            self._observe(False)  # nothing left to reduce is no failure: a stop was quicker
        self.tell(sent, OrderState.REJECTED, f"{prefix}{error}")
        if isinstance(error, Fatal):
            self._notice(sent.pair, f"{prefix}{error}: a person must act", Severity.CRITICAL)

    def _notice(self, pair: Pair, detail: str, level: Severity = Severity.WARNING) -> None:
        self.journal.emit(
            Noticed(
                time=self.clock.now(), level=level, topic="orders", detail=f"{pair.base}: {detail}"
            )
        )

    def _observe(self, ok: bool) -> None:
        if self._observer is not None:
            self._observer.order_result(ok)
