"""The sixteen indicators of one pair, one closed candle at a time.

A hot path: every candle of every pair passes through ``IndicatorPipeline.update``, in trading
and in a backtest of years.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import log

import numpy as np
from numpy.typing import NDArray

from engine.indicators.higher import HigherTimeframe
from engine.indicators.monte_carlo import TerminalShocks
from engine.indicators.rolling import DayVwap, ReturnWindow, VolumeBalance
from engine.indicators.streams import HISTORY, Streams
from engine.indicators.volatility import GarmanKlass
from engine.model.market import Candle
from engine.model.signal import Indicators

WINDOW = 500  # returns of Monte Carlo
MEDIAN_WINDOW = 501  # volatilities; odd, so that one of them is the median
MAX_GAP = 12  # missing candles in a row that the streams may bridge
HIGHER_MULTIPLES = (3, 12)  # 15m and 1h on the default timeframe of 5m

FLAT = 1e-7  # relative sigma of 20 closes below which the price is constant
_SAME = 1e-12  # relative distance of an average from a constant price that is rounding
HUGE = 1e30  # no price or volume reaches this
LEAP = 100.0  # no price moves by this factor in one candle
_STOCH_CANDLES, _STOCH_ECHO, _MFI_CANDLES = 14, 4, 14


class IndicatorPipeline:
    """Indicators of one pair over closed candles of ``candle_ms``.

    ``candles`` counts the candles taken since the last warm-up began. A candle that cannot be
    true (not finite, not positive, high below low, a hundredfold move) or that is not later
    than the one before is left out; more than 12 missing candles begin a new warm-up. Neither
    raises: the notes say so. Raises ``ValueError`` for a timeframe that is not positive.
    """

    __slots__ = (
        "_balance",
        "_candle_ms",
        "_close",
        "_closes",
        "_due",
        "_hidden_until",
        "_higher",
        "_highest",
        "_history",
        "_idle",
        "_last",
        "_returns",
        "_shocks",
        "_still",
        "_streams",
        "_typical",
        "_volatility",
        "_vwap",
        "candles",
    )

    def __init__(self, candle_ms: int) -> None:
        if candle_ms <= 0:
            raise ValueError(f"a timeframe of {candle_ms} ms is not positive")
        self._candle_ms = candle_ms
        self._shocks = TerminalShocks()
        self._begin()

    def _begin(self) -> None:
        """Forget everything: the first candle after this begins the warm-up."""
        self.candles = 0
        self._due = -1  # open time of the candle that comes next if none is missing
        self._close = 0.0
        self._typical = 0.0
        self._still = 0  # candles in a row at one single price
        self._idle = 0  # candles in a row without money flow
        self._hidden_until = 0  # the stochastic echoes an empty range up to this candle
        self._last: Indicators | None = None
        self._history: list[Candle] = []
        self._streams: Streams | None = None
        self._vwap = DayVwap()
        self._balance = VolumeBalance(10)
        self._returns = ReturnWindow(WINDOW)
        self._closes: deque[float] = deque(maxlen=WINDOW)
        self._volatility = GarmanKlass(self._candle_ms, MEDIAN_WINDOW)
        first, second = (multiple * self._candle_ms for multiple in HIGHER_MULTIPLES)
        self._higher = HigherTimeframe(self._candle_ms, first)
        self._highest = HigherTimeframe(first, second)

    def seed(self, candles: Iterable[Candle]) -> Indicators | None:
        """Take history, oldest first, exactly as if it had come candle by candle."""
        result = self._last
        for candle in candles:
            result = self.update(candle)
        return result

    def returns(self) -> NDArray[np.float64]:
        """Return the last 500 log returns (fewer while warming up), oldest first, as a copy."""
        return self._returns.to_array()

    def closes(self) -> NDArray[np.float64]:
        """Return the last 500 closes (fewer while warming up), oldest first, as a copy."""
        return np.fromiter(self._closes, np.float64, len(self._closes))

    def update(self, candle: Candle) -> Indicators | None:
        """Take one closed candle; return its indicators, or None before the 250th candle.

        A candle that is left out gives the indicators of the one before, with a note.
        """
        time, open_, high, low, close, volume = candle
        previous = self._close
        notes: tuple[str, ...] = ()
        if not (
            time == self._due
            and low <= open_ <= high
            and low <= close <= high
            and previous < low * LEAP
            and high < previous * LEAP
            and 0.0 <= volume < HUGE
            and type(close) is float
        ):
            candle = Candle(int(time), *map(float, candle[1:]))  # no numpy scalar gets in
            time, open_, high, low, close, volume = candle
            fault = self._fault(candle)
            if fault:
                return self._leave_out(fault)
            notes = self._bridge(time)
            previous = self._close or close

        # What is followed from the first candle on.
        self.candles += 1
        self._due = time + self._candle_ms
        self._close = close
        self._closes.append(close)
        typical = (high + low + close) / 3.0
        vwap = self._vwap.push(time, typical, volume)
        obv_slope = self._balance.push(close - previous, volume)
        moments = self._returns.push(log(close / previous)) if self.candles > 1 else None
        gk, gk_median = self._volatility.push(open_, high, low, close)
        higher = self._higher.push(candle)
        if higher is not None:
            self._highest.push(higher)
        self._idle = self._idle + 1 if volume == 0.0 or typical == self._typical else 0
        self._typical = typical
        if high == low:
            self._still = self._still + 1 if high == previous and self._still else 1
            if self._still >= _STOCH_CANDLES:
                self._hidden_until = self.candles + _STOCH_ECHO
        else:
            self._still = 0

        streams = self._streams
        if streams is None:
            if len(self._history) < HISTORY:
                self._history.append(candle)
                return None
            streams = self._streams = Streams(self._history)
            self._history.clear()

        rsi = streams.rsi(close)
        macd, macd_signal, macd_hist = streams.macd(close)
        stoch_k, stoch_d = streams.stoch(high, low, close)
        ema9 = streams.ema9(close)
        ema20 = streams.ema20(close)
        ema50 = streams.ema50(close)
        ema200 = streams.ema200(close)
        upper, middle, lower = streams.bands(close)  # the middle is SMA 20
        atr = streams.atr(high, low, close)
        adx = streams.adx(high, low, close)
        plus_di = streams.plus_di(high, low, close)
        minus_di = streams.minus_di(high, low, close)
        cci = streams.cci(high, low, close)
        mfi = streams.mfi(high, low, close, volume)
        obv = streams.obv(close, volume)
        slope = streams.slope(close) / close
        width = (upper - lower) / middle
        mean_width = streams.width_mean(width)
        mean, sigma = moments or self._returns.so_far()
        mc_up, mc_low, mc_mid, mc_high, mc_error = self._shocks.evaluate(mean, sigma)

        # Neutral values where an indicator would divide nothing by nothing.
        if vwap > 0.0:
            vwap_distance = (close - vwap) / vwap
        else:
            vwap, vwap_distance = close, 0.0
        if self.candles <= self._hidden_until:
            stoch_k = stoch_d = 50.0
        if self._idle >= _MFI_CANDLES:
            mfi = 50.0
        if width > 4.0 * FLAT:
            z_score = 4.0 * (close - middle) / (upper - lower)
            bb_width_ratio = width / mean_width
        else:
            notes += ("the price has not moved for 20 candles: neutral values",)
            rsi = stoch_k = stoch_d = mfi = 50.0
            macd = macd_signal = macd_hist = 0.0
            adx = plus_di = minus_di = cci = slope = vwap_distance = z_score = 0.0
            mc_up, bb_width_ratio = 0.5, 1.0
            ema9, ema20, ema50, ema200 = (
                close if abs(ema - close) < _SAME * close else ema
                for ema in (ema9, ema20, ema50, ema200)
            )
        if moments is None:
            notes += ("warming up: Monte Carlo on fewer than 500 returns",)
        if high == low:
            notes += ("zero range",)
        if volume == 0.0:
            notes += ("zero volume",)

        # Built as the tuple it is: the generated __new__ would cost a fifth of the whole pass.
        self._last = result = tuple.__new__(
            Indicators,
            (
                time + self._candle_ms,
                self.candles,
                open_,
                high,
                low,
                close,
                volume,
                rsi,
                macd,
                macd_signal,
                macd_hist,
                stoch_k,
                stoch_d,
                ema9,
                ema20,
                ema50,
                ema200,
                middle,
                upper,
                middle,
                lower,
                atr,
                adx,
                plus_di,
                minus_di,
                cci,
                mfi,
                obv,
                obv_slope,
                vwap,
                vwap_distance,
                mc_up,
                mc_low,
                mc_mid,
                mc_high,
                mc_error,
                gk,
                gk_median,
                z_score,
                slope,
                bb_width_ratio,
                self._higher.trend,
                self._highest.trend,
                notes,
            ),
        )
        return result

    def _fault(self, candle: Candle) -> str:
        """Return why a candle cannot be taken, or an empty string."""
        time, open_, high, low, close, volume = candle
        if not (
            0.0 < low <= high < HUGE
            and 0.0 < open_ < HUGE
            and 0.0 < close < HUGE
            and 0.0 <= volume < HUGE
        ):
            return "candle left out: not finite, not positive or high below low"
        if not self.candles:
            return ""
        if time < self._due:
            return "candle left out: not later than the one before"
        leap = high >= self._close * LEAP or self._close >= low * LEAP
        if leap and self._missing(time) <= MAX_GAP:
            return "candle left out: the price moved a hundredfold"
        return ""

    def _bridge(self, time: int) -> tuple[str, ...]:
        """Cross a gap before the candle at ``time``: note a short one, begin again after a long."""
        missing = self._missing(time)
        if missing > MAX_GAP:
            self._begin()
        if missing <= 0:
            return ()
        return (f"{missing} candle{'s' * (missing > 1)} missing before this one",)

    def _missing(self, time: int) -> int:
        return (time - self._due) // self._candle_ms if self.candles else 0

    def _leave_out(self, fault: str) -> Indicators | None:
        last = self._last
        return last and last._replace(notes=(*last.notes, fault))
