"""V1: ranges, signs, weights, continuity, the volatility factor, thresholds, confidence."""

from __future__ import annotations

from itertools import pairwise
from math import atanh
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.indicators.pipeline import IndicatorPipeline
from engine.model.market import Candle
from engine.model.signal import Action, Indicators, Regime
from engine.signals.v1 import (
    CATEGORIES,
    regime_weights,
    score,
    score_categories,
    volatility_factor,
)
from engine.strategy import CategoryWeights, Strategy
from tests.decision.build import (
    CANDLE_MS,
    START,
    STRATEGY,
    falling,
    indicators,
    mirrored,
    rising,
)

MOMENTUM, TREND, REVERSION, VOLATILITY, VOLUME, PROBABILITY = range(6)
PLAIN = regime_weights(STRATEGY)[Regime.UNKNOWN]

anything = st.fixed_dictionaries(
    {
        "rsi": st.floats(0.0, 100.0),
        "stoch_k": st.floats(0.0, 100.0),
        "cci": st.floats(-600.0, 600.0),
        "macd_hist": st.floats(-5.0, 5.0),
        "ema9": st.floats(90.0, 110.0),
        "ema20": st.floats(90.0, 110.0),
        "ema50": st.floats(90.0, 110.0),
        "atr": st.floats(0.1, 5.0),
        "adx": st.floats(0.0, 100.0),
        "bb_middle": st.floats(95.0, 105.0),
        "bb_upper": st.floats(105.1, 120.0),
        "bb_lower": st.floats(80.0, 94.9),
        "bb_width_ratio": st.floats(0.0, 10.0),
        "mfi": st.floats(0.0, 100.0),
        "vwap_distance": st.floats(-0.1, 0.1),
        "obv_slope": st.floats(-1.0, 1.0),
        "mc_up": st.floats(0.0, 1.0),
        "z_score": st.floats(-4.4, 4.4),
        "gk": st.floats(0.0, 5.0),
        "gk_median": st.floats(0.0, 5.0),
    }
).map(lambda figures: indicators(**figures))


@settings(max_examples=200, deadline=None)
@given(anything, st.sampled_from(list(Regime)))
def test_categories_and_score_stay_within_one(ind: Indicators, regime: Regime) -> None:
    categories = score_categories(ind)
    assert len(categories) == len(CATEGORIES) == 6
    assert all(-1.0 <= value <= 1.0 for value in categories)
    result = score(ind, regime_weights(STRATEGY)[regime], STRATEGY)
    assert -1.0 <= result.score <= 1.0
    assert abs(result.score) <= abs(result.raw_score)
    assert result.raw_score == pytest.approx(
        sum(w * c for w, c in zip(result.weights, result.categories, strict=True))
    )
    assert result.score == result.raw_score * result.volatility_factor


@settings(max_examples=200, deadline=None)
@given(anything)
def test_long_and_short_are_mirror_images(ind: Indicators) -> None:
    ours, theirs = score_categories(ind), score_categories(mirrored(ind))
    assert theirs == pytest.approx([-value for value in ours], abs=1e-12)


# Each component alone: (category, figure, value that reads as long).
COMPONENTS = [
    (MOMENTUM, {"rsi": 60.0}),
    (MOMENTUM, {"stoch_k": 60.0}),
    (MOMENTUM, {"cci": 50.0}),
    (TREND, {"macd_hist": 0.1}),
    (TREND, {"ema9": 100.5}),
    (TREND, {"ema50": 99.5}),
    (REVERSION, {"z_score": -1.0}),
    (REVERSION, {"bb_middle": 100.5, "bb_upper": 102.5, "bb_lower": 98.5, "bb_width_ratio": 0.5}),
    (VOLATILITY, {"bb_middle": 99.5, "bb_upper": 101.5, "bb_lower": 97.5, "bb_width_ratio": 2.0}),
    (VOLUME, {"mfi": 60.0}),
    (VOLUME, {"vwap_distance": 0.01}),
    (VOLUME, {"obv_slope": 0.3}),
    (PROBABILITY, {"mc_up": 0.6}),
]


@pytest.mark.parametrize(("category", "figures"), COMPONENTS)
def test_every_component_reads_as_documented(category: int, figures: dict[str, Any]) -> None:
    neutral = score_categories(indicators())
    assert neutral == (0.0,) * 6
    long, short = indicators(**figures), mirrored(indicators(**figures))
    assert score_categories(long)[category] > 0.0
    assert score_categories(short)[category] < 0.0


def _sloping(drift: float) -> Indicators:
    """Return the indicators of a market that only ever moves one way, at a growing pace."""
    pipeline, close, result = IndicatorPipeline(CANDLE_MS), 100.0, None
    for i in range(700):
        open_, close = close, close * (1.0 + drift * (1.0 + (i > 650) * (i - 650) / 25.0))
        high, low = max(open_, close) * 1.0002, min(open_, close) * 0.9998
        candle = Candle(START + i * CANDLE_MS, open_, high, low, close, 50.0 + i)
        result = pipeline.update(candle)
    assert result is not None
    return result


@pytest.mark.parametrize("sign", [1, -1])
def test_nothing_cancels_in_a_pure_trend(sign: int) -> None:
    ind = _sloping(sign * 0.0008)
    figures = {
        MOMENTUM: [ind.rsi - 50.0, ind.stoch_k - 50.0, ind.cci],
        TREND: [ind.macd_hist, ind.ema9 - ind.ema20, ind.ema20 - ind.ema50],
        VOLATILITY: [ind.close - ind.bb_middle],
        VOLUME: [ind.mfi - 50.0, ind.vwap_distance, ind.obv_slope],
        PROBABILITY: [ind.mc_up - 0.5],
    }
    categories = score_categories(ind)
    for category, components in figures.items():
        assert all(sign * value > 0.0 for value in components), CATEGORIES[category]
        assert sign * categories[category] > 0.1, CATEGORIES[category]
    assert sign * categories[REVERSION] < 0.0  # the one that leans against a trend


@pytest.mark.parametrize("sign", [1, -1])
def test_nothing_cancels_in_a_pure_stretch(sign: int) -> None:
    """Prices that jump away from a level: both readings of distance pull back."""
    pipeline, result = IndicatorPipeline(CANDLE_MS), None
    for i in range(600):
        level = 100.0 + 0.05 * (i % 2) + sign * 1.5 * (i >= 597)
        candle = Candle(START + i * CANDLE_MS, level, level + 0.1, level - 0.1, level, 10.0)
        result = pipeline.update(candle)
    assert result is not None
    assert sign * result.z_score > 1.0
    assert sign * (result.close - result.bb_middle) > 0.0
    categories = score_categories(result)
    assert sign * categories[REVERSION] < -0.3
    # The regime decides which of the two readings weighs more.
    table = regime_weights(STRATEGY)
    assert sign * score(result, table[Regime.RANGE], STRATEGY).raw_score < 0.0
    assert sign * score(result, table[Regime.VOLATILE], STRATEGY).raw_score > 0.0


# Weights


weights = st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6).map(
    lambda raw: CategoryWeights(*(value / sum(raw) for value in raw))
)


@settings(max_examples=100, deadline=None)
@given(weights)
def test_weights_sum_to_one_in_every_regime(chosen: CategoryWeights) -> None:
    table = regime_weights(Strategy(weights=chosen))
    assert set(table) == set(Regime)
    for row in table.values():
        assert sum(row) == pytest.approx(1.0, abs=1e-12)
        assert all(0.0 <= weight <= 1.0 for weight in row)


def test_the_default_weights_and_their_tilt() -> None:
    table = regime_weights(STRATEGY)
    assert table[Regime.UNKNOWN] == pytest.approx((0.25, 0.20, 0.20, 0.15, 0.10, 0.10))
    for regime in (Regime.TREND_UP, Regime.TREND_DOWN):
        assert table[regime][TREND] > table[Regime.UNKNOWN][TREND]
        assert table[regime][REVERSION] < table[Regime.UNKNOWN][REVERSION]
    for regime in (Regime.RANGE, Regime.CHOP):
        assert table[regime][TREND] < table[Regime.UNKNOWN][TREND]
        assert table[regime][REVERSION] > table[Regime.UNKNOWN][REVERSION]
    assert table[Regime.TREND_UP] == table[Regime.TREND_DOWN]


# Continuity

SPANS = {
    "rsi": 100.0,
    "stoch_k": 100.0,
    "cci": 400.0,
    "macd_hist": 1.0,
    "ema9": 1.0,
    "ema20": 1.0,
    "ema50": 1.0,
    "atr": 1.0,
    "adx": 100.0,
    "bb_middle": 1.0,
    "bb_upper": 1.0,
    "bb_lower": 1.0,
    "bb_width_ratio": 1.0,
    "mfi": 100.0,
    "vwap_distance": 0.02,
    "obv_slope": 1.0,
    "mc_up": 1.0,
    "z_score": 4.0,
}


@settings(max_examples=300, deadline=None)
@given(anything, st.sampled_from(sorted(SPANS)), st.sampled_from([-1, 1]))
def test_no_cliffs(ind: Indicators, name: str, sign: int) -> None:
    """A millionth of a figure's span moves no category by more than a ten-thousandth."""
    moved = ind._replace(**{name: getattr(ind, name) + sign * 1e-6 * SPANS[name]})
    for a, b in zip(score_categories(ind), score_categories(moved), strict=True):
        assert abs(a - b) < 1e-4


RANGES = {
    "rsi": (0.0, 100.0),
    "stoch_k": (0.0, 100.0),
    "cci": (-400.0, 400.0),
    "macd_hist": (-2.0, 2.0),
    "ema9": (97.0, 103.0),
    "ema20": (97.0, 103.0),
    "ema50": (97.0, 103.0),
    "atr": (0.3, 5.0),
    "adx": (0.0, 80.0),
    "bb_middle": (97.0, 101.4),
    "bb_width_ratio": (0.0, 4.0),
    "mfi": (0.0, 100.0),
    "vwap_distance": (-0.05, 0.05),
    "obv_slope": (-1.0, 1.0),
    "mc_up": (0.0, 1.0),
    "z_score": (-4.4, 4.4),
}


@pytest.mark.parametrize("name", sorted(RANGES))
def test_no_cliff_anywhere_on_the_way(name: str) -> None:
    """Walk a figure through its range in a thousand steps: none of them is a jump."""
    low, high = RANGES[name]
    for make in (rising, falling):
        walk = [
            score_categories(make(**{name: low + (high - low) * i / 1_000})) for i in range(1_001)
        ]
        jumps = [abs(a - b) for x, y in pairwise(walk) for a, b in zip(x, y, strict=True)]
        assert max(jumps) < 0.006


def test_a_lifeless_candle_scores_nothing() -> None:
    assert score_categories(rising(atr=0.0)) == (0.0,) * 6


# Volatility factor, thresholds, confidence


@pytest.mark.parametrize(
    ("gk", "expected"),
    [(0.0, 1.0), (0.29, 1.0), (0.3, 1.0), (0.45, 0.875), (0.6, 0.75), (0.9, 0.5), (3.0, 0.5)],
)
def test_the_volatility_factor(gk: float, expected: float) -> None:
    assert volatility_factor(gk, 0.3) == pytest.approx(expected)


def test_the_volatility_factor_without_a_median() -> None:
    assert volatility_factor(0.9, 0.0) == 1.0


def _scored(raw: float, gk: float = 0.3, strategy: Strategy = STRATEGY) -> Any:
    """Score a candle whose momentum alone is about ``raw``."""
    ind = indicators(mc_up=0.5 + atanh(raw) / 2.0, gk=gk)
    return score(ind, (0.0, 0.0, 0.0, 0.0, 0.0, 1.0), strategy)


@pytest.mark.parametrize(
    ("raw", "action", "confidence"),
    [
        (0.0, Action.WAIT, 0.0),
        (0.1999, Action.WAIT, 0.3998),
        (0.2001, Action.ENTER_LONG, 0.4002),
        (-0.1999, Action.WAIT, 0.3998),
        (-0.2001, Action.ENTER_SHORT, 0.4002),
        (0.4, Action.ENTER_LONG, 0.8),
        (0.5, Action.ENTER_LONG, 1.0),
        (-0.7, Action.ENTER_SHORT, 1.0),
    ],
)
def test_threshold_and_confidence(raw: float, action: Action, confidence: float) -> None:
    result = _scored(raw)
    assert result.action is action
    assert result.confidence == pytest.approx(confidence)


def test_exactly_the_entry_score_waits() -> None:
    exact = _scored(0.31).score
    at = Strategy(entry_score=exact)
    assert _scored(0.31, strategy=at).action is Action.WAIT
    assert _scored(-0.31, strategy=at).action is Action.WAIT
    assert _scored(0.3101, strategy=at).action is Action.ENTER_LONG


def test_the_entry_threshold_is_the_floor_of_v2() -> None:
    assert STRATEGY.entry_score / STRATEGY.full_confidence_score == STRATEGY.v2_min_confidence


def test_volatility_takes_a_proposal_away() -> None:
    calm, wild = _scored(0.3, gk=0.3), _scored(0.3, gk=0.9)
    assert (calm.action, wild.action) == (Action.ENTER_LONG, Action.WAIT)
    assert wild.raw_score == calm.raw_score
    assert wild.confidence == pytest.approx(calm.confidence / 2.0)


def test_the_presets_propose() -> None:
    up, down = (score(make(), PLAIN, STRATEGY) for make in (rising, falling))
    assert (up.action, down.action) == (Action.ENTER_LONG, Action.ENTER_SHORT)
    assert down.score == pytest.approx(-up.score)
