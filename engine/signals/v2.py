"""V2, the rule-based validator: thirteen named rules judge V1's side. Pure.

Rules come in two families with one stated reading each. *Reverting* rules (RSI, Stochastic,
Bollinger, Z-score, MFI) read an extreme as exhaustion, except that an extreme in the direction
of a trend is strength and stays neutral. *Following* rules (MACD, EMA alignment, slope, VWAP,
OBV) read direction as continuing, except that inside a RANGE direction means nothing and they
stay neutral.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.model.decision import V2Result
from engine.model.signal import Indicators, Regime, RuleVote, Side, Strength, Vote
from engine.strategy import Strategy

STOCH_LOW, STOCH_HIGH = 20.0, 80.0
MFI_LOW, MFI_HIGH = 20.0, 80.0
ADX_STRONG, ADX_WEAK = 25.0, 15.0
MC_LONG, MC_SHORT = 0.65, 0.35
Z_EXTREME = 2.0
MACD_MIN_ATR = 0.03  # histogram smaller than this many ATR says nothing
SLOPE_MIN_ATR = 0.05  # regression slope per candle, in ATR
VWAP_MIN_ATR = 0.25
OBV_MIN = 0.10


class Rule(NamedTuple):
    """A rule's name, its weight, and what it saw in words with a place for the value."""

    name: str
    weight: float
    text: str


_RULES = (  # by weight
    Rule("higher_timeframe", 1.5, "higher timeframes {:+.0f} of 2"),
    Rule("adx", 1.3, "ADX {:.1f}"),
    Rule("ema_alignment", 1.2, "EMA 9/20/50 alignment {:+.0f}"),
    Rule("macd", 1.1, "MACD histogram {:+.3f} ATR"),
    Rule("rsi", 1.1, "RSI {:.1f}"),
    Rule("z_score", 1.0, "Z-score {:+.2f}"),
    Rule("bollinger", 1.0, "close at {:+.2f} Bollinger half-widths"),
    Rule("stochastic", 0.9, "Stochastic %K {:.1f}"),
    Rule("slope", 0.9, "regression slope {:+.3f} ATR per candle"),
    Rule("monte_carlo", 0.8, "Monte Carlo P(up) {:.2f}"),
    Rule("mfi", 0.8, "MFI {:.1f}"),
    Rule("obv", 0.7, "OBV slope {:+.2f}"),
    Rule("vwap", 0.7, "{:+.2f} ATR from VWAP"),
)
RULES = tuple(rule.name for rule in _RULES)


def votes(ind: Indicators, regime: Regime, strategy: Strategy) -> dict[str, tuple[Vote, float]]:
    """Return every rule's vote and the value it saw."""
    atr = ind.atr if ind.atr > 0.0 else float("inf")
    ranging = regime is Regime.RANGE
    trend = regime.trend_side
    result: dict[str, tuple[Vote, float]] = {}

    def reverting(rule: str, value: float, low: float, high: float) -> None:
        vote = Vote.LONG if value <= low else Vote.SHORT if value >= high else Vote.NEUTRAL
        if (trend is Side.LONG and vote is Vote.SHORT) or (
            trend is Side.SHORT and vote is Vote.LONG
        ):
            vote = Vote.NEUTRAL
        result[rule] = (vote, value)

    def following(rule: str, value: float, threshold: float) -> None:
        vote = Vote.LONG if value >= threshold else Vote.SHORT if value <= -threshold else None
        result[rule] = (vote if vote and not ranging else Vote.NEUTRAL, value)

    band = (ind.bb_upper - ind.bb_lower) / 2.0
    reverting("rsi", ind.rsi, strategy.rsi_low, strategy.rsi_high)
    reverting("stochastic", ind.stoch_k, STOCH_LOW, STOCH_HIGH)
    reverting("bollinger", (ind.close - ind.bb_middle) / band if band > 0.0 else 0.0, -1.0, 1.0)
    reverting("z_score", ind.z_score, -Z_EXTREME, Z_EXTREME)
    reverting("mfi", ind.mfi, MFI_LOW, MFI_HIGH)

    rising = ind.ema9 > ind.ema20 > ind.ema50
    falling = ind.ema9 < ind.ema20 < ind.ema50
    following("macd", ind.macd_hist / atr, MACD_MIN_ATR)
    following("ema_alignment", 1.0 if rising else -1.0 if falling else 0.0, 1.0)
    following("slope", ind.slope * ind.close / atr, SLOPE_MIN_ATR)
    following("vwap", ind.vwap_distance * ind.close / atr, VWAP_MIN_ATR)
    following("obv", ind.obv_slope, OBV_MIN)

    if ind.adx > ADX_STRONG and ind.plus_di != ind.minus_di:
        result["adx"] = (Vote.LONG if ind.plus_di > ind.minus_di else Vote.SHORT, ind.adx)
    else:
        result["adx"] = (Vote.AVOID if ind.adx < ADX_WEAK else Vote.NEUTRAL, ind.adx)
    up = ind.mc_up
    vote = Vote.LONG if up >= MC_LONG else Vote.SHORT if up <= MC_SHORT else Vote.NEUTRAL
    result["monte_carlo"] = (vote, up)
    higher = ind.htf_15m + ind.htf_1h
    vote = Vote.LONG if higher > 0 else Vote.SHORT if higher < 0 else Vote.NEUTRAL
    result["higher_timeframe"] = (vote, float(higher))
    return result


def evaluate(
    ind: Indicators, regime: Regime, side: Side, strategy: Strategy, confidence: float
) -> V2Result:
    """Judge V1's side.

    Invalid below the minimum confidence, with too few supporting or too many conflicting rules
    (rules for the other side and rules that say avoid). ``confirmation`` = supporting /
    all thirteen rules, a fraction. Rules in each list are ordered by weight.
    """
    wanted = Vote.LONG if side is Side.LONG else Vote.SHORT
    supporting: list[RuleVote] = []
    conflicting: list[RuleVote] = []
    neutral: list[RuleVote] = []
    seen = votes(ind, regime, strategy)
    for rule, weight, text in _RULES:
        vote, value = seen[rule]
        entry = tuple.__new__(RuleVote, (rule, vote, value, weight, text))
        if vote is wanted:
            supporting.append(entry)
        elif vote is Vote.NEUTRAL:
            neutral.append(entry)
        else:
            conflicting.append(entry)
    confirmation = len(supporting) / (len(supporting) + len(conflicting) + len(neutral))
    reason = ""
    if confidence < strategy.v2_min_confidence:
        reason = f"V1 confidence {confidence:.2f} is below {strategy.v2_min_confidence:.2f}"
    elif len(supporting) < strategy.v2_min_supporting:
        reason = f"only {len(supporting)} of {strategy.v2_min_supporting} rules support it"
    elif len(conflicting) > strategy.v2_max_conflicting:
        against = ", ".join(entry.rule for entry in conflicting)
        reason = f"{len(conflicting)} rules conflict ({against})"
    if confirmation > 0.5 and not conflicting:
        strength = Strength.STRONG
    else:
        strength = Strength.NORMAL if confirmation > 0.3 else Strength.WEAK
    return V2Result(
        not reason,
        confirmation,
        strength,
        tuple(supporting),
        tuple(conflicting),
        tuple(neutral),
        reason,
    )
