"""Costs: where a proposed trade would stop and take profit, and whether it pays for itself."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from engine.model.decision import Plan
from engine.model.market import Instrument
from engine.model.signal import Regime, Side
from engine.risk.limits import RiskLimits
from engine.risk.sizing import exact
from engine.strategy import Strategy

_FUNDING_PERIOD_MINUTES = 480.0


def plan_trade(
    *,
    side: Side,
    close: float,
    atr: float,
    regime: Regime,
    strategy: Strategy,
    limits: RiskLimits,
    instrument: Instrument,
) -> Plan:
    """Place stop and target by volatility and hold the reward against the costs.

    Stop at ``stop_atr`` x ATR x the regime's factor, target at ``target_r`` stop distances;
    prices in quote currency. Net reward / risk = (reward - costs) / (risk + costs), and the
    trade is worthwhile from ``min_net_reward_risk`` on. ``target_first`` is left at 0 for the
    caller. Prices that leave no valid stop and target give a plan that is not worthwhile.
    """
    distance = strategy.stop_atr * atr * strategy.stop_by_regime.of(regime)
    stop = close - side.sign * distance
    target = close + side.sign * distance * strategy.target_r
    cost_fraction = round_trip_cost(regime, strategy, limits, instrument)
    if not (distance > 0.0 and min(stop, target) > 0.0 and max(stop, target) < math.inf):
        return Plan(side, close, close, close, 0.0, cost_fraction, 0.0, 0.0, 0.0, 0.0, False)
    cost = cost_fraction * close
    reward = distance * strategy.target_r
    net = (reward - cost) / (distance + cost)
    return Plan(
        side=side,
        entry=close,
        stop=stop,
        target=target,
        reward_risk=strategy.target_r,
        cost_fraction=cost_fraction,
        cost_share_of_r=cost / distance,
        net_reward_risk=net,
        target_first=0.0,
        target_first_error=0.0,
        worthwhile=net >= strategy.min_net_reward_risk,
    )


def round_trip_cost(
    regime: Regime, strategy: Strategy, limits: RiskLimits, instrument: Instrument
) -> float:
    """Return what entry and exit cost, as a fraction of notional.

    Taker fee and expected slippage both ways, and expected funding over the longest time the
    regime lets a position stay open (its time limit / 8 h).
    """
    periods = strategy.exits.limit_minutes.of(regime) / _FUNDING_PERIOD_MINUTES
    both_ways = 2.0 * (float(instrument.taker_fee) + limits.slippage)
    return both_ways + limits.funding_per_8h * periods


def rounded_prices(plan: Plan, instrument: Instrument) -> tuple[Decimal, Decimal]:
    """Return stop and target on the tick: the stop towards the entry, so that risk never grows.

    The target goes to the nearest tick. A stop nearer than one tick lands on the entry or
    beyond it, which the safety checker refuses.
    """
    tick = instrument.tick_size
    towards_entry = ROUND_CEILING if plan.side is Side.LONG else ROUND_FLOOR
    stop = (exact(plan.stop) / tick).to_integral_value(towards_entry) * tick
    return stop, instrument.round_price(exact(plan.target))
