"""Candles for the indicator tests: generated always, recorded where they are."""

from __future__ import annotations

import csv
import gzip
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from engine.indicators.pipeline import IndicatorPipeline
from engine.model.market import Candle
from engine.model.signal import Indicators

FIVE_MINUTES = 300_000
FIRST = 249  # index of the first candle that has indicators
START = 1_704_067_200_000  # 2024-01-01 00:00 UTC


def generated(
    count: int, seed: int = 1, start: int = START, price: float = 42_000.0
) -> list[Candle]:
    """Return fat-tailed candles on a tick of a millionth of the price."""
    rng = np.random.default_rng(seed)
    tick = 2.0 ** np.round(np.log2(price * 1e-6))
    path = price * np.exp(np.cumsum(rng.standard_t(5, count + 1) * 8e-4))
    open_, close = path[:-1], path[1:]
    high = np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 4e-4, count)))
    low = np.minimum(open_, close) / (1 + np.abs(rng.normal(0, 4e-4, count)))
    ticks = (np.round(column / tick) * tick for column in (open_, high, low, close))
    volume = np.round(rng.gamma(1.5, 40.0, count), 3)
    times = (start + np.arange(count) * FIVE_MINUTES).tolist()
    return list(map(Candle, times, *(column.tolist() for column in (*ticks, volume))))


def constant(count: int, start: int, price: float, volume: float = 0.0) -> list[Candle]:
    """Return candles at one price."""
    times = range(start, start + count * FIVE_MINUTES, FIVE_MINUTES)
    return [Candle(time, price, price, price, price, volume) for time in times]


def after(candles: list[Candle]) -> int:
    """Return the open time of the candle that comes next."""
    return candles[-1].time + FIVE_MINUTES


def recorded(path: Path, count: int) -> list[Candle]:
    """Return the first candles of a recorded file."""
    with gzip.open(path, "rt", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return [Candle(int(row[0]), *map(float, row[1:6])) for row in islice(rows, count)]


def streamed(candles: list[Candle]) -> list[Indicators]:
    """Return the indicators of every candle from the 250th on."""
    pipeline = IndicatorPipeline(FIVE_MINUTES)
    results = [pipeline.update(candle) for candle in candles]
    assert results[:FIRST] == [None] * FIRST
    return [result for result in results if result is not None]


@pytest.fixture(scope="session")
def candles() -> list[Candle]:
    return generated(2_000)


@pytest.fixture(scope="session")
def bitcoin(data_dir: Path) -> list[Candle]:
    return recorded(data_dir / "spot-2024" / "BTC-USDT-5m.csv.gz", 12_000)


@pytest.fixture(scope="session")
def results(candles: list[Candle]) -> list[Indicators]:
    return streamed(candles)


@pytest.fixture(scope="session")
def bitcoin_results(bitcoin: list[Candle]) -> list[Indicators]:
    return streamed(bitcoin)
