"""Public market data of the Binance dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.exchange_server import binance_views as views
from tests.exchange_server.binance_call import Call, Routes
from tests.exchange_server.candle_faults import spoil
from tests.exchange_server.errors import ApiError
from tests.exchange_server.prices import DAY, INTERVALS, MINUTE
from tests.exchange_server.world import World


class MarketData:
    """Answers what needs no key; see ``routes``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes: Routes = {
            ("GET", "/fapi/v1/ping"): ("public", lambda call: {}),
            ("GET", "/fapi/v1/time"): ("public", self.time),
            ("GET", "/fapi/v1/exchangeInfo"): ("public", self.exchange_info),
            ("GET", "/fapi/v1/klines"): ("public", self.klines),
            ("GET", "/fapi/v1/markPriceKlines"): ("public", self.klines),
            ("GET", "/fapi/v1/ticker/bookTicker"): ("public", self.book_ticker),
            ("GET", "/fapi/v1/ticker/24hr"): ("public", self.ticker),
            ("GET", "/fapi/v1/ticker/price"): ("public", self.ticker_price),
            ("GET", "/fapi/v1/premiumIndex"): ("public", self.premium_index),
            ("GET", "/fapi/v1/fundingRate"): ("public", self.funding_rate),
            ("GET", "/fapi/v1/depth"): ("public", self.depth),
        }

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
