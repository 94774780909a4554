"""A generated market for measuring: seeded, correlated, in spells of varying volatility."""

from __future__ import annotations

import numpy as np

from engine.market.series import CandleSeries, CandleSet, Floats
from engine.model.market import Pair

CANDLE_MS = 300_000
YEAR = 105_120
START_MS = 1_704_067_200_000
BASES = ("BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "LTC")


def pairs(count: int) -> list[Pair]:
    """Return as many pairs; beyond the usual eight they carry numbers."""
    return [Pair.parse(BASES[n] if n < len(BASES) else f"P{n}") for n in range(count)]


def generated(count: int, candles: int = YEAR, seed: int = 11) -> CandleSet:
    """Return 5m candles of some pairs; the same on every machine of one numpy."""
    rng = np.random.default_rng(seed)
    time = START_MS + np.arange(candles) * CANDLE_MS
    market = _shocks(rng, candles, 8e-4)
    series = {}
    for pair in pairs(count):
        path = np.cumsum(market + _shocks(rng, candles, 6e-4))
        close = 100.0 * np.exp(path - np.linspace(0.0, path[-1], candles))  # ends where it began
        open_ = np.concatenate(([100.0], close[:-1]))
        wick = 1.0 + np.abs(rng.normal(0.0, 6e-4, (2, candles)))
        high = np.maximum(open_, close) * wick[0]
        low = np.minimum(open_, close) / wick[1]
        volume = rng.gamma(2.0, 5_000.0, candles)
        series[pair] = CandleSeries(pair, CANDLE_MS, time, open_, high, low, close, volume)
    return CandleSet("5m", CANDLE_MS, series, {})


def _shocks(rng: np.random.Generator, count: int, sigma: float) -> Floats:
    """Return fat-tailed returns whose volatility changes by the day and with the hour."""
    days = np.repeat(rng.normal(0.0, 0.5, count // 288 + 1), 288)[:count]
    hours = 1.0 + 0.3 * np.sin(np.arange(count) / 288 * 2 * np.pi)
    return np.asarray(rng.standard_t(5, count) * sigma * np.exp(days) * hours)
