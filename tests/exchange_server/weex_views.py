"""Replies of the WEEX contract dialect."""

from __future__ import annotations

from typing import Any

from tests.exchange_server.account import Account
from tests.exchange_server.binance_views import text
from tests.exchange_server.instruments import MAKER_FEE, TAKER_FEE, Rules
from tests.exchange_server.prices import Quote, Row
from tests.exchange_server.state import ZERO, Algo, Income, Order, Position, Trade

Json = dict[str, Any]
ORDER_STATUS = {"EXPIRED": "CANCELED"}
ALGO_STATUS = {
    "NEW": "UNTRIGGERED",
    "TRIGGERING": "TRIGGERED",
    "FINISHED": "FILLED",
    "EXPIRED": "CANCELED",
}
INCOME_KINDS = {
    "FUNDING_FEE": "position_funding",
    "COMMISSION": "order_fill_fee_income",
    "REALIZED_PNL": "position_close_long",
    "INSURANCE_CLEAR": "order_liquidate_fee_income",
    "TRANSFER": "deposit",
}


def contract(rules: Rules) -> Json:
    return {
        "symbol": rules.symbol,
        "baseAsset": rules.base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": str(rules.price_decimals),
        "quantityPrecision": str(rules.quantity_decimals),
        "baseAssetPrecision": str(rules.quantity_decimals),
        "quotePrecision": "8",
        "contractVal": text(rules.step),
        "delivery": ["00:00:00", "08:00:00", "16:00:00"],
        "forwardContractFlag": True,
        "minLeverage": "1",
        "maxLeverage": str(rules.brackets[0].leverage),
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
        "makerFeeRate": text(MAKER_FEE),
        "takerFeeRate": text(TAKER_FEE),
        "minOrderSize": text(rules.min_quantity),
        "maxOrderSize": text(rules.max_quantity),
        "maxPositionSize": text(rules.max_quantity),
        "marketOpenLimitSize": text(rules.max_quantity),
    }


def ticker(rules: Rules, quote: Quote, day: list[Row], now: int) -> Json:
    opened, last = day[0][1], float(quote.last)
    return {
        "symbol": rules.symbol,
        "priceChange": f"{last - opened:.{rules.price_decimals}f}",
        "priceChangePercent": f"{last / opened - 1:.6f}",
        "lastPrice": text(quote.last),
        "openPrice": str(opened),
        "highPrice": str(max(row[2] for row in day)),
        "lowPrice": str(min(row[3] for row in day)),
        "volume": f"{sum(row[5] for row in day):.3f}",
        "quoteVolume": f"{sum(row[5] * row[4] for row in day):.2f}",
        "openTime": day[0][0],
        "closeTime": now,
        "markPrice": text(quote.mark),
        "indexPrice": text(quote.mark),
    }


def premium_index(symbol: str, quote: Quote, now: int, next_funding: int) -> Json:
    return {
        "symbol": symbol,
        "markPrice": text(quote.mark),
        "indexPrice": text(quote.mark),
        "forecastFundingRate": text(quote.funding_rate, 8),
        "lastFundingRate": text(quote.funding_rate, 8),
        "interestRate": "0.001",
        "nextFundingTime": next_funding,
        "time": now,
        "collectCycle": 480,
    }


def balance(account: Account) -> Json:
    used = sum((account.initial_margin(p) for p in account.open_positions()), ZERO)
    return {
        "asset": "USDT",
        "balance": text(account.wallet, 8),
        "availableBalance": text(account.available, 8),
        "frozen": text(used, 8),
        "unrealizePnl": text(account.unrealized_total, 8),
    }


def position(item: Position, account: Account) -> Json:
    isolated = account.isolated(item)
    margin = item.isolated_wallet if isolated else account.initial_margin(item)
    return {
        "id": 737_000_000 + sum(map(ord, item.symbol + item.side)),
        "asset": "USDT",
        "symbol": item.symbol,
        "side": "LONG" if item.quantity > 0 else "SHORT",
        "marginType": account.settings[item.symbol].margin_type,
        "separatedMode": "COMBINED",
        "separatedOpenOrderId": 0,
        "leverage": f"{account.settings[item.symbol].leverage}.00",
        "size": text(abs(item.quantity)),
        "openValue": text(abs(item.cost), 8),
        "openFee": "0",
        "fundingFee": "0",
        "marginSize": text(margin, 8),
        "isolatedMargin": text(item.isolated_wallet, 8),
        "isAutoAppendIsolatedMargin": False,
        "cumOpenSize": text(abs(item.quantity)),
        "cumOpenValue": text(abs(item.cost), 8),
        "cumOpenFee": "0",
        "cumCloseSize": "0",
        "cumCloseValue": "0",
        "cumCloseFee": "0",
        "cumFundingFee": "0",
        "cumLiquidateFee": "0",
        "createdTime": item.updated,
        "updatedTime": item.updated,
        "unrealizePnl": text(account.unrealized(item), 8),
        "liquidatePrice": text(account.liquidation_price(item), 8),
    }


def symbol_config(symbol: str, account: Account, separated: str) -> Json:
    settings = account.settings[symbol]
    leverage = f"{settings.leverage}.00"
    return {
        "symbol": symbol,
        "marginType": settings.margin_type,
        "separatedType": separated,
        "crossLeverage": leverage,
        "isolatedLongLeverage": leverage,
        "isolatedShortLeverage": leverage,
    }


def order(item: Order) -> Json:
    request = item.request
    return {
        "avgPrice": text(item.average, 8),
        "clientOrderId": request.client_id,
        "cumQuote": text(item.quote, 8),
        "executedQty": text(item.executed),
        "orderId": item.order_id,
        "origQty": text(request.quantity),
        "price": text(request.price),
        "reduceOnly": closes(request.side, request.position_side),
        "side": request.side,
        "positionSide": request.position_side,
        "status": ORDER_STATUS.get(item.status, item.status),
        "stopPrice": "0",
        "symbol": request.symbol,
        "time": item.created,
        "timeInForce": "IOC" if request.type == "MARKET" else request.time_in_force,
        "type": request.type,
        "updateTime": item.updated,
        "workingType": "UNKNOWN_PRICE_TYPE",
    }


def closes(side: str, position_side: str) -> bool:
    """Return whether an order of this side closes that side's position."""
    return (side == "SELL") == (position_side == "LONG")


def algo_as_order(item: Algo) -> Json:
    """Return a conditional order as the order history shows it, fired or not, under its own id."""
    request, fired = item.request, item.order
    return {
        "avgPrice": "0" if fired is None else text(fired.average, 8),
        "clientOrderId": request.client_id,
        "cumQuote": "0" if fired is None else text(fired.quote, 8),
        "executedQty": "0" if fired is None else text(fired.executed),
        "orderId": item.algo_id,
        "origQty": text(request.quantity),
        "price": text(request.price),
        "reduceOnly": closes(request.side, request.position_side),
        "side": request.side,
        "positionSide": request.position_side,
        "status": ALGO_STATUS.get(item.status, item.status),
        "stopPrice": text(item.trigger_price),
        "symbol": request.symbol,
        "time": item.created,
        "timeInForce": "IOC",
        "type": request.type,
        "updateTime": item.updated,
        "workingType": item.working_type,
    }


def algo(item: Algo) -> Json:
    """Return a waiting conditional order."""
    request = item.request
    return {
        "algoId": item.algo_id,
        "clientAlgoId": request.client_id,
        "algoType": "CONDITIONAL",
        "orderType": request.type,
        "symbol": request.symbol,
        "side": request.side,
        "positionSide": request.position_side,
        "timeInForce": "IOC",
        "quantity": text(request.quantity),
        "algoStatus": ALGO_STATUS.get(item.status, item.status),
        "actualOrderId": 0 if item.order is None else item.order.order_id,
        "actualPrice": "0",
        "triggerPrice": text(item.trigger_price),
        "price": text(request.price),
        "tpTriggerPrice": None,
        "tpPrice": None,
        "slTriggerPrice": None,
        "slPrice": None,
        "tpOrderType": None,
        "workingType": item.working_type,
        "closePosition": False,
        "reduceOnly": closes(request.side, request.position_side),
        "createTime": item.created,
        "updateTime": item.updated,
        "triggerTime": item.trigger_time,
    }


def trade(item: Trade, order_id: int) -> Json:
    return {
        "id": item.trade_id,
        "orderId": order_id,
        "symbol": item.symbol,
        "buyer": item.side == "BUY",
        "commission": text(item.fee, 8),
        "commissionAsset": "USDT",
        "maker": item.maker,
        "price": text(item.price),
        "qty": text(item.quantity),
        "quoteQty": text(item.quote, 8),
        "realizedPnl": text(item.pnl, 8),
        "side": item.side,
        "positionSide": item.position_side,
        "time": item.time,
    }


def income(item: Income, wallet: str) -> Json:
    return {
        "billId": str(item.transaction),
        "asset": "USDT",
        "symbol": item.symbol,
        "income": text(item.amount, 8),
        "incomeType": INCOME_KINDS.get(item.kind, item.kind.lower()),
        "balance": wallet,
        "fillFee": "0",
        "time": str(item.time),
        "transferReason": "UNKNOWN_TRANSFER_REASON",
    }
