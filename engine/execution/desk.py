"""The order desk: the one place from which an order leaves, and where its fate is learned."""

from __future__ import annotations

from typing import Protocol

from engine.clock import Clock
from engine.execution.journal import Journal
from engine.ledger.port import RecordError
from engine.model.events import Noticed, OrderChanged, Severity
from engine.model.market import Pair
from engine.model.orders import ApprovedOrder, OrderKind, OrderState, ReduceOrder
from engine.venues.port import NotExecuted, OrderReport, Retryable, UnknownOutcome, Venue

EVIDENCE_MS = 10_000  # how long "no such order" is asked again before it is believed
EVIDENCE_STEP_MS = 1_000


class OrderObserver(Protocol):
    """Learns how orders fare; the circuit breaker's ears."""

    def order_result(self, ok: bool) -> None:
        """Note that an order was accepted or refused."""

    def fill_slippage(self, fraction: float) -> None:
        """Note how much worse than its reference a fill was, as a fraction of price."""


class OrderDesk:
    """Sends orders: intent durable, then the request, then evidence of what became of it.

    An unknown outcome is looked up by client order id until the venue gives evidence; the
    order is never sent again under another id.
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
        self.unknown: dict[Pair, str] = {}

    async def send(self, order: ApprovedOrder | ReduceOrder) -> OrderReport | None:
        """Send one order and return the venue's report, or None when it was not executed.

        An entry whose intent cannot be recorded does not leave; an order that reduces risk
        leaves all the same.
        """
        now = self.clock.now()
        kind = order.kind if isinstance(order, ReduceOrder) else OrderKind.ENTRY
        try:
            await self.journal.recorder.intend(order, now, shadow=self.shadow)
        except RecordError as error:
            self.journal.failing = True
            if kind is OrderKind.ENTRY:
                self._tell(order, OrderState.REJECTED, f"intent not recorded: {error}")
                return None
            self._notice(order.pair, f"{kind} sent although its intent was not recorded: {error}")
        try:
            report = await self.venue.submit(order)
        except (NotExecuted, Retryable) as error:
            self._observe(False)
            self._tell(order, OrderState.REJECTED, str(error))
            return None
        except UnknownOutcome as error:
            self._observe(False)
            self._tell(order, OrderState.UNKNOWN, str(error))
            report_or_none = await self._evidence(order)
            if report_or_none is None:
                return None
            report = report_or_none
        else:
            self._observe(True)
        self._tell(order, report.state, report.detail)
        return report

    def saw_fill(self, slippage: float) -> None:
        """Note the slippage of a fill, however it came about (fraction of price)."""
        if self._observer is not None:
            self._observer.fill_slippage(slippage)

    async def cancel(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        """Cancel a resting order; None when the venue knows no such order any more."""
        try:
            return await self.venue.cancel(pair, client_order_id)
        except NotExecuted:
            return None
        except (Retryable, UnknownOutcome) as error:
            self._notice(pair, f"order {client_order_id} not cancelled yet: {error}")
            return None

    async def _evidence(self, order: ApprovedOrder | ReduceOrder) -> OrderReport | None:
        """Ask for an order of unknown fate; new risk on its pair is blocked meanwhile."""
        self.unknown[order.pair] = order.client_order_id
        waited = 0
        while waited <= EVIDENCE_MS:
            try:
                report = await self.venue.find(order.pair, order.client_order_id)
            except (Retryable, UnknownOutcome):
                report = None
            if report is not None:
                del self.unknown[order.pair]
                return report
            await self.clock.sleep(EVIDENCE_STEP_MS)
            waited += EVIDENCE_STEP_MS
        return None

    def _tell(self, order: ApprovedOrder | ReduceOrder, state: OrderState, detail: str) -> None:
        reduce = order if isinstance(order, ReduceOrder) else None
        self.journal.emit(
            OrderChanged(
                time=self.clock.now(),
                client_order_id=order.client_order_id,
                pair=order.pair,
                kind=reduce.kind if reduce else OrderKind.ENTRY,
                state=state,
                quantity=order.quantity,
                trigger_price=reduce.trigger_price if reduce else None,
                detail=detail,
                shadow=self.shadow,
            )
        )

    def _notice(self, pair: Pair, detail: str) -> None:
        self.journal.emit(
            Noticed(
                time=self.clock.now(),
                level=Severity.WARNING,
                topic="orders",
                detail=f"{pair.base}: {detail}",
            )
        )

    def _observe(self, ok: bool) -> None:
        if self._observer is not None:
            self._observer.order_result(ok)
