"""The matching engine: orders and conditional orders against the synthetic price."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

from tests.exchange_server import rules as checks
from tests.exchange_server.account import Account
from tests.exchange_server.books import Books
from tests.exchange_server.clock import Clock
from tests.exchange_server.errors import ApiError
from tests.exchange_server.faults import Faults
from tests.exchange_server.instruments import MAKER_FEE, TAKER_FEE, Rules
from tests.exchange_server.prices import Prices
from tests.exchange_server.state import (
    ZERO,
    AccountEvent,
    Algo,
    AlgoEvent,
    Listener,
    Order,
    OrderEvent,
    OrderRequest,
    Position,
    Trade,
    UserEvent,
    money,
)
from tests.exchange_server.truth import Truth, Watch, take

MARKET_TYPES = ("MARKET", "STOP_MARKET", "TAKE_PROFIT_MARKET")
FIRST_ORDER, FIRST_ALGO, FIRST_TRADE = 4_000_001, 3_000_000_001, 9_000_001


@dataclass
class Exchange:
    """Takes orders, fills them, fires conditional ones; tells ``listeners`` what changed."""

    rules: dict[str, Rules]
    prices: Prices
    clock: Clock
    faults: Faults
    account: Account
    books: Books = field(default_factory=Books)
    delisted: set[str] = field(default_factory=set)
    listeners: list[Listener] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    order_ids: Iterator[int] = field(default_factory=lambda: count(FIRST_ORDER))
    algo_ids: Iterator[int] = field(default_factory=lambda: count(FIRST_ALGO))
    trade_ids: Iterator[int] = field(default_factory=lambda: count(FIRST_TRADE))

    def truth(self) -> Truth:
        """Return the ledger as it stands."""
        return take(self.account, self.watch, self.clock.now())

    def symbol_rules(self, symbol: str) -> Rules:
        if symbol not in self.rules:
            raise ApiError(-1121)
        return self.rules[symbol]

    # placing

    def place(self, request: OrderRequest) -> Order:
        """Take an order and match it; raises ``ApiError`` when it is refused."""
        rules = self.symbol_rules(request.symbol)
        checks.check_wording(request, rules)
        if any(order.request.client_id == request.client_id for order in self.books.open_orders()):
            raise ApiError(-4116)
        self._check_risk(request, rules)
        return self._enter(request)

    def _check_risk(self, request: OrderRequest, rules: Rules) -> None:
        if checks.must_reduce(request):
            checks.check_reduce_only(request, self.account, self.books.open_orders())
            return
        price = request.price or self._touch(request)
        delisted = request.symbol in self.delisted
        checks.check_opening(request, price, rules, self.account, delisted)

    def _enter(self, request: OrderRequest) -> Order:
        if request.type == "MARKET":
            return self._market(request)
        crossing = self._crosses(request)
        if request.time_in_force == "GTX" and crossing:
            raise ApiError(-5022)
        if request.time_in_force == "FOK" and not crossing:
            raise ApiError(-5021)
        order = self._record(request)
        if crossing:
            self._fill(order, order.remaining, self._market_price(request), maker=False)
        elif request.time_in_force == "IOC":
            self._finish(order, "EXPIRED")
        return order

    def _record(self, request: OrderRequest) -> Order:
        now = self.clock.now()
        order = Order(next(self.order_ids), request, now, now)
        self.books.add(order)
        self._tell(OrderEvent(order, "NEW"))
        return order

    def _market(self, request: OrderRequest) -> Order:
        order = self._record(request)
        target = order.remaining
        if checks.must_reduce(request):
            target = min(target, checks.reduces(request, self.account))
        price = self._market_price(request)
        fault = self.faults.take("partial_fill", symbol=request.symbol)
        if fault is None:
            self._fill(order, target, price, maker=False)
        else:
            step = self.rules[request.symbol].step
            fraction = Decimal(str(fault.options.get("fraction", 0.5)))
            part = max(step, target * fraction // step * step)
            self._fill(order, min(part, target), price, maker=False)
            if fault.options.get("rest") == "later":
                return order
            if fault.options.get("rest") == "slices" and order.executed < target:
                tick = self.rules[request.symbol].tick
                worse = price + tick if request.side == "BUY" else price - tick
                self._fill(order, target - order.executed, worse, maker=False)
        if order.open:
            self._finish(order, "EXPIRED")
        return order

    def _touch(self, request: OrderRequest) -> Decimal:
        quote = self.prices.quotes[request.symbol]
        return quote.ask if request.side == "BUY" else quote.bid

    def _market_price(self, request: OrderRequest) -> Decimal:
        price = self._touch(request)
        fault = self.faults.take("slippage", symbol=request.symbol)
        if fault is None:
            return price
        tick = self.rules[request.symbol].tick
        slip = price * Decimal(str(fault.options["percent"])) / 100 // tick * tick
        return price + slip if request.side == "BUY" else price - slip

    def _crosses(self, request: OrderRequest) -> bool:
        quote = self.prices.quotes[request.symbol]
        if request.side == "BUY":
            return request.price >= quote.ask
        return request.price <= quote.bid

    def _fill(self, order: Order, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        """Execute part of an order and tell order, then account, as the exchange does."""
        request = order.request
        now = self.clock.now()
        fee = money(quantity * price * (MAKER_FEE if maker else TAKER_FEE))
        trade = Trade(
            trade_id=next(self.trade_ids),
            order_id=order.order_id,
            symbol=request.symbol,
            side=request.side,
            position_side=request.position_side,
            price=price,
            quantity=quantity,
            fee=fee,
            pnl=ZERO,
            maker=maker,
            time=now,
            client_id=request.client_id,
            source=request.source,
        )
        self.account.book(order, trade)
        order.executed += quantity
        order.quote += trade.quote
        order.trades.append(trade)
        order.updated = now
        order.status = "PARTIALLY_FILLED" if order.remaining else "FILLED"
        execution = "CALCULATED" if request.source == "liquidation" else "TRADE"
        self._observe()
        self._tell(OrderEvent(order, execution, trade))
        position = self.account.position(request.symbol, request.position_side)
        self._tell(AccountEvent("ORDER", (position,)))
        if not position.quantity:
            self._expire_closers(position)

    def _expire_closers(self, position: Position) -> None:
        """End resting reduce-only limit orders and close-position triggers of a closed position."""
        for order in self.books.open_orders(position.symbol):
            if order.request.reduce_only and order.request.price:
                self._finish(order, "EXPIRED")
        for algo in self.books.open_algos(position.symbol):
            same = algo.request.position_side == position.side
            if same and (algo.request.close_position or algo.attached):
                self._end_algo(algo, "EXPIRED", "position closed")

    def _finish(self, order: Order, status: str) -> None:
        order.status = status
        order.updated = self.clock.now()
        self._tell(OrderEvent(order, status))

    # conditional orders

    def place_algo(self, request: OrderRequest, trigger: Decimal, working: str, till: int) -> Algo:
        """Take a conditional order; margin and position are only checked when it fires."""
        rules = self.symbol_rules(request.symbol)
        checks.check_wording(request, rules)
        if any(algo.request.client_id == request.client_id for algo in self.books.open_algos()):
            raise ApiError(-4116)
        now = self.clock.now()
        algo = Algo(0, request, trigger, working, now, now, till)
        checks.check_trigger(algo, self._reference(algo), rules)
        algo.algo_id = next(self.algo_ids)
        self.books.add_algo(algo)
        self._observe()
        self._tell(AlgoEvent(algo, "NEW"))
        return algo

    def _reference(self, algo: Algo) -> Decimal:
        quote = self.prices.quotes[algo.request.symbol]
        return quote.mark if algo.working_type == "MARK_PRICE" else quote.last

    def _fire(self, algo: Algo) -> None:
        """Send the actual order of a reached trigger; a refusal leaves the algo REJECTED."""
        algo.trigger_time = self.clock.now()
        self._set_algo(algo, "TRIGGERING")
        child = "MARKET" if algo.request.type in MARKET_TYPES else "LIMIT"
        request = replace(algo.request, type=child, original_type=algo.request.type)
        if request.close_position:
            request.quantity = checks.reduces(request, self.account)
        try:
            if self.faults.take("reject_trigger", symbol=request.symbol):
                raise ApiError(-2019)
            self._check_risk(request, self.rules[request.symbol])
            algo.order = self._enter(request)
            algo.order.algo_id = algo.algo_id
        except ApiError as error:
            self._end_algo(algo, "REJECTED", error.message)
            return
        self._set_algo(algo, "TRIGGERED")
        if not algo.order.open:
            self._set_algo(algo, "FINISHED")

    def _set_algo(self, algo: Algo, status: str) -> None:
        algo.status = status
        algo.updated = self.clock.now()
        self._observe()
        self._tell(AlgoEvent(algo, status))

    def _end_algo(self, algo: Algo, status: str, reason: str) -> None:
        algo.reason = reason
        self._set_algo(algo, status)

    # cancelling

    def cancel(self, order: Order | None) -> Order:
        """Cancel a resting order; -2011 when it is unknown or over."""
        if order is None or not order.open:
            raise ApiError(-2011)
        self._finish(order, "CANCELED")
        return order

    def cancel_algo(self, algo: Algo | None) -> Algo:
        """Cancel a waiting conditional order; -2011 when it is unknown or over."""
        if algo is None or not algo.open:
            raise ApiError(-2011)
        self._set_algo(algo, "CANCELED")
        return algo

    # the passing of prices and time

    def on_price(self, symbol: str) -> None:
        """Match everything that waits for this contract's price."""
        for order in self.books.open_orders(symbol):
            self._rematch(order)
        for algo in self.books.open_algos(symbol):
            if algo.open and checks.reached(algo, self._reference(algo)):
                self._fire(algo)

    def _rematch(self, order: Order) -> None:
        request = order.request
        if request.type == "MARKET":
            target = order.remaining
            if checks.must_reduce(request):
                target = min(target, checks.reduces(request, self.account))
            if target:
                self._fill(order, target, self._market_price(request), maker=False)
            if order.open:
                self._finish(order, "EXPIRED")
        elif self._crosses(request):
            self._fill(order, order.remaining, request.price, maker=True)
        algo = self.books.algo(order.algo_id)
        if algo is not None and not order.open:
            self._set_algo(algo, "FINISHED")

    def expire(self) -> None:
        """End conditional orders past their good-till time."""
        now = self.clock.now()
        for algo in self.books.open_algos():
            if algo.good_till and now >= algo.good_till:
                self._end_algo(algo, "EXPIRED", "good till time passed")

    def force(self, position: Position, quantity: Decimal, price: Decimal, source: str) -> Order:
        """Close by the exchange itself: ``source`` is liquidation, adl or settlement."""
        now = self.clock.now()
        name = {
            "liquidation": f"autoclose-{now}",
            "adl": "adl_autoclose",
            "settlement": f"settlement_autoclose-{now}",
        }[source]
        request = OrderRequest(
            symbol=position.symbol,
            side="SELL" if position.quantity > 0 else "BUY",
            type="MARKET",
            quantity=quantity,
            client_id=name,
            position_side=position.side,
            source=source,
        )
        order = self._record(request)
        self._fill(order, quantity, price, maker=False)
        return order

    def _observe(self) -> None:
        positions = list(self.account.positions.values())
        self.watch.observe(positions, self.books.open_algos(), self.clock.now())

    def tell(self, event: UserEvent) -> None:
        """Tell the listeners of a change made elsewhere."""
        self._observe()
        self._tell(event)

    def _tell(self, event: UserEvent) -> None:
        for listener in self.listeners:
            listener(event)
