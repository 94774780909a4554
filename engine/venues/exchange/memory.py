"""What the venue remembers of its orders: whose they are, what they are for, what is known."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, TypeVar

from engine.model.market import Pair
from engine.model.orders import (
    ApprovedOrder,
    ExitReason,
    Fill,
    OrderKind,
    OrderState,
    ReduceOrder,
)
from engine.venues.exchange.dialect import OrderFacts, TradeFacts, is_ours
from engine.venues.port import OrderReport

K = TypeVar("K")
V = TypeVar("V")

KEPT_ORDERS = 2_000
KEPT_FILLS = 20_000
_KIND = re.compile(r"-(?:(e)|([stx])[0-9a-z]+)$")
_KINDS = {"e": OrderKind.ENTRY, "s": OrderKind.STOP, "t": OrderKind.TARGET, "x": OrderKind.EXIT}
_REASONS = {
    OrderKind.ENTRY: None,
    OrderKind.STOP: ExitReason.STOP_LOSS,
    OrderKind.TARGET: ExitReason.TAKE_PROFIT,
    OrderKind.EXIT: ExitReason.OPERATOR,
}


class Known(NamedTuple):
    """An order of ours: what it is for. ``reference`` is what slippage is measured against."""

    client_id: str
    pair: Pair
    kind: OrderKind
    quantity: Decimal
    trigger: Decimal | None
    reason: ExitReason | None
    reference: Decimal | None

    @classmethod
    def of(cls, order: ApprovedOrder | ReduceOrder, mark: Decimal | None) -> Known:
        """Return what is to be remembered of an order about to be sent."""
        if isinstance(order, ApprovedOrder):
            kind, trigger, reason = OrderKind.ENTRY, None, None
            reference: Decimal | None = order.reference_price
        else:
            kind, trigger, reason = order.kind, order.trigger_price, order.reason
            reference = trigger or mark
        return cls(
            order.client_order_id, order.pair, kind, order.quantity, trigger, reason, reference
        )

    @classmethod
    def told(cls, facts: OrderFacts) -> Known:
        """Return what a client id of ours tells of an order that an earlier run has sent."""
        kind = kind_of(facts.client_id) or (OrderKind.EXIT if facts.reduces else OrderKind.ENTRY)
        trigger = facts.trigger
        reason = _REASONS[kind] if is_ours(facts.client_id) else ExitReason.EXTERNAL
        if kind is OrderKind.ENTRY:
            reason = None
        return cls(facts.client_id, facts.pair, kind, facts.quantity, trigger, reason, trigger)

    @property
    def conditional(self) -> bool:
        """Return whether the order rests until a price is reached."""
        return self.kind in (OrderKind.STOP, OrderKind.TARGET)

    def fill(self, trade: TradeFacts, fee: Decimal) -> Fill:
        """Return an execution of this order; ``fee`` in quote currency."""
        return Fill(
            fill_id=fill_id(trade),
            client_order_id=self.client_id,
            pair=trade.pair,
            buy=trade.buy,
            quantity=trade.quantity,
            price=trade.price,
            fee=fee,
            time=trade.time,
            kind=self.kind,
            reference_price=self.reference or trade.price,
            reason=self.reason,
        )

    def report(
        self, facts: OrderFacts, fills: tuple[Fill, ...] = (), state: OrderState | None = None
    ) -> OrderReport:
        """Return what the venue knows of this order."""
        return OrderReport(
            client_order_id=self.client_id,
            pair=self.pair,
            kind=self.kind,
            state=state or facts.state,
            quantity=self.quantity or facts.quantity,
            filled=sum((fill.quantity for fill in fills), Decimal(0)),
            trigger_price=self.trigger,
            fills=fills,
            detail=facts.detail,
        )


class Memory:
    """Orders by client id, and which order an exchange's id belongs to. Bounded."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._facts: OrderedDict[str, OrderFacts] = OrderedDict()
        self._owner: OrderedDict[tuple[Pair, str], str] = OrderedDict()
        self._over: OrderedDict[str, None] = OrderedDict()
        self._fills: OrderedDict[str, None] = OrderedDict()

    def note(self, known: Known) -> None:
        """Remember an order of ours before it is sent."""
        _put(self._known, known.client_id, known, KEPT_ORDERS)

    def known(self, client_id: str) -> Known | None:
        """Return an order by its client id."""
        return self._known.get(client_id)

    def learn(self, facts: OrderFacts) -> Known:
        """Take in what the exchange says of an order; return the order."""
        known = self._known.get(facts.client_id)
        if known is None:
            known = Known.told(facts)
            self.note(known)
        _put(self._facts, facts.client_id, facts, KEPT_ORDERS)
        for venue_id in (facts.child_id, "" if facts.conditional else facts.venue_id):
            if venue_id:
                _put(self._owner, (facts.pair, venue_id), facts.client_id, KEPT_ORDERS)
        return known

    def facts(self, client_id: str) -> OrderFacts | None:
        """Return what the exchange last said of an order."""
        return self._facts.get(client_id)

    def owner(self, pair: Pair, venue_id: str) -> Known | None:
        """Return the order an exchange's order id belongs to."""
        return self._known.get(self._owner.get((pair, venue_id), ""))

    def belongs(self, pair: Pair, venue_id: str, client_id: str) -> None:
        """Note that an exchange's order id belongs to an order of ours."""
        _put(self._owner, (pair, venue_id), client_id, KEPT_ORDERS)

    def close(self, client_id: str) -> bool:
        """Note that an order is over; return whether that is news."""
        news = client_id not in self._over
        _put(self._over, client_id, None, KEPT_ORDERS)
        return news

    def resting(self) -> list[Known]:
        """Return our orders that the exchange has taken and not yet ended."""
        return [
            self._known[client_id]
            for client_id in self._facts
            if client_id in self._known and client_id not in self._over and is_ours(client_id)
        ]

    def fresh(self, identifier: str) -> bool:
        """Note a fill; return whether it is seen for the first time."""
        news = identifier not in self._fills
        _put(self._fills, identifier, None, KEPT_FILLS)
        return news

    def remember_fills(self, identifiers: Iterable[str]) -> None:
        """Note fills that were told before, by an earlier run."""
        for identifier in identifiers:
            self.fresh(identifier)


def kind_of(client_id: str) -> OrderKind | None:
    """Return what an order of ours is for, by its client id; None for another's."""
    match = _KIND.search(client_id) if is_ours(client_id) else None
    return _KINDS[match.group(1) or match.group(2)] if match else None


def fill_id(trade: TradeFacts) -> str:
    """Return an id of an execution that is unique over all pairs."""
    return f"{trade.pair.base}-{trade.trade_id}"


def _put(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)
