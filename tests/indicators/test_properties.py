"""Scale invariance, no look-ahead and independence of how candles arrive."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.indicators.pipeline import IndicatorPipeline
from engine.model.market import Candle
from engine.model.signal import Indicators
from tests.indicators.conftest import FIRST, FIVE_MINUTES, START, generated, streamed
from tests.indicators.test_quality import assert_finite

FIELDS = Indicators._fields
PRICES = [
    *("open", "high", "low", "close", "macd", "macd_signal", "macd_hist"),
    *("ema9", "ema20", "ema50", "ema200", "sma20"),
    *("bb_upper", "bb_middle", "bb_lower", "atr", "vwap"),
]
VOLUMES = ["volume", "obv"]
SCALE_FREE = [name for name in FIELDS if name not in {*PRICES, *VOLUMES}]


def scaled(candles: list[Candle], factor: float) -> list[Candle]:
    return [
        Candle(c.time, *(price * factor for price in c[1:5]), c.volume / factor) for c in candles
    ]


def lively(seed: int, count: int = 620) -> list[Candle]:
    """Return candles with dead spells, silent spells, flat bars, jumps and short gaps."""
    rng = random.Random(seed)
    price, time, candles = 10.0 ** rng.uniform(-4, 5), START, []
    while len(candles) < count:
        kind = rng.choice(["normal", "normal", "dead", "silent", "flat", "jump", "gap"])
        time += FIVE_MINUTES * (rng.randint(1, 12) if kind == "gap" else 0)
        for _ in range(rng.randint(1, 40)):
            step = {"dead": 0.0, "jump": rng.gauss(0, 0.1)}.get(kind, rng.gauss(0, 1e-3))
            close = price if kind == "dead" else price * 2.0**step
            wick = 0.0 if kind in ("dead", "flat") else abs(rng.gauss(0, 5e-4))
            open_ = close if kind == "flat" else price
            volume = 0.0 if kind in ("dead", "silent") else rng.expovariate(0.01)
            high, low = max(open_, close) * (1 + wick), min(open_, close) * (1 - wick)
            candles.append(Candle(time, open_, high, low, close, volume))
            price, time = close, time + FIVE_MINUTES
    return candles[:count]


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10**6), st.integers(-24, 24))
def test_a_power_of_two_changes_no_bit_of_what_is_scale_free(seed: int, power: int) -> None:
    candles, factor = lively(seed), 2.0**power
    for one, other in zip(streamed(candles), streamed(scaled(candles, factor)), strict=True):
        for name in SCALE_FREE:
            assert getattr(one, name) == getattr(other, name), name
        for name in PRICES:
            assert getattr(one, name) * factor == getattr(other, name), name
        for name in VOLUMES:
            assert getattr(one, name) / factor == getattr(other, name), name


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_any_other_factor_changes_only_roundings(seed: int, factor: float) -> None:
    candles = generated(560, seed=seed)
    one, other = streamed(candles)[-1], streamed(scaled(candles, factor))[-1]
    for name in SCALE_FREE:
        expected = getattr(one, name)
        if isinstance(expected, float):
            expected = pytest.approx(expected, rel=1e-6, abs=1e-7)
        assert getattr(other, name) == expected, name
    for name in PRICES:
        expected = getattr(one, name) * factor
        assert getattr(other, name) == pytest.approx(expected, rel=1e-6, abs=1e-9 * other.close)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_whatever_happens_the_values_stay_finite_and_in_bounds(seed: int) -> None:
    for result in streamed(lively(seed)):
        assert_finite(result)
        for name in ("rsi", "stoch_k", "stoch_d", "adx", "plus_di", "minus_di", "mfi"):
            assert -1e-9 <= getattr(result, name) <= 100 + 1e-9, name
        assert -1.0 <= result.obv_slope <= 1.0
        assert 0.0 <= result.mc_up <= 1.0
        assert result.atr >= 0.0
        assert result.gk >= 0.0
        assert abs(result.z_score) <= 4.36  # (n - 1) / sqrt(n) for n = 20, plus rounding


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.integers(FIRST, 560))
def test_later_candles_change_nothing_earlier(seed: int, cut: int) -> None:
    candles = lively(seed)
    other = candles[: cut + 1] + [
        Candle(c.time, *(price * 1.7 for price in c[1:5]), c.volume * 3) for c in candles[cut + 1 :]
    ]
    kept = cut + 1 - FIRST
    assert streamed(candles)[:kept] == streamed(other)[:kept]
    assert streamed(candles[: cut + 1]) == streamed(candles)[:kept]


@pytest.mark.parametrize("history", [0, 1, 249, 250, 499, 500, 501, 1_500])
def test_seeding_and_stepping_give_the_same_bits(candles: list[Candle], history: int) -> None:
    pipeline = IndicatorPipeline(FIVE_MINUTES)
    last = pipeline.seed(candles[:history])
    assert (last is None) is (history <= FIRST)
    stepped = [pipeline.update(candle) for candle in candles[history:]]
    assert [result for result in stepped if result is not None] == streamed(candles)[
        max(0, history - FIRST) :
    ]


def test_two_pipelines_share_nothing(candles: list[Candle]) -> None:
    one, two = IndicatorPipeline(FIVE_MINUTES), IndicatorPipeline(FIVE_MINUTES)
    other = generated(700, seed=77, price=0.1)
    for mine, theirs in zip(candles, other, strict=False):
        first, _ = one.update(mine), two.update(theirs)
    assert first == streamed(candles[:700])[-1]
