"""The trends of the higher timeframes."""

from __future__ import annotations

from collections.abc import Callable
from math import sin

import numpy as np
import pytest
import talib

from engine.indicators.higher import WARMUP, HigherTimeframe
from engine.indicators.pipeline import IndicatorPipeline
from engine.model.market import Candle
from tests.indicators.conftest import FIVE_MINUTES, START, generated, streamed

QUARTER = 3 * FIVE_MINUTES


def along(path: Callable[[int], float], count: int) -> list[Candle]:
    closes = [path(number) for number in range(count)]
    return [
        Candle(START + n * FIVE_MINUTES, c, c * 1.001, c * 0.999, c, 1.0)
        for n, c in enumerate(closes)
    ]


def trends(candles: list[Candle], target: int = QUARTER) -> list[int]:
    higher = HigherTimeframe(FIVE_MINUTES, target)
    told = []
    for candle in candles:
        higher.push(candle)
        told.append(higher.trend)
    return told


def test_a_rise_is_up_a_fall_is_down_and_a_standstill_neither() -> None:
    assert trends(along(lambda n: 100 * 1.001**n, 400))[-1] == 1
    assert trends(along(lambda n: 100 * 0.999**n, 400))[-1] == -1
    assert set(trends(along(lambda n: 43_210.1, 900))) == {0}


def test_no_trend_before_sixty_higher_candles() -> None:
    told = trends(along(lambda n: 100 * 1.001**n, 400))
    assert told.index(1) == 3 * WARMUP - 1
    assert set(told[: 3 * WARMUP - 1]) == {0}


@pytest.mark.parametrize("count", [3, 12])
def test_the_trend_follows_talib_on_the_coarser_candles(count: int) -> None:
    candles = generated(3_600, seed=21)
    closes = np.array([c.close for c in candles[count - 1 :: count]])
    fast, slow = talib.EMA(closes, 20), talib.EMA(closes, 50)
    told = trends(candles, count * FIVE_MINUTES)
    seen = set()
    for index in range(WARMUP - 1, len(closes)):
        up = closes[index] > slow[index] and fast[index] > slow[index]
        down = closes[index] < slow[index] and fast[index] < slow[index]
        expected = 1 if up else -1 if down else 0
        last = (index + 1) * count
        assert told[last - 1 : last - 1 + count] == [expected] * len(told[last - 1 :][:count])
        seen.add(expected)
    assert seen == {-1, 0, 1}


def test_the_forming_candle_is_never_looked_at() -> None:
    candles = along(lambda n: 100 + 3 * sin(n / 40), 900)
    told = trends(candles)
    changes = {n % 3 for n in range(1, 900) if told[n] != told[n - 1]}
    assert changes == {2}


def test_a_higher_candle_with_a_missing_part_is_dropped() -> None:
    candles = along(lambda n: 100 * 1.001**n, 400)
    higher = HigherTimeframe(FIVE_MINUTES, QUARTER)
    complete = [higher.push(c) for n, c in enumerate(candles[:30]) if n not in (4, 9)]
    starts = [(c.time - START) // QUARTER for c in complete if c is not None]
    assert starts == [0, 2, 4, 5, 6, 7, 8, 9]


def test_candles_off_the_grid_are_ignored() -> None:
    higher = HigherTimeframe(FIVE_MINUTES, QUARTER)
    candles = along(lambda n: 100 * 1.001**n, 400)
    assert all(higher.push(c._replace(time=c.time + 1)) is None for c in candles)
    assert higher.trend == 0


def test_the_pipeline_tells_three_and_twelve_times_its_timeframe() -> None:
    candles = generated(3_600, seed=21)
    results = streamed(candles)
    assert [r.htf_15m for r in results] == trends(candles)[-len(results) :]
    assert [r.htf_1h for r in results] == trends(candles, 12 * FIVE_MINUTES)[-len(results) :]


def test_hourly_candles_have_higher_timeframes_too() -> None:
    hour = 12 * FIVE_MINUTES
    pipeline = IndicatorPipeline(hour)
    start = START - START % (12 * hour)
    result = pipeline.seed(
        c._replace(time=start + n * hour)
        for n, c in enumerate(along(lambda n: 100 * 1.001**n, 1_000))
    )
    assert result is not None
    assert (result.htf_15m, result.htf_1h) == (1, 1)
