"""V2: every rule below, at and above its threshold, and the verdict on V1's side."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.signal import Indicators, Regime, RuleVote, Side, Strength, Vote
from engine.signals.v2 import RULES, evaluate, votes
from engine.strategy import Strategy
from tests.decision.build import STRATEGY, indicators, mirrored, rising

LONG, SHORT, NEUTRAL, AVOID = Vote.LONG, Vote.SHORT, Vote.NEUTRAL, Vote.AVOID
CHOP = Regime.CHOP
REVERTING = ("rsi", "stochastic", "bollinger", "z_score", "mfi")
FOLLOWING = ("macd", "ema_alignment", "slope", "vwap", "obv")


def vote(rule: str, regime: Regime = CHOP, strategy: Strategy = STRATEGY, **figures: Any) -> Vote:
    return votes(indicators(**figures), regime, strategy)[rule][0]


UP = {"ema9": 100.0, "ema20": 99.0, "ema50": 98.0}
BAND = {"bb_middle": 100.0, "bb_upper": 102.0, "bb_lower": 98.0}
DI = {"plus_di": 30.0, "minus_di": 10.0}

# ATR is 1 and the close 100, so that figures in ATR are as they stand (slope and VWAP / 100).
THRESHOLDS = [
    ("rsi", {"rsi": 29.9}, LONG),
    ("rsi", {"rsi": 30.0}, LONG),
    ("rsi", {"rsi": 30.1}, NEUTRAL),
    ("rsi", {"rsi": 69.9}, NEUTRAL),
    ("rsi", {"rsi": 70.0}, SHORT),
    ("rsi", {"rsi": 70.1}, SHORT),
    ("stochastic", {"stoch_k": 20.0}, LONG),
    ("stochastic", {"stoch_k": 20.1}, NEUTRAL),
    ("stochastic", {"stoch_k": 79.9}, NEUTRAL),
    ("stochastic", {"stoch_k": 80.0}, SHORT),
    ("bollinger", {"close": 98.0} | BAND, LONG),
    ("bollinger", {"close": 98.1} | BAND, NEUTRAL),
    ("bollinger", {"close": 101.9} | BAND, NEUTRAL),
    ("bollinger", {"close": 102.0} | BAND, SHORT),
    ("bollinger", {"bb_middle": 100.0, "bb_upper": 100.0, "bb_lower": 100.0}, NEUTRAL),
    ("z_score", {"z_score": -2.0}, LONG),
    ("z_score", {"z_score": -1.99}, NEUTRAL),
    ("z_score", {"z_score": 1.99}, NEUTRAL),
    ("z_score", {"z_score": 2.0}, SHORT),
    ("mfi", {"mfi": 20.0}, LONG),
    ("mfi", {"mfi": 20.1}, NEUTRAL),
    ("mfi", {"mfi": 79.9}, NEUTRAL),
    ("mfi", {"mfi": 80.0}, SHORT),
    ("macd", {"macd_hist": 0.03}, LONG),
    ("macd", {"macd_hist": 0.029}, NEUTRAL),
    ("macd", {"macd_hist": -0.03}, SHORT),
    ("macd", {"macd_hist": 0.03, "atr": 1.1}, NEUTRAL),
    ("ema_alignment", UP, LONG),
    ("ema_alignment", {"ema9": 98.0, "ema20": 99.0, "ema50": 100.0}, SHORT),
    ("ema_alignment", UP | {"ema9": 98.5}, NEUTRAL),
    ("ema_alignment", UP | {"ema20": 100.0}, NEUTRAL),
    ("slope", {"slope": 0.0005}, LONG),
    ("slope", {"slope": 0.00049}, NEUTRAL),
    ("slope", {"slope": -0.0005}, SHORT),
    ("vwap", {"vwap_distance": 0.0025}, LONG),
    ("vwap", {"vwap_distance": 0.0024}, NEUTRAL),
    ("vwap", {"vwap_distance": -0.0025}, SHORT),
    ("obv", {"obv_slope": 0.10}, LONG),
    ("obv", {"obv_slope": 0.09}, NEUTRAL),
    ("obv", {"obv_slope": -0.10}, SHORT),
    ("adx", {"adx": 14.9} | DI, AVOID),
    ("adx", {"adx": 15.0} | DI, NEUTRAL),
    ("adx", {"adx": 25.0} | DI, NEUTRAL),
    ("adx", {"adx": 25.1} | DI, LONG),
    ("adx", {"adx": 25.1, "plus_di": 10.0, "minus_di": 30.0}, SHORT),
    ("adx", {"adx": 25.1, "plus_di": 20.0, "minus_di": 20.0}, NEUTRAL),
    ("monte_carlo", {"mc_up": 0.65}, LONG),
    ("monte_carlo", {"mc_up": 0.649}, NEUTRAL),
    ("monte_carlo", {"mc_up": 0.351}, NEUTRAL),
    ("monte_carlo", {"mc_up": 0.35}, SHORT),
    ("higher_timeframe", {"htf_15m": 1}, LONG),
    ("higher_timeframe", {"htf_15m": 1, "htf_1h": 1}, LONG),
    ("higher_timeframe", {"htf_15m": 1, "htf_1h": -1}, NEUTRAL),
    ("higher_timeframe", {"htf_1h": -1}, SHORT),
]


@pytest.mark.parametrize(("rule", "figures", "expected"), THRESHOLDS)
def test_every_rule_at_its_threshold(rule: str, figures: dict[str, Any], expected: Vote) -> None:
    assert vote(rule, **figures) is expected


def test_every_rule_has_a_threshold_tested_here() -> None:
    assert {rule for rule, _, _ in THRESHOLDS} == set(RULES)
    assert len(RULES) == 13
    assert set(votes(indicators(), CHOP, STRATEGY)) == set(RULES)


def test_rsi_follows_the_strategy() -> None:
    strict = Strategy(rsi_low=20.0, rsi_high=85.0)
    assert vote("rsi", strategy=strict, rsi=25.0) is NEUTRAL
    assert vote("rsi", strategy=strict, rsi=85.0) is SHORT


OVERBOUGHT = {"rsi": 80.0, "stoch_k": 90.0, "z_score": 2.5, "mfi": 85.0, "close": 102.5} | BAND
OVERSOLD = {"rsi": 20.0, "stoch_k": 10.0, "z_score": -2.5, "mfi": 15.0, "close": 97.5} | BAND


@pytest.mark.parametrize("rule", REVERTING)
def test_an_extreme_in_the_direction_of_a_trend_is_strength(rule: str) -> None:
    assert vote(rule, Regime.TREND_UP, **OVERBOUGHT) is NEUTRAL
    assert vote(rule, Regime.TREND_UP, **OVERSOLD) is LONG
    assert vote(rule, Regime.TREND_DOWN, **OVERSOLD) is NEUTRAL
    assert vote(rule, Regime.TREND_DOWN, **OVERBOUGHT) is SHORT
    for regime in (Regime.RANGE, Regime.CHOP, Regime.VOLATILE):
        assert vote(rule, regime, **OVERBOUGHT) is SHORT
        assert vote(rule, regime, **OVERSOLD) is LONG


@pytest.mark.parametrize("rule", FOLLOWING)
def test_direction_says_nothing_inside_a_range(rule: str) -> None:
    ind = rising()
    assert votes(ind, Regime.RANGE, STRATEGY)[rule][0] is NEUTRAL
    for regime in (Regime.TREND_UP, Regime.CHOP, Regime.VOLATILE):
        assert votes(ind, regime, STRATEGY)[rule][0] is LONG


def test_no_volatility_no_direction() -> None:
    seen = votes(rising(atr=0.0), CHOP, STRATEGY)
    assert [seen[rule][0] for rule in ("macd", "slope", "vwap")] == [NEUTRAL] * 3


# The verdict


def judge(ind: Indicators, side: Side = Side.LONG, confidence: float = 0.6, **params: Any) -> Any:
    return evaluate(ind, CHOP, side, Strategy(**params), confidence)


SUPPORT = {"rsi": 25.0, "stoch_k": 15.0, "mfi": 15.0, "adx": 20.0}  # three for a long
AGAINST = {"mc_up": 0.3, "obv_slope": -0.5, "htf_1h": -1}  # three against it


def test_three_supporting_rules_are_enough() -> None:
    result = judge(indicators(**SUPPORT))
    assert result.valid
    assert result.reason == ""
    assert result.confirmation == pytest.approx(3 / 13)
    assert result.strength is Strength.WEAK


def test_two_supporting_rules_are_not() -> None:
    result = judge(indicators(**SUPPORT | {"mfi": 50.0}))
    assert not result.valid
    assert result.reason == "only 2 of 3 rules support it"


@pytest.mark.parametrize(("confidence", "valid"), [(0.40, True), (0.3999, False), (0.0, False)])
def test_the_confidence_floor(confidence: float, valid: bool) -> None:
    result = judge(indicators(**SUPPORT), confidence=confidence)
    assert result.valid is valid
    assert valid or "confidence" in result.reason


def test_two_conflicts_are_borne_three_are_not() -> None:
    borne = judge(indicators(**SUPPORT | AGAINST | {"htf_1h": 0}))
    assert borne.valid
    assert len(borne.conflicting) == 2
    broken = judge(indicators(**SUPPORT | AGAINST))
    assert not broken.valid
    assert broken.reason == "3 rules conflict (higher_timeframe, monte_carlo, obv)"


def test_a_rule_that_says_avoid_is_a_conflict_for_either_side() -> None:
    for side in Side:
        result = judge(indicators(adx=10.0), side)
        assert [entry.rule for entry in result.conflicting] == ["adx"]
        assert result.conflicting[0].vote is AVOID
    third = judge(indicators(**SUPPORT | AGAINST | {"htf_1h": 0, "adx": 10.0}))
    assert not third.valid
    assert third.reason.startswith("3 rules conflict")


def test_rules_for_the_other_side_are_conflicts() -> None:
    ind = indicators(**SUPPORT | AGAINST)
    long, short = judge(ind), judge(ind, Side.SHORT)
    assert long.supporting == short.conflicting
    assert long.conflicting == short.supporting
    assert long.neutral == short.neutral


@pytest.mark.parametrize(
    ("more", "strength"),
    [
        ({}, Strength.WEAK),
        ({"z_score": -2.5}, Strength.NORMAL),
        ({"z_score": -2.5, "mc_up": 0.7, "obv_slope": 0.2, "htf_1h": 1}, Strength.STRONG),
        (
            {"z_score": -2.5, "mc_up": 0.7, "htf_1h": 1, "slope": 0.01, "obv_slope": -0.2},
            Strength.NORMAL,  # a conflict takes STRONG away
        ),
    ],
)
def test_strength(more: dict[str, Any], strength: Strength) -> None:
    result = judge(indicators(**SUPPORT | more))
    assert result.strength is strength
    assert (result.confirmation > 0.5) is (len(more) > 3)


def test_limits_come_from_the_strategy() -> None:
    ind = indicators(**SUPPORT | AGAINST)
    assert judge(ind, v2_max_conflicting=3).valid
    assert not judge(ind, v2_max_conflicting=3, v2_min_supporting=4).valid
    assert not judge(ind, v2_max_conflicting=3, v2_min_confidence=0.7).valid


figures = st.fixed_dictionaries(
    {
        "rsi": st.floats(0.0, 100.0),
        "stoch_k": st.floats(0.0, 100.0),
        "close": st.floats(95.0, 105.0),
        "z_score": st.floats(-4.4, 4.4),
        "mfi": st.floats(0.0, 100.0),
        "macd_hist": st.floats(-0.3, 0.3),
        "ema9": st.floats(99.0, 101.0),
        "ema20": st.floats(99.0, 101.0),
        "ema50": st.floats(99.0, 101.0),
        "slope": st.floats(-0.005, 0.005),
        "vwap_distance": st.floats(-0.01, 0.01),
        "obv_slope": st.floats(-1.0, 1.0),
        "adx": st.floats(0.0, 60.0),
        "plus_di": st.floats(0.0, 60.0),
        "minus_di": st.floats(0.0, 60.0),
        "mc_up": st.floats(0.0, 1.0),
        "htf_15m": st.sampled_from([-1, 0, 1]),
        "htf_1h": st.sampled_from([-1, 0, 1]),
    }
).map(lambda chosen: indicators(**chosen))


@settings(max_examples=300, deadline=None)
@given(figures, st.sampled_from(list(Regime)), st.sampled_from(list(Side)), st.floats(0.0, 1.0))
def test_the_verdict_follows_from_the_counts(
    ind: Indicators, regime: Regime, side: Side, confidence: float
) -> None:
    result = evaluate(ind, regime, side, STRATEGY, confidence)
    groups = (result.supporting, result.conflicting, result.neutral)
    everything: list[RuleVote] = [entry for group in groups for entry in group]
    assert sorted(entry.rule for entry in everything) == sorted(RULES)
    s, c, n = map(len, groups)
    assert result.confirmation == s / (s + c + n)
    assert result.valid is (confidence >= 0.40 and s >= 3 and c <= 2)
    assert result.valid is (result.reason == "")
    for group in groups:
        weights = [entry.weight for entry in group]
        assert weights == sorted(weights, reverse=True)
    for entry in everything:
        assert entry.sentence.endswith({v: v.value for v in Vote}[entry.vote])


@settings(max_examples=300, deadline=None)
@given(figures, st.sampled_from(list(Regime)))
def test_long_and_short_are_mirror_images(ind: Indicators, regime: Regime) -> None:
    swap = {LONG: SHORT, SHORT: LONG, NEUTRAL: NEUTRAL, AVOID: AVOID}
    flipped = {Regime.TREND_UP: Regime.TREND_DOWN, Regime.TREND_DOWN: Regime.TREND_UP}
    ours = votes(ind, regime, STRATEGY)
    theirs = votes(mirrored(ind), flipped.get(regime, regime), STRATEGY)
    for rule, (cast, value) in ours.items():
        limits = {"rsi": (30, 70), "stochastic": (20, 80), "mfi": (20, 80)}.get(rule, ())
        if any(abs(value - limit) < 1e-9 for limit in limits) or abs(abs(value) - 1.0) < 1e-9:
            continue  # a mirrored float may fall on the other side of its threshold
        assert theirs[rule][0] is swap[cast], rule
