"""Bars of a chart: candles of the asked timeframe with the engine's own lines beside them.

Pure functions. Times in ms UTC, prices in quote currency, volume in base currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from engine.model.market import Candle
from engine.model.snapshot import PairHistory

MINUTE_MS = 60_000
TIMEFRAMES = (5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS)


class Bar(NamedTuple):
    """One candle as drawn, with the lines' values at its end. ``forming`` = not closed yet."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    ema20: float
    ema50: float
    bb_upper: float
    bb_lower: float
    forming: bool

    @property
    def rising(self) -> bool:
        """Return whether the bar closed at or above its open."""
        return self.close >= self.open


def base_period(candles: Sequence[Candle]) -> int:
    """Return the candles' own timeframe: the smallest distance between two, in ms."""
    steps = [b.time - a.time for a, b in pairwise(candles)]
    return min((step for step in steps if step > 0), default=TIMEFRAMES[0])


def periods(base: int) -> tuple[int, ...]:
    """Return the timeframes that candles of this base can show, finest first (ms)."""
    coarser = tuple(period for period in TIMEFRAMES if period > base and period % base == 0)
    return (base, *coarser)


def period_name(period: int) -> str:
    """Return a timeframe as people write it, e.g. ``5m`` or ``1h``."""
    minutes = period // MINUTE_MS
    if minutes % 1_440 == 0 and minutes:
        return f"{minutes // 1_440}d"
    if minutes % 60 == 0 and minutes:
        return f"{minutes // 60}h"
    return f"{minutes}m" if minutes else f"{period // 1_000}s"


def make_bars(history: PairHistory, base: int, period: int, now: int) -> tuple[Bar, ...]:
    """Aggregate a pair's candles to ``period``, oldest first.

    Only complete bars, plus the newest while it forms: a bucket that misses a candle is left
    out, as its high and low are not known. The lines are those of the base timeframe at the
    bar's end: what the engine saw then, not a second calculation.
    """
    bars: list[Bar] = []
    candles = history.candles
    start = 0
    while start < len(candles):
        opens = candles[start].time // period * period
        end = start
        while end < len(candles) and candles[end].time < opens + period:
            end += 1
        newest = end == len(candles)
        reached = candles[end - 1].time + base
        complete = (end - start) * base >= period
        forming = newest and (reached < opens + period or now < opens + period)
        if complete or (forming and candles[start].time == opens):
            bars.append(_merge(history, start, end, opens, forming))
        start = end
    return tuple(bars)


def _merge(history: PairHistory, start: int, end: int, opens: int, forming: bool) -> Bar:
    group = history.candles[start:end]
    last = end - 1
    return Bar(
        time=opens,
        open=group[0].open,
        high=max(candle.high for candle in group),
        low=min(candle.low for candle in group),
        close=group[-1].close,
        volume=sum(candle.volume for candle in group),
        ema20=history.ema20[last],
        ema50=history.ema50[last],
        bb_upper=history.bb_upper[last],
        bb_lower=history.bb_lower[last],
        forming=forming,
    )
