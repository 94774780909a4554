"""Print what the indicators cost: median microseconds per closed candle and per proposal.

Usage: python -m benchmarks.indicators [CANDLES.csv.gz]; generated candles without a file.
"""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import numpy as np

from engine.indicators.monte_carlo import TerminalShocks, target_first
from engine.indicators.pipeline import IndicatorPipeline
from engine.indicators.streams import HISTORY, Streams
from engine.model.market import Candle

CANDLE_MS = 300_000
BATCH = 100  # candles between two looks at the clock


def load(path: Path) -> list[Candle]:
    with gzip.open(path, "rt", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return [Candle(int(row[0]), *map(float, row[1:6])) for row in rows]


def generate(count: int) -> list[Candle]:
    rng = np.random.default_rng(7)
    close = 60_000 * np.exp(np.cumsum(rng.standard_t(5, count) * 1e-3))
    open_ = np.concatenate(([60_000.0], close[:-1]))
    wick = 1 + np.abs(rng.normal(0, 5e-4, (2, count)))
    high = np.maximum(open_, close) * wick[0]
    low = np.minimum(open_, close) / wick[1]
    volume = rng.gamma(2.0, 50.0, count)
    times = (np.arange(count) * CANDLE_MS).tolist()
    columns = (column.tolist() for column in (open_, high, low, close, volume))
    return list(map(Candle, times, *columns))


def run_streams(streams: Streams, candles: list[Candle]) -> None:
    """Update nothing but the TA-Lib streams: what the pipeline cannot be faster than."""
    for _, _, high, low, close, volume in candles:
        for update in (streams.rsi, streams.macd, streams.ema9, streams.ema20, streams.ema50):
            update(close)
        for update in (streams.ema200, streams.bands, streams.slope, streams.width_mean):
            update(close)
        for update in (streams.stoch, streams.atr, streams.adx, streams.plus_di, streams.minus_di):
            update(high, low, close)
        streams.cci(high, low, close)
        streams.mfi(high, low, close, volume)
        streams.obv(close, volume)


def main() -> None:
    candles = load(Path(sys.argv[1])) if len(sys.argv) > 1 else generate(50_000)
    started = perf_counter_ns()
    pipeline = IndicatorPipeline(CANDLE_MS)
    built = perf_counter_ns()
    pipeline.seed(candles[:3_000])
    seeded = perf_counter_ns()
    streams = Streams(candles[:HISTORY])
    batches, floor = [], []
    for first in range(3_000, len(candles) - BATCH, BATCH):
        batch = candles[first : first + BATCH]
        begin = perf_counter_ns()
        for candle in batch:
            pipeline.update(candle)
        middle = perf_counter_ns()
        run_streams(streams, batch)
        batches.append((middle - begin) / BATCH / 1e3)
        floor.append((perf_counter_ns() - middle) / BATCH / 1e3)
    returns = pipeline.returns()
    proposals = []
    for time in range(300):
        begin = perf_counter_ns()
        target_first(
            returns, stop_return=-0.004, target_return=0.008, horizon=48, seed_parts=("BTC", time)
        )
        proposals.append((perf_counter_ns() - begin) / 1e3)
    shocks = TerminalShocks()
    begin = perf_counter_ns()
    for _ in range(10_000):
        shocks.evaluate(1e-6, 1e-3)
    terminal = (perf_counter_ns() - begin) / 1e7
    print(f"update, median of batches     {median(batches):8.2f} us a candle")
    print(f"update, fastest batch         {min(batches):8.2f} us a candle")
    print(f"17 TA-Lib streams alone       {median(floor):8.2f} us, fastest {min(floor):.2f}")
    print(f"terminal Monte Carlo of these {terminal:8.2f} us")
    print(f"target first, 48 candles      {median(proposals):8.1f} us a proposal")
    print(f"build a pipeline              {(built - started) / 1e6:8.2f} ms")
    print(f"seed with 3,000 candles       {(seeded - built) / 1e6:8.2f} ms")


if __name__ == "__main__":
    main()
