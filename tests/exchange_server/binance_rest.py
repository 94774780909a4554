"""The REST endpoints of the Binance USD-M dialect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

from tests.exchange_server import binance_views as views
from tests.exchange_server.candle_faults import spoil
from tests.exchange_server.errors import ApiError
from tests.exchange_server.keys import ApiKey, check_key, check_signature, check_time
from tests.exchange_server.prices import DAY, INTERVALS, MINUTE
from tests.exchange_server.state import ZERO, Algo, Order, OrderRequest
from tests.exchange_server.world import World

Params = dict[str, str]
SUCCESS = {"code": 200, "msg": "success"}
CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, its parameters from query and body together."""

    params: Params
    key: ApiKey | None = None

    def symbol(self, world: World) -> str:
        name = self.required("symbol")
        world.exchange.symbol_rules(name)
        return name

    def required(self, name: str) -> str:
        value = self.params.get(name, "")
        if not value:
            text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
            raise ApiError(-1102, text)
        return value

    def number(self, name: str) -> Decimal:
        try:
            return Decimal(self.params.get(name) or 0)
        except InvalidOperation:
            raise ApiError(-1102, f"Illegal characters found in parameter '{name}'.") from None

    def integer(self, name: str) -> int | None:
        value = self.params.get(name)
        return int(value) if value else None

    def flag(self, name: str) -> bool:
        return self.params.get(name, "").lower() == "true"

    def limit(self, default: int, most: int = 1000) -> int:
        return min(self.integer("limit") or default, most)

    def window(self) -> tuple[int, int]:
        start, end = self.integer("startTime"), self.integer("endTime")
        return start or 0, end if end is not None else 2**62


Handler = Callable[[Call], Any]


class BinanceRest:
    """Answers paths under /fapi and /sapi; ``routes`` by method and path: (security, handler)."""

    def __init__(self, world: World) -> None:
        self.world = world
        public, keyed, signed = "public", "key", "signed"
        self.routes: dict[tuple[str, str], tuple[str, Handler]] = {
            ("GET", "/fapi/v1/ping"): (public, lambda call: {}),
            ("GET", "/fapi/v1/time"): (public, self.time),
            ("GET", "/fapi/v1/exchangeInfo"): (public, self.exchange_info),
            ("GET", "/fapi/v1/klines"): (public, self.klines),
            ("GET", "/fapi/v1/markPriceKlines"): (public, self.klines),
            ("GET", "/fapi/v1/ticker/bookTicker"): (public, self.book_ticker),
            ("GET", "/fapi/v1/ticker/24hr"): (public, self.ticker),
            ("GET", "/fapi/v1/ticker/price"): (public, self.ticker_price),
            ("GET", "/fapi/v1/premiumIndex"): (public, self.premium_index),
            ("GET", "/fapi/v1/fundingRate"): (public, self.funding_rate),
            ("GET", "/fapi/v1/depth"): (public, self.depth),
            ("POST", "/fapi/v1/listenKey"): (keyed, self.create_listen_key),
            ("PUT", "/fapi/v1/listenKey"): (keyed, self.keep_listen_key),
            ("DELETE", "/fapi/v1/listenKey"): (keyed, self.close_listen_key),
            ("POST", "/fapi/v1/leverage"): (signed, self.set_leverage),
            ("POST", "/fapi/v1/marginType"): (signed, self.set_margin_type),
            ("GET", "/fapi/v1/leverageBracket"): (signed, self.leverage_bracket),
            ("GET", "/fapi/v1/positionSide/dual"): (signed, self.position_mode),
            ("POST", "/fapi/v1/positionSide/dual"): (signed, self.set_position_mode),
            ("GET", "/fapi/v1/multiAssetsMargin"): (signed, self.multi_assets),
            ("GET", "/fapi/v1/accountConfig"): (signed, self.account_config),
            ("GET", "/fapi/v1/symbolConfig"): (signed, self.symbol_config),
            ("GET", "/fapi/v1/commissionRate"): (signed, self.commission_rate),
            ("POST", "/fapi/v1/order"): (signed, self.new_order),
            ("GET", "/fapi/v1/order"): (signed, self.get_order),
            ("DELETE", "/fapi/v1/order"): (signed, self.cancel_order),
            ("GET", "/fapi/v1/openOrder"): (signed, self.get_open_order),
            ("GET", "/fapi/v1/openOrders"): (signed, self.open_orders),
            ("GET", "/fapi/v1/allOrders"): (signed, self.all_orders),
            ("DELETE", "/fapi/v1/allOpenOrders"): (signed, self.cancel_all),
            ("POST", "/fapi/v1/algoOrder"): (signed, self.new_algo),
            ("GET", "/fapi/v1/algoOrder"): (signed, self.get_algo),
            ("DELETE", "/fapi/v1/algoOrder"): (signed, self.cancel_algo),
            ("GET", "/fapi/v1/openAlgoOrders"): (signed, self.open_algos),
            ("GET", "/fapi/v1/allAlgoOrders"): (signed, self.all_algos),
            ("DELETE", "/fapi/v1/algoOpenOrders"): (signed, self.cancel_all_algos),
            ("GET", "/fapi/v1/userTrades"): (signed, self.user_trades),
            ("GET", "/fapi/v1/income"): (signed, self.income),
            ("GET", "/fapi/v2/account"): (signed, lambda call: self.account(2)),
            ("GET", "/fapi/v3/account"): (signed, lambda call: self.account(3)),
            ("GET", "/fapi/v2/balance"): (signed, self.balance),
            ("GET", "/fapi/v3/balance"): (signed, self.balance),
            ("GET", "/fapi/v2/positionRisk"): (signed, lambda call: self.positions(call, 2)),
            ("GET", "/fapi/v3/positionRisk"): (signed, lambda call: self.positions(call, 3)),
            ("GET", "/sapi/v1/account/apiRestrictions"): (signed, self.restrictions),
        }

    def knows(self, method: str, path: str) -> bool:
        return (method, path) in self.routes

    def answer(
        self, method: str, path: str, params: Params, raw: tuple[str, str], api_key: str | None
    ) -> Any:
        """Authorise and handle one request; ``raw`` is its query string and body."""
        security, handler = self.routes[method, path]
        key = None
        if security != "public":
            key = check_key(self.world.keys, api_key)
            if path.startswith("/fapi") and not key.futures:
                raise ApiError(-2015)
        if security == "signed":
            assert key is not None
            check_signature(key, *raw)
            check_time(params, self.world.clock.now())
        return handler(Call(params, key))

    # market data

    def time(self, call: Call) -> Any:
        return {"serverTime": self.world.clock.now()}

    def exchange_info(self, call: Call) -> Any:
        world = self.world
        return {
            "timezone": "UTC",
            "serverTime": world.clock.now(),
            "futuresType": "U_MARGINED",
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE",
                 "intervalNum": 1, "limit": 2400},
                {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
            ],
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [
                views.symbol_info(rules, rules.symbol in world.exchange.delisted)
                for rules in world.rules.values()
            ],
        }  # fmt: skip

    def klines(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        interval = call.required("interval")
        if interval not in INTERVALS:
            raise ApiError(-1102, "Invalid interval.")
        span = INTERVALS[interval] * MINUTE
        start, end = call.integer("startTime"), call.integer("endTime")
        rows = self.world.prices.klines(symbol, interval, start, end, call.limit(500, 1500))
        fault = self.world.faults.take("candles", symbol=symbol)
        if fault is not None:
            rows = spoil(rows, fault)
        return [views.kline(row, span, self.world.rules[symbol]) for row in rows]

    def _per_symbol(self, call: Call, view: Callable[[str], Any]) -> Any:
        if "symbol" in call.params:
            return view(call.symbol(self.world))
        return [view(symbol) for symbol in self.world.rules]

    def book_ticker(self, call: Call) -> Any:
        quotes, now = self.world.prices.quotes, self.world.clock.now()
        return self._per_symbol(call, lambda s: views.book_ticker(s, quotes[s], now))

    def ticker(self, call: Call) -> Any:
        prices, now = self.world.prices, self.world.clock.now()

        def view(symbol: str) -> Any:
            day = prices.klines(symbol, "1h", now - DAY, None, 25)
            return views.ticker(self.world.rules[symbol], prices.quotes[symbol], day, now)

        return self._per_symbol(call, view)

    def ticker_price(self, call: Call) -> Any:
        quotes, now = self.world.prices.quotes, self.world.clock.now()
        return self._per_symbol(
            call, lambda s: {"symbol": s, "price": views.text(quotes[s].last), "time": now}
        )

    def premium_index(self, call: Call) -> Any:
        quotes, now = self.world.prices.quotes, self.world.clock.now()
        due = self.world.keeper.next_funding
        return self._per_symbol(call, lambda s: views.premium_index(s, quotes[s], now, due))

    def funding_rate(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        quote = self.world.prices.quotes[symbol]
        period = 8 * 3_600_000
        newest = self.world.keeper.last_funding
        start, end = call.window()
        limit = call.limit(100)
        times = range(newest - (limit - 1) * period, newest + 1, period)
        return [
            {
                "symbol": symbol,
                "fundingRate": views.text(quote.funding_rate, 8),
                "fundingTime": time,
                "markPrice": views.text(quote.mark, 8),
            }
            for time in times
            if start <= time <= end
        ]

    def depth(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        quote, tick = self.world.prices.quotes[symbol], self.world.rules[symbol].tick
        now = self.world.clock.now()
        levels = range(call.limit(500, 50))
        return {
            "lastUpdateId": now,
            "E": now,
            "T": now,
            "bids": [[views.text(quote.bid - i * tick), "10"] for i in levels],
            "asks": [[views.text(quote.ask + i * tick), "10"] for i in levels],
        }

    # account and settings

    def account(self, version: int) -> Any:
        return views.account_info(self.world.account, self.world.clock.now(), version=version)

    def balance(self, call: Call) -> Any:
        return views.balances(self.world.account, self.world.clock.now())

    def positions(self, call: Call, version: int) -> Any:
        account = self.world.account
        chosen = account.open_positions()
        if version == 2:
            held = {item.symbol for item in chosen}
            chosen += [account.position(s, "BOTH") for s in self.world.rules if s not in held]
        if "symbol" in call.params:
            symbol = call.symbol(self.world)
            chosen = [item for item in chosen if item.symbol == symbol]
        return [views.position_risk(item, account, version=version) for item in chosen]

    def set_leverage(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        rules, account = self.world.rules[symbol], self.world.account
        leverage = call.integer("leverage") or 0
        if not 1 <= leverage <= rules.brackets[0].leverage:
            raise ApiError(-4028, f"Leverage {leverage} is not valid")
        held = sum(
            (abs(account.notional(p)) for p in account.open_positions() if p.symbol == symbol), ZERO
        )
        if held > rules.largest_notional(leverage):
            raise ApiError(-2027)
        account.settings[symbol].leverage = leverage
        return {
            "symbol": symbol,
            "leverage": leverage,
            "maxNotionalValue": views.text(rules.largest_notional(leverage)),
        }

    def set_margin_type(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        wanted = call.required("marginType")
        settings, exchange = self.world.account.settings[symbol], self.world.exchange
        if settings.margin_type == wanted:
            raise ApiError(-4046)
        if any(order.request.symbol == symbol for order in exchange.open_orders()):
            raise ApiError(-4047)
        if any(p.symbol == symbol for p in self.world.account.open_positions()):
            raise ApiError(-4048)
        settings.margin_type = wanted
        return SUCCESS

    def leverage_bracket(self, call: Call) -> Any:
        rules = self.world.rules
        if "symbol" in call.params:
            return [views.leverage_brackets(rules[call.symbol(self.world)])]
        return [views.leverage_brackets(item) for item in rules.values()]

    def position_mode(self, call: Call) -> Any:
        return {"dualSidePosition": self.world.account.hedged}

    def set_position_mode(self, call: Call) -> Any:
        hedged = call.flag("dualSidePosition")
        exchange, account = self.world.exchange, self.world.account
        if hedged == account.hedged:
            raise ApiError(-4059)
        if exchange.open_orders() or exchange.open_algos():
            raise ApiError(-4067)
        if account.open_positions():
            raise ApiError(-4068)
        account.hedged = hedged
        return SUCCESS

    def multi_assets(self, call: Call) -> Any:
        return {"multiAssetsMargin": self.world.account.multi_assets}

    def account_config(self, call: Call) -> Any:
        account = self.world.account
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": account.hedged,
            "updateTime": 0,
            "multiAssetsMargin": account.multi_assets,
            "tradeGroupId": -1,
        }

    def symbol_config(self, call: Call) -> Any:
        account, rules = self.world.account, self.world.rules
        chosen = [call.symbol(self.world)] if "symbol" in call.params else list(rules)
        return [
            {
                "symbol": symbol,
                "marginType": account.settings[symbol].margin_type,
                "isAutoAddMargin": False,
                "leverage": account.settings[symbol].leverage,
                "maxNotionalValue": views.text(
                    rules[symbol].largest_notional(account.settings[symbol].leverage)
                ),
            }
            for symbol in chosen
        ]

    def commission_rate(self, call: Call) -> Any:
        return {
            "symbol": call.symbol(self.world),
            "makerCommissionRate": "0.0002",
            "takerCommissionRate": "0.0005",
        }

    def restrictions(self, call: Call) -> Any:
        key = call.key
        assert key is not None
        return {
            "ipRestrict": key.ip_restricted,
            "createTime": 1623840271000,
            "enableReading": True,
            "enableWithdrawals": key.withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": key.futures,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": True,
            "enableSpotAndMarginTrading": False,
            "enablePortfolioMarginTrading": False,
        }

    def create_listen_key(self, call: Call) -> Any:
        assert call.key is not None
        return {"listenKey": self.world.listen_keys.create(call.key.key)}

    def keep_listen_key(self, call: Call) -> Any:
        assert call.key is not None
        return {"listenKey": self.world.listen_keys.keep_alive(call.key.key)}

    def close_listen_key(self, call: Call) -> Any:
        assert call.key is not None
        self.world.listen_keys.close(call.key.key)
        return {}

    # orders

    def _request(self, call: Call, client_id: str) -> OrderRequest:
        symbol = call.symbol(self.world)
        kind = call.required("type")
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
            position_side=call.params.get("positionSide", "BOTH"),
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
        return self.world.exchange.find(symbol, order_id, client_id)

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
        return [views.order(o) for o in self._chosen(call, self.world.exchange.open_orders())]

    def _history(self, call: Call, items: list[Any]) -> list[Any]:
        start, end = call.window()
        chosen = [i for i in self._chosen(call, items) if start <= i.created <= end]
        return chosen[-call.limit(500) :]

    def all_orders(self, call: Call) -> Any:
        return [views.order(item) for item in self._history(call, self.world.exchange.orders)]

    def cancel_all(self, call: Call) -> Any:
        for order in self._chosen(call, self.world.exchange.open_orders()):
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
        return self.world.exchange.find_algo(algo_id, client_id)

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
        return [views.algo(item) for item in self._chosen(call, self.world.exchange.open_algos())]

    def all_algos(self, call: Call) -> Any:
        return [views.algo(item) for item in self._history(call, self.world.exchange.algos)]

    def cancel_all_algos(self, call: Call) -> Any:
        for algo in self._chosen(call, self.world.exchange.open_algos()):
            self.world.exchange.cancel_algo(algo)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def user_trades(self, call: Call) -> Any:
        symbol = call.symbol(self.world)
        start, end = call.window()
        order_id, first = call.integer("orderId"), call.integer("fromId") or 0
        chosen = [
            trade
            for trade in self.world.account.trades
            if trade.symbol == symbol
            and start <= trade.time <= end
            and order_id in (None, trade.order_id)
            and trade.trade_id >= first
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
