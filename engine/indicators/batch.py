"""The indicators of a recorded series, computed in batch and bit for bit those of the stream.

A backtest of years spends most of its time in indicators. TA-Lib's batch functions give exactly
what its streams give; what is ours is written here in the same operations and the same order.
Wherever the data are not plain (gaps, faults, dead markets, the first candles), the stream itself
is used. A test holds the two equal on every row of every recorded set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise, repeat
from math import fsum, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.indicators.higher import WARMUP, trend_of
from engine.indicators.monte_carlo import TerminalShocks
from engine.indicators.pipeline import (
    FLAT,
    HIGHER_MULTIPLES,
    HUGE,
    LEAP,
    MAX_GAP,
    MEDIAN_WINDOW,
    WINDOW,
    IndicatorPipeline,
)
from engine.indicators.talib_light import talib
from engine.indicators.volatility import CANDLES as GK_CANDLES
from engine.indicators.volatility import DEAD, garman_klass_variance
from engine.market.aggregate import aggregate
from engine.market.series import CandleSeries
from engine.model.market import DAY_MS, YEAR_MS, Candle
from engine.model.signal import Indicators

Floats = NDArray[np.float64]

STREAMED = 600  # first candles of a segment that the stream does itself: every window is full then
CHUNK = 256  # rows turned into Python numbers at a time
_BALANCE = 10
_STILL = 14  # candles in a row without range or flow: the stream has rules of its own for these
_SMA: Any = 0  # TA-Lib's number for a simple moving average


class RecordedPipeline:
    """The interface of ``IndicatorPipeline`` over a recorded series, candle by candle."""

    def __init__(self, series: CandleSeries) -> None:
        self._series = series
        self._candle_ms = series.timeframe_ms
        self._shocks = TerminalShocks()
        self._stream = IndicatorPipeline(self._candle_ms)
        self._segment: _Columns | None = None
        self._last: Indicators | None = None
        self._rows = chain.from_iterable(self._chunks())

    def update(self, candle: Candle) -> Indicators | None:
        """Return the indicators after the next candle of the series, which ``candle`` must be."""
        self._last = row = next(self._rows)
        return row

    @property
    def in_batch(self) -> bool:
        """Return whether the last candle was served from columns rather than by the stream."""
        return self._segment is not None

    def returns(self) -> Floats:
        """Return the last 500 log returns (fewer while warming up), oldest first."""
        if self._segment is None or self._last is None:
            return self._stream.returns()
        last = self._last.candles - 1
        return self._segment.returns[last - WINDOW : last]

    def _chunks(self) -> Iterator[Iterable[Indicators | None]]:
        for first, last in _segments(self._series):
            segment = self._series.rows(slice(first, last))
            plain = _is_plain(segment)
            streamed = min(len(segment), STREAMED) if plain else len(segment)
            self._segment = None
            yield map(self._stream.update, segment.candles(0, streamed))
            if streamed < len(segment):
                self._segment = columns = _Columns(segment)
                for start in range(streamed, len(segment), CHUNK):
                    yield columns.rows(start, min(start + CHUNK, len(segment)), self._shocks)
                # The stream has not seen these candles; the next segment begins anew anyway.
                self._stream = IndicatorPipeline(self._candle_ms)


def _segments(series: CandleSeries) -> Iterator[tuple[int, int]]:
    """Yield [first, last) between gaps that restart the warm-up."""
    missing = np.diff(series.time) // series.timeframe_ms - 1
    borders = [0, *(np.flatnonzero(missing > MAX_GAP) + 1).tolist(), len(series)]
    yield from pairwise(borders)


def _is_plain(s: CandleSeries) -> bool:
    """Return whether the stream would take every candle of a segment without a special rule."""
    if len(s) <= STREAMED:
        return False
    before = s.close[:-1]
    return bool(
        np.all(np.diff(s.time) == s.timeframe_ms)
        and np.all(s.time % s.timeframe_ms == 0)
        and np.all((s.low <= s.open) & (s.open <= s.high))
        and np.all((s.low <= s.close) & (s.close <= s.high))
        and np.all((s.low > 0.0) & (s.volume >= 0.0) & (s.volume < HUGE))
        and np.all((before < s.low[1:] * LEAP) & (s.high[1:] < before * LEAP))
        and not _runs(s.high == s.low)
        and not _runs(s.volume == 0.0)
        and not _runs(np.diff(_typical(s)) == 0.0)
        and not np.any(_flat(s.close))
    )


def _runs(condition: NDArray[np.bool_]) -> bool:
    """Return whether a condition holds for ``_STILL`` candles in a row."""
    if len(condition) < _STILL:
        return False
    return bool(np.any(np.convolve(condition, np.ones(_STILL), "valid") >= _STILL))


def _flat(close: Floats) -> NDArray[np.bool_]:
    upper, middle, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2, matype=_SMA)
    return np.asarray((upper - lower) / middle <= 8.0 * FLAT)


def _typical(s: CandleSeries) -> Floats:
    return np.asarray((s.high + s.low + s.close) / 3.0)


class _Columns:
    """The columns of one plain segment, from its first candle on."""

    def __init__(self, s: CandleSeries) -> None:
        self._s = s
        high, low, close, volume = s.high, s.low, s.close, s.volume
        self._rsi = talib.RSI(close, timeperiod=14)
        self._macd, self._signal, self._hist = talib.MACD(
            close, fastperiod=12, slowperiod=26, signalperiod=9
        )
        self._stoch_k, self._stoch_d = talib.STOCH(
            high,
            low,
            close,
            fastk_period=14,
            slowk_period=3,
            slowk_matype=_SMA,
            slowd_period=3,
            slowd_matype=_SMA,
        )
        self._emas = [talib.EMA(close, timeperiod=n) for n in (9, 20, 50, 200)]
        self._upper, self._middle, self._lower = talib.BBANDS(
            close, timeperiod=20, nbdevup=2, nbdevdn=2, matype=_SMA
        )
        self._atr = talib.ATR(high, low, close, timeperiod=14)
        self._adx = talib.ADX(high, low, close, timeperiod=14)
        self._plus = talib.PLUS_DI(high, low, close, timeperiod=14)
        self._minus = talib.MINUS_DI(high, low, close, timeperiod=14)
        self._cci = talib.CCI(high, low, close, timeperiod=20)
        self._mfi = talib.MFI(high, low, close, volume, timeperiod=14)
        self._obv = talib.OBV(close, volume)
        self._slope = talib.LINEARREG_SLOPE(close, timeperiod=10)
        self._width_mean = talib.SMA((self._upper - self._lower) / self._middle, timeperiod=100)
        self.returns = _log(close[1:] / close[:-1])
        self._mean = talib.SMA(self.returns, timeperiod=WINDOW)
        self._sigma = talib.STDDEV(self.returns, timeperiod=WINDOW)
        self._gk, self._gk_median = _garman_klass(s)
        self._vwap = _vwap(s)
        self._change = np.sign(np.diff(close, prepend=close[0])) * volume
        self._trends = _trends(s)

    def rows(self, start: int, end: int, shocks: TerminalShocks) -> Iterable[Indicators]:
        """Return the indicators after the candles ``start`` to before ``end``."""
        s, part = self._s, slice(start, end)
        close = s.close[part]
        upper, middle, lower = self._upper[part], self._middle[part], self._lower[part]
        vwap = self._vwap[part]
        before = slice(start - 1, end - 1)  # a return belongs to the later of its two candles
        forecasts = shocks.evaluate_columns(self._mean[before], self._sigma[before])
        columns = (
            (s.time[part] + s.timeframe_ms).tolist(),
            range(start + 1, end + 1),
            s.open[part].tolist(),
            s.high[part].tolist(),
            s.low[part].tolist(),
            close.tolist(),
            s.volume[part].tolist(),
            self._rsi[part].tolist(),
            self._macd[part].tolist(),
            self._signal[part].tolist(),
            self._hist[part].tolist(),
            self._stoch_k[part].tolist(),
            self._stoch_d[part].tolist(),
            *(ema[part].tolist() for ema in self._emas),
            middle.tolist(),
            upper.tolist(),
            middle.tolist(),
            lower.tolist(),
            self._atr[part].tolist(),
            self._adx[part].tolist(),
            self._plus[part].tolist(),
            self._minus[part].tolist(),
            self._cci[part].tolist(),
            self._mfi[part].tolist(),
            self._obv[part].tolist(),
            self._balance(start, end),
            vwap.tolist(),
            ((close - vwap) / vwap).tolist(),
            *(forecast.tolist() for forecast in forecasts),
            self._gk[part].tolist(),
            self._gk_median[part].tolist(),
            (4.0 * (close - middle) / (upper - lower)).tolist(),
            (self._slope[part] / close).tolist(),
            ((upper - lower) / middle / self._width_mean[part]).tolist(),
            *(trend[part].tolist() for trend in self._trends),
            self._notes(part),
        )
        return map(tuple.__new__, repeat(Indicators), zip(*columns, strict=True))

    def _balance(self, start: int, end: int) -> list[float]:
        window = slice(start - _BALANCE + 1, end)
        pairs = zip(_sums(self._change[window]), _sums(self._s.volume[window]), strict=True)
        return [part / total if total > 0.0 else 0.0 for part, total in pairs]

    def _notes(self, part: slice) -> list[tuple[str, ...]]:
        notes: list[tuple[str, ...]] = [()] * (part.stop - part.start)
        for index in np.flatnonzero(self._s.high[part] == self._s.low[part]).tolist():
            notes[index] += ("zero range",)
        for index in np.flatnonzero(self._s.volume[part] == 0.0).tolist():
            notes[index] += ("zero volume",)
        return notes


def _log(values: Floats) -> Floats:
    """Return natural logarithms as ``math.log`` gives them: numpy's differ in the last bit."""
    return np.fromiter(map(log, values.tolist()), np.float64, len(values))


def _sums(values: Floats) -> Iterator[float]:
    """Return the exact sums of all runs of ``_BALANCE`` values."""
    column = values.tolist()
    last = len(column) - _BALANCE + 1
    return map(fsum, zip(*(column[k : last + k] for k in range(_BALANCE)), strict=True))


def _garman_klass(s: CandleSeries) -> tuple[Floats, Floats]:
    terms = garman_klass_variance(_log(s.high / s.low), _log(s.close / s.open))
    variance = talib.SMA(terms, timeperiod=GK_CANDLES)
    alive = variance > DEAD
    scaled = np.sqrt(np.where(alive, variance * (YEAR_MS / s.timeframe_ms), 0.0))
    median = np.full(len(s), np.nan)
    values = np.ascontiguousarray(scaled[GK_CANDLES - 1 :])
    median[GK_CANDLES - 1 :] = talib.PERCENTILE(values, MEDIAN_WINDOW, 50.0)
    return scaled, median


def _vwap(s: CandleSeries) -> Floats:
    """Return turnover over volume since midnight, added up candle by candle as the stream does."""
    result = np.empty(len(s))
    turnover = _typical(s) * s.volume
    days = s.time // DAY_MS
    borders = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(s)]
    for first, last in pairwise(borders):
        day = slice(first, last)
        volume = np.cumsum(s.volume[day])
        with np.errstate(invalid="ignore", divide="ignore"):
            vwap = np.cumsum(turnover[day]) / volume
        result[day] = np.where((volume > 0.0) & (vwap > 0.0), vwap, s.close[day])
    return result


def _trends(s: CandleSeries) -> tuple[NDArray[np.int8], ...]:
    """Return the trend of both higher timeframes as it was known after every candle."""
    found = []
    below = s
    for multiple in HIGHER_MULTIPLES:
        higher = aggregate(below, multiple * s.timeframe_ms)
        trends = np.zeros(len(higher), np.int8)
        if len(higher) >= WARMUP:
            fast = talib.EMA(higher.close, timeperiod=20)
            slow = talib.EMA(higher.close, timeperiod=50)
            known = zip(
                higher.close[WARMUP - 1 :].tolist(),
                fast[WARMUP - 1 :].tolist(),
                slow[WARMUP - 1 :].tolist(),
                strict=True,
            )
            trends[WARMUP - 1 :] = [trend_of(*row) for row in known]
        closes = higher.time + higher.timeframe_ms
        newest = np.searchsorted(closes, s.time + s.timeframe_ms, side="right") - 1
        found.append(np.where(newest >= 0, trends[np.maximum(newest, 0)], 0).astype(np.int8))
        below = higher
    return tuple(found)
