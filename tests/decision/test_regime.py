"""Regime: every branch of specification section 4, multipliers, hysteresis, the log line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.signal import Indicators, Regime, RegimeState
from engine.regime import UNKNOWN, advance, classify, regime_line, risk_multiplier
from tests.decision.build import CANDLE_MS, NOW, indicators, mirrored

UP = {"ema9": 99.0, "ema20": 98.0, "ema50": 97.0}
DOWN = {"ema9": 101.0, "ema20": 102.0, "ema50": 103.0}
MIXED = {"ema9": 99.0, "ema20": 101.0, "ema50": 98.0}
TREND_UP, TREND_DOWN, RANGE = Regime.TREND_UP, Regime.TREND_DOWN, Regime.RANGE
CHOP, VOLATILE = Regime.CHOP, Regime.VOLATILE


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        # A trend needs ADX above 30 and the averages in order.
        ({"adx": 30.1} | UP, TREND_UP),
        ({"adx": 30.1} | DOWN, TREND_DOWN),
        ({"adx": 60.0} | UP, TREND_UP),
        ({"adx": 35.0} | MIXED, CHOP),
        ({"adx": 35.0}, CHOP),  # equal averages are no alignment
        # Between 25 and 30 price and EMA 50 must agree.
        ({"adx": 30.0} | UP, TREND_UP),
        ({"adx": 30.0} | MIXED, TREND_UP),
        ({"adx": 25.1} | UP, TREND_UP),
        ({"adx": 25.1} | DOWN, TREND_DOWN),
        ({"adx": 27.0, "ema50": 101.0, "ema20": 102.0}, CHOP),
        ({"adx": 27.0, "ema50": 98.0, "ema20": 97.0}, CHOP),
        # At 25 and below there is no trend, whatever the averages.
        ({"adx": 25.0} | UP, RANGE),
        ({"adx": 19.9} | UP, RANGE),
        ({"adx": 5.0}, RANGE),
        # Quiet ADX with high volatility is chop: above 0.5, or above its own usual.
        ({"adx": 15.0, "gk": 0.5, "gk_median": 0.5}, RANGE),
        ({"adx": 15.0, "gk": 0.51, "gk_median": 0.51}, CHOP),
        ({"adx": 15.0, "gk": 0.38, "gk_median": 0.3}, CHOP),
        ({"adx": 15.0, "gk": 0.37, "gk_median": 0.3}, RANGE),
        # Violence comes before everything.
        ({"adx": 50.0, "gk": 0.8, "gk_median": 0.8} | UP, TREND_UP),
        ({"adx": 50.0, "gk": 0.801, "gk_median": 0.8} | UP, VOLATILE),
        ({"adx": 10.0, "gk": 0.301, "gk_median": 0.1}, VOLATILE),
        ({"adx": 50.0, "gk": 0.299, "gk_median": 0.1} | UP, TREND_UP),
        # Without a median there is no ratio.
        ({"adx": 10.0, "gk": 0.2, "gk_median": 0.0}, RANGE),
    ],
)
def test_every_branch(figures: dict[str, Any], expected: Regime) -> None:
    regime, confidence = classify(indicators(**figures))
    assert regime is expected
    assert 0.0 <= confidence <= 1.0


def test_a_weak_trend_is_less_certain_than_a_strong_one() -> None:
    sure = [classify(indicators(adx=adx, **UP))[1] for adx in (25.5, 28.0, 30.0, 30.5, 40.0, 55.0)]
    assert sure == sorted(sure)
    assert sure[2] == pytest.approx(0.6)
    assert sure[-1] == 1.0


def test_chop_is_surer_the_more_violent_it_is_and_can_pass_the_limit_of_entries() -> None:
    calm = classify(indicators(adx=18.0, gk=0.52, gk_median=0.5))[1]
    wild = classify(indicators(adx=5.0, gk=0.75, gk_median=0.26))[1]
    assert calm <= 0.6 < wild


levels = {
    "adx": st.floats(0.0, 100.0),
    "gk": st.floats(0.0, 5.0),
    "gk_median": st.floats(0.0, 5.0),
    "ema9": st.floats(90.0, 110.0),
    "ema20": st.floats(90.0, 110.0),
    "ema50": st.floats(90.0, 110.0),
}
candles = st.fixed_dictionaries(levels).map(lambda figures: indicators(**figures))


@settings(max_examples=200, deadline=None)
@given(candles)
def test_up_and_down_are_mirror_images(ind: Indicators) -> None:
    regime, confidence = classify(ind)
    other = {TREND_UP: TREND_DOWN, TREND_DOWN: TREND_UP}.get(regime, regime)
    assert classify(mirrored(ind)) == (other, confidence)
    assert 0.0 <= confidence <= 1.0
    assert risk_multiplier(regime, ind.gk, ind.adx) == risk_multiplier(other, ind.gk, ind.adx)
    assert 0.3 <= risk_multiplier(regime, ind.gk, ind.adx) <= 1.5


@pytest.mark.parametrize(
    ("regime", "gk", "adx", "expected"),
    [
        (TREND_UP, 0.3, 35.0, 1.3),
        (TREND_DOWN, 0.3, 35.0, 1.3),
        (RANGE, 0.3, 15.0, 0.8),
        (CHOP, 0.3, 15.0, 0.4),
        (VOLATILE, 0.3, 15.0, 0.3),
        (Regime.UNKNOWN, 0.3, 15.0, 0.0),
        # x 0.7 above, not at, a volatility of 0.5.
        (TREND_UP, 0.5, 35.0, 1.3),
        (TREND_UP, 0.501, 35.0, 0.91),
        (RANGE, 0.6, 15.0, 0.56),
        # x 1.1 above, not at, ADX 40, and only for trends.
        (TREND_UP, 0.3, 40.0, 1.3),
        (TREND_DOWN, 0.3, 40.1, 1.43),
        (RANGE, 0.3, 55.0, 0.8),
        (TREND_UP, 0.6, 45.0, 1.001),
        # Clamped at 0.3 from below.
        (CHOP, 0.6, 15.0, 0.3),
        (VOLATILE, 0.9, 55.0, 0.3),
        (Regime.UNKNOWN, 0.9, 55.0, 0.0),
    ],
)
def test_risk_multiplier(regime: Regime, gk: float, adx: float, expected: float) -> None:
    assert risk_multiplier(regime, gk, adx) == pytest.approx(expected)


# Hysteresis

TREND = indicators(adx=35.0, **UP)
QUIET = indicators(adx=10.0)
WILD = indicators(adx=10.0, gk=0.9)


def follow(state: RegimeState, *seen: Indicators | None) -> list[RegimeState]:
    """Advance one candle after the other, and return every state."""
    states = []
    for index, ind in enumerate(seen):
        time = NOW + index * CANDLE_MS
        state = advance(state, ind and ind._replace(time=time), time)
        states.append(state)
    return states


def test_a_regime_is_adopted_on_its_second_candle() -> None:
    first, second, third = follow(UNKNOWN, TREND, TREND, TREND)
    assert first.regime is Regime.UNKNOWN
    assert (first.pending, first.pending_count, first.risk_multiplier) == (TREND_UP, 1, 0.0)
    assert (second.regime, second.since, second.pending) == (TREND_UP, NOW + CANDLE_MS, None)
    assert second.risk_multiplier == 1.3
    assert third.since == second.since


def test_one_candle_changes_nothing() -> None:
    states = follow(UNKNOWN, TREND, TREND, QUIET, TREND, WILD, QUIET, TREND)
    assert [s.regime for s in states[1:]] == [TREND_UP] * 6
    assert states[2].pending is RANGE
    assert states[3].pending is None
    # Two different regimes in a row are not one that holds.
    assert (states[5].pending, states[5].pending_count) == (RANGE, 1)


def test_a_held_regime_keeps_its_confidence_but_not_its_multiplier() -> None:
    adopted, held = follow(UNKNOWN, TREND, TREND, WILD)[1:]
    assert held.regime is TREND_UP
    assert held.confidence == adopted.confidence
    assert held.risk_multiplier == pytest.approx(0.91)  # volatility has risen meanwhile


def test_unknown_at_once_when_the_warm_up_begins_again() -> None:
    states = follow(UNKNOWN, TREND, TREND, None, None, TREND)
    assert states[2] == UNKNOWN._replace(since=NOW + 2 * CANDLE_MS)
    assert states[3] == states[2]
    assert states[4].regime is Regime.UNKNOWN


def test_unknown_under_500_candles() -> None:
    young, grown = TREND._replace(candles=499), TREND._replace(candles=500)
    assert follow(UNKNOWN, young, young, young)[-1].regime is Regime.UNKNOWN
    assert follow(UNKNOWN, young, grown, grown)[-1].regime is TREND_UP
    assert follow(UNKNOWN, young, grown)[-1].regime is Regime.UNKNOWN


def test_a_candle_that_was_left_out_counts_for_nothing() -> None:
    """Its indicators are those of the candle before, which would else be counted twice."""
    trend = follow(UNKNOWN, TREND, TREND)[-1]
    seen = QUIET._replace(time=NOW)
    once = advance(trend, seen, NOW)
    again = advance(once, seen._replace(notes=("candle left out",)), NOW + CANDLE_MS)
    assert again == once
    assert again.regime is TREND_UP
    assert advance(again, QUIET._replace(time=NOW + 2 * CANDLE_MS), NOW + 2 * CANDLE_MS).regime is (
        RANGE
    )


def test_the_log_line() -> None:
    state = RegimeState(TREND_UP, 0.85, 1.3, NOW)
    assert regime_line(state) == "Regime: TREND_UP (conf=0.85, risk_mult=1.30)"
    assert regime_line(UNKNOWN) == "Regime: UNKNOWN (conf=0.00, risk_mult=0.00)"
