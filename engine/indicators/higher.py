"""The trend of a higher timeframe, built from the base candles without look-ahead."""

from __future__ import annotations

import numpy as np

from engine.indicators.talib_light import stream
from engine.market.aggregate import Aggregator
from engine.model.market import Candle

WARMUP = 60  # higher candles before a trend is told
_SAME = 1e-9  # a smaller relative difference is rounding, not a side


class HigherTimeframe:
    """Trend of the ``target_ms`` timeframe from closed ``base_ms`` candles: -1, 0 or +1.

    Up is close > EMA 50 and EMA 20 > EMA 50 on the last complete higher candle, down the
    mirror, anything else 0; 0 until 60 higher candles are complete. A higher candle with a
    missing part is dropped; candles off the base grid are ignored.
    """

    __slots__ = ("_aggregator", "_base_ms", "_closes", "_fast", "_slow", "trend")

    def __init__(self, base_ms: int, target_ms: int) -> None:
        self._base_ms = base_ms
        self._aggregator = Aggregator(base_ms, target_ms)
        self._closes: list[float] = []
        self._fast: stream.EMA | None = None
        self._slow: stream.EMA | None = None
        self.trend = 0

    def push(self, candle: Candle) -> Candle | None:
        """Take a closed base candle, later than the one before; return the one it completes.

        ``trend`` is up to date afterwards.
        """
        if candle.time % self._base_ms:
            return None
        higher = self._aggregator.push(candle)
        if higher is not None:
            self._close(higher.close)
        return higher

    def _close(self, close: float) -> None:
        if self._fast is not None and self._slow is not None:
            self.trend = trend_of(close, self._fast.update(close), self._slow.update(close))
            return
        self._closes.append(close)
        if len(self._closes) == WARMUP:
            closes = np.array(self._closes)
            self._closes.clear()
            self._fast = stream.EMA(closes, timeperiod=20)
            self._slow = stream.EMA(closes, timeperiod=50)
            self.trend = trend_of(close, self._fast.value, self._slow.value)


def trend_of(close: float, fast: float, slow: float) -> int:
    """Return the trend that close and two averages tell: -1, 0 or +1."""
    margin = _SAME * slow
    if close > slow + margin and fast > slow + margin:
        return 1
    if close < slow - margin and fast < slow - margin:
        return -1
    return 0
