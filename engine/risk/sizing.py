"""Position sizing: fraction of equity at risk, factor by factor, and the quantity it buys."""

from __future__ import annotations

import math
from decimal import Decimal

from engine.model.account import Edge
from engine.model.decision import Sizing, SizingMethod
from engine.model.market import Instrument
from engine.risk.limits import RiskLimits

MIN_TRADES = 30
FULL_KELLY_TRADES = 100
_ABSURD_STEPS = 1e15  # no real order counts more lots; beyond it float and Decimal part ways


def risk_fraction(edge: Edge, limits: RiskLimits) -> tuple[SizingMethod, float | None, float]:
    """Return the method, the Kelly fraction and the fraction of equity to risk before factors.

    Exploration under 30 trades, and with a positive expectancy but no loss yet (payoff
    unknown); zero without an edge from 30 trades on, even if there was never a win; fractional
    Kelly, scaled by n / 100, otherwise.
    """
    exploration = min(limits.exploration_risk, limits.max_risk_per_trade)
    if edge.trades < MIN_TRADES:
        return SizingMethod.EXPLORATION, edge.kelly, exploration
    if edge.expectancy > 0.0 and (edge.payoff is None or edge.kelly is None):
        return SizingMethod.EXPLORATION, None, exploration
    if edge.expectancy > 0.0 and edge.kelly is not None and edge.kelly > 0.0:
        confidence = min(edge.trades / FULL_KELLY_TRADES, 1.0)
        fraction = limits.kelly_fraction * edge.kelly * confidence
        if fraction < exploration and edge.shadow_reentry and limits.shadow_reentry:
            return SizingMethod.SHADOW_REENTRY, edge.kelly, exploration
        return (
            SizingMethod.EMPIRICAL_KELLY,
            edge.kelly,
            min(limits.max_risk_per_trade, fraction),
        )
    if edge.shadow_reentry and limits.shadow_reentry:
        return SizingMethod.SHADOW_REENTRY, edge.kelly, exploration
    return SizingMethod.NO_EDGE, edge.kelly, 0.0


def volatility_penalty(gk: float) -> float:
    """Return the factor for an annualised Garman-Klass volatility (fraction); NaN is the worst."""
    if not gk >= 0.0:
        return 0.3
    if gk < 0.3:
        return 1.0
    if gk < 0.5:
        return 0.85
    if gk < 0.7:
        return 0.65
    if gk < 0.9:
        return 0.45
    return 0.3


def size_position(
    *,
    edge: Edge,
    equity: float,
    entry: float,
    stop: float,
    instrument: Instrument,
    regime_multiplier: float,
    gk: float,
    breaker_factor: float,
    limits: RiskLimits,
    force_exploration: bool = False,
) -> Sizing:
    """Size a position so that its stop costs the risk fraction of equity, never more.

    Prices and ``equity`` in quote currency, ``gk`` annualised as a fraction, factors plain.
    Leverage plays no part. A size too small to trade, or any figure that is not a finite
    number, gives quantity 0 and the reason.
    """
    method, kelly, base = risk_fraction(edge, limits)
    if force_exploration:
        method = SizingMethod.EXPLORATION
        base = min(limits.exploration_risk, limits.max_risk_per_trade)
    penalty = volatility_penalty(gk)
    wanted = base * regime_multiplier * penalty * edge.degradation_factor * breaker_factor
    fraction = min(wanted, limits.max_risk_per_trade)
    money = equity * fraction
    distance = abs(entry - stop)
    reason = _refusal(method, wanted, money, entry, stop, instrument)
    quantity = Decimal(0)
    if not reason:
        quantity = _affordable(money, entry, stop, instrument.step_size)
        reason = too_small(quantity, entry, instrument)
    return Sizing(
        method=method,
        kelly=kelly,
        trades=edge.trades,
        base_fraction=base,
        regime_multiplier=regime_multiplier,
        volatility_penalty=penalty,
        degradation_factor=edge.degradation_factor,
        breaker_factor=breaker_factor,
        risk_fraction=fraction,
        equity=equity,
        money_at_risk=money,
        stop_distance=distance,
        quantity=Decimal(0) if reason else quantity,
        reason=reason,
    )


def too_small(quantity: Decimal, entry: float, instrument: Instrument) -> str:
    """Return why a quantity is below what the venue trades, or an empty string."""
    if quantity <= 0 or quantity < instrument.min_quantity:
        least = max(instrument.min_quantity, instrument.step_size)
        return f"quantity {quantity:f} is below the minimum of {least:f}"
    notional = quantity * exact(entry)
    if notional < instrument.min_notional:
        return f"notional {notional:.2f} is below the minimum of {instrument.min_notional:f}"
    return ""


def exact(value: float) -> Decimal:
    """Return the decimal a float is written as: 0.1 becomes 0.1, not its binary neighbour."""
    return Decimal(repr(float(value)))


def sizing_line(sizing: Sizing) -> str:
    """Return the log line of a size, factors included."""
    return (
        f"Position size: {sizing.quantity:.6f} | Method: {sizing.method.value} | "
        f"Regime mult: {sizing.regime_multiplier:.2f} | "
        f"Vol penalty: {sizing.volatility_penalty:.2f}"
    )


def _refusal(
    method: SizingMethod,
    wanted: float,
    money: float,
    entry: float,
    stop: float,
    instrument: Instrument,
) -> str:
    """Return why nothing can be sized at all, or an empty string."""
    if method is SizingMethod.NO_EDGE:
        return "no proven edge: expectancy or Kelly is not positive"
    if not all(map(math.isfinite, (wanted, money, entry, stop))):
        return "equity, prices or factors are not finite numbers"
    if wanted <= 0.0:
        return "a factor takes the whole risk away"
    if money <= 0.0:
        return "no equity to risk"
    distance = abs(entry - stop)
    if entry <= 0.0 or stop <= 0.0 or distance == 0.0:
        return "entry and stop must be positive and apart"
    if money / distance / float(instrument.step_size) > _ABSURD_STEPS:
        return "the stop is too near the entry to size"
    return ""


def _affordable(money: float, entry: float, stop: float, step: Decimal) -> Decimal:
    """Return the largest whole number of steps whose loss at the stop is within ``money``."""
    distance = abs(exact(entry) - exact(stop))
    return exact(money) // (distance * step) * step
