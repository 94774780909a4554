"""The money of the simulated venue: positions, resting and finished orders, fills, balance.

Every change of the balance is a fill's profit and fee or a funding payment, each rounded to 8
decimals once, so that initial balance + sum of them = balance, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from engine.execution.accounting import gross_profit, money
from engine.model.market import Instrument, Pair
from engine.model.orders import (
    ApprovedOrder,
    ExitReason,
    Fill,
    OrderKind,
    OrderState,
    ReduceOrder,
)
from engine.model.signal import Side
from engine.venues.fills import CostModel
from engine.venues.holding import Holding, Resting, decimal
from engine.venues.port import FundingPayment, OrderReport, VenueEvent

REMEMBERED_ORDERS = 128
_ZERO = Decimal(0)


@dataclass(slots=True)
class SimulatedAccount:
    """An isolated-margin account.

    ``sequence`` numbers fills and orders; ``events`` wait for ``drain``; ``finished`` remembers
    the last 128 final reports.
    """

    name: str
    costs: CostModel
    balance: Decimal
    sequence: int = 0
    leverage: dict[Pair, int] = field(default_factory=dict)
    holdings: dict[Pair, Holding] = field(default_factory=dict)
    finished: dict[str, OrderReport] = field(default_factory=dict)
    events: list[VenueEvent] = field(default_factory=list)

    @property
    def available(self) -> Decimal:
        """Return the balance no position has posted as margin."""
        return self.balance - sum((item.margin for item in self.holdings.values()), _ZERO)

    @property
    def equity(self) -> Decimal:
        """Return the balance with the unrealised profit at the marks."""
        profits = (item.unrealised_pnl() for item in self.holdings.values())
        return self.balance + sum(profits, _ZERO)

    def enter(
        self,
        order: ApprovedOrder,
        instrument: Instrument,
        *,
        quantity: Decimal,
        price: Decimal,
        mark: Decimal,
        time: int,
    ) -> OrderReport:
        """Fill ``quantity`` of an entry that was checked, opening or adding to a position."""
        fill = Fill(
            fill_id=self._next_id(),
            client_order_id=order.client_order_id,
            pair=order.pair,
            buy=order.side is Side.LONG,
            quantity=quantity,
            price=price,
            fee=money(quantity * price * instrument.taker_fee),
            time=time,
            kind=OrderKind.ENTRY,
            reference_price=order.reference_price,
        )
        self.balance -= fill.fee
        holding = self.holdings.get(order.pair)
        if holding is None:
            self.holdings[order.pair] = Holding(
                instrument=instrument,
                side=order.side,
                quantity=quantity,
                entry_price=price,
                margin=money(quantity * price / order.leverage),
                leverage=order.leverage,
                mark=float(mark),
            )
        else:
            holding.add(quantity, price)
        return self._finish(_filled(fill, order.quantity, None))

    def exit(
        self, holding: Holding, order: ReduceOrder, *, turnover: float, time: int
    ) -> OrderReport:
        """Fill a market exit at the mark, whatever its size."""
        mark = holding.mark_price
        fill = self._exit_fill(holding, order, order.quantity, mark, mark, turnover, time)
        report = self._finish(_filled(fill, order.quantity, None))
        self._book_exit(holding, fill)
        return report

    def rest(self, holding: Holding, order: ReduceOrder, trigger: Decimal) -> OrderReport:
        """Let a stop or target that was checked wait for its trigger."""
        self.sequence += 1
        resting = Resting(
            client_order_id=order.client_order_id,
            pair=order.pair,
            kind=order.kind,
            reason=order.reason,
            quantity=order.quantity,
            trigger_price=trigger,
            sequence=self.sequence,
        )
        holding.rest(resting)
        return resting.report()

    def fire(
        self, holding: Holding, order: Resting, *, opened: float, turnover: float, time: int
    ) -> None:
        """Fill a triggered stop or target at its trigger, or at the open where that is beyond."""
        market = order.trigger_price
        beyond = (decimal(opened) - market) * holding.side.sign
        if beyond < 0 if order.kind is OrderKind.STOP else beyond > 0:
            market = decimal(opened)
        quantity = min(order.quantity, holding.quantity)
        trigger = order.trigger_price
        fill = self._exit_fill(holding, order, quantity, market, trigger, turnover, time)
        holding.drop(order)
        self._tell(fill, _filled(fill, quantity, trigger))
        self._book_exit(holding, fill)

    def liquidate(self, holding: Holding, time: int) -> None:
        """Close a position at its liquidation price; what is left of the margin is the fee."""
        price = holding.liquidation_price or holding.bankruptcy_price
        gross = gross_profit(holding.side, holding.entry_price, price, holding.quantity)
        fill_id = self._next_id()
        fill = Fill(
            fill_id=fill_id,
            client_order_id=f"liquidation-{fill_id}",
            pair=holding.instrument.pair,
            buy=holding.side is Side.SHORT,
            quantity=holding.quantity,
            price=price,
            fee=holding.margin + gross,
            time=time,
            kind=OrderKind.EXIT,
            reference_price=price,
            reason=ExitReason.LIQUIDATION,
        )
        self._tell(fill, _filled(fill, fill.quantity, None, "liquidated"))
        self._book_exit(holding, fill)

    def pay_funding(self, holding: Holding, stamp: int, rate: Decimal) -> None:
        """Exchange funding on the notional at the mark; a positive rate is paid by longs."""
        amount = money(holding.quantity * holding.mark_price * rate * holding.side.sign)
        self.balance -= amount
        self.events.append(FundingPayment(holding.instrument.pair, stamp, amount, rate))

    def cancel(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        """Take a resting order away; return its final report, None when none such rests."""
        order = self._resting(pair, client_order_id)
        if order is None:
            return None
        self.holdings[pair].drop(order)
        return self._finish(order.report(OrderState.CANCELLED, "cancelled on request"))

    def find(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        """Look up a resting order or one of the last finished ones."""
        order = self._resting(pair, client_order_id)
        if order is not None:
            return order.report()
        finished = self.finished.get(client_order_id)
        return finished if finished is not None and finished.pair == pair else None

    def _resting(self, pair: Pair, client_order_id: str) -> Resting | None:
        holding = self.holdings.get(pair)
        orders = holding.resting if holding is not None else ()
        return next((item for item in orders if item.client_order_id == client_order_id), None)

    def _exit_fill(
        self,
        holding: Holding,
        order: ReduceOrder | Resting,
        quantity: Decimal,
        market: Decimal,
        reference: Decimal,
        turnover: float,
        time: int,
    ) -> Fill:
        """Fill an exit near ``market``, never beyond bankruptcy: the margin is all there is."""
        instrument = holding.instrument
        buy = holding.side is Side.SHORT
        notional = float(quantity * market)
        price = self.costs.fill_price(instrument, buy, market, notional, turnover)
        bankrupt = holding.bankruptcy_price
        price = min(price, bankrupt) if buy else max(price, bankrupt)
        return Fill(
            fill_id=self._next_id(),
            client_order_id=order.client_order_id,
            pair=order.pair,
            buy=buy,
            quantity=quantity,
            price=price,
            fee=money(quantity * price * instrument.taker_fee),
            time=time,
            kind=order.kind,
            reference_price=reference,
            reason=order.reason,
        )

    def _book_exit(self, holding: Holding, fill: Fill) -> None:
        """Move the money of an exit; a position that is gone takes its resting orders along."""
        gross = gross_profit(holding.side, holding.entry_price, fill.price, fill.quantity)
        self.balance += gross - fill.fee
        holding.reduce(fill.quantity)
        if holding.quantity == 0:
            del self.holdings[fill.pair]
            for order in holding.resting:
                report = self._finish(order.report(OrderState.CANCELLED, "position closed"))
                self.events.append(report)

    def _tell(self, fill: Fill, report: OrderReport) -> None:
        """Queue a fill that nobody is waiting for, and the report it ends with."""
        self.events.append(fill)
        self.events.append(self._finish(report))

    def _finish(self, report: OrderReport) -> OrderReport:
        """Remember a final report."""
        self.finished[report.client_order_id] = report
        if len(self.finished) > REMEMBERED_ORDERS:
            del self.finished[next(iter(self.finished))]
        return report

    def _next_id(self) -> str:
        self.sequence += 1
        return f"{self.name}-{self.sequence:09d}"


def _filled(
    fill: Fill, quantity: Decimal, trigger: Decimal | None, detail: str = ""
) -> OrderReport:
    """Describe an order that ended with one fill, whole or in part."""
    whole = fill.quantity == quantity
    return OrderReport(
        client_order_id=fill.client_order_id,
        pair=fill.pair,
        kind=fill.kind,
        state=OrderState.FILLED if whole else OrderState.CANCELLED,
        quantity=quantity,
        filled=fill.quantity,
        trigger_price=trigger,
        fills=(fill,),
        detail=detail if whole else f"{fill.quantity} of {quantity} filled, the rest cancelled",
    )
