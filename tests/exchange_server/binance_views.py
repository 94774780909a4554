"""Replies of the Binance USD-M dialect, as its documentation words them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.exchange_server.account import Account
from tests.exchange_server.instruments import Rules
from tests.exchange_server.prices import Quote, Row
from tests.exchange_server.state import ZERO, Algo, Income, Order, Position, Trade

Json = dict[str, Any]
ORDER_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
               "TRAILING_STOP_MARKET"]  # fmt: skip


def text(value: Decimal, decimals: int | None = None) -> str:
    """Write a decimal without exponent, cut to ``decimals`` when given."""
    if decimals is not None:
        value = value.quantize(Decimal(1).scaleb(-decimals))
    return format(value, "f")


def symbol_info(rules: Rules, delisted: bool) -> Json:
    return {
        "symbol": rules.symbol,
        "pair": rules.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "SETTLING" if delisted else "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": rules.price_decimals,
        "quantityPrecision": rules.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text(rules.tick),
                "maxPrice": "1000000",
                "tickSize": text(rules.tick),
            },
            _lot("LOT_SIZE", rules),
            _lot("MARKET_LOT_SIZE", rules),
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": text(rules.min_notional)},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500",
             "multiplierDown": "0.9500", "multiplierDecimal": "4"},
        ],
        "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip


def _lot(kind: str, rules: Rules) -> Json:
    return {
        "filterType": kind,
        "minQty": text(rules.min_quantity),
        "maxQty": text(rules.max_quantity),
        "stepSize": text(rules.step),
    }


def kline(row: Row, span: int, rules: Rules) -> list[Any]:
    opened, *prices, volume = row
    digits = rules.price_decimals
    quote = volume * prices[3]
    return [
        opened,
        *(f"{price:.{digits}f}" for price in prices),
        f"{volume:.3f}",
        opened + span - 1,
        f"{quote:.5f}",
        max(1, int(volume)),
        f"{volume / 2:.3f}",
        f"{quote / 2:.5f}",
        "0",
    ]


def ticker(rules: Rules, quote: Quote, day: list[Row], now: int) -> Json:
    opened = day[0][1]
    last = float(quote.last)
    volume = sum(row[5] for row in day)
    return {
        "symbol": rules.symbol,
        "priceChange": f"{last - opened:.{rules.price_decimals}f}",
        "priceChangePercent": f"{(last / opened - 1) * 100:.3f}",
        "weightedAvgPrice": text(quote.last),
        "lastPrice": text(quote.last),
        "lastQty": text(rules.step),
        "openPrice": f"{opened:.{rules.price_decimals}f}",
        "highPrice": f"{max(row[2] for row in day):.{rules.price_decimals}f}",
        "lowPrice": f"{min(row[3] for row in day):.{rules.price_decimals}f}",
        "volume": f"{volume:.3f}",
        "quoteVolume": f"{volume * last:.2f}",
        "openTime": day[0][0],
        "closeTime": now,
        "firstId": 1,
        "lastId": 2,
        "count": 2,
    }


def book_ticker(symbol: str, quote: Quote, now: int) -> Json:
    return {
        "symbol": symbol,
        "bidPrice": text(quote.bid),
        "bidQty": "10",
        "askPrice": text(quote.ask),
        "askQty": "10",
        "time": now,
    }


def premium_index(symbol: str, quote: Quote, now: int, next_funding: int) -> Json:
    return {
        "symbol": symbol,
        "markPrice": text(quote.mark, 8),
        "indexPrice": text(quote.mark, 8),
        "estimatedSettlePrice": text(quote.mark, 8),
        "lastFundingRate": text(quote.funding_rate),
        "interestRate": "0.00010000",
        "nextFundingTime": next_funding,
        "time": now,
    }


def order(item: Order) -> Json:
    request = item.request
    return {
        "orderId": item.order_id,
        "symbol": request.symbol,
        "status": item.status,
        "clientOrderId": request.client_id,
        "price": text(request.price),
        "avgPrice": text(item.average, 8),
        "origQty": text(request.quantity),
        "executedQty": text(item.executed),
        "cumQty": text(item.executed),
        "cumQuote": text(item.quote, 8),
        "timeInForce": request.time_in_force,
        "type": request.type,
        "reduceOnly": request.reduce_only,
        "closePosition": request.close_position,
        "side": request.side,
        "positionSide": request.position_side,
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": request.original_type or request.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": item.created,
        "updateTime": item.updated,
    }


def algo(item: Algo) -> Json:
    request = item.request
    fired = item.order
    return {
        "algoId": item.algo_id,
        "clientAlgoId": request.client_id,
        "algoType": "CONDITIONAL",
        "orderType": request.type,
        "symbol": request.symbol,
        "side": request.side,
        "positionSide": request.position_side,
        "timeInForce": request.time_in_force,
        "quantity": text(request.quantity),
        "algoStatus": item.status,
        "actualOrderId": "" if fired is None else str(fired.order_id),
        "actualPrice": "0.00000" if fired is None else text(fired.average, 5),
        "triggerPrice": text(item.trigger_price),
        "price": text(request.price),
        "icebergQuantity": None,
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": item.working_type,
        "priceMatch": "NONE",
        "closePosition": request.close_position,
        "priceProtect": False,
        "reduceOnly": request.reduce_only,
        "createTime": item.created,
        "updateTime": item.updated,
        "triggerTime": item.trigger_time,
        "goodTillDate": item.good_till,
    }


def new_algo(item: Algo) -> Json:
    """Return the reply to a new conditional order, which carries nothing about firing."""
    hidden = {"actualOrderId", "actualPrice", "tpTriggerPrice", "tpPrice", "slTriggerPrice",
              "slPrice", "tpOrderType"}  # fmt: skip
    return {key: value for key, value in algo(item).items() if key not in hidden}


def trade(item: Trade) -> Json:
    return {
        "symbol": item.symbol,
        "id": item.trade_id,
        "orderId": item.order_id,
        "side": item.side,
        "price": text(item.price),
        "qty": text(item.quantity),
        "realizedPnl": text(item.pnl, 8),
        "quoteQty": text(item.quote, 8),
        "commission": text(item.fee, 8),
        "commissionAsset": "USDT",
        "time": item.time,
        "positionSide": item.position_side,
        "buyer": item.side == "BUY",
        "maker": item.maker,
    }


def income(item: Income) -> Json:
    return {
        "symbol": item.symbol,
        "incomeType": item.kind,
        "income": text(item.amount, 8),
        "asset": "USDT",
        "info": item.trade_id or item.kind,
        "time": item.time,
        "tranId": item.transaction,
        "tradeId": item.trade_id,
    }


def position_risk(item: Position, account: Account, *, version: int) -> Json:
    """Return a position; version 2 carries leverage and margin type, version 3 the margins."""
    mark = account.mark(item.symbol)
    isolated = account.isolated(item)
    profit = account.unrealized(item)
    own = item.isolated_wallet if isolated else ZERO
    view = {
        "symbol": item.symbol,
        "positionSide": item.side,
        "positionAmt": text(item.quantity),
        "entryPrice": text(item.entry, 8),
        "breakEvenPrice": text(item.entry, 8),
        "markPrice": text(mark, 8),
        "unRealizedProfit": text(profit, 8),
        "liquidationPrice": text(account.liquidation_price(item), 8),
        "isolatedMargin": text(own + profit if isolated else ZERO, 8),
        "notional": text(account.notional(item), 8),
        "isolatedWallet": text(own, 8),
        "updateTime": item.updated,
    }
    settings = account.settings[item.symbol]
    if version == 2:
        largest = account.rules[item.symbol].largest_notional(settings.leverage)
        return view | {
            "leverage": str(settings.leverage),
            "marginType": "isolated" if isolated else "cross",
            "isAutoAddMargin": "false",
            "maxNotionalValue": text(largest),
        }
    return view | {
        "marginAsset": "USDT",
        "initialMargin": text(account.initial_margin(item), 8),
        "maintMargin": text(account.maintenance_margin(item), 8),
        "positionInitialMargin": text(account.initial_margin(item), 8),
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
    }


def account_info(account: Account, now: int, *, version: int) -> Json:
    positions = account.open_positions()
    initial = sum((account.initial_margin(p) for p in positions), ZERO)
    maintenance = sum((account.maintenance_margin(p) for p in positions), ZERO)
    profit = account.unrealized_total
    cross_profit = sum((account.unrealized(p) for p in positions if not account.isolated(p)), ZERO)
    totals = {
        "InitialMargin": initial,
        "MaintMargin": maintenance,
        "WalletBalance": account.wallet,
        "UnrealizedProfit": profit,
        "MarginBalance": account.wallet + profit,
        "PositionInitialMargin": initial,
        "OpenOrderInitialMargin": ZERO,
        "CrossWalletBalance": account.cross_wallet,
        "CrossUnPnl": cross_profit,
    }
    asset: Json = {key[0].lower() + key[1:]: text(value, 8) for key, value in totals.items()}
    asset |= {
        "asset": "USDT",
        "availableBalance": text(account.available, 8),
        "maxWithdrawAmount": text(account.available, 8),
        "marginAvailable": True,
        "updateTime": now,
    }
    view: Json = {f"total{key}": text(value, 8) for key, value in totals.items()}
    view |= {
        "availableBalance": text(account.available, 8),
        "maxWithdrawAmount": text(account.available, 8),
        "assets": [asset],
        "positions": [_account_position(p, account, version) for p in positions],
    }
    if version == 2:
        view |= {
            "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True,
            "updateTime": 0, "multiAssetsMargin": account.multi_assets, "tradeGroupId": -1,
        }  # fmt: skip
    return view


def _account_position(item: Position, account: Account, version: int) -> Json:
    settings = account.settings[item.symbol]
    view: Json = {
        "symbol": item.symbol,
        "positionSide": item.side,
        "positionAmt": text(item.quantity),
        "unrealizedProfit": text(account.unrealized(item), 8),
        "isolatedMargin": text(item.isolated_wallet, 8),
        "notional": text(account.notional(item), 8),
        "isolatedWallet": text(item.isolated_wallet, 8),
        "initialMargin": text(account.initial_margin(item), 8),
        "maintMargin": text(account.maintenance_margin(item), 8),
        "updateTime": item.updated,
    }
    if version == 2:
        view |= {
            "leverage": str(settings.leverage),
            "entryPrice": text(item.entry, 8),
            "breakEvenPrice": text(item.entry, 8),
            "isolated": account.isolated(item),
            "positionInitialMargin": view["initialMargin"],
            "openOrderInitialMargin": "0",
        }
    return view


def balances(account: Account, now: int) -> list[Json]:
    return [
        {
            "accountAlias": "SgsR",
            "asset": "USDT",
            "balance": text(account.wallet, 8),
            "crossWalletBalance": text(account.cross_wallet, 8),
            "crossUnPnl": text(account.unrealized_total, 8),
            "availableBalance": text(account.available, 8),
            "maxWithdrawAmount": text(account.available, 8),
            "marginAvailable": True,
            "updateTime": now,
        }
    ]


def leverage_brackets(rules: Rules) -> Json:
    return {
        "symbol": rules.symbol,
        "brackets": [
            {
                "bracket": item.number,
                "initialLeverage": item.leverage,
                "notionalCap": int(item.cap),
                "notionalFloor": int(item.floor),
                "maintMarginRatio": float(item.maintenance),
                "cum": float(item.cum),
            }
            for item in rules.brackets
        ],
    }
