from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.decision import Plan
from engine.model.signal import Regime, Side
from engine.risk.costs import plan_trade, round_trip_cost, rounded_prices
from engine.strategy import Strategy
from tests.risk.builders import LIMITS, instrument

STRATEGY = Strategy()


def plan(**changes: Any) -> Plan:
    arguments: dict[str, Any] = {
        "side": Side.LONG,
        "close": 50_000.0,
        "atr": 500.0,
        "regime": Regime.TREND_UP,
        "strategy": STRATEGY,
        "limits": LIMITS,
        "instrument": instrument(),
    }
    return plan_trade(**(arguments | changes))


def test_a_trend_long_by_hand() -> None:
    result = plan()
    assert result.stop == pytest.approx(50_000 - 1.5 * 500 * 1.2)
    assert result.target == pytest.approx(50_000 + 2 * 900)
    assert result.reward_risk == 2.0
    # 2 x 0.05 % fees, 2 x 0.02 % slippage, half a funding period of 0.01 %.
    assert result.cost_fraction == pytest.approx(0.001 + 0.0004 + 0.00005)
    cost = 0.00145 * 50_000
    assert result.cost_share_of_r == pytest.approx(cost / 900)
    assert result.net_reward_risk == pytest.approx((1800 - cost) / (900 + cost))
    assert result.worthwhile
    assert (result.target_first, result.target_first_error) == (0.0, 0.0)


def test_a_short_mirrors_a_long() -> None:
    long, short = plan(), plan(side=Side.SHORT)
    assert short.stop - 50_000 == pytest.approx(50_000 - long.stop)
    assert 50_000 - short.target == pytest.approx(long.target - 50_000)
    assert short.net_reward_risk == long.net_reward_risk


@pytest.mark.parametrize(
    ("regime", "factor", "minutes"),
    [
        (Regime.TREND_DOWN, 1.2, 240),
        (Regime.RANGE, 0.9, 120),
        (Regime.CHOP, 0.8, 60),
        (Regime.VOLATILE, 1.5, 30),
        (Regime.UNKNOWN, 0.8, 60),
    ],
)
def test_regime_sets_distance_and_funding(regime: Regime, factor: float, minutes: int) -> None:
    result = plan(regime=regime)
    assert 50_000 - result.stop == pytest.approx(750 * factor)
    assert result.cost_fraction == pytest.approx(0.0014 + 0.0001 * minutes / 480)
    assert result.cost_fraction == round_trip_cost(regime, STRATEGY, LIMITS, instrument())


def test_a_tight_stop_is_not_worth_its_costs() -> None:
    # At net 1.2: 2 d - c = 1.2 (d + c), so d = 2.75 c.
    cost = 0.00145 * 50_000
    atr = 2.75 * cost / 1.8
    assert plan(atr=atr * 1.001).worthwhile
    assert not plan(atr=atr * 0.999).worthwhile
    assert plan(atr=atr * 0.999, strategy=replace(STRATEGY, target_r=3.0)).worthwhile


@pytest.mark.parametrize(
    "changes",
    [
        {"atr": 0.0},
        {"atr": -1.0},
        {"atr": math.nan},
        {"atr": math.inf},
        {"close": math.nan},
        {"close": math.inf},
        {"close": 0.0},
        {"atr": 40_000.0},
        {"atr": 20_000.0, "side": Side.SHORT},
    ],
)
def test_impossible_prices_are_not_worthwhile(changes: dict[str, Any]) -> None:
    result = plan(**changes)
    assert not result.worthwhile
    assert result.net_reward_risk == 0.0


def test_rounding_never_adds_risk() -> None:
    long = plan()._replace(stop=49_100.04, target=51_800.06)
    assert rounded_prices(long, instrument()) == (Decimal("49100.1"), Decimal("51800.1"))
    short = plan(side=Side.SHORT)._replace(stop=50_900.06, target=48_200.04)
    assert rounded_prices(short, instrument()) == (Decimal("50900.0"), Decimal("48200.0"))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(Side)), st.floats(0.5, 1e6), st.floats(1e-4, 0.02), st.integers(-6, 1))
def test_rounded_stop_is_on_the_tick_and_no_farther(
    side: Side, close: float, share: float, digits: int
) -> None:
    rules = instrument(tick_size=Decimal(1).scaleb(digits))
    result = plan(side=side, close=close, atr=close * share, instrument=rules)
    stop, target = rounded_prices(result, rules)
    assert stop == rules.round_price(stop)
    assert target == rules.round_price(target)
    assert 0 <= (stop - Decimal(repr(result.stop))) * side.sign < rules.tick_size


@settings(max_examples=100, deadline=None)
@given(st.floats(1, 1e5), st.floats(1e-4, 0.05), st.integers(-8, 8))
def test_scale_invariance(close: float, share: float, power: int) -> None:
    k = 2.0**power
    one, other = plan(close=close, atr=close * share), plan(close=close * k, atr=close * share * k)
    assert other.stop == one.stop * k
    assert other.net_reward_risk == one.net_reward_risk
    assert other.worthwhile == one.worthwhile
