"""Aggregation of candles to a coarser timeframe, without look-ahead and without holes.

The streaming and the vectorised form agree bit for bit: both add volumes oldest first.
"""

from __future__ import annotations

import numpy as np

from engine.market.series import CandleSeries, Ints
from engine.model.market import Candle


class Aggregator:
    """Build ``target_ms`` candles from closed ``base_ms`` candles, one at a time.

    Raises ``ValueError`` unless the target is a whole multiple of the base.
    """

    def __init__(self, base_ms: int, target_ms: int) -> None:
        _require_multiple(base_ms, target_ms)
        self._base_ms = base_ms
        self._target_ms = target_ms
        self._parts: list[Candle] = []
        self._last = -1

    def push(self, candle: Candle) -> Candle | None:
        """Take a closed base candle; return the coarser one that closes with it, if any.

        A coarser candle with a missing part is dropped. Raises ``ValueError`` for a candle that
        is not later than the one before or not on the base grid.
        """
        time = candle.time
        if time <= self._last or time % self._base_ms:
            raise ValueError(
                f"candle at {time} ms after {self._last} ms is out of order or off the grid"
            )
        parts = self._parts
        if time % self._target_ms == 0:
            parts.clear()
        elif not parts or time != self._last + self._base_ms:
            parts.clear()
            self._last = time
            return None
        parts.append(candle)
        self._last = time
        if (time + self._base_ms) % self._target_ms:
            return None
        return _join(parts)


def aggregate(series: CandleSeries, target_ms: int) -> CandleSeries:
    """Return the coarser candles of which every part is there.

    Raises ``ValueError`` unless ``target_ms`` is a whole multiple of the series' timeframe.
    """
    base_ms = series.timeframe_ms
    _require_multiple(base_ms, target_ms)
    count = target_ms // base_ms
    first = complete_groups(series, target_ms)
    parts = first[:, None] + np.arange(count)
    return CandleSeries(
        pair=series.pair,
        timeframe_ms=target_ms,
        time=series.time[first],
        open=series.open[first],
        high=series.high[parts].max(axis=1),
        low=series.low[parts].min(axis=1),
        close=series.close[first + count - 1],
        volume=series.volume[parts].cumsum(axis=1)[:, -1],  # oldest first, as push() adds
    )


def complete_groups(series: CandleSeries, target_ms: int) -> Ints:
    """Return the row at which each gapless run of parts of one coarser candle begins."""
    count = target_ms // series.timeframe_ms
    time = series.time
    if len(time) < count:
        return np.empty(0, dtype=np.int64)
    starts = time[: len(time) - count + 1]
    last = time[count - 1 :]
    gapless = last - starts == target_ms - series.timeframe_ms
    return np.flatnonzero(gapless & (starts % target_ms == 0))


def _join(parts: list[Candle]) -> Candle:
    volume = parts[0].volume
    for part in parts[1:]:
        volume += part.volume
    return Candle(
        parts[0].time,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        volume,
    )


def _require_multiple(base_ms: int, target_ms: int) -> None:
    if base_ms <= 0 or target_ms < base_ms or target_ms % base_ms:
        raise ValueError(f"{target_ms} ms is not a whole multiple of {base_ms} ms")
