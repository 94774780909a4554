"""Websocket messages of the Binance USD-M dialect."""

from __future__ import annotations

from typing import Any

from tests.exchange_server.account import Account
from tests.exchange_server.binance_views import text
from tests.exchange_server.instruments import Rules
from tests.exchange_server.prices import Quote, Row
from tests.exchange_server.state import (
    ZERO,
    AccountEvent,
    AlgoEvent,
    MarginCallEvent,
    OrderEvent,
    Position,
    UserEvent,
)

Json = dict[str, Any]


def kline(rules: Rules, interval: str, span: int, row: Row, now: int, closed: bool) -> Json:
    opened, first, high, low, last, volume = row
    price = f"{{:.{rules.price_decimals}f}}".format
    return {
        "e": "kline",
        "E": now,
        "s": rules.symbol,
        "k": {
            "t": opened,
            "T": opened + span - 1,
            "s": rules.symbol,
            "i": interval,
            "f": 1,
            "L": 2,
            "o": price(first),
            "c": price(last),
            "h": price(high),
            "l": price(low),
            "v": f"{volume:.3f}",
            "n": max(1, int(volume)),
            "x": closed,
            "q": f"{volume * last:.5f}",
            "V": f"{volume / 2:.3f}",
            "Q": f"{volume * last / 2:.5f}",
            "B": "0",
        },
    }


def mark_price(symbol: str, quote: Quote, now: int, next_funding: int) -> Json:
    return {
        "e": "markPriceUpdate",
        "E": now,
        "s": symbol,
        "p": text(quote.mark, 8),
        "i": text(quote.mark, 8),
        "P": text(quote.mark, 8),
        "r": text(quote.funding_rate, 8),
        "T": next_funding,
    }


def book_ticker(symbol: str, quote: Quote, now: int) -> Json:
    return {
        "e": "bookTicker",
        "u": now,
        "E": now,
        "T": now,
        "s": symbol,
        "b": text(quote.bid),
        "B": "10",
        "a": text(quote.ask),
        "A": "10",
    }


def ticker(symbol: str, quote: Quote, day: Row, now: int, *, mini: bool) -> Json:
    _, opened, high, low, _, volume = day
    last = text(quote.last)
    view = {
        "e": "24hrMiniTicker" if mini else "24hrTicker",
        "E": now,
        "s": symbol,
        "c": last,
        "o": str(opened),
        "h": str(high),
        "l": str(low),
        "v": f"{volume:.3f}",
        "q": f"{volume * float(quote.last):.2f}",
    }
    if not mini:
        change = float(quote.last) - opened
        view |= {"p": f"{change:.8f}", "P": f"{change / opened * 100:.3f}", "w": last, "C": now}
    return view


def user_event(event: UserEvent, account: Account, now: int) -> Json:
    """Word one change for the user data stream."""
    match event:
        case OrderEvent():
            return _order(event, now)
        case AlgoEvent():
            return _algo(event, now)
        case AccountEvent():
            return _account(event, account, now)
        case MarginCallEvent():
            return _margin_call(event, account, now)


def _order(event: OrderEvent, now: int) -> Json:
    order, trade, request = event.order, event.trade, event.order.request
    original = request.original_type or request.type
    view = {
        "s": request.symbol,
        "c": request.client_id,
        "S": request.side,
        "o": "LIQUIDATION" if request.source == "liquidation" else request.type,
        "f": request.time_in_force,
        "q": text(request.quantity),
        "p": text(request.price),
        "ap": text(order.average, 8),
        "sp": "0",
        "x": event.execution,
        "X": order.status,
        "i": order.order_id,
        "l": "0" if trade is None else text(trade.quantity),
        "z": text(order.executed),
        "L": "0" if trade is None else text(trade.price),
        "T": order.updated,
        "t": 0 if trade is None else trade.trade_id,
        "b": "0",
        "a": "0",
        "m": trade is not None and trade.maker,
        "R": request.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": original,
        "ps": request.position_side,
        "cp": request.close_position,
        "rp": "0" if trade is None else text(trade.pnl, 8),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
    }
    if trade is not None:
        view |= {"N": "USDT", "n": text(trade.fee, 8)}
    return {"e": "ORDER_TRADE_UPDATE", "E": now, "T": order.updated, "o": view}


def _algo(event: AlgoEvent, now: int) -> Json:
    algo, request = event.algo, event.algo.request
    fired = algo.order
    view = {
        "caid": request.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": request.type,
        "s": request.symbol,
        "S": request.side,
        "ps": request.position_side,
        "f": request.time_in_force,
        "q": text(request.quantity),
        "X": event.status,
        "ai": "" if fired is None else str(fired.order_id),
        "ap": "0.00000" if fired is None else text(fired.average, 5),
        "aq": "0.00000" if fired is None else text(fired.executed),
        "act": "0" if fired is None else fired.request.type,
        "tp": text(algo.trigger_price),
        "p": text(request.price),
        "V": "EXPIRE_MAKER",
        "wt": algo.working_type,
        "pm": "NONE",
        "cp": request.close_position,
        "pP": False,
        "R": request.reduce_only,
        "tt": algo.trigger_time,
        "gtd": algo.good_till,
    }
    if algo.reason:
        view["rm"] = algo.reason
    return {"e": "ALGO_UPDATE", "T": algo.updated, "E": now, "o": view}


def _account(event: AccountEvent, account: Account, now: int) -> Json:
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now,
        "T": now,
        "a": {
            "m": event.reason,
            "B": [
                {
                    "a": "USDT",
                    "wb": text(account.wallet, 8),
                    "cw": text(account.cross_wallet, 8),
                    "bc": text(event.change, 8),
                }
            ],
            "P": [_position(item, account) for item in event.positions],
        },
    }


def _position(item: Position, account: Account) -> Json:
    isolated = account.isolated(item)
    return {
        "s": item.symbol,
        "pa": text(item.quantity),
        "ep": text(item.entry, 8),
        "bep": text(item.entry, 8),
        "cr": text(item.realized, 8),
        "up": text(account.unrealized(item) if item.quantity else ZERO, 8),
        "mt": "isolated" if isolated else "cross",
        "iw": text(item.isolated_wallet, 8),
        "ps": item.side,
        "ma": "USDT",
    }


def _margin_call(event: MarginCallEvent, account: Account, now: int) -> Json:
    item = event.position
    isolated = account.isolated(item)
    return {
        "e": "MARGIN_CALL",
        "E": now,
        "cw": text(account.cross_wallet, 8),
        "p": [
            {
                "s": item.symbol,
                "ps": item.side,
                "pa": text(item.quantity),
                "mt": "ISOLATED" if isolated else "CROSSED",
                "iw": text(item.isolated_wallet, 8),
                "mp": text(account.mark(item.symbol), 8),
                "up": text(account.unrealized(item), 8),
                "mm": text(account.maintenance_margin(item), 8),
            }
        ],
    }
