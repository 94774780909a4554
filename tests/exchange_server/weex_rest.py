"""The REST endpoints of the WEEX contract dialect, as far as a perpetuals venue uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

from tests.exchange_server import weex_views as views
from tests.exchange_server.binance_views import text
from tests.exchange_server.candle_faults import spoil
from tests.exchange_server.errors import ApiError
from tests.exchange_server.incoming import Incoming, Reply
from tests.exchange_server.keys import ApiKey, passphrase_signature
from tests.exchange_server.prices import DAY, INTERVALS, MINUTE, Row
from tests.exchange_server.state import ZERO, Algo, Order, OrderRequest, Trade
from tests.exchange_server.world import World

WINDOW_MS = 30_000
SUCCESS = {"code": "200", "msg": "success"}
NOT_FOUND = "FAILED_ORDER_NOT_FOUND"
# the matching engine speaks Binance codes; these are what WEEX says instead
CODES = {
    -1121: (-1121, "Invalid symbol."),
    -2013: (-3200, "Order does not exist."),
    -2019: (-1054, "FAILED_PRECONDITION: available amount not enough."),
    -2021: (-1142, "INVALID_ARGUMENT: the trigger price is reached already."),
    -2022: (-1142, "INVALID_ARGUMENT: no position to reduce."),
    -4118: (-1142, "INVALID_ARGUMENT: the position is closed by open orders already."),
    -4116: (-1142, "INVALID_ARGUMENT: duplicate client order id."),
    -4164: (-1142, "INVALID_ARGUMENT: order value below the minimum."),
    -1111: (-1160, "Decimal precision error."),
    -4014: (-1160, "Decimal precision error."),
    -4028: (-3313, "Leverage exceeds maximum limit."),
    -4140: (-3235, "No permission for this trading pair."),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request's parameters."""

    params: dict[str, Any]

    def symbol(self, world: World) -> str:
        return world.exchange.symbol_rules(str(self.params.get("symbol", ""))).symbol

    def number(self, name: str) -> Decimal:
        try:
            return Decimal(str(self.params.get(name) or 0))
        except InvalidOperation:
            raise ApiError(-1142, f"INVALID_ARGUMENT: {name}") from None

    def integer(self, name: str, default: int = 0) -> int:
        return int(self.params.get(name) or default)

    def chosen(self, items: list[Any], symbol: Callable[[Any], str]) -> list[Any]:
        """Keep the items of the asked symbol, all without one."""
        wanted = self.params.get("symbol")
        return [item for item in items if wanted in (None, symbol(item))]

    def within(self, time: int) -> bool:
        return self.integer("startTime") <= time <= self.integer("endTime", 2**62)


Handler = Callable[[Call], Any]


class WeexRest:
    """Answers paths under /capi; positions are held LONG and SHORT side by side."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.separated = "COMBINED"
        self.public: dict[str, Handler] = {
            "/api/v3/exchangeInfo": lambda call: {"symbols": []},
            "/api/v3/coins": lambda call: [],
            "/api/v3/time": self.time,
            "/capi/v3/market/time": self.time,
            "/capi/v3/market/exchangeInfo": self.exchange_info,
            "/capi/v3/market/klines": self.klines,
            "/capi/v3/market/markPriceKlines": self.klines,
            "/capi/v3/market/historyKlines": self.history_klines,
            "/capi/v3/market/ticker/24hr": self.tickers,
            "/capi/v3/market/ticker/bookTicker": self.book_tickers,
            "/capi/v3/market/symbolPrice": self.symbol_price,
            "/capi/v3/market/premiumIndex": self.premium_index,
            "/capi/v3/market/depth": self.depth,
        }
        self.private: dict[tuple[str, str], Handler] = {
            ("GET", "/capi/v3/account/balance"): lambda call: [views.balance(world.account)],
            ("GET", "/capi/v3/account/position/allPosition"): self.positions,
            ("GET", "/capi/v3/account/position/singlePosition"): self.positions,
            ("GET", "/capi/v3/account/symbolConfig"): self.symbol_config,
            ("GET", "/capi/v3/account/commissionRate"): self.commission_rate,
            ("POST", "/capi/v3/account/leverage"): self.set_leverage,
            ("POST", "/capi/v3/account/marginType"): self.set_margin_type,
            ("POST", "/capi/v3/account/income"): self.income,
            ("POST", "/capi/v3/order"): self.new_order,
            ("GET", "/capi/v3/order"): self.get_order,
            ("DELETE", "/capi/v3/order"): self.cancel_order,
            ("GET", "/capi/v3/openOrders"): self.open_orders,
            ("GET", "/capi/v3/order/history"): self.history,
            ("GET", "/capi/v3/userTrades"): self.user_trades,
            ("POST", "/capi/v3/algoOrder"): self.new_algo,
            ("DELETE", "/capi/v3/algoOrder"): self.cancel_algo,
            ("GET", "/capi/v3/openAlgoOrders"): self.open_algos,
        }

    def knows(self, method: str, path: str) -> bool:
        return (method == "GET" and path in self.public) or (method, path) in self.private

    def answer(self, incoming: Incoming) -> Reply:
        """Authorise and handle one request; a refusal is a reply with its code."""
        try:
            call = Call(incoming.params)
            if incoming.path in self.public:
                return 200, self.public[incoming.path](call)
            self._authorise(incoming)
            return 200, self.private[incoming.method, incoming.path](call)
        except ApiError as error:
            default = (error.code, error.message)
            known = error.code in CODES and error.code != -1142
            code, message = CODES[error.code] if known else default
            return 400, {"code": code, "msg": message}

    def _authorise(self, incoming: Incoming) -> ApiKey:
        headers = incoming.headers
        key = self.world.keys.get(headers.get("ACCESS-KEY", ""))
        if key is None:
            raise ApiError(-1044, "Invalid ACCESS_KEY.")
        if headers.get("ACCESS-PASSPHRASE") != key.passphrase:
            raise ApiError(-1049, "API key or passphrase incorrect.")
        if not key.ip_allowed:
            raise ApiError(-1056, "Invalid IP address.")
        if not key.futures:
            raise ApiError(-1052, "Insufficient permissions for this action.")
        stamp = headers.get("ACCESS-TIMESTAMP", "")
        path = incoming.path + (f"?{incoming.query}" if incoming.query else "")
        signed = f"{stamp}{incoming.method}{path}{incoming.body}"
        if passphrase_signature(key.secret, signed) != headers.get("ACCESS-SIGN"):
            raise ApiError(-1047, "API authentication failed.")
        if not stamp.isdigit() or abs(int(stamp) - self.world.clock.now()) > WINDOW_MS:
            raise ApiError(-1046, "Request timestamp expired.")
        return key

    # market data

    def time(self, call: Call) -> Any:
        return {"serverTime": self.world.clock.now()}

    def exchange_info(self, call: Call) -> Any:
        delisted = self.world.exchange.delisted
        return {
            "assets": [{"asset": "USDT", "marginAvailable": True}],
            "symbols": [
                views.contract(rules)
                for rules in self.world.rules.values()
                if rules.symbol not in delisted
            ],
        }

    def _rows(self, call: Call, start: int | None, end: int | None, limit: int) -> Any:
        symbol, interval = call.symbol(self.world), str(call.params.get("interval"))
        if interval not in INTERVALS:
            raise ApiError(-1142, "Parameter 'interval' is invalid.")
        rows = self.world.prices.klines(symbol, interval, start, end, limit)
        fault = self.world.faults.take("candles", symbol=symbol)
        if fault is not None:
            rows = spoil(rows, fault)
        span = INTERVALS[interval] * MINUTE
        return [self._kline(row, span, symbol) for row in rows]

    def _kline(self, row: Row, span: int, symbol: str) -> list[Any]:
        digits = self.world.rules[symbol].price_decimals
        prices = [f"{price:.{digits}f}" for price in row[1:5]]
        volume = row[5]
        return [row[0], *prices, f"{volume:.3f}", row[0] + span - 1, f"{volume * row[4]:.2f}"]

    def klines(self, call: Call) -> Any:
        """Return the newest candles; a start time is ignored, as on the real exchange."""
        return self._rows(call, None, None, min(call.integer("limit", 100), 1000))

    def history_klines(self, call: Call) -> Any:
        start, end = call.integer("startTime"), call.integer("endTime")
        return self._rows(call, start, end or None, min(call.integer("limit", 100), 100))

    def _each(self, call: Call, view: Callable[[str], Any]) -> list[Any]:
        if call.params.get("symbol"):
            return [view(call.symbol(self.world))]
        return [view(symbol) for symbol in self.world.rules]

    def tickers(self, call: Call) -> Any:
        prices, now = self.world.prices, self.world.clock.now()

        def view(symbol: str) -> Any:
            day = prices.klines(symbol, "1h", now - DAY, None, 25)
            return views.ticker(self.world.rules[symbol], prices.quotes[symbol], day, now)

        return self._each(call, view)

    def book_tickers(self, call: Call) -> Any:
        quotes, now = self.world.prices.quotes, self.world.clock.now()

        def view(symbol: str) -> Any:
            quote = quotes[symbol]
            return {
                "symbol": symbol,
                "bidPrice": text(quote.bid),
                "bidQty": "10",
                "askPrice": text(quote.ask),
                "askQty": "10",
                "time": now,
            }

        return self._each(call, view)

    def symbol_price(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        quote = self.world.prices.quotes[symbol]
        return {
            "symbol": symbol,
            "price": text(quote.mark),
            "time": self.world.clock.now(),
        }

    def premium_index(self, call: Call) -> Any:
        quotes, now = self.world.prices.quotes, self.world.clock.now()
        due = self.world.keeper.next_funding
        return self._each(call, lambda s: views.premium_index(s, quotes[s], now, due))

    def depth(self, call: Call) -> Any:
        quote = self.world.prices.quotes[call.symbol(self.world)]
        now = self.world.clock.now()
        return {
            "lastUpdateId": now,
            "bids": [[text(quote.bid), "10"]],
            "asks": [[text(quote.ask), "10"]],
        }

    # account and settings

    def positions(self, call: Call) -> Any:
        account = self.world.account
        chosen = call.chosen(account.open_positions(), lambda item: item.symbol)
        return [views.position(item, account) for item in chosen]

    def symbol_config(self, call: Call) -> Any:
        account = self.world.account
        return self._each(call, lambda s: views.symbol_config(s, account, self.separated))

    def commission_rate(self, call: Call) -> Any:
        rules = views.contract(self.world.rules[call.symbol(self.world)])
        return {
            "symbol": rules["symbol"],
            "makerCommissionRate": rules["makerFeeRate"],
            "takerCommissionRate": rules["takerFeeRate"],
        }

    def set_leverage(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        names = ("crossLeverage", "isolatedLongLeverage", "isolatedShortLeverage")
        leverage = max(int(call.number(name)) for name in names)
        if not 1 <= leverage <= self.world.rules[symbol].brackets[0].leverage:
            raise ApiError(-4028)
        self.world.account.settings[symbol].leverage = leverage
        return SUCCESS

    def set_margin_type(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        settings, wanted = self.world.account.settings[symbol], call.params.get("marginType")
        held = any(p.symbol == symbol for p in self.world.account.open_positions())
        if held and wanted != settings.margin_type:
            raise ApiError(-1142, "INVALID_ARGUMENT: margin mode with an open position.")
        settings.margin_type = str(wanted)
        self.separated = str(call.params.get("separatedType") or self.separated)
        return SUCCESS

    def income(self, call: Call) -> Any:
        wallet = text(self.world.account.wallet, 8)
        lines = [line for line in self.world.account.incomes if call.within(line.time)]
        items = [
            views.income(line, wallet) for line in call.chosen(lines, lambda item: item.symbol)
        ]
        kind = call.params.get("incomeType")
        items = [item for item in items if kind in (None, item["incomeType"])]
        limit = min(call.integer("limit", 20), 100)
        newest = items[::-1]
        return {"hasNextPage": len(newest) > limit, "nextKey": None, "items": newest[:limit]}

    # orders

    def _request(self, call: Call, client_id: Any, kind: str) -> OrderRequest:
        return OrderRequest(
            symbol=call.symbol(self.world),
            side=str(call.params.get("side")),
            type=kind,
            quantity=call.number("quantity"),
            client_id=str(client_id or uuid4().hex[:22]),
            price=ZERO if kind.endswith("MARKET") else call.number("price"),
            position_side=str(call.params.get("positionSide")),
            time_in_force=str(call.params.get("timeInForce") or "GTC"),
        )

    def new_order(self, call: Call) -> Any:
        """Take an order; attached stop and target rest as soon as it has filled."""
        kind = str(call.params.get("type"))
        if kind not in ("MARKET", "LIMIT"):
            raise ApiError(-1116)
        request = self._request(call, call.params.get("newClientOrderId"), kind)
        attached = self._attached(call, request)
        order = self.world.exchange.place(request)
        for name, trigger, working in attached:
            if order.executed:
                self._attach(order, name, trigger, working)
        return {
            "orderId": order.order_id,
            "clientOrderId": request.client_id,
            "success": True,
            "errorCode": "",
            "errorMessage": "",
        }

    def _attached(self, call: Call, request: OrderRequest) -> list[tuple[str, Decimal, str]]:
        """Read the attached triggers; one on the wrong side of the price refuses the order."""
        last = self.world.prices.quotes[request.symbol].last
        long = request.position_side == "LONG"
        read = []
        for name, field, prefix in (
            ("STOP_MARKET", "slTriggerPrice", "Sl"),
            ("TAKE_PROFIT_MARKET", "tpTriggerPrice", "Tp"),
        ):
            trigger = call.number(field)
            if not trigger:
                continue
            below = (name == "STOP_MARKET") == long
            if trigger >= last if below else trigger <= last:
                raise ApiError(-2021)
            working = str(call.params.get(f"{prefix}WorkingType") or "CONTRACT_PRICE")
            read.append((name, trigger, working))
        return read

    def _attach(self, order: Order, kind: str, trigger: Decimal, working: str) -> None:
        request = OrderRequest(
            symbol=order.request.symbol,
            side="SELL" if order.request.side == "BUY" else "BUY",
            type=kind,
            quantity=order.executed,
            client_id=f"tpsl-{uuid4().hex[:20]}",
            position_side=order.request.position_side,
        )
        self.world.exchange.place_algo(request, trigger, working, 0).attached = True

    def new_algo(self, call: Call) -> Any:
        kind = str(call.params.get("type"))
        if kind not in ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"):
            raise ApiError(-1116)
        request = self._request(call, call.params.get("clientAlgoId"), kind)
        prefix = "Tp" if kind.startswith("TAKE") else "Sl"
        working = str(call.params.get(f"{prefix}WorkingType") or "CONTRACT_PRICE")
        trigger = call.number("triggerPrice")
        algo = self.world.exchange.place_algo(request, trigger, working, 0)
        return {
            "algoId": algo.algo_id,
            "clientAlgoId": request.client_id,
            "success": True,
            "errorCode": "",
            "errorMessage": "",
        }

    def _algo(self, order_id: int) -> Algo | None:
        return self.world.exchange.books.algo(order_id)

    def get_order(self, call: Call) -> Any:
        """Find an order by id; there is no look-up by client id for contracts."""
        order_id = call.integer("orderId")
        algo = self._algo(order_id)
        if algo is not None:
            return views.algo_as_order(algo)
        order = self.world.exchange.books.order(order_id)
        if order is None:
            raise ApiError(-2013)
        return views.order(order)

    def cancel_order(self, call: Call) -> Any:
        order_id, client_id = call.integer("orderId"), call.params.get("origClientOrderId")
        for order in self.world.exchange.books.open_orders():
            if order_id == order.order_id or client_id == order.request.client_id:
                self.world.exchange.cancel(order)
                return {"orderId": order.order_id, "status": "CANCELED"}
        return {"orderId": order_id, "status": "FAILED", "errorMsg": NOT_FOUND}

    def cancel_algo(self, call: Call) -> Any:
        algo = self._algo(call.integer("orderId") or call.integer("algoId"))
        if algo is None or not algo.open:
            return {"orderId": call.integer("orderId"), "status": "FAILED", "errorMsg": NOT_FOUND}
        self.world.exchange.cancel_algo(algo)
        return {"orderId": algo.algo_id, "status": "CANCELED"}

    def open_orders(self, call: Call) -> Any:
        orders = self.world.exchange.books.open_orders()
        return [views.order(o) for o in call.chosen(orders, lambda item: item.request.symbol)]

    def open_algos(self, call: Call) -> Any:
        algos = self.world.exchange.books.open_algos()
        return [views.algo(a) for a in call.chosen(algos, lambda item: item.request.symbol)]

    def history(self, call: Call) -> Any:
        """Return finished orders, conditional ones under their own id, newest first."""
        books = self.world.exchange.books
        wanted, limit = call.params.get("symbol"), min(call.integer("limit", 100), 1000)
        plain = [
            order
            for order in books.orders
            if not order.open
            and not order.algo_id
            and wanted in (None, order.request.symbol)
            and call.within(order.created)
        ]
        conditional = [
            algo
            for algo in books.algos
            if not algo.open and wanted in (None, algo.request.symbol) and call.within(algo.created)
        ]
        rows = [views.order(order) for order in plain[-limit:]]
        rows += [views.algo_as_order(algo) for algo in conditional[-limit:]]
        rows.sort(key=lambda row: -int(row["time"]))
        return rows[:limit]

    def user_trades(self, call: Call) -> Any:
        """Return fills newest first; those of a fired conditional order carry its id."""
        books = self.world.exchange.books
        wanted = call.integer("orderId")
        trades = self.world.account.trades
        if wanted:
            algo = books.algo(wanted)
            order = books.order(wanted) if algo is None else algo.order
            trades = [] if order is None else order.trades
        chosen = [
            trade
            for trade in call.chosen(trades, lambda item: item.symbol)
            if call.within(trade.time)
        ]
        newest = chosen[::-1][: min(call.integer("limit", 100), 100)]
        return [views.trade(trade, self.shown_id(trade)) for trade in newest]

    def shown_id(self, trade: Trade) -> int:
        """Return the order id a fill is shown under: a fired conditional order keeps its own."""
        order = self.world.exchange.books.order(trade.order_id)
        return trade.order_id if order is None or not order.algo_id else order.algo_id
