"""Every basic indicator equals TA-Lib's batch result, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import talib

from engine.model.market import Candle
from engine.model.signal import Indicators
from tests.indicators.conftest import FIRST, generated, streamed


def batch(candles: list[Candle]) -> dict[str, np.ndarray]:
    columns = np.array([candle[1:] for candle in candles]).T
    _, high, low, close, volume = (np.ascontiguousarray(column) for column in columns)
    macd, macd_signal, macd_hist = talib.MACD(close, 12, 26, 9)
    stoch_k, stoch_d = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2, 0)
    return {
        "rsi": talib.RSI(close, 14),
        "macd": macd,
        "macd_signal": macd_signal,
        "macd_hist": macd_hist,
        "stoch_k": stoch_k,
        "stoch_d": stoch_d,
        "ema9": talib.EMA(close, 9),
        "ema20": talib.EMA(close, 20),
        "ema50": talib.EMA(close, 50),
        "ema200": talib.EMA(close, 200),
        "sma20": talib.SMA(close, 20),
        "bb_upper": upper,
        "bb_middle": middle,
        "bb_lower": lower,
        "atr": talib.ATR(high, low, close, 14),
        "adx": talib.ADX(high, low, close, 14),
        "plus_di": talib.PLUS_DI(high, low, close, 14),
        "minus_di": talib.MINUS_DI(high, low, close, 14),
        "cci": talib.CCI(high, low, close, 20),
        "mfi": talib.MFI(high, low, close, volume, 14),
        "obv": talib.OBV(close, volume),
        "slope": talib.LINEARREG_SLOPE(close, 10) / close,
    }


def assert_equal(candles: list[Candle], results: list[Indicators]) -> None:
    assert len(results) == len(candles) - FIRST
    for name, expected in batch(candles).items():
        got = np.array([getattr(result, name) for result in results])
        assert np.array_equal(got, expected[FIRST:]), name


def test_generated_candles_equal_the_batch(
    candles: list[Candle], results: list[Indicators]
) -> None:
    assert_equal(candles, results)


@pytest.mark.parametrize("price", [3e-6, 0.08, 1.0, 250_000.0])
def test_cheap_and_dear_coins_equal_the_batch(price: float) -> None:
    candles = generated(600, seed=3, price=price)
    assert_equal(candles, streamed(candles))


def test_recorded_candles_equal_the_batch(
    bitcoin: list[Candle], bitcoin_results: list[Indicators]
) -> None:
    assert_equal(bitcoin, bitcoin_results)
