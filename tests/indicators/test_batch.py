"""The batch pipeline gives, row for row and bit for bit, what the stream gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.indicators.batch import STREAMED, RecordedPipeline
from engine.indicators.pipeline import IndicatorPipeline
from engine.market.files import load_directory
from engine.market.series import CandleSeries
from engine.model.market import Candle, Pair
from tests.indicators.conftest import FIVE_MINUTES, START, constant, generated

BTC = Pair.parse("BTC")


def series_of(candles: list[Candle], timeframe_ms: int = FIVE_MINUTES) -> CandleSeries:
    columns = list(zip(*candles, strict=True))
    times = np.array(columns[0], dtype=np.int64)
    return CandleSeries(BTC, timeframe_ms, times, *(np.array(c, dtype=float) for c in columns[1:]))


def assert_equal(series: CandleSeries) -> int:
    """Compare every row and the returns now and then; return the rows served in batch."""
    stream, batch = IndicatorPipeline(series.timeframe_ms), RecordedPipeline(series)
    served = 0
    for number, candle in enumerate(series.candles()):
        expected, got = stream.update(candle), batch.update(candle)
        assert got == expected, (number, expected, got)
        served += batch.in_batch
        if got is not None:
            assert all(type(value) in (float, int, tuple) for value in got)
        if number % 97 == 0:
            assert np.array_equal(batch.returns(), stream.returns())
    return served


@pytest.mark.parametrize("price", [3e-6, 0.2, 42_000.0])
def test_generated_candles(price: float) -> None:
    assert assert_equal(series_of(generated(2_500, price=price))) == 2_500 - STREAMED


def test_short_series_is_streamed() -> None:
    assert assert_equal(series_of(generated(STREAMED))) == 0


def test_long_gap_begins_a_new_segment_and_short_gap_is_streamed() -> None:
    first = generated(1_000)
    later = generated(1_000, seed=2, start=START + 1_100 * FIVE_MINUTES)
    assert assert_equal(series_of([*first, *later])) == 2 * (1_000 - STREAMED)
    holed = [c for c in generated(1_000) if c.time != START + 700 * FIVE_MINUTES]
    assert assert_equal(series_of(holed)) == 0


def test_single_dead_candles_keep_their_notes_and_dead_markets_are_streamed() -> None:
    candles = generated(1_500)
    for number in (700, 801, 802, 1_100):
        c = candles[number]
        candles[number] = Candle(c.time, c.close, c.close, c.close, c.close, 0.0)
    assert assert_equal(series_of(candles)) == 1_500 - STREAMED
    dead = constant(60, candles[-1].time + FIVE_MINUTES, candles[-1].close)
    assert assert_equal(series_of([*candles, *dead])) == 0


@pytest.mark.parametrize(
    ("name", "timeframe"),
    [("perp-2025-06", "5m"), ("spot-2021-04_crash", "5m"), ("spot-1h-2019-07_2020-11", "1h")],
)
def test_recorded_candles(data_dir: Path, name: str, timeframe: str) -> None:
    loaded = load_directory(data_dir / name, None, timeframe)
    for pair in loaded.pairs[:3]:
        series = loaded.series[pair]
        assert_equal(series.rows(slice(0, 6_000)))
