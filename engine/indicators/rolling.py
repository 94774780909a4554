"""Rolling figures TA-Lib does not have. None of them accumulates rounding over months."""

from __future__ import annotations

from bisect import insort
from collections import deque
from math import fsum

import numpy as np
from numpy.typing import NDArray

from engine.indicators.talib_light import stream, talib
from engine.model.market import DAY_MS


class RunningMedian:
    """The median of the last ``window`` values (an odd number), of fewer while they come in.

    A full window is TA-Lib's: its nearest-rank percentile is the median when the window is odd.
    """

    __slots__ = ("_arrived", "_ordered", "_percentile", "_window")

    def __init__(self, window: int) -> None:
        if window < 3 or window % 2 == 0:
            raise ValueError(f"a window of {window} is not an odd number above 2")
        self._window = window
        self._arrived: list[float] = []
        self._ordered: list[float] = []
        self._percentile: stream.PERCENTILE | None = None

    def push(self, value: float) -> float:
        """Add a value and return the median, equal to ``statistics.median`` of the window."""
        if self._percentile is not None:
            return self._percentile.update(value)
        self._arrived.append(value)
        ordered = self._ordered
        insort(ordered, value)
        if len(ordered) == self._window:
            values = np.array(self._arrived)
            self._percentile = stream.PERCENTILE(values, self._window, 50.0)
        half = len(ordered) // 2
        return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


class ReturnWindow:
    """Mean and population sigma of the last ``window`` log returns, and the returns themselves.

    The two TA-Lib streams open when the window is full; until then (and only when asked) the
    same functions run over what is there.
    """

    __slots__ = ("_mean", "_returns", "_sigma", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._returns: deque[float] = deque(maxlen=window)
        self._mean: stream.SMA | None = None
        self._sigma: stream.STDDEV | None = None

    @property
    def full(self) -> bool:
        """Return whether the window holds as many returns as it can."""
        return self._mean is not None

    def push(self, value: float) -> tuple[float, float] | None:
        """Add a return; give (mean, sigma) per candle, or None while the window fills."""
        self._returns.append(value)
        if self._mean is not None and self._sigma is not None:
            return self._mean.update(value), self._sigma.update(value)
        if len(self._returns) < self._window:
            return None
        returns = self.to_array()
        self._mean = stream.SMA(returns, timeperiod=self._window)
        self._sigma = stream.STDDEV(returns, timeperiod=self._window)
        return self._mean.value, self._sigma.value

    def so_far(self) -> tuple[float, float]:
        """Return (mean, sigma) of a window that is not full; (0, 0) of fewer than two returns."""
        returns = self.to_array()
        if returns.size < 2:
            return 0.0, 0.0
        mean = talib.SMA(returns, timeperiod=returns.size)
        sigma = talib.STDDEV(returns, timeperiod=returns.size)
        return float(mean[-1]), float(sigma[-1])

    def to_array(self) -> NDArray[np.float64]:
        """Return the returns as a new contiguous array, oldest first."""
        return np.fromiter(self._returns, np.float64, len(self._returns))


class VolumeBalance:
    """OBV's change over ``window`` candles as a share of the volume traded over them.

    Both sums are exact (``math.fsum`` over the window), not running: a running sum would carry
    every rounding of the past.
    """

    __slots__ = ("_signed", "_volume")

    def __init__(self, window: int) -> None:
        self._signed: deque[float] = deque(maxlen=window)
        self._volume: deque[float] = deque(maxlen=window)

    def push(self, change: float, volume: float) -> float:
        """Add a candle's price change and volume; return the balance in [-1, 1], 0 unknown."""
        self._signed.append(volume if change > 0.0 else -volume if change < 0.0 else 0.0)
        self._volume.append(volume)
        traded = fsum(self._volume)
        return fsum(self._signed) / traded if traded > 0.0 else 0.0


class DayVwap:
    """Volume-weighted typical price since 00:00 UTC, by the candle's open time.

    A day that is joined late counts from where it was joined.
    """

    __slots__ = ("_day_ends", "_turnover", "_volume")

    def __init__(self) -> None:
        self._day_ends = 0
        self._turnover = 0.0
        self._volume = 0.0

    def push(self, time: int, typical: float, volume: float) -> float:
        """Add a candle; return the VWAP in quote currency, or 0 before the day's first trade."""
        if time >= self._day_ends:
            self._day_ends = (time // DAY_MS + 1) * DAY_MS
            self._turnover = self._volume = 0.0
        self._turnover += typical * volume
        self._volume += volume
        return self._turnover / self._volume if self._volume > 0.0 else 0.0
