"""What the indicators cost a closed candle, against TA-Lib alone on the same arrays."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.candles import CANDLE_MS, generated
from benchmarks.table import Row, per_call
from engine.indicators.batch import RecordedPipeline, _Columns
from engine.indicators.monte_carlo import TerminalShocks, target_first
from engine.indicators.pipeline import IndicatorPipeline
from engine.indicators.streams import HISTORY, Streams
from engine.model.market import Candle

CANDLES = 8_000


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


def rows(runs: int) -> Iterator[Row]:
    """Yield us a candle, medians of runs over the same candles."""
    (series,) = generated(1, CANDLES).series.values()
    candles = series.candles()
    streams = Streams(candles[:HISTORY])
    pipeline = IndicatorPipeline(CANDLE_MS)
    pipeline.seed(candles[:3_000])
    returns = pipeline.returns()
    shocks = TerminalShocks()
    rest = candles[3_000:]

    def update() -> None:
        fresh = IndicatorPipeline(CANDLE_MS)
        fresh.seed(candles)

    def batch() -> None:
        recorded = RecordedPipeline(series)
        for candle in candles:
            recorded.update(candle)

    def paths() -> None:
        for time in range(10):
            target_first(
                returns,
                stop_return=-0.004,
                target_return=0.008,
                horizon=48,
                paths=1_000,
                seed_parts=("BTC", time),
            )

    floor, _ = per_call(lambda: run_streams(streams, rest), len(rest), runs)
    for name, work, count in (
        ("17 TA-Lib streams alone", lambda: run_streams(streams, rest), len(rest)),
        ("TA-Lib's batch and the other columns, no rows", lambda: _Columns(series), len(series)),
        ("sixteen indicators, streamed", update, len(candles)),
        ("sixteen indicators, from a recording", batch, len(candles)),
        (
            "terminal Monte Carlo (in both)",
            lambda: [shocks.evaluate(1e-6, 1e-3) for _ in range(5_000)],
            5_000,
        ),
    ):
        spent, _ = per_call(work, count, runs)
        yield Row(name, spent, "us a candle", "", spent / floor, "17 streams")
    spent, ratio = per_call(paths, 10, runs)
    yield Row("1,000 full paths of 48 candles", spent, "us", "", ratio, "tanh call")
