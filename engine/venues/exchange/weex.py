"""WEEX perpetuals: what differs from Binance, and what WEEX cannot do (see docs/exchange.md).

New orders come back with ids only, and there is no look-up by client id: an order is found in
the lists of resting orders, then in the order history, which both carry the client id. Longs
and shorts are separate positions, so an order that closes must say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from engine.model.market import Candle, Instrument, Pair
from engine.model.orders import ApprovedOrder, OrderKind, OrderState
from engine.model.signal import Side
from engine.venues.exchange.classify import nothing_found
from engine.venues.exchange.dialect import (
    FormingCandle,
    FundingFacts,
    MarketEvent,
    MarkFacts,
    Nudge,
    OrderFacts,
    Permissions,
    TradeFacts,
    UserEvent,
    number,
    read_candle,
    trigger,
)
from engine.venues.exchange.library import errors
from engine.venues.instruments import simulated_instruments
from engine.venues.port import Account, Fatal, FundingPayment, VenueOrderRequest, VenuePosition

Json: TypeAlias = Mapping[str, Any]

OPTIONS: Mapping[str, Any] = {}
_STATES = {
    "NEW": OrderState.ACKNOWLEDGED,
    "PENDING": OrderState.ACKNOWLEDGED,
    "UNTRIGGERED": OrderState.ACKNOWLEDGED,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "PARTIAL_FILL": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "FULL_FILL": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "CANCELLED": OrderState.CANCELLED,
    "EXPIRED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
}
_HISTORY = 100
_CONDITIONAL_TYPES = ("STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP", "TAKE_PROFIT")
_MIN_NOTIONAL = Decimal(5)


class Weex:
    """The WEEX dialect (see ``Dialect``)."""

    name = "WEEX"
    page = 1_000
    history = 1_000  # older ones come a hundred at a time

    def __init__(self, trading: Any, data: Any) -> None:
        self.trading = trading
        self.data = data

    # Rules and checks

    async def server_time(self) -> int:
        """Return the server's time (ms UTC)."""
        reply = await self.data.contractGetCapiV3MarketTime()
        return int(reply["serverTime"])

    async def rules(self, pairs: Sequence[Pair], *, signed: bool) -> Mapping[Pair, Instrument]:
        """Return the trading rules; maintenance margin is not published and taken as 1 %."""
        usual = simulated_instruments(pairs)
        found = {}
        for pair in pairs:
            market = self.data.markets.get(str(pair))
            if market is None or not market["swap"]:
                continue
            info = market["info"]
            tick = Decimal(1).scaleb(-int(info["pricePrecision"]))
            step = Decimal(1).scaleb(-int(info["quantityPrecision"]))
            found[pair] = Instrument(
                pair=pair,
                tick_size=tick,
                step_size=step,
                min_quantity=max(step, number(info.get("minOrderSize"))),
                min_notional=_MIN_NOTIONAL,
                taker_fee=number(info["takerFeeRate"]),
                maker_fee=number(info["makerFeeRate"]),
                maintenance_margin_rate=Decimal("0.01"),
                max_leverage=int(number(info["maxLeverage"])),
                sector=usual[pair].sector,
            )
        return found

    async def permissions(self) -> Permissions:
        """Return what the key may do: WEEX does not tell, so reading the account must do."""
        await self.account()
        note = (
            "WEEX does not tell whether a key may withdraw: make sure on its site that this one "
            "may not"
        )
        return Permissions(may_withdraw=False, may_trade=True, notes=(note,))

    async def check_modes(self) -> None:
        """Refuse positions kept apart order by order ("separated"), with instructions."""
        for row in _rows(await self.trading.contractPrivateGetCapiV3AccountSymbolConfig()):
            pair = self._pair(row.get("symbol"))
            if pair is not None and row.get("separatedType") == "SEPARATED":
                raise Fatal(
                    f"WEEX keeps {pair.base} positions separated by order: choose the combined "
                    "position mode on its site, then restart"
                )

    async def set_leverage(self, pair: Pair, leverage: int) -> None:
        """Set isolated margin and leverage; already set is success."""
        held = any(position.pair == pair for position in await self.positions())
        if not held:
            await self.trading.set_margin_mode("isolated", str(pair), {})
        await self.trading.set_leverage(leverage, str(pair), {"marginMode": "isolated"})

    # Orders

    async def place(self, order: VenueOrderRequest) -> OrderFacts:
        """Send one order. The reply carries ids only."""
        entering = isinstance(order, ApprovedOrder)
        side = order.side if isinstance(order, ApprovedOrder) else order.position_side.opposite
        limit: Decimal | None = None
        params: dict[str, Any] = {"clientOrderId": order.client_order_id}
        if not isinstance(order, ApprovedOrder):
            params["reduceOnly"] = True  # without it a sell opens a short beside the long
            limit = order.trigger_price
            if limit is not None:
                stop = order.kind is OrderKind.STOP
                params["stopLossPrice" if stop else "takeProfitPrice"] = format(limit, "f")
                params["triggerPriceType"] = "mark"
        reply = await self.trading.create_order(
            str(order.pair),
            "market",
            "buy" if side is Side.LONG else "sell",
            format(order.quantity, "f"),
            None,
            dict(params),  # ccxt writes into what it is given
        )
        if not reply["id"]:
            raise errors().BadResponse("WEEX answered without an order id")
        return OrderFacts(
            venue_id=str(reply["id"]),
            client_id=str(reply["clientOrderId"] or order.client_order_id),
            pair=order.pair,
            state=OrderState.ACKNOWLEDGED,
            quantity=order.quantity,
            filled=Decimal(0),
            trigger=limit,
            conditional=limit is not None,
            reduces=not entering,
        )

    async def cancel(self, order: OrderFacts) -> None:
        """Cancel a resting order by WEEX's id."""
        await self.trading.cancel_order(
            order.venue_id, str(order.pair), {"trigger": order.conditional}
        )

    async def look_up(self, pair: Pair, client_id: str, *, conditional: bool) -> OrderFacts | None:
        """Return the newest order of a client id, from the resting orders or the history."""
        for facts in await self.resting():
            if facts.client_id == client_id:
                return facts
        params = {"symbol": self._symbol(pair), "limit": _HISTORY}
        rows = _rows(await self.trading.contractPrivateGetCapiV3OrderHistory(params))
        mine = [row for row in rows if row.get("clientOrderId") == client_id]
        if not mine:
            return None
        return self._order(max(mine, key=lambda row: int(row.get("time", 0))))

    async def by_id(self, pair: Pair, venue_id: str) -> OrderFacts | None:
        """Return an order by WEEX's id."""
        try:
            return self._order(
                await self.trading.contractPrivateGetCapiV3Order({"orderId": venue_id})
            )
        except errors().BaseError as error:
            if nothing_found(error):
                return None
            raise

    async def resting(self) -> Sequence[OrderFacts]:
        """Return every resting order, conditional ones included."""
        ordinary = _rows(await self.trading.contractPrivateGetCapiV3OpenOrders())
        algos = _rows(await self.trading.contractPrivateGetCapiV3OpenAlgoOrders())
        known = [self._order(row) for row in ordinary if self._pair(row["symbol"])]
        return known + [self._algo(row) for row in algos if self._pair(row["symbol"])]

    async def trades_of(self, pair: Pair, venue_id: str) -> Sequence[TradeFacts]:
        """Return the executions of one order."""
        return await self._trades(pair, {"orderId": venue_id})

    async def trades_since(self, pair: Pair, after: int | None, time: int) -> Sequence[TradeFacts]:
        """Return executions after a trade number, or since a time where that is None, in order."""
        return await self._trades(pair, {"startTime": time})

    async def _trades(self, pair: Pair, params: Mapping[str, Any]) -> list[TradeFacts]:
        request = {"symbol": self._symbol(pair), "limit": _HISTORY, **params}
        rows = _rows(await self.trading.contractPrivateGetCapiV3UserTrades(request))
        found = [
            TradeFacts(
                trade_id=str(row["id"]),
                number=int(row["id"]),
                order_id=str(row["orderId"]),
                client_id="",
                pair=pair,
                buy=row["side"] == "BUY",
                quantity=number(row["qty"]),
                price=number(row["price"]),
                fee=number(row["commission"]),
                fee_asset=str(row.get("commissionAsset") or "USDT"),
                time=int(row["time"]),
            )
            for row in rows
        ]
        return sorted(found, key=lambda trade: trade.number)

    # Market data

    async def candles(
        self, pair: Pair, timeframe: str, since: int | None, limit: int
    ) -> Sequence[Candle]:
        """Return candles oldest first, the forming one included; the newest without ``since``."""
        rows = await self.data.fetch_ohlcv(
            str(pair), timeframe, since, limit, {"historical": since is not None}
        )
        return [read_candle(row) for row in rows]

    async def marks(self) -> Mapping[Pair, Decimal]:
        """Return the mark price of every pair, by REST."""
        reply = await self.data.contractGetCapiV3MarketPremiumIndex()
        found = ((self._pair(row["symbol"]), row["markPrice"]) for row in _rows(reply))
        return {pair: number(price) for pair, price in found if pair is not None}

    async def watch_marks(self, pairs: Sequence[Pair]) -> None:
        """Keep the stream of mark prices open until its next message."""
        await self.data.watch_tickers([str(pair) for pair in pairs])

    async def watch_candles(self, pairs: Sequence[Pair], timeframe: str) -> None:
        """Keep the stream of candles open until its next message."""
        await self.data.watch_ohlcv_for_symbols([[str(pair), timeframe] for pair in pairs])

    def market_event(self, message: Any) -> Sequence[MarketEvent]:
        """Translate one message of the market streams."""
        if not isinstance(message, dict):
            return ()
        pair = self._pair(message.get("s"))
        rows = message.get("d")
        if pair is None or not isinstance(rows, list):
            return ()
        if message.get("e") == "ticker":
            marks = [number(row.get("m")) for row in rows]
            return [MarkFacts(pair, mark) for mark in marks if mark > 0]
        if message.get("e") == "kline":
            return [
                FormingCandle(pair, read_candle([row[key] for key in "tohlcv"])) for row in rows
            ]
        return ()

    # The account

    async def positions(self) -> Sequence[VenuePosition]:
        """Return every open position; raises ``Fatal`` for a long beside a short."""
        found: dict[Pair, VenuePosition] = {}
        for row in _rows(await self.trading.contractPrivateGetCapiV3AccountPositionAllPosition()):
            size, pair = number(row["size"]), self._pair(row["symbol"])
            if size == 0 or pair is None:
                continue
            if pair in found:
                raise Fatal(
                    f"WEEX holds a long and a short in {pair.base}: close one of them on its site"
                )
            side = Side.LONG if row["side"] == "LONG" else Side.SHORT
            entry = number(row["openValue"]) / size
            found[pair] = VenuePosition(
                pair=pair,
                side=side,
                quantity=size,
                entry_price=entry,
                mark_price=entry + number(row["unrealizePnl"]) / size * side.sign,
                liquidation_price=trigger(row.get("liquidatePrice")),
            )
        return list(found.values())

    async def account(self) -> Account:
        """Return balance, equity and free margin in USDT."""
        for row in _rows(await self.trading.contractPrivateGetCapiV3AccountBalance()):
            if row["asset"] == "USDT":
                balance = number(row["balance"])
                return Account(
                    balance, balance + number(row["unrealizePnl"]), number(row["availableBalance"])
                )
        return Account(Decimal(0), Decimal(0), Decimal(0))

    async def funding(self, time: int) -> Sequence[FundingFacts]:
        """Return funding payments since a time, oldest first."""
        rows = await self.trading.fetch_funding_history(None, time, _HISTORY)
        found = [
            FundingFacts(
                str(row["id"]),
                FundingPayment(
                    Pair(row["symbol"]),
                    int(row["timestamp"]),
                    -number(row["info"].get("income", row["amount"])),
                    Decimal(0),
                ),
            )
            for row in rows
            if row["symbol"] and row["timestamp"]
        ]
        return sorted(found, key=lambda item: item.payment.time)

    # The user stream

    async def watch_user(self) -> None:
        """Keep the user stream open until its next fill."""
        await self.trading.watch_my_trades(None, None, None, {"type": "swap"})

    def reset_user(self) -> None:
        """Do nothing: the stream is signed anew at every connection."""

    def user_event(self, message: Any) -> Sequence[UserEvent]:
        """Return a reason to ask: WEEX's messages are not relied on for figures."""
        if isinstance(message, dict) and message.get("e") in ("fill", "orders", "positions"):
            return (Nudge.ACCOUNT,)
        return ()

    # Reading rows

    def _order(self, row: Json) -> OrderFacts:
        pair = self._pair(row.get("symbol"))
        if pair is None or not row.get("orderId"):
            raise errors().BadResponse("WEEX told of an order without its id")
        quantity, filled = number(row["origQty"]), number(row["executedQty"])
        state = _STATES.get(str(row["status"]).upper(), OrderState.SUBMITTED)
        return OrderFacts(
            venue_id=str(row["orderId"]),
            client_id=str(row["clientOrderId"]),
            pair=pair,
            state=state,
            quantity=quantity,
            filled=filled,
            trigger=trigger(row.get("stopPrice")),
            conditional=False,
            reduces=bool(row.get("reduceOnly")),
        )

    def _algo(self, row: Json) -> OrderFacts:
        pair = self._pair(row.get("symbol"))
        if pair is None or not row.get("algoId"):
            raise errors().BadResponse("WEEX told of a conditional order without its id")
        return OrderFacts(
            venue_id=str(row["algoId"]),
            client_id=str(row["clientAlgoId"]),
            pair=pair,
            state=_STATES.get(str(row["algoStatus"]).upper(), OrderState.SUBMITTED),
            quantity=number(row["quantity"]),
            filled=Decimal(0),
            trigger=trigger(row.get("triggerPrice")),
            conditional=True,
            reduces=bool(row.get("reduceOnly", True)),
        )

    def _symbol(self, pair: Pair) -> str:
        return str(self.trading.market(str(pair))["id"])

    def _pair(self, symbol: Any) -> Pair | None:
        found = (self.trading.markets_by_id or {}).get(symbol)
        swap = next((item for item in found or () if item.get("swap")), None)
        return Pair(swap["symbol"]) if swap and swap["settle"] == "USDT" else None


def _rows(reply: Any) -> Sequence[Any]:
    if not isinstance(reply, list):
        raise errors().BadResponse(f"WEEX answered {type(reply).__name__} instead of a list")
    return reply
