"""V1, the probabilistic signal: six category scores, weighted and tilted by regime. Pure.

Every score is in [-1, 1], positive = long, through tanh: no cliffs. One stated reading each:

- momentum: strength continues. RSI, Stochastic and CCI above their middle read as long.
- trend: direction continues. MACD histogram and EMA distances in ATR, scaled by ADX.
- mean reversion: distance is given back. Far below the 20-candle mean reads as long.
- volatility: a widening band confirms the side of the band the price is on.
- volume: money flow leads. MFI, distance to VWAP and OBV slope read with their sign.
- probability: P(up) over 12 candles from the window's own drift and volatility.
"""

from __future__ import annotations

from math import tanh

from engine.model.decision import V1Result
from engine.model.signal import Action, Indicators, Regime
from engine.strategy import Strategy

CATEGORIES = ("momentum", "trend", "mean_reversion", "volatility", "volume", "probability")

# How much a regime trusts each category, before the weights are made to sum to 1 again.
_TILT: dict[Regime, tuple[float, ...]] = {
    Regime.TREND_UP: (1.0, 1.1, 0.6, 1.0, 1.0, 1.0),
    Regime.TREND_DOWN: (1.0, 1.1, 0.6, 1.0, 1.0, 1.0),
    Regime.RANGE: (0.4, 0.4, 2.4, 0.4, 0.6, 1.0),
    Regime.CHOP: (0.5, 0.5, 2.0, 0.5, 0.7, 1.0),
    Regime.VOLATILE: (1.3, 1.3, 0.2, 1.2, 1.0, 1.0),
    Regime.UNKNOWN: (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
}


def regime_weights(strategy: Strategy) -> dict[Regime, tuple[float, ...]]:
    """Return the six weights of every regime; each tuple sums to 1."""
    base = strategy.weights.as_tuple()
    table: dict[Regime, tuple[float, ...]] = {}
    for regime, tilt in _TILT.items():
        tilted = tuple(w * t for w, t in zip(base, tilt, strict=True))
        total = sum(tilted)
        table[regime] = tuple(w / total for w in tilted)
    return table


def volatility_factor(gk: float, median: float) -> float:
    """Return 1 while volatility is at or below its median, down to 0.5 at three times it."""
    if gk <= median or median <= 0.0:
        return 1.0
    excess = gk / median - 1.0
    return 1.0 - 0.25 * (excess if excess < 2.0 else 2.0)


def score_categories(ind: Indicators) -> tuple[float, float, float, float, float, float]:
    """Return the six category scores in the order of ``CATEGORIES``."""
    atr, close, ema20 = ind.atr, ind.close, ind.ema20
    if atr <= 0.0:
        return (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    momentum = (
        tanh((ind.rsi - 50.0) / 50.0) + tanh((ind.stoch_k - 50.0) / 110.0) + tanh(ind.cci / 330.0)
    ) / 3.0
    direction = (
        tanh(1.1 * ind.macd_hist / atr)
        + tanh(0.36 * (ind.ema9 - ema20) / atr)
        + tanh(0.18 * (ema20 - ind.ema50) / atr)
    ) / 3.0
    strength = ind.adx / 40.0
    trend = direction * strength if strength < 1.0 else direction
    width = ind.bb_upper - ind.bb_lower
    position = 2.0 * (close - ind.bb_middle) / width if width > 0.0 else 0.0
    reversion = -(tanh(ind.z_score / 3.0) + tanh(0.5 * position)) / 2.0
    widening = ind.bb_width_ratio - 0.8
    volatility = tanh(0.55 * position) * tanh(widening) if widening > 0.0 else 0.0
    volume = (
        tanh((ind.mfi - 50.0) / 55.0)
        + tanh(ind.vwap_distance * close / (11.0 * atr))
        + tanh(ind.obv_slope)
    ) / 3.0
    probability = tanh(2.0 * (ind.mc_up - 0.5))
    return (momentum, trend, reversion, volatility, volume, probability)


def score(ind: Indicators, weights: tuple[float, ...], strategy: Strategy) -> V1Result:
    """Score one candle with the weights of its regime.

    ``score`` = weighted categories x volatility factor; beyond +/- the strategy's entry score
    it proposes an entry; confidence = min(1, |score| / full-confidence score).
    """
    categories = score_categories(ind)
    c0, c1, c2, c3, c4, c5 = categories
    w0, w1, w2, w3, w4, w5 = weights
    raw = w0 * c0 + w1 * c1 + w2 * c2 + w3 * c3 + w4 * c4 + w5 * c5
    factor = volatility_factor(ind.gk, ind.gk_median)
    value = raw * factor
    threshold = strategy.entry_score
    if value > threshold:
        action = Action.ENTER_LONG
    elif value < -threshold:
        action = Action.ENTER_SHORT
    else:
        action = Action.WAIT
    confidence = abs(value) / strategy.full_confidence_score
    if confidence > 1.0:
        confidence = 1.0
    # A tuple built as one costs a third of its generated constructor; this is every candle.
    return tuple.__new__(
        V1Result, (value, raw, factor, categories, weights, action, confidence, threshold)
    )
