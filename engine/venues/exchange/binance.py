"""Binance USD-M futures: one-way mode, isolated margin, conditional orders as algo orders.

Sources: the exchange's USD-M futures documentation, and what ccxt 4.5.90 was measured to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from engine.model.market import Candle, Instrument, Pair
from engine.model.orders import ApprovedOrder, OrderKind, OrderState
from engine.model.signal import Side
from engine.venues.exchange.classify import ADVICE, code_of, nothing_found
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

OPTIONS: Mapping[str, Any] = {
    "defaultSubType": "linear",
    "fetchMarkets": {"types": ["linear"]},
    "fetchMargins": False,
    "fetchOpenOrders": {"warnWithoutSymbol": False},
}
WORKING_TYPE = "MARK_PRICE"  # what liquidation goes by; a wick of the last price fires nothing
_STATES = {
    "NEW": OrderState.ACKNOWLEDGED,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "EXPIRED": OrderState.CANCELLED,
    "EXPIRED_IN_MATCH": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
}
_FIRED = ("TRIGGERING", "TRIGGERED", "FINISHED")
_LONGEST_PAGE = 1_000


class Binance:
    """The Binance dialect (see ``Dialect``). ``trading`` signs, ``data`` reads public prices."""

    name = "Binance"
    page = 1_500
    history = 3_000

    def __init__(self, trading: Any, data: Any) -> None:
        self.trading = trading
        self.data = data

    # Rules and checks

    async def server_time(self) -> int:
        """Return the server's time (ms UTC)."""
        return int(await self.data.fetch_time())

    async def rules(self, pairs: Sequence[Pair], *, signed: bool) -> Mapping[Pair, Instrument]:
        """Return the trading rules of the pairs that are listed and trading."""
        usual = simulated_instruments(pairs)
        brackets = await self._first_brackets() if signed else {}
        found = {}
        for pair in pairs:
            market = self.data.markets.get(str(pair))
            if market is None or market["info"].get("status") != "TRADING":
                continue
            filters = {item["filterType"]: item for item in market["info"]["filters"]}
            lot, market_lot = filters["LOT_SIZE"], filters.get("MARKET_LOT_SIZE", {})
            like = usual[pair]
            maintenance, leverage = brackets.get(
                market["id"], (like.maintenance_margin_rate, like.max_leverage)
            )
            maker, taker = like.maker_fee, like.taker_fee
            if signed:
                maker, taker = await self._fees(market["id"])
            found[pair] = Instrument(
                pair=pair,
                tick_size=_short(filters["PRICE_FILTER"]["tickSize"]),
                step_size=_short(max(lot["stepSize"], market_lot.get("stepSize", "0"), key=number)),
                min_quantity=_short(max(lot["minQty"], market_lot.get("minQty", "0"), key=number)),
                min_notional=_short(filters.get("MIN_NOTIONAL", {}).get("notional", "5")),
                taker_fee=taker,
                maker_fee=maker,
                maintenance_margin_rate=maintenance,
                max_leverage=leverage,
                sector=like.sector,
            )
        return found

    async def _first_brackets(self) -> dict[str, tuple[Decimal, int]]:
        """Return maintenance margin rate and highest leverage of each symbol's first bracket."""
        rows = _rows(await self.trading.fapiPrivateGetLeverageBracket())
        first = {row["symbol"]: row["brackets"][0] for row in rows}
        return {
            symbol: (number(item["maintMarginRatio"]), int(item["initialLeverage"]))
            for symbol, item in first.items()
        }

    async def _fees(self, symbol: str) -> tuple[Decimal, Decimal]:
        reply = await self.trading.fapiPrivateGetCommissionRate({"symbol": symbol})
        return number(reply["makerCommissionRate"]), number(reply["takerCommissionRate"])

    async def permissions(self) -> Permissions:
        """Return what the key may do."""
        reply = await self.trading.sapiGetAccountApiRestrictions()
        notes = []
        if not _true(reply.get("ipRestrict", True)):
            notes.append("the API key works from any address: restrict it to this machine's IP")
        return Permissions(
            may_withdraw=_true(reply.get("enableWithdrawals")),
            may_trade=_true(reply.get("enableFutures")),
            notes=tuple(notes),
        )

    async def check_modes(self) -> None:
        """Refuse hedge mode and multi-assets mode, with instructions."""
        position = await self.trading.fapiPrivateGetPositionSideDual()
        if _true(position["dualSidePosition"]):
            raise Fatal(ADVICE[-4061])
        assets = await self.trading.fapiPrivateGetMultiAssetsMargin()
        if _true(assets["multiAssetsMargin"]):
            raise Fatal(ADVICE[-4168])

    async def set_leverage(self, pair: Pair, leverage: int) -> None:
        """Set isolated margin and leverage; already set is success."""
        try:
            await self.trading.set_margin_mode("isolated", str(pair))
        except errors().MarginModeAlreadySet:
            pass
        except errors().ExchangeError as error:
            # An open position or order keeps its mode; it was isolated when we opened it.
            if code_of(error) not in (-4046, -4047, -4048):
                raise
        await self.trading.set_leverage(leverage, str(pair))

    # Orders

    async def place(self, order: VenueOrderRequest) -> OrderFacts:
        """Send one order."""
        entering = isinstance(order, ApprovedOrder)
        side = order.side if isinstance(order, ApprovedOrder) else order.position_side.opposite
        params: dict[str, Any] = {"clientOrderId": order.client_order_id}
        if not isinstance(order, ApprovedOrder):
            params["reduceOnly"] = True
            if order.trigger_price is not None:
                stop = order.kind is OrderKind.STOP
                name = "stopLossPrice" if stop else "takeProfitPrice"
                params |= {name: format(order.trigger_price, "f"), "workingType": WORKING_TYPE}
        reply = await self.trading.create_order(
            str(order.pair),
            "market",
            "buy" if side is Side.LONG else "sell",
            format(order.quantity, "f"),
            None,
            params,
        )
        info = reply["info"]
        conditional = not entering and "workingType" in params
        return self._algo(info) if conditional else self._order(info)

    async def cancel(self, order: OrderFacts) -> None:
        """Cancel a resting order by its client id."""
        params = {"clientOrderId": order.client_id, "trigger": order.conditional}
        await self.trading.cancel_order(order.venue_id, str(order.pair), params)

    async def look_up(self, pair: Pair, client_id: str, *, conditional: bool) -> OrderFacts | None:
        """Return the newest order of a client id, None when the exchange knows none."""
        symbol = self._symbol(pair)
        try:
            if conditional:
                reply = await self.trading.fapiPrivateGetAlgoOrder({"clientAlgoId": client_id})
                return self._algo(reply)
            params = {"symbol": symbol, "origClientOrderId": client_id}
            return self._order(await self.trading.fapiPrivateGetOrder(params))
        except errors().BaseError as error:
            if nothing_found(error):
                return None
            raise

    async def by_id(self, pair: Pair, venue_id: str) -> OrderFacts | None:
        """Return an ordinary order by the exchange's id."""
        params = {"symbol": self._symbol(pair), "orderId": venue_id}
        try:
            return self._order(await self.trading.fapiPrivateGetOrder(params))
        except errors().BaseError as error:
            if nothing_found(error):
                return None
            raise

    async def resting(self) -> Sequence[OrderFacts]:
        """Return every resting order, conditional ones included."""
        ordinary = _rows(await self.trading.fapiPrivateGetOpenOrders())
        algos = _rows(await self.trading.fapiPrivateGetOpenAlgoOrders())
        known = [self._order(row) for row in ordinary if self._pair(row["symbol"])]
        return known + [self._algo(row) for row in algos if self._pair(row["symbol"])]

    async def trades_of(self, pair: Pair, venue_id: str) -> Sequence[TradeFacts]:
        """Return the executions of one ordinary order."""
        return await self._trades(pair, {"orderId": venue_id})

    async def trades_since(self, pair: Pair, after: int | None, time: int) -> Sequence[TradeFacts]:
        """Return executions after a trade number, or since a time where that is None, in order."""
        if after is not None:
            return await self._trades(pair, {"fromId": after + 1})
        return await self._trades(pair, {"startTime": time})

    async def _trades(self, pair: Pair, params: Mapping[str, Any]) -> list[TradeFacts]:
        request = {"symbol": self._symbol(pair), "limit": _LONGEST_PAGE, **params}
        rows = _rows(await self.trading.fapiPrivateGetUserTrades(request))
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
                fee_asset=str(row["commissionAsset"]),
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
        rows = await self.data.fetch_ohlcv(str(pair), timeframe, since, limit, {})
        return [read_candle(row) for row in rows]

    async def marks(self) -> Mapping[Pair, Decimal]:
        """Return the mark price of every pair, by REST."""
        reply = await self.data.fapiPublicGetPremiumIndex()
        found = ((self._pair(row["symbol"]), row["markPrice"]) for row in _rows(reply))
        return {pair: number(price) for pair, price in found if pair is not None}

    async def watch_marks(self, pairs: Sequence[Pair]) -> None:
        """Keep the stream of mark prices open until its next message."""
        await self.data.watch_mark_prices([str(pair) for pair in pairs])

    async def watch_candles(self, pairs: Sequence[Pair], timeframe: str) -> None:
        """Keep the stream of candles open until its next message."""
        await self.data.watch_ohlcv_for_symbols([[str(pair), timeframe] for pair in pairs])

    def market_event(self, message: Any) -> Sequence[MarketEvent]:
        """Translate one message of the market streams."""
        if not isinstance(message, dict):
            return ()
        pair = self._pair(message.get("s"))
        if pair is None:
            return ()
        if message.get("e") == "markPriceUpdate":
            return (MarkFacts(pair, number(message["p"])),)
        if message.get("e") == "kline":
            row = message["k"]
            return (FormingCandle(pair, read_candle([row[key] for key in "tohlcv"])),)
        return ()

    # The account

    async def positions(self) -> Sequence[VenuePosition]:
        """Return every open position; raises ``Fatal`` in hedge mode."""
        found = []
        for row in _rows(await self.trading.fapiPrivateV3GetPositionRisk()):
            amount, pair = number(row["positionAmt"]), self._pair(row["symbol"])
            if amount == 0 or pair is None:
                continue
            if row["positionSide"] != "BOTH":
                raise Fatal(ADVICE[-4061])
            found.append(
                VenuePosition(
                    pair=pair,
                    side=Side.LONG if amount > 0 else Side.SHORT,
                    quantity=abs(amount),
                    entry_price=number(row["entryPrice"]),
                    mark_price=number(row["markPrice"]),
                    liquidation_price=trigger(row["liquidationPrice"]),
                )
            )
        return found

    async def account(self) -> Account:
        """Return balance, equity and free margin in USDT."""
        reply = await self.trading.fapiPrivateV3GetAccount()
        for row in reply["assets"]:
            if row["asset"] == "USDT":
                return Account(
                    balance=number(row["walletBalance"]),
                    equity=number(row["marginBalance"]),
                    available=number(row["availableBalance"]),
                )
        return Account(Decimal(0), Decimal(0), Decimal(0))

    async def funding(self, time: int) -> Sequence[FundingFacts]:
        """Return funding payments since a time, oldest first."""
        params = {"incomeType": "FUNDING_FEE", "startTime": time, "limit": _LONGEST_PAGE}
        found = []
        for row in _rows(await self.trading.fapiPrivateGetIncome(params)):
            pair = self._pair(row["symbol"])
            if pair is None or row["asset"] != "USDT":
                continue
            stamp = int(row["time"])
            payment = FundingPayment(
                pair, stamp, -number(row["income"]), await self._rate(row["symbol"], stamp)
            )
            found.append(FundingFacts(f"{row['symbol']}-{row['tranId']}", payment))
        return sorted(found, key=lambda item: item.payment.time)

    async def _rate(self, symbol: str, stamp: int) -> Decimal:
        """Return the funding rate nearest before an instant; 0 where the exchange tells none."""
        params = {"symbol": symbol, "endTime": stamp + 60_000, "limit": 1}
        rows = _rows(await self.data.fapiPublicGetFundingRate(params))
        return number(rows[-1]["fundingRate"]) if rows else Decimal(0)

    # The user stream

    async def watch_user(self) -> None:
        """Keep the user stream open until its next order message."""
        await self.trading.watch_orders()

    def reset_user(self) -> None:
        """Forget the listen key, so that the next watch asks for a new one."""
        self.trading.options["linear"] = {}

    def user_event(self, message: Any) -> Sequence[UserEvent]:
        """Translate one message of the user stream."""
        if not isinstance(message, dict):
            return ()
        match message.get("e"):
            case "ORDER_TRADE_UPDATE":
                return self._order_update(message["o"])
            case "ALGO_UPDATE":
                return self._algo_update(message["o"])
            case "ACCOUNT_UPDATE":
                funding = message.get("a", {}).get("m") == "FUNDING_FEE"
                return (Nudge.FUNDING,) if funding else ()
            case "listenKeyExpired" | "eventStreamTerminated":
                return (Nudge.KEY_EXPIRED,)
            case _:
                return ()

    def _order_update(self, row: Json) -> Sequence[UserEvent]:
        pair = self._pair(row["s"])
        if pair is None:
            return ()
        order = OrderFacts(
            venue_id=str(row["i"]),
            client_id=str(row["c"]),
            pair=pair,
            state=_STATES.get(row["X"], OrderState.SUBMITTED),
            quantity=number(row["q"]),
            filled=number(row["z"]),
            trigger=None,
            conditional=False,
            reduces=_true(row.get("R")),
            detail=_special(str(row["c"])),
        )
        if row["x"] not in ("TRADE", "CALCULATED") or number(row["l"]) == 0:
            return (order,)
        execution = TradeFacts(
            trade_id=str(row["t"]),
            number=int(row["t"]),
            order_id=order.venue_id,
            client_id=order.client_id,
            pair=pair,
            buy=row["S"] == "BUY",
            quantity=number(row["l"]),
            price=number(row["L"]),
            fee=number(row.get("n")),
            fee_asset=str(row.get("N") or "USDT"),
            time=int(row["T"]),
        )
        return (execution, order)

    def _algo_update(self, row: Json) -> Sequence[UserEvent]:
        pair = self._pair(row["s"])
        if pair is None:
            return ()
        fired = row["X"] in _FIRED
        return (
            OrderFacts(
                venue_id=str(row["aid"]),
                client_id=str(row["caid"]),
                pair=pair,
                state=OrderState.SUBMITTED if fired else _algo_state(row["X"]),
                quantity=number(row["q"]),
                filled=Decimal(0),
                trigger=trigger(row.get("tp")),
                conditional=True,
                child_id=_child(row.get("ai")),
                reduces=_true(row.get("R")) or _true(row.get("cp")),
                detail=str(row.get("rm") or ""),
            ),
        )

    # Reading rows

    def _order(self, row: Json) -> OrderFacts:
        """Read an ordinary order. Raises ``BadResponse`` for a row without an id."""
        pair = self._pair(row.get("symbol"))
        if pair is None or not row.get("orderId"):
            raise errors().BadResponse("Binance told of an order without its id")
        client_id = str(row["clientOrderId"])
        return OrderFacts(
            venue_id=str(row["orderId"]),
            client_id=client_id,
            pair=pair,
            state=_STATES.get(row["status"], OrderState.SUBMITTED),
            quantity=number(row["origQty"]),
            filled=number(row["executedQty"]),
            trigger=trigger(row.get("stopPrice")),
            conditional=False,
            reduces=_true(row.get("reduceOnly")) or _true(row.get("closePosition")),
            detail=_special(client_id),
        )

    def _algo(self, row: Json) -> OrderFacts:
        """Read a conditional order. Raises ``BadResponse`` for a row without an id."""
        pair = self._pair(row.get("symbol"))
        if pair is None or not row.get("algoId"):
            raise errors().BadResponse("Binance told of a conditional order without its id")
        status = row["algoStatus"]
        fired = status in _FIRED
        return OrderFacts(
            venue_id=str(row["algoId"]),
            client_id=str(row["clientAlgoId"]),
            pair=pair,
            state=OrderState.SUBMITTED if fired else _algo_state(status),
            quantity=number(row["quantity"]),
            filled=Decimal(0),
            trigger=trigger(row.get("triggerPrice")),
            conditional=True,
            child_id=_child(row.get("actualOrderId")),
            reduces=_true(row.get("reduceOnly")) or _true(row.get("closePosition")),
        )

    def _symbol(self, pair: Pair) -> str:
        return str(self.trading.market(str(pair))["id"])

    def _pair(self, symbol: Any) -> Pair | None:
        found = (self.trading.markets_by_id or {}).get(symbol)
        linear = next((item for item in found or () if item.get("linear")), None)
        return Pair(linear["symbol"]) if linear and linear["settle"] == "USDT" else None


def _algo_state(status: str) -> OrderState:
    return _STATES.get(status, OrderState.SUBMITTED)


def _child(value: Any) -> str:
    return str(value) if value not in (None, "", 0, "0") else ""


def _special(client_id: str) -> str:
    """Name what the exchange did by itself, by its reserved client ids."""
    if client_id.startswith("autoclose-"):
        return "liquidation"
    if client_id.startswith("adl_autoclose"):
        return "auto-deleveraging"
    if client_id.startswith(("settlement_autoclose-", "delivery_autoclose-")):
        return "settlement of a delisted contract"
    return ""


def _true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _short(text: Any) -> Decimal:
    """Return a decimal without trailing zeros, e.g. a step of 0.00100 as 0.001."""
    value = number(text)
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def _rows(reply: Any) -> Sequence[Any]:
    """Return a reply that must be a list. Raises ``BadResponse``."""
    if not isinstance(reply, list):
        raise errors().BadResponse(f"Binance answered {type(reply).__name__} instead of a list")
    return reply
