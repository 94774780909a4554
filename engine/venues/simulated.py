"""The simulated venue: an exchange account on isolated margin that fills from bars.

One-way mode, one position per pair. Market orders fill at the last close moved adversely by the
cost model (``engine.venues.fills``) and pay the taker fee. Stops and targets rest and trigger
inside a bar: a stop fills at its trigger or, through a gap, at the open; where a bar could reach
both sides the stop comes first. Liquidation takes the whole margin of the position. Funding is
exchanged at 00, 08 and 16 UTC. The same steps and orders always give the same account.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine.execution.accounting import money
from engine.model.market import Candle, Instrument, MarketStep, Pair
from engine.model.orders import ApprovedOrder, OrderKind, ReduceOrder
from engine.model.signal import Side
from engine.venues import simulated_state
from engine.venues.fills import CostModel, recent_bars, turnover_per_minute, usable
from engine.venues.holding import Holding, decimal
from engine.venues.port import (
    Account,
    NotExecuted,
    OrderReport,
    Refusal,
    UnknownOutcome,
    VenueEvent,
    VenueOrderRequest,
    VenuePosition,
)
from engine.venues.simulated_account import SimulatedAccount

FUNDING_MS = 8 * 3_600_000
_MINUTE_MS = 60_000
_REMEMBERED_STEPS = 200
_MAX_RESTING = 10


class SimulatedVenue:
    """A paper account. Implements ``engine.venues.port.Venue``; nothing in it ever waits.

    ``advance`` moves the market; what happens by itself is queued for ``drain``: for a triggered
    order its ``Fill`` and then its final report (the same fill id in both), CANCELLED reports of
    orders whose position is gone, and funding. ``funding_rates`` holds recorded rates per pair
    as (ms UTC, fraction), stamps floored to the minute; other stamps use the cost model's rate.
    """

    def __init__(
        self,
        instruments: Mapping[Pair, Instrument],
        balance: Decimal,
        costs: CostModel | None = None,
        funding_rates: Mapping[Pair, Sequence[tuple[int, Decimal]]] | None = None,
        name: str = "sim",
    ) -> None:
        self._instruments = dict(instruments)
        self._costs = costs or CostModel()
        self._rates = {
            (pair, stamp - stamp % _MINUTE_MS): rate
            for pair, rates in (funding_rates or {}).items()
            for stamp, rate in rates
        }
        self._account = SimulatedAccount(name, self._costs, balance)
        self._told = Account(balance, balance, balance)
        self._bars: dict[Pair, Candle] = {}
        self._steps: deque[MarketStep] = deque(maxlen=_REMEMBERED_STEPS)
        self._time = 0
        self._next_funding = 0

    # The market

    @property
    def time(self) -> int:
        """Return the time of the last step (ms UTC), 0 before the first."""
        return self._time

    def advance(self, step: MarketStep) -> None:
        """Move the market to a step: funding, triggers, liquidation, prices.

        Bars of one pair must follow each other. Raises ``ValueError`` when time runs backwards.
        """
        if step.time < self._time:
            raise ValueError(f"step at {step.time} after one at {self._time}")
        if self._account.holdings:
            self._move_holdings(step)
        if step.time >= self._next_funding:
            self._next_funding = _funding_after(step.time)
        self._bars.update(step.bars)
        self._steps.appendleft(step)
        self._time = step.time

    def _move_holdings(self, step: MarketStep) -> None:
        """Take every position through its bar; funding falls due before or after it."""
        stamps = range(self._next_funding, step.time + 1, FUNDING_MS)
        for pair, holding in list(self._account.holdings.items()):
            bar = step.bars.get(pair)
            if bar is None or not usable(bar):
                self._pay_funding(holding, stamps)
                continue
            if stamps:
                self._pay_funding(holding, (stamp for stamp in stamps if stamp <= bar.time))
            self._trade_through(holding, bar, step.time)
            holding.mark = bar.close
            if stamps and pair in self._account.holdings:
                self._pay_funding(holding, (stamp for stamp in stamps if stamp > bar.time))

    def _pay_funding(self, holding: Holding, stamps: Iterable[int]) -> None:
        for stamp in stamps:
            rate = self._rates.get((holding.instrument.pair, stamp), self._costs.funding_rate)
            self._account.pay_funding(holding, stamp, rate)

    def _trade_through(self, holding: Holding, bar: Candle, time: int) -> None:
        """Fire what a bar reaches, one after the other, while the position lives."""
        for order in holding.reached(bar):
            if holding.quantity == 0:
                return
            if order is None:
                self._account.liquidate(holding, time)
            else:
                turnover = self._turnover(order.pair)
                self._account.fire(holding, order, opened=bar.open, turnover=turnover, time=time)

    # Orders

    async def submit(self, order: VenueOrderRequest) -> OrderReport:
        """Fill a market order or rest a conditional one.

        An entry larger than the market takes fills in part: its report is CANCELLED (final) with
        ``filled`` below ``quantity``. Raises ``NotExecuted`` with the reason of a refusal, and
        ``UnknownOutcome`` when the client order id is known already: look it up.
        """
        if order.pair not in self._instruments:
            raise NotExecuted(Refusal.UNKNOWN_SYMBOL, f"{order.pair} is not traded here")
        if self._account.find(order.pair, order.client_order_id) is not None:
            raise UnknownOutcome(f"client order id {order.client_order_id} exists; look it up")
        if isinstance(order, ApprovedOrder):
            return self._enter(order)
        holding = self._reducible(order)
        if order.trigger_price is None:
            return self._account.exit(
                holding, order, turnover=self._turnover(order.pair), time=self._time
            )
        return self._rest(holding, order, order.trigger_price)

    def _enter(self, order: ApprovedOrder) -> OrderReport:
        """Check and fill a market entry at the last close."""
        instrument = self._instruments[order.pair]
        self._check_leverage(order, instrument)
        mark = self._entry_mark(order, instrument)
        turnover = self._turnover(order.pair)
        quantity = self._fillable(order, instrument, mark, turnover)
        buy = order.side is Side.LONG
        price = self._costs.fill_price(instrument, buy, mark, float(quantity * mark), turnover)
        needed = money(
            order.quantity * price * (1 / Decimal(order.leverage) + instrument.taker_fee)
        )
        available = self._account.available
        if needed > available:
            raise NotExecuted(
                Refusal.INSUFFICIENT_MARGIN, f"{needed} needed, {available} available"
            )
        return self._account.enter(
            order, instrument, quantity=quantity, price=price, mark=mark, time=self._time
        )

    def _rest(self, holding: Holding, order: ReduceOrder, trigger: Decimal) -> OrderReport:
        """Let a stop or target rest, unless it would trigger at once."""
        if trigger % holding.instrument.tick_size != 0:
            raise NotExecuted(Refusal.PRECISION, f"trigger {trigger} is not on a tick")
        distance = (trigger - holding.mark_price) * holding.side.sign
        if distance >= 0 if order.kind is OrderKind.STOP else distance <= 0:
            raise NotExecuted(
                Refusal.WOULD_TRIGGER,
                f"{order.kind} {trigger} of a {holding.side} with the mark at {holding.mark_price}",
            )
        if len(holding.resting) >= _MAX_RESTING:
            raise NotExecuted(Refusal.OTHER, f"{_MAX_RESTING} orders rest in {order.pair} already")
        return self._account.rest(holding, order, trigger)

    async def cancel(self, pair: Pair, client_order_id: str) -> OrderReport:
        """Cancel a resting order; one that is final already is returned as it ended.

        Raises ``NotExecuted`` when no such order is known.
        """
        report = self._account.cancel(pair, client_order_id)
        report = report or self._account.find(pair, client_order_id)
        if report is None:
            raise NotExecuted(Refusal.OTHER, f"no order {client_order_id} in {pair}")
        return report

    async def find(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        """Look up a resting order or one of the last 128 finished ones."""
        return self._account.find(pair, client_order_id)

    async def open_orders(self, pair: Pair | None = None) -> Sequence[OrderReport]:
        """Return the resting stops and targets."""
        return [
            order.report()
            for holding in self._account.holdings.values()
            if pair is None or holding.instrument.pair == pair
            for order in holding.resting
        ]

    # The account

    @property
    def instruments(self) -> Mapping[Pair, Instrument]:
        """Return the trading rules."""
        return self._instruments

    async def account(self) -> Account:
        """Return balance, equity at the mark and free margin."""
        account = self._account
        if account.holdings or account.balance is not self._told.balance:
            self._told = Account(account.balance, account.equity, account.available)
        return self._told

    async def positions(self) -> Sequence[VenuePosition]:
        """Return the open positions."""
        return [holding.view() for holding in self._account.holdings.values()]

    async def set_leverage(self, pair: Pair, leverage: int) -> None:
        """Set the leverage of a pair's next position. Raises ``NotExecuted``."""
        instrument = self._instruments.get(pair)
        if instrument is None:
            raise NotExecuted(Refusal.UNKNOWN_SYMBOL, f"{pair} is not traded here")
        if not 1 <= leverage <= instrument.max_leverage:
            raise NotExecuted(
                Refusal.LEVERAGE, f"{leverage} is outside 1 to {instrument.max_leverage}"
            )
        holding = self._account.holdings.get(pair)
        if holding is not None and holding.leverage != leverage:
            raise NotExecuted(Refusal.LEVERAGE, f"{pair} is open at {holding.leverage}")
        self._account.leverage[pair] = leverage

    def mark_price(self, pair: Pair) -> Decimal | None:
        """Return the last close, or None before there is one."""
        holding = self._account.holdings.get(pair)
        if holding is not None:
            return holding.mark_price
        bar = self._bars.get(pair)
        return decimal(bar.close) if bar is not None and usable(bar) else None

    def drain(self) -> Sequence[VenueEvent]:
        """Return what happened by itself since the last call, in order."""
        if not self._account.events:
            return ()
        events, self._account.events = self._account.events, []
        return events

    async def close(self) -> None:
        """Do nothing: there is no connection to release."""

    def snapshot(self) -> dict[str, Any]:
        """Return the account as JSON-able data; see ``restore``."""
        recent = {pair: recent_bars(self._steps, pair) for pair in self._bars}
        return simulated_state.encode(self._account, self._time, self._bars, recent)

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take up an account where its snapshot left it, time included.

        Funding that fell due since is exchanged by the next step, at the old mark; a stop that
        was passed meanwhile fills at that step's open. Raises ``ValueError`` for a snapshot of
        another version or of a pair that is not traded here.
        """
        state = simulated_state.decode(snapshot, self._instruments, self._costs)
        self._account = state.account
        self._time = state.time
        self._next_funding = _funding_after(state.time)
        self._bars = state.bars
        self._steps = deque(state.steps, maxlen=_REMEMBERED_STEPS)

    # Checks and bookkeeping

    def _check_leverage(self, order: ApprovedOrder, instrument: Instrument) -> None:
        if not 1 <= order.leverage <= instrument.max_leverage:
            raise NotExecuted(
                Refusal.LEVERAGE, f"{order.leverage} is outside 1 to {instrument.max_leverage}"
            )
        current = self._account.leverage.get(order.pair, order.leverage)
        holding = self._account.holdings.get(order.pair)
        if holding is not None:
            current = holding.leverage
        if current != order.leverage:
            raise NotExecuted(
                Refusal.LEVERAGE, f"approved for {order.leverage}, {order.pair} is at {current}"
            )

    def _entry_mark(self, order: ApprovedOrder, instrument: Instrument) -> Decimal:
        """Check size and side of an entry and return the mark it starts from."""
        mark = self.mark_price(order.pair)
        if mark is None:
            raise NotExecuted(Refusal.OTHER, f"no price for {order.pair} yet")
        holding = self._account.holdings.get(order.pair)
        if holding is not None and holding.side is not order.side:
            raise NotExecuted(Refusal.OTHER, f"a {holding.side} is open in {order.pair}")
        if order.quantity <= 0 or order.quantity % instrument.step_size != 0:
            raise NotExecuted(
                Refusal.PRECISION, f"{order.quantity} is no multiple of {instrument.step_size}"
            )
        _check_minimum(instrument, order.quantity, mark, "the order")
        return mark

    def _fillable(
        self, order: ApprovedOrder, instrument: Instrument, mark: Decimal, turnover: float
    ) -> Decimal:
        """Return how much of an entry the recent volume carries."""
        most = decimal(self._costs.fillable_notional(turnover))
        if order.quantity * mark <= most:
            return order.quantity
        quantity = instrument.round_quantity(most / mark)
        _check_minimum(instrument, quantity, mark, "what the recent volume carries")
        return quantity

    def _reducible(self, order: ReduceOrder) -> Holding:
        """Return the position an order reduces, if it can."""
        holding = self._account.holdings.get(order.pair)
        if holding is None or holding.side is not order.position_side:
            raise NotExecuted(Refusal.REDUCE_ONLY, f"no {order.position_side} in {order.pair}")
        if order.quantity > holding.quantity:
            raise NotExecuted(
                Refusal.REDUCE_ONLY, f"{order.quantity} is more than the {holding.quantity} open"
            )
        whole = order.quantity == holding.quantity
        if not whole and order.quantity % holding.instrument.step_size != 0:
            raise NotExecuted(
                Refusal.PRECISION,
                f"{order.quantity} is no multiple of {holding.instrument.step_size}",
            )
        return holding

    def _turnover(self, pair: Pair) -> float:
        return turnover_per_minute(recent_bars(self._steps, pair))


def _funding_after(time: int) -> int:
    return time - time % FUNDING_MS + FUNDING_MS


def _check_minimum(instrument: Instrument, quantity: Decimal, mark: Decimal, what: str) -> None:
    if quantity < instrument.min_quantity or quantity * mark < instrument.min_notional:
        raise NotExecuted(
            Refusal.MIN_NOTIONAL,
            f"{what}, {quantity} at {mark}, is below {instrument.min_quantity} "
            f"or {instrument.min_notional} of notional",
        )
