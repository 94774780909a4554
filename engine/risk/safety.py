"""The safety checker: five layers, the last word before an order. It trusts no earlier gate."""

from __future__ import annotations

import math
from decimal import Decimal

from engine.model.account import AccountState
from engine.model.decision import SafetyCheck
from engine.model.market import Instrument, Pair
from engine.model.orders import ApprovedOrder, seal_for_safety_checker
from engine.model.signal import Side
from engine.risk.limits import RiskLimits

_TOLERANCE = 1e-9  # relative; float rounding in a size that uses a limit to the full


class OrderRefused(Exception):
    """The safety checker refuses an entry: ``layer`` 1 to 5 and the sentence."""

    def __init__(self, layer: int, reason: str) -> None:
        super().__init__(f"layer {layer}: {reason}")
        self.layer = layer
        self.reason = reason


class _Failed(Exception):
    """A layer failed; its text is the sentence."""


def check_safety(
    *,
    pair: Pair,
    side: Side,
    quantity: Decimal,
    entry: float,
    stop: float,
    leverage: int,
    account: AccountState,
    limits: RiskLimits,
    instrument: Instrument,
) -> SafetyCheck:
    """Check an entry against the five layers in order; the first failure ends it.

    Prices in quote currency, ``quantity`` in base currency. A figure that is not finite fails
    the layer that needs it.
    """
    sentences: list[str] = []
    try:
        sentences.append(_symbol(pair, limits, instrument))
        sentences.append(_leverage(leverage, limits, instrument))
        sentences.append(_size(side, quantity, entry, stop, account, limits, instrument))
        sentences.append(_funds(side, quantity, entry, stop, leverage, account, limits, instrument))
        sentences.append(_daily_loss(account, limits))
    except _Failed as failure:
        reason = str(failure)
        return SafetyCheck(False, len(sentences) + 1, (*sentences, reason), reason)
    return SafetyCheck(True, 0, tuple(sentences), "")


def approve(
    *,
    pair: Pair,
    side: Side,
    quantity: Decimal,
    entry: Decimal,
    stop: Decimal,
    target: Decimal,
    leverage: int,
    account: AccountState,
    limits: RiskLimits,
    instrument: Instrument,
    client_order_id: str,
) -> ApprovedOrder:
    """Check an entry once more and return the order that may leave, its stop and target included.

    ``entry`` is the price the decision saw; ``stop`` and ``target`` lie on the tick. Raises
    ``OrderRefused``. This is the only place a new entry order is made.
    """
    check = check_safety(
        pair=pair,
        side=side,
        quantity=quantity,
        entry=_plain(entry),
        stop=_plain(stop),
        leverage=leverage,
        account=account,
        limits=limits,
        instrument=instrument,
    )
    if not check.passed:
        raise OrderRefused(check.failed_layer, check.reason)
    if not client_order_id:
        raise OrderRefused(3, "the order has no client order id")
    if not target.is_finite() or target <= 0 or (target - entry) * side.sign <= 0:
        raise OrderRefused(3, f"the target {target} is not on the profit side of {entry}")
    for price in (stop, target):
        if instrument.round_price(price) != price:
            raise OrderRefused(3, f"the price {price} is not on the tick {instrument.tick_size}")
    return ApprovedOrder(
        client_order_id=client_order_id,
        pair=pair,
        side=side,
        quantity=quantity,
        reference_price=entry,
        stop_price=stop,
        target_price=target,
        leverage=leverage,
        seal=seal_for_safety_checker(),
    )


def approved_before(
    *,
    client_order_id: str,
    pair: Pair,
    side: Side,
    quantity: Decimal,
    entry: Decimal,
    stop: Decimal,
    target: Decimal,
    leverage: int,
) -> ApprovedOrder:
    """Return an entry that an earlier run approved, as its recorded intent has it.

    It left then or never will: only its fills are awaited.
    """
    return ApprovedOrder(
        client_order_id, pair, side, quantity, entry, stop, target, leverage,
        seal_for_safety_checker(),
    )  # fmt: skip


def liquidation_price(
    side: Side, entry: float, leverage: int, maintenance_margin_rate: float
) -> float:
    """Return the price at which an isolated position is liquidated, in quote currency.

    Where margin + unrealised PnL = maintenance margin: with m the rate and L the leverage, a
    long falls to entry x (1 - 1/L) / (1 - m), a short rises to entry x (1 + 1/L) / (1 + m).
    Fees and funding are left out, as is any margin added later.
    """
    sign = side.sign
    return entry * (1.0 - sign / leverage) / (1.0 - sign * maintenance_margin_rate)


def _symbol(pair: Pair, limits: RiskLimits, instrument: Instrument) -> str:
    if pair not in limits.allowed_pairs:
        raise _Failed(f"{pair} is not an allowed pair")
    if instrument.pair != pair:
        raise _Failed(f"the trading rules are those of {instrument.pair}, not of {pair}")
    positive = (instrument.step_size, instrument.tick_size)
    present = (
        instrument.min_quantity,
        instrument.min_notional,
        instrument.taker_fee,
        instrument.maintenance_margin_rate,
    )
    if not all(rule.is_finite() for rule in positive + present) or min(positive) <= 0:
        raise _Failed(f"the trading rules of {pair} are incomplete")
    return f"{pair} is an allowed pair"


def _leverage(leverage: int, limits: RiskLimits, instrument: Instrument) -> str:
    most = min(limits.max_leverage, instrument.max_leverage)
    if not 1 <= leverage <= most:
        raise _Failed(f"leverage {leverage}x is outside 1x to {most}x")
    return f"leverage {leverage}x is within {most}x"


def _size(
    side: Side,
    quantity: Decimal,
    entry: float,
    stop: float,
    account: AccountState,
    limits: RiskLimits,
    instrument: Instrument,
) -> str:
    if not (quantity.is_finite() and quantity > 0):
        raise _Failed(f"the quantity {quantity} is not a positive number")
    if instrument.round_quantity(quantity) != quantity:
        raise _Failed(f"the quantity {quantity:f} is not on the step {instrument.step_size:f}")
    if quantity < instrument.min_quantity:
        raise _Failed(f"the quantity {quantity:f} is below the minimum {instrument.min_quantity:f}")
    for name, value in (("entry", entry), ("stop", stop), ("equity", account.equity)):
        if not (math.isfinite(value) and value > 0.0):
            raise _Failed(f"the {name} {value} is not a positive number")
    distance = (entry - stop) * side.sign
    if distance <= 0.0:
        raise _Failed(f"the stop {stop:g} is not on the loss side of the entry {entry:g}")
    notional = float(quantity) * entry
    if notional < float(instrument.min_notional) * (1.0 - _TOLERANCE):
        raise _Failed(f"the notional {notional:.2f} is below {instrument.min_notional:f}")
    risk = float(quantity) * distance / account.equity
    if not risk <= limits.max_risk_per_trade * (1.0 + _TOLERANCE):
        raise _Failed(f"risk at the stop {risk:.2%} is above {limits.max_risk_per_trade:.2%}")
    multiple = notional / account.equity
    if not multiple <= limits.max_notional_multiple * (1.0 + _TOLERANCE):
        raise _Failed(
            f"notional {multiple:.2f} x equity is above {limits.max_notional_multiple:g} x"
        )
    return f"risk at the stop {risk:.2%} and notional {multiple:.2f} x equity are within limits"


def _funds(
    side: Side,
    quantity: Decimal,
    entry: float,
    stop: float,
    leverage: int,
    account: AccountState,
    limits: RiskLimits,
    instrument: Instrument,
) -> str:
    """Check that margin, fees both ways and slippage are there, and the liquidation price."""
    notional = float(quantity) * entry
    costs = 2.0 * (float(instrument.taker_fee) + limits.slippage) * notional
    needed = notional / leverage + costs
    if not (math.isfinite(account.available) and math.isfinite(account.balance)):
        raise _Failed("the balance is not a finite number")
    free = min(account.available, account.balance)
    if not needed <= free:
        raise _Failed(f"margin and costs of {needed:.2f} are above the {free:.2f} available")
    liquidation = liquidation_price(
        side, entry, leverage, float(instrument.maintenance_margin_rate)
    )
    if not (stop - liquidation) * side.sign > 0.0:
        raise _Failed(
            f"at {leverage}x the liquidation price {liquidation:g} comes before the stop {stop:g}"
        )
    return f"margin and costs of {needed:.2f} are available; liquidation at {liquidation:g}"


def _daily_loss(account: AccountState, limits: RiskLimits) -> str:
    loss = account.day_loss
    if not math.isfinite(loss):
        raise _Failed("the 24 h loss is not a finite number")
    if not loss < limits.max_daily_loss:
        raise _Failed(f"24 h loss {loss:.2%} has reached {limits.max_daily_loss:.2%}")
    return f"24 h loss {loss:.2%} is below {limits.max_daily_loss:.2%}"


def _plain(price: Decimal) -> float:
    """Return a price as float; anything not finite as NaN, which fails the check."""
    return float(price) if price.is_finite() else math.nan
