"""The TA-Lib streams of one pair, opened together on the same history."""

from __future__ import annotations

import numpy as np

from engine.indicators.talib_light import stream, talib
from engine.model.market import Candle

HISTORY = 249  # candles the streams are opened on; EMA 200 needs 200
_SMA = 0  # TA-Lib's number for a simple moving average


class Streams:
    """The ``update`` methods of every handle, one closed candle in, Python floats out.

    Bound once: the pipeline calls each of them on every candle. Handles cannot be pickled; a
    restart opens them again from history.
    """

    __slots__ = (
        "adx",
        "atr",
        "bands",
        "cci",
        "ema9",
        "ema20",
        "ema50",
        "ema200",
        "macd",
        "mfi",
        "minus_di",
        "obv",
        "plus_di",
        "rsi",
        "slope",
        "stoch",
        "width_mean",
    )

    def __init__(self, history: list[Candle]) -> None:
        columns = np.array([candle[1:] for candle in history]).T
        _, high, low, close, volume = (np.ascontiguousarray(column) for column in columns)
        self.rsi = stream.RSI(close, timeperiod=14).update
        self.macd = stream.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9).update
        self.stoch = stream.STOCH(
            high,
            low,
            close,
            fastk_period=14,
            slowk_period=3,
            slowk_matype=_SMA,
            slowd_period=3,
            slowd_matype=_SMA,
        ).update
        self.ema9 = stream.EMA(close, timeperiod=9).update
        self.ema20 = stream.EMA(close, timeperiod=20).update
        self.ema50 = stream.EMA(close, timeperiod=50).update
        self.ema200 = stream.EMA(close, timeperiod=200).update
        self.bands = stream.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2, matype=_SMA).update
        self.atr = stream.ATR(high, low, close, timeperiod=14).update
        self.adx = stream.ADX(high, low, close, timeperiod=14).update
        self.plus_di = stream.PLUS_DI(high, low, close, timeperiod=14).update
        self.minus_di = stream.MINUS_DI(high, low, close, timeperiod=14).update
        self.cci = stream.CCI(high, low, close, timeperiod=20).update
        self.mfi = stream.MFI(high, low, close, volume, timeperiod=14).update
        self.obv = stream.OBV(close, volume).update
        self.slope = stream.LINEARREG_SLOPE(close, timeperiod=10).update

        upper, middle, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2)
        self.width_mean = stream.SMA((upper - lower) / middle, timeperiod=100).update
