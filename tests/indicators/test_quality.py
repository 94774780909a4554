"""Faulty, missing and lifeless candles: neutral values and notes, never an exception."""

from __future__ import annotations

from math import inf, isfinite, nan

import numpy as np
import pytest

from engine.indicators.pipeline import MAX_GAP, IndicatorPipeline
from engine.model.market import Candle
from engine.model.signal import Indicators
from tests.indicators.conftest import FIRST, FIVE_MINUTES, after, constant, generated

FIELDS = Indicators._fields
SCORED = FIELDS[FIELDS.index("rsi") : FIELDS.index("htf_15m")]


def seeded(candles: list[Candle]) -> tuple[IndicatorPipeline, Indicators]:
    pipeline = IndicatorPipeline(FIVE_MINUTES)
    result = pipeline.seed(candles)
    assert result is not None
    return pipeline, result


def assert_finite(result: Indicators) -> None:
    for name in SCORED:
        assert isfinite(getattr(result, name)), name


def test_every_value_is_a_plain_python_number(results: list[Indicators]) -> None:
    for result in (results[0], results[-1]):
        for name, value in result._asdict().items():
            whole = name in ("time", "candles", "htf_15m", "htf_1h")
            assert type(value) is (tuple if name == "notes" else int if whole else float), name


def test_numpy_scalars_in_a_candle_do_not_get_through(candles: list[Candle]) -> None:
    plain, expected = seeded(candles[:600])
    other = IndicatorPipeline(FIVE_MINUTES)
    for candle in candles[:600]:
        result = other.update(Candle(np.int64(candle.time), *map(np.float64, candle[1:])))
    assert result == expected
    assert plain.candles == other.candles
    assert {type(value) for value in result} == {int, float, tuple}


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("value", [nan, inf, -inf, -1.0, 1e300])
def test_an_impossible_candle_is_left_out(candles: list[Candle], field: str, value: float) -> None:
    pipeline, before = seeded(candles[:600])
    result = pipeline.update(candles[600]._replace(**{field: value}))
    assert result is not None
    assert result[:-1] == before[:-1]
    assert "left out" in result.notes[-1]
    assert pipeline.candles == 600
    # The next candle goes on as if the bad one had been missing.
    assert pipeline.update(candles[601]) == seeded(candles[:600])[0].update(candles[601])


def test_other_impossible_candles_are_left_out_too(candles: list[Candle]) -> None:
    pipeline, before = seeded(candles[:600])
    good = candles[600]
    for bad in (
        good._replace(low=0.0),
        good._replace(high=good.low * 0.99),
        Candle(good.time, *(value * 1_000 for value in good[1:])),
        Candle(good.time, *(value / 1_000 for value in good[1:])),
    ):
        result = pipeline.update(bad)
        assert result is not None
        assert result[:-1] == before[:-1]
        assert "left out" in result.notes[-1]
    assert pipeline.update(good) == seeded(candles[:601])[1]


def test_notes_of_left_out_candles_do_not_pile_up(candles: list[Candle]) -> None:
    pipeline, _ = seeded(candles[:600])
    for _ in range(3):
        result = pipeline.update(candles[600]._replace(close=nan))
    assert result is not None
    assert len(result.notes) == 1


def test_faulty_candles_before_the_first_result_give_none() -> None:
    pipeline = IndicatorPipeline(FIVE_MINUTES)
    assert pipeline.update(Candle(0, nan, nan, nan, nan, nan)) is None
    assert pipeline.candles == 0
    assert pipeline.returns().size == pipeline.closes().size == 0


@pytest.mark.parametrize("back", [0, 1, 50])
def test_duplicates_and_late_candles_are_left_out(candles: list[Candle], back: int) -> None:
    pipeline, before = seeded(candles[:600])
    result = pipeline.update(candles[599 - back])
    assert result is not None
    assert result[:-1] == before[:-1]
    assert "not later" in result.notes[-1]
    assert pipeline.update(candles[600]) == seeded(candles[:601])[1]


@pytest.mark.parametrize("missing", [1, MAX_GAP])
def test_a_short_gap_is_bridged_with_a_note(candles: list[Candle], missing: int) -> None:
    pipeline, _ = seeded(candles[:600])
    result = pipeline.update(candles[600 + missing])
    assert result is not None
    assert result.candles == 601
    plural = "" if missing == 1 else "s"
    assert result.notes == (f"{missing} candle{plural} missing before this one",)
    after_it = pipeline.update(candles[601 + missing])
    assert after_it is not None
    assert after_it.notes == ()


def test_a_long_gap_begins_a_new_warm_up(candles: list[Candle]) -> None:
    pipeline, _ = seeded(candles[:600])
    rest = candles[600 + MAX_GAP + 1 :]
    assert pipeline.update(rest[0]) is None
    assert pipeline.candles == 1
    assert pipeline.returns().size == 0
    fresh = IndicatorPipeline(FIVE_MINUTES)
    fresh.update(rest[0])
    for candle in rest[1:700]:
        assert pipeline.update(candle) == fresh.update(candle)


def test_a_price_that_never_moves_is_neutral_everywhere() -> None:
    for price in (0.07, 1.0, 43_210.1):
        _, result = seeded(constant(900, 0, price))
        assert_neutral(result, price)


def assert_neutral(result: Indicators, price: float) -> None:
    assert_finite(result)
    assert (result.rsi, result.stoch_k, result.stoch_d, result.mfi) == (50.0,) * 4
    for name in ("macd", "macd_signal", "macd_hist", "adx", "plus_di", "minus_di", "cci"):
        assert getattr(result, name) == 0.0, name
    assert (result.z_score, result.slope, result.vwap_distance) == (0.0, 0.0, 0.0)
    assert result.obv_slope == 0.0
    assert (result.mc_up, result.bb_width_ratio) == (0.5, 1.0)
    assert result.ema9 == result.ema20 == price
    assert "the price has not moved for 20 candles: neutral values" in result.notes
    assert "zero range" in result.notes
    assert "zero volume" in result.notes


def test_a_market_that_dies_becomes_neutral(candles: list[Candle]) -> None:
    price = candles[999].close
    pipeline, _ = seeded(candles[:1_000])
    for number, candle in enumerate(constant(1_500, after(candles[:1_000]), price), 1):
        result = pipeline.update(candle)
        assert result is not None
        assert_finite(result)
        if number >= 14:
            assert (result.stoch_k, result.mfi) == (50.0, 50.0)
        if number >= 20:
            assert_neutral(result._replace(ema9=price, ema20=price), price)
    assert result.ema9 == result.ema20 == result.ema50 == price
    assert (result.gk, result.gk_median, result.htf_15m) == (0.0, 0.0, 0)


def test_stochastic_does_not_echo_an_empty_range(candles: list[Candle]) -> None:
    pipeline, _ = seeded(candles[:600])
    price = candles[599].close
    pipeline.seed(constant(16, after(candles[:600]), price))
    start = after(candles[:600]) + 16 * FIVE_MINUTES
    for number in range(8):
        top = price * (1 + 1e-4 * (number + 1))
        result = pipeline.update(Candle(start + number * FIVE_MINUTES, price, top, price, top, 1.0))
        assert result is not None
        # Each close is the highest: 100 as soon as no empty range is averaged in.
        assert (result.stoch_k, result.stoch_d) == (
            (50.0, 50.0) if number < 4 else pytest.approx((100.0, 100.0))
        )


def test_bars_that_repeat_exactly_are_neutral_though_they_have_a_range() -> None:
    times = range(0, 800 * FIVE_MINUTES, FIVE_MINUTES)
    _, result = seeded([Candle(t, 100.1, 101.3, 99.7, 100.1, 5.0) for t in times])
    assert_finite(result)
    assert (result.rsi, result.mfi, result.cci, result.adx, result.z_score) == (50, 50, 0, 0, 0)
    assert result.gk > 0.0
    assert result.atr == pytest.approx(1.6)


def test_no_volume_leaves_volume_indicators_neutral(candles: list[Candle]) -> None:
    silent = [candle._replace(volume=0.0) for candle in generated(500, seed=9)]
    _, result = seeded(silent)
    assert (result.mfi, result.obv_slope, result.vwap_distance) == (50.0, 0.0, 0.0)
    assert result.vwap == result.close
    assert result.rsi != 50.0
    assert "zero volume" in result.notes


def test_a_warming_pipeline_says_so(candles: list[Candle]) -> None:
    _, early = seeded(candles[: FIRST + 1])
    assert early.candles == FIRST + 1
    assert any("warming up" in note for note in early.notes)
    _, later = seeded(candles[:501])
    assert later.notes == ()


def test_the_time_told_is_the_close_time(candles: list[Candle]) -> None:
    _, result = seeded(candles[:700])
    assert result.time == candles[699].time + FIVE_MINUTES
    assert result[2:7] == candles[699][1:]


def test_a_timeframe_must_be_positive() -> None:
    with pytest.raises(ValueError, match="not positive"):
        IndicatorPipeline(0)
