"""Garman-Klass volatility of a market that never closes, and its running median."""

from __future__ import annotations

from math import log, sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.indicators.rolling import RunningMedian
from engine.indicators.talib_light import stream
from engine.model.market import YEAR_MS

_Number = TypeVar("_Number", float, NDArray[np.float64])

CANDLES = 20
_BODY = 2.0 * log(2.0) - 1.0
DEAD = 1e-14  # variance of a candle below which it is rounding


def garman_klass_term(open_: float, high: float, low: float, close: float) -> float:
    """Return one candle's variance of log price (Garman and Klass 1980, without drift)."""
    return garman_klass_variance(log(high / low), log(close / open_))


def garman_klass_variance(reach: _Number, body: _Number) -> _Number:
    """Return the variance from ln(high / low) and ln(close / open), numbers or columns."""
    return 0.5 * reach * reach - _BODY * body * body


class GarmanKlass:
    """Volatility over 20 candles, annualised as a fraction, and its median over ``window`` values.

    A candle's variance of log price is 0.5 ln(H/L)^2 - (2 ln 2 - 1) ln(C/O)^2 (Garman and Klass
    1980, without drift); their mean is floored at 0 and scaled by the candles of 365 days.
    """

    __slots__ = ("_mean", "_median", "_per_year", "_terms")

    def __init__(self, candle_ms: int, window: int) -> None:
        self._per_year = YEAR_MS / candle_ms
        self._median = RunningMedian(window)
        self._terms: list[float] = []
        self._mean: stream.SMA | None = None

    def push(self, open_: float, high: float, low: float, close: float) -> tuple[float, float]:
        """Add a candle; return (volatility, its median), both 0 before the 20th candle."""
        term = garman_klass_term(open_, high, low, close)
        if self._mean is not None:
            variance = self._mean.update(term)
        else:
            self._terms.append(term)
            if len(self._terms) < CANDLES:
                return 0.0, 0.0
            self._mean = stream.SMA(np.array(self._terms), timeperiod=CANDLES)
            variance = self._mean.value
        volatility = sqrt(variance * self._per_year) if variance > DEAD else 0.0
        return volatility, self._median.push(volatility)
