"""Market regime: classification of one candle, and hysteresis over candles. Pure."""

from __future__ import annotations

from engine.model.signal import Indicators, Regime, RegimeState

TREND_ADX = 30.0
WEAK_TREND_ADX = 25.0
QUIET_ADX = 20.0
STRONG_TREND_ADX = 40.0
VIOLENT_VOLATILITY = 0.8
VIOLENT_RATIO = 3.0
HIGH_VOLATILITY = 0.5
HIGH_RATIO = 1.25  # "high volatility" below the violent threshold: this times its own median
HOLD_CANDLES = 2
WARM_CANDLES = 500  # fewer since a start or restart: nothing is known yet

_MULTIPLIER = {
    Regime.TREND_UP: 1.3,
    Regime.TREND_DOWN: 1.3,
    Regime.RANGE: 0.8,
    Regime.CHOP: 0.4,
    Regime.VOLATILE: 0.3,
    Regime.UNKNOWN: 0.0,
}

UNKNOWN = RegimeState(Regime.UNKNOWN, 0.0, 0.0, 0)


def classify(ind: Indicators) -> tuple[Regime, float]:
    """Classify one candle on its own: the regime and a confidence in [0, 1]."""
    ratio = ind.gk / ind.gk_median if ind.gk_median > 0.0 else 1.0
    gk, adx = ind.gk, ind.adx
    if gk > VIOLENT_VOLATILITY or ratio > VIOLENT_RATIO:
        excess = max(gk / VIOLENT_VOLATILITY, ratio / VIOLENT_RATIO)
        return Regime.VOLATILE, min(1.0, 0.6 + 0.4 * (excess - 1.0))

    if adx > TREND_ADX:
        beyond = adx - TREND_ADX
        ema9, ema20, ema50 = ind.ema9, ind.ema20, ind.ema50
        if ema9 > ema20 > ema50:
            return Regime.TREND_UP, min(1.0, 0.6 + beyond / 50.0)
        if ema9 < ema20 < ema50:
            return Regime.TREND_DOWN, min(1.0, 0.6 + beyond / 50.0)
        return Regime.CHOP, 0.5 + min(0.5, beyond / 100.0)
    if adx > WEAK_TREND_ADX:
        confidence = 0.4 + 0.2 * (adx - WEAK_TREND_ADX) / (TREND_ADX - WEAK_TREND_ADX)
        if ind.close > ind.ema50 and ind.ema20 > ind.ema50:
            return Regime.TREND_UP, confidence
        if ind.close < ind.ema50 and ind.ema20 < ind.ema50:
            return Regime.TREND_DOWN, confidence
        return Regime.CHOP, 0.4

    # Between 20 and 25 neither side is clear: the same two regimes, with little confidence.
    quiet, base = ((QUIET_ADX - adx) / QUIET_ADX, 0.5) if adx < QUIET_ADX else (0.0, 0.35)
    if ratio > HIGH_RATIO or gk > HIGH_VOLATILITY:
        return Regime.CHOP, min(1.0, base + 0.2 * quiet + 0.2 * max(0.0, ratio - HIGH_RATIO))
    return Regime.RANGE, base + 0.5 * quiet  # 1 at most


def risk_multiplier(regime: Regime, gk: float, adx: float) -> float:
    """Return the factor a regime puts on risk: 0 when unknown, else in [0.3, 1.5]."""
    factor = _MULTIPLIER[regime]
    if factor == 0.0:
        return 0.0
    if gk > HIGH_VOLATILITY:
        factor *= 0.7
    if adx > STRONG_TREND_ADX and regime.trending:
        factor *= 1.1
    return 0.3 if factor < 0.3 else 1.5 if factor > 1.5 else factor


def advance(state: RegimeState, ind: Indicators | None, time: int) -> RegimeState:
    """Move a pair's regime by one closed candle.

    A different regime is adopted only when it holds for ``HOLD_CANDLES`` closed candles; a
    warm-up restart makes it UNKNOWN at once. A candle that was left out (the indicators are
    those of an earlier one) says nothing: it neither changes nor confirms anything.
    """
    if ind is None or ind.candles < WARM_CANDLES:
        return state if state.regime is Regime.UNKNOWN else UNKNOWN._replace(since=time)
    if ind.time != time:
        return state
    seen, confidence = classify(ind)
    if seen is state.regime:
        multiplier = risk_multiplier(seen, ind.gk, ind.adx)
        # A tuple built as one costs a third of its generated constructor; most candles come here.
        return tuple.__new__(RegimeState, (seen, confidence, multiplier, state.since, None, 0))
    count = state.pending_count + 1 if seen is state.pending else 1
    if count >= HOLD_CANDLES:
        return RegimeState(seen, confidence, risk_multiplier(seen, ind.gk, ind.adx), time)
    held = risk_multiplier(state.regime, ind.gk, ind.adx)
    return RegimeState(state.regime, state.confidence, held, state.since, seen, count)


def regime_line(state: RegimeState) -> str:
    """Return the log line of a regime."""
    return (
        f"Regime: {state.regime} (conf={state.confidence:.2f}, "
        f"risk_mult={state.risk_multiplier:.2f})"
    )
