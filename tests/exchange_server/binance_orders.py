"""Orders, conditional orders, trades and income of the Binance dialect."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.exchange_server import binance_views as views
from tests.exchange_server.binance_call import Call, Routes
from tests.exchange_server.errors import ApiError
from tests.exchange_server.state import ZERO, Algo, Order, OrderRequest
from tests.exchange_server.world import World

CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")


class OrderCalls:
    """Answers what places, changes or reports orders; see ``routes``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes: Routes = {
            ("POST", "/fapi/v1/order"): ("signed", self.new_order),
            ("GET", "/fapi/v1/order"): ("signed", self.get_order),
            ("DELETE", "/fapi/v1/order"): ("signed", self.cancel_order),
            ("GET", "/fapi/v1/openOrder"): ("signed", self.get_open_order),
            ("GET", "/fapi/v1/openOrders"): ("signed", self.open_orders),
            ("GET", "/fapi/v1/allOrders"): ("signed", self.all_orders),
            ("DELETE", "/fapi/v1/allOpenOrders"): ("signed", self.cancel_all),
            ("POST", "/fapi/v1/algoOrder"): ("signed", self.new_algo),
            ("GET", "/fapi/v1/algoOrder"): ("signed", self.get_algo),
            ("DELETE", "/fapi/v1/algoOrder"): ("signed", self.cancel_algo),
            ("GET", "/fapi/v1/openAlgoOrders"): ("signed", self.open_algos),
            ("GET", "/fapi/v1/allAlgoOrders"): ("signed", self.all_algos),
            ("DELETE", "/fapi/v1/algoOpenOrders"): ("signed", self.cancel_all_algos),
            ("GET", "/fapi/v1/userTrades"): ("signed", self.user_trades),
            ("GET", "/fapi/v1/income"): ("signed", self.income),
        }

    def _request(self, call: Call, client_id: str) -> OrderRequest:
        symbol = call.symbol(self.world)
        kind = call.required("type")
        position_side = call.params.get("positionSide", "BOTH")
        if self.world.account.hedged == (position_side == "BOTH"):
            raise ApiError(-4061)
        close_position = call.flag("closePosition")
        if not close_position:
            call.required("quantity")
        if kind in ("LIMIT", "STOP", "TAKE_PROFIT"):
            call.required("price")
        return OrderRequest(
            symbol=symbol,
            side=call.required("side"),
            type=kind,
            quantity=call.number("quantity"),
            client_id=client_id or uuid4().hex[:22],
            price=ZERO if kind.endswith("MARKET") else call.number("price"),
            position_side=position_side,
            reduce_only=call.flag("reduceOnly"),
            close_position=close_position,
            time_in_force=call.params.get("timeInForce", "GTC"),
        )

    def new_order(self, call: Call) -> Any:
        kind = call.required("type")
        if kind in CONDITIONAL:
            raise ApiError(-4120)
        if kind not in ("MARKET", "LIMIT"):
            raise ApiError(-1116)
        request = self._request(call, call.params.get("newClientOrderId", ""))
        order = self.world.exchange.place(request)
        if call.params.get("newOrderRespType", "ACK") == "ACK":
            return views.order(order) | {"status": "NEW", "executedQty": "0", "avgPrice": "0.00"}
        return views.order(order)

    def _find(self, call: Call) -> Order | None:
        symbol = call.symbol(self.world)
        order_id, client_id = call.integer("orderId"), call.params.get("origClientOrderId")
        if order_id is None and not client_id:
            call.required("orderId")
        books = self.world.exchange.books
        if order_id is None:
            return books.order_by_client(symbol, client_id or "")
        order = books.order(order_id)
        return order if order is not None and order.request.symbol == symbol else None

    def get_order(self, call: Call) -> Any:
        order = self._find(call)
        if order is None:
            raise ApiError(-2013)
        return views.order(order)

    def get_open_order(self, call: Call) -> Any:
        order = self._find(call)
        if order is None or not order.open:
            raise ApiError(-2013)
        return views.order(order)

    def cancel_order(self, call: Call) -> Any:
        return views.order(self.world.exchange.cancel(self._find(call)))

    def _chosen(self, call: Call, items: list[Any]) -> list[Any]:
        if "symbol" not in call.params:
            return items
        symbol = call.symbol(self.world)
        return [item for item in items if item.request.symbol == symbol]

    def open_orders(self, call: Call) -> Any:
        return [views.order(o) for o in self._chosen(call, self.world.exchange.books.open_orders())]

    def _history(self, call: Call, items: list[Any]) -> list[Any]:
        start, end = call.window()
        chosen = [i for i in self._chosen(call, items) if start <= i.created <= end]
        return chosen[-call.limit(500) :]

    def all_orders(self, call: Call) -> Any:
        return [views.order(item) for item in self._history(call, self.world.exchange.books.orders)]

    def cancel_all(self, call: Call) -> Any:
        for order in self._chosen(call, self.world.exchange.books.open_orders()):
            self.world.exchange.cancel(order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def new_algo(self, call: Call) -> Any:
        if call.required("algoType") != "CONDITIONAL":
            raise ApiError(-1102, "Invalid algoType.")
        if call.required("type") not in CONDITIONAL[:4]:
            raise ApiError(-1116)
        call.required("triggerPrice")
        request = self._request(call, call.params.get("clientAlgoId", ""))
        working = call.params.get("workingType", "CONTRACT_PRICE")
        algo = self.world.exchange.place_algo(
            request, call.number("triggerPrice"), working, call.integer("goodTillDate") or 0
        )
        return views.new_algo(algo)

    def _find_algo(self, call: Call) -> Algo | None:
        algo_id, client_id = call.integer("algoId"), call.params.get("clientAlgoId")
        if algo_id is None and not client_id:
            call.required("algoId")
        books = self.world.exchange.books
        return books.algo_by_client(client_id or "") if algo_id is None else books.algo(algo_id)

    def get_algo(self, call: Call) -> Any:
        algo = self._find_algo(call)
        if algo is None:
            raise ApiError(-2013)
        return views.algo(algo)

    def cancel_algo(self, call: Call) -> Any:
        algo = self.world.exchange.cancel_algo(self._find_algo(call))
        return {
            "algoId": algo.algo_id,
            "clientAlgoId": algo.request.client_id,
            "code": "200",
            "msg": "success",
        }

    def open_algos(self, call: Call) -> Any:
        return [
            views.algo(item) for item in self._chosen(call, self.world.exchange.books.open_algos())
        ]

    def all_algos(self, call: Call) -> Any:
        return [views.algo(item) for item in self._history(call, self.world.exchange.books.algos)]

    def cancel_all_algos(self, call: Call) -> Any:
        for algo in self._chosen(call, self.world.exchange.books.open_algos()):
            self.world.exchange.cancel_algo(algo)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def user_trades(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        start, end = call.window()
        order_id, first = call.integer("orderId"), call.integer("fromId") or 0
        trades = self.world.account.trades
        if order_id is not None:
            order = self.world.exchange.books.order(order_id)
            trades = [] if order is None else order.trades
        chosen = [
            trade
            for trade in trades
            if trade.symbol == symbol and start <= trade.time <= end and trade.trade_id >= first
        ]
        limit = call.limit(500)
        window = chosen[:limit] if start or first else chosen[-limit:]
        return [views.trade(trade) for trade in window]

    def income(self, call: Call) -> Any:
        start, end = call.window()
        kind, symbol = call.params.get("incomeType"), call.params.get("symbol")
        chosen = [
            line
            for line in self.world.account.incomes
            if start <= line.time <= end
            and kind in (None, line.kind)
            and symbol in (None, line.symbol)
        ]
        limit = call.limit(100)
        return [views.income(line) for line in (chosen[:limit] if start else chosen[-limit:])]
