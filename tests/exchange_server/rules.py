"""What the exchange checks before it takes an order, in the order it checks it."""

from __future__ import annotations

from decimal import Decimal

from tests.exchange_server.account import Account
from tests.exchange_server.errors import ApiError
from tests.exchange_server.instruments import Rules
from tests.exchange_server.state import ZERO, Algo, Order, OrderRequest, money


def check_wording(request: OrderRequest, rules: Rules) -> None:
    """Raise for a malformed order: side, client id, steps and limits."""
    if request.side not in ("BUY", "SELL"):
        raise ApiError(-1117)
    if len(request.client_id) > 36:
        raise ApiError(-4015)
    if not request.close_position:
        _check_quantity(request.quantity, rules)
    if request.price % rules.tick:
        raise ApiError(-4014)


def _check_quantity(quantity: Decimal, rules: Rules) -> None:
    if not quantity.is_finite() or quantity <= 0:
        raise ApiError(-4003)
    if quantity % rules.step:
        raise ApiError(-1111)
    if quantity < rules.min_quantity:
        raise ApiError(-4004)
    if quantity > rules.max_quantity:
        raise ApiError(-4005)


def reduces(request: OrderRequest, account: Account) -> Decimal:
    """Return how much of the position the order could close."""
    position = account.position(request.symbol, request.position_side)
    against = position.quantity < 0 if request.side == "BUY" else position.quantity > 0
    return abs(position.quantity) if against else ZERO


def must_reduce(request: OrderRequest) -> bool:
    """Return whether an order may only close: reduce-only, or the closing side in hedge mode."""
    if request.position_side == "LONG":
        return request.side == "SELL"
    if request.position_side == "SHORT":
        return request.side == "BUY"
    return request.reduce_only or request.close_position


def check_reduce_only(request: OrderRequest, account: Account, resting: list[Order]) -> None:
    """Raise -2022 with nothing to close, -4118 when open orders already close it all."""
    closable = reduces(request, account)
    if not closable:
        raise ApiError(-2022)
    promised = sum(
        (
            order.remaining
            for order in resting
            if order.request.reduce_only
            and (order.request.symbol, order.request.side) == (request.symbol, request.side)
        ),
        ZERO,
    )
    if promised >= closable:
        raise ApiError(-4118)


def check_opening(
    request: OrderRequest, price: Decimal, rules: Rules, account: Account, delisted: bool
) -> None:
    """Raise when the part that opens is too small, too large or not covered by margin."""
    if delisted:
        raise ApiError(-4140)
    if request.quantity * price < rules.min_notional:
        text = f"Order's notional must be no smaller than {rules.min_notional}"
        raise ApiError(-4164, f"{text} (unless you choose reduce only).")
    opening = request.quantity - reduces(request, account)
    if opening <= 0:
        return
    settings = account.settings[request.symbol]
    position = account.position(request.symbol, request.position_side)
    signed = opening if request.side == "BUY" else -opening
    kept = position.quantity if position.quantity * signed > 0 else ZERO
    if abs(kept + signed) * price > rules.largest_notional(settings.leverage):
        raise ApiError(-2027)
    if money(opening * price / settings.leverage) > account.available:
        raise ApiError(-2019)


def check_trigger(algo: Algo, reference: Decimal, rules: Rules) -> None:
    """Raise when the trigger price is off the tick or already reached."""
    if algo.trigger_price <= 0 or algo.trigger_price % rules.tick:
        raise ApiError(-4014)
    if reached(algo, reference):
        raise ApiError(-2021)


def reached(algo: Algo, reference: Decimal) -> bool:
    """Return whether the reference price has reached the trigger."""
    if algo.fires_upward:
        return reference >= algo.trigger_price
    return reference <= algo.trigger_price
