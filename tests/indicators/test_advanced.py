"""The indicators TA-Lib does not have, against their definitions."""

from __future__ import annotations

from math import log, sqrt
from statistics import median

import numpy as np
import pytest
import talib

from engine.indicators.pipeline import MEDIAN_WINDOW, IndicatorPipeline
from engine.indicators.rolling import DayVwap, RunningMedian, VolumeBalance
from engine.indicators.volatility import GarmanKlass
from engine.model.market import DAY_MS, Candle
from engine.model.signal import Indicators
from tests.indicators.conftest import FIRST, FIVE_MINUTES


def test_z_score_is_the_distance_from_the_mean_in_sigmas(
    candles: list[Candle], results: list[Indicators]
) -> None:
    closes = np.array([candle.close for candle in candles])
    for index in range(FIRST, len(candles), 37):
        window = closes[index - 19 : index + 1]
        expected = (closes[index] - window.mean()) / window.std()
        assert results[index - FIRST].z_score == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_slope_is_the_least_squares_slope_per_candle(
    candles: list[Candle], results: list[Indicators]
) -> None:
    closes = np.array([candle.close for candle in candles])
    for index in range(FIRST, len(candles), 41):
        expected = np.polyfit(np.arange(10), closes[index - 9 : index + 1], 1)[0] / closes[index]
        assert results[index - FIRST].slope == pytest.approx(expected, rel=1e-7, abs=1e-13)


def test_band_width_is_told_relative_to_its_mean(
    candles: list[Candle], results: list[Indicators]
) -> None:
    closes = np.array([candle.close for candle in candles])
    upper, middle, lower = talib.BBANDS(closes, 20, 2, 2, 0)
    width = (upper - lower) / middle
    for index in range(FIRST, len(candles), 43):
        expected = width[index] / width[index - 99 : index + 1].mean()
        assert results[index - FIRST].bb_width_ratio == pytest.approx(expected, rel=1e-9)


def test_obv_slope_is_the_share_of_signed_volume(
    candles: list[Candle], results: list[Indicators]
) -> None:
    for index in range(FIRST, len(candles), 29):
        last = range(index - 9, index + 1)
        signed = sum(
            candles[i].volume * np.sign(candles[i].close - candles[i - 1].close) for i in last
        )
        traded = sum(candles[i].volume for i in last)
        assert results[index - FIRST].obv_slope == pytest.approx(signed / traded, abs=1e-12)


def test_volume_balance_forgets_an_enormous_candle_completely() -> None:
    balance, fresh = VolumeBalance(10), VolumeBalance(10)
    balance.push(1.0, 1e17)
    tail = [(1.0, 0.1), (-1.0, 0.3), (0.0, 0.7)] * 4
    for change, volume in tail:
        seen, expected = balance.push(change, volume), fresh.push(change, volume)
    assert seen == expected
    assert all(balance.push(0.0, 0.0) is not None for _ in range(9))
    assert balance.push(0.0, 0.0) == 0.0


def test_vwap_restarts_at_midnight_utc(candles: list[Candle], results: list[Indicators]) -> None:
    midnights = 0
    for index in range(FIRST, len(candles)):
        candle, result = candles[index], results[index - FIRST]
        midnight = candle.time - candle.time % DAY_MS
        first = index - (candle.time - midnight) // FIVE_MINUTES
        day = candles[first : index + 1]
        turnover = sum((c.high + c.low + c.close) / 3 * c.volume for c in day)
        vwap = turnover / sum(c.volume for c in day)
        assert result.vwap == pytest.approx(vwap, rel=1e-12)
        assert result.vwap_distance == pytest.approx((candle.close - vwap) / vwap, abs=1e-12)
        if candle.time == midnight:
            midnights += 1
            assert result.vwap == pytest.approx((candle.high + candle.low + candle.close) / 3)
    assert midnights == 6


def test_vwap_is_unknown_before_the_days_first_trade() -> None:
    vwap = DayVwap()
    assert vwap.push(DAY_MS - FIVE_MINUTES, 100.0, 2.0) == 100.0
    assert vwap.push(DAY_MS, 101.0, 0.0) == 0.0
    assert vwap.push(DAY_MS + FIVE_MINUTES, 102.0, 1.0) == 102.0


def test_garman_klass_follows_its_formula(candles: list[Candle], results: list[Indicators]) -> None:
    terms = [
        0.5 * log(c.high / c.low) ** 2 - (2 * log(2) - 1) * log(c.close / c.open) ** 2
        for c in candles
    ]
    history = [
        sqrt(max(0.0, sum(terms[i - 19 : i + 1]) / 20) * 105_120) for i in range(19, len(terms))
    ]
    for index in range(FIRST, len(candles), 17):
        result, upto = results[index - FIRST], index - 19 + 1
        assert result.gk == pytest.approx(history[upto - 1], rel=1e-9)
        window = history[max(0, upto - MEDIAN_WINDOW) : upto]
        assert result.gk_median == pytest.approx(median(window), rel=1e-9)


@pytest.mark.parametrize(("minutes", "per_year"), [(1, 525_600), (5, 105_120), (60, 8_760)])
def test_garman_klass_is_annualised_at_the_candles_timeframe(minutes: int, per_year: int) -> None:
    volatility = GarmanKlass(minutes * 60_000, 3)
    for _ in range(20):
        gk, _ = volatility.push(100.0, 101.0, 100.0, 100.0)
    assert gk == pytest.approx(sqrt(0.5 * log(1.01) ** 2 * per_year), rel=1e-12)


def test_garman_klass_of_candles_that_jump_is_floored_at_zero() -> None:
    volatility = GarmanKlass(FIVE_MINUTES, 3)
    for _ in range(25):  # close beyond the range: the term is negative
        gk, gk_median = volatility.push(100.0, 100.1, 100.0, 101.0)
    assert (gk, gk_median) == (0.0, 0.0)


def test_recorded_bitcoin_moves_tens_of_percent_a_year(bitcoin_results: list[Indicators]) -> None:
    assert 0.2 < median(result.gk for result in bitcoin_results) < 0.8
    assert all(0.0 < result.gk < 5.0 for result in bitcoin_results)


def test_running_median_equals_statistics_median() -> None:
    rng = np.random.default_rng(5)
    values = [*rng.normal(size=400).round(1).tolist(), *[0.0] * 60, *rng.normal(size=60).tolist()]
    running = RunningMedian(51)
    for index, value in enumerate(values):
        assert running.push(value) == median(values[max(0, index - 50) : index + 1])


@pytest.mark.parametrize("window", [0, 1, 500])
def test_running_median_wants_an_odd_window(window: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        RunningMedian(window)


def test_returns_and_closes_are_the_last_500(candles: list[Candle]) -> None:
    pipeline = IndicatorPipeline(FIVE_MINUTES)
    for count in (1, 2, 400, 501, 1_100):
        pipeline.seed(candles[pipeline.candles : count])
        closes = np.array([candle.close for candle in candles[:count]])
        assert np.array_equal(pipeline.closes(), closes[-500:])
        assert np.allclose(pipeline.returns(), np.diff(np.log(closes))[-500:], atol=1e-14)
        assert pipeline.returns().dtype == np.float64


def test_monte_carlo_uses_mean_and_sigma_of_the_last_returns(candles: list[Candle]) -> None:
    pipeline = IndicatorPipeline(FIVE_MINUTES)
    for count in (300, 900):
        result = pipeline.seed(candles[pipeline.candles : count])
        assert result is not None
        returns = pipeline.returns()
        assert result.mc_mid == pytest.approx(12 * returns.mean(), abs=1e-12)
        spread = result.mc_high - result.mc_low
        # 5 % and 95 % of twelve Student steps lie about 1.63 sigmas out.
        assert spread == pytest.approx(2 * 1.63 * sqrt(12) * returns.std(), rel=0.05)
        assert ("warming up" in " ".join(result.notes)) is (count < 501)
