"""Websockets of the WEEX contract dialect: tickers, candles, and the private channels."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from tests.exchange_server.binance_views import text
from tests.exchange_server.hub import Connection, Hub
from tests.exchange_server.keys import passphrase_signature
from tests.exchange_server.prices import DAY, INTERVALS, MINUTE
from tests.exchange_server.state import (
    AccountEvent,
    AlgoEvent,
    Order,
    OrderEvent,
    Position,
    Trade,
    UserEvent,
)

PATH = re.compile(r".*/v3/ws/(public|private)$")
CHANNEL = re.compile(
    r"^(?P<symbol>[A-Z0-9]+)@(?:ticker|kline_(?P<interval>\w+?)_(?:LAST|MARK)_PRICE)$"
)
PRIVATE = ("account", "positions", "orders", "fill")


class WeexStreams(Hub):
    """A private connection is signed in its headers and subscribes to private channels."""

    @staticmethod
    def knows(path: str) -> bool:
        return PATH.match(path) is not None

    def open(self, connection: Connection, request: web.Request) -> None:
        headers = request.headers
        key = self.world.keys.get(headers.get("ACCESS-KEY", ""))
        if not request.path.endswith("/private") or key is None:
            return
        signature = passphrase_signature(
            key.secret, headers.get("ACCESS-TIMESTAMP", "") + "/v3/ws/private"
        )
        if (headers.get("ACCESS-SIGN"), headers.get("ACCESS-PASSPHRASE")) == (
            signature,
            key.passphrase,
        ):
            connection.listen_key = key.key

    def command(self, connection: Connection, command: dict[str, Any]) -> None:
        names, reference = set(command.get("params") or ()), command.get("id")
        match command.get("method"):
            case "SUBSCRIBE":
                wrong = [name for name in names if not self._allowed(connection, name)]
                if wrong:
                    message = f"INVALID_ARGUMENT: invalid channel : {wrong[0]}"
                    connection.send({"result": False, "id": reference, "msg": message})
                    return
                connection.names |= names
                connection.send({"result": True, "id": reference})
            case "UNSUBSCRIBE":
                connection.names -= names
                connection.send({"result": True, "id": reference})
            case "PONG":
                return
            case other:
                message = f"INVALID_ARGUMENT: invalid method : {other}"
                connection.send({"result": False, "id": reference, "msg": message})

    def _allowed(self, connection: Connection, name: str) -> bool:
        if name in PRIVATE:
            return connection.listen_key is not None
        match = CHANNEL.match(name)
        return match is not None and match["symbol"] in self.world.rules

    def messages(self, name: str) -> list[Any]:
        match = CHANNEL.match(name)
        if match is None:
            return []
        if match["interval"] is None:
            return [self._ticker(match["symbol"])]
        return self._klines(match["symbol"], match["interval"])

    def _ticker(self, symbol: str) -> Any:
        prices, now = self.world.prices, self.world.clock.now()
        quote = prices.quotes[symbol]
        hours = prices.klines(symbol, "1h", now - DAY, None, 25)
        opened, last = hours[0][1], float(quote.last)
        row = {
            "p": f"{last - opened:.8f}",
            "P": f"{last / opened - 1:.6f}",
            "w": text(quote.last),
            "c": text(quote.last),
            "o": str(opened),
            "h": str(max(hour[2] for hour in hours)),
            "l": str(min(hour[3] for hour in hours)),
            "v": f"{sum(hour[5] for hour in hours):.3f}",
            "q": f"{sum(hour[5] * hour[4] for hour in hours):.2f}",
            "O": hours[0][0],
            "C": now,
            "n": 1,
            "m": text(quote.mark),
            "i": text(quote.mark),
        }
        return {"e": "ticker", "E": now, "s": symbol, "d": [row]}

    def _klines(self, symbol: str, interval: str) -> list[Any]:
        """Return the last closed candle and the forming one; no flag tells which is final."""
        if interval not in INTERVALS:
            return []
        digits = self.world.rules[symbol].price_decimals
        span = INTERVALS[interval] * MINUTE
        rows = [
            {
                "t": opened,
                "T": opened + span,
                "s": symbol,
                "i": interval,
                "o": f"{first:.{digits}f}",
                "c": f"{last:.{digits}f}",
                "h": f"{high:.{digits}f}",
                "l": f"{low:.{digits}f}",
                "v": f"{volume:.3f}",
                "n": 1,
                "q": f"{volume * last:.2f}",
                "V": f"{volume / 2:.3f}",
                "Q": f"{volume * last / 2:.2f}",
            }
            for opened, first, high, low, last, volume in self.world.prices.klines(
                symbol, interval, None, None, 2
            )
        ]
        now = self.world.clock.now()
        return [{"e": "kline", "E": now, "s": symbol, "p": "LAST_PRICE", "d": rows}]

    def tell(self, event: UserEvent) -> None:
        for channel, row in self._rows(event):
            now = self.world.clock.now()
            message = {"e": channel, "E": now, "v": 1, "msgEvent": "OrderUpdate", "d": [row]}
            for connection in self.connections:
                if channel in connection.names:
                    connection.send(message)

    def _rows(self, event: UserEvent) -> list[tuple[str, Any]]:
        """Return what changed as rows of private channels."""
        match event:
            case OrderEvent():
                rows = [("orders", self._order(event.order))]
                if event.trade is not None:
                    rows.append(("fill", self._fill(event.trade, event.order)))
                return rows
            case AlgoEvent() if event.algo.order is None:
                request = event.algo.request
                placed = Order(event.algo.algo_id, request, event.algo.created, event.algo.updated)
                placed.status = "UNTRIGGERED" if event.status == "NEW" else event.status
                return [("orders", self._order(placed) | {
                    "triggerPrice": text(event.algo.trigger_price)})]  # fmt: skip
            case AccountEvent():
                rows = [("positions", self._position(item)) for item in event.positions]
                return [*rows, ("account", self._account())]
            case _:
                return []

    def _order(self, order: Order) -> Any:
        request = order.request
        return {
            "id": str(order.algo_id or order.order_id),
            "coin": "USDT",
            "symbol": request.symbol,
            "marginMode": self._margin_mode(request.symbol),
            "separatedMode": "COMBINED",
            "separatedOpenOrderId": "0",
            "positionSide": request.position_side,
            "orderSide": request.side,
            "price": text(request.price),
            "size": text(request.quantity),
            "clientOrderId": request.client_id,
            "type": request.original_type or request.type,
            "timeInForce": "IOC",
            "reduceOnly": request.reduce_only,
            "triggerPrice": "0",
            "status": "CANCELED" if order.status == "EXPIRED" else order.status,
            "cumFillSize": text(order.executed),
            "cumFillValue": text(order.quote, 8),
            "cumFillFee": text(sum((t.fee for t in order.trades), start=request.price * 0), 8),
            "createdTime": str(order.created),
            "updatedTime": str(order.updated),
        }

    def _fill(self, trade: Trade, order: Order) -> Any:
        return {
            "id": str(trade.trade_id),
            "coin": "USDT",
            "symbol": trade.symbol,
            "orderId": str(order.algo_id or order.order_id),
            "marginMode": self._margin_mode(trade.symbol),
            "separatedMode": "COMBINED",
            "separatedOpenOrderId": "0",
            "positionSide": trade.position_side,
            "orderSide": trade.side,
            "fillSize": text(trade.quantity),
            "fillValue": text(trade.quote, 8),
            "fillFee": text(trade.fee, 8),
            "liquidateFee": "0",
            "realizePnl": text(trade.pnl, 8),
            "direction": "MAKER" if trade.maker else "TAKER",
            "createdTime": str(trade.time),
            "updatedTime": str(trade.time),
        }

    def _position(self, item: Position) -> Any:
        return {
            "id": f"{item.symbol}-{item.side}",
            "coin": "USDT",
            "symbol": item.symbol,
            "side": item.side,
            "marginMode": self._margin_mode(item.symbol),
            "separatedMode": "COMBINED",
            "separatedOpenOrderId": "0",
            "leverage": str(self.world.account.settings[item.symbol].leverage),
            "size": text(abs(item.quantity)),
            "openValue": text(abs(item.cost), 8),
            "isolatedMargin": text(item.isolated_wallet, 8),
            "createdTime": str(item.updated),
            "updatedTime": str(item.updated),
        }

    def _account(self) -> Any:
        account = self.world.account
        return {
            "coin": "USDT",
            "marginMode": "CROSSED",
            "amount": text(account.available, 8),
            "legacyAmount": text(account.wallet, 8),
            "liquidating": False,
            "updatedTime": str(self.world.clock.now()),
        }

    def _margin_mode(self, symbol: str) -> str:
        isolated = self.world.account.settings[symbol].margin_type == "ISOLATED"
        return "ISOLATED" if isolated else "CROSSED"
