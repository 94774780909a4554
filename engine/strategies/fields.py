"""What every strategy parameter means: words for the diff, the documentation and the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from engine.strategies.validation import allowed_range
from engine.strategy import STRATEGY_SCHEMA, Strategy


class Meaning(NamedTuple):
    """A parameter in words, and what more and less of it leads to."""

    words: str
    more: str = ""
    less: str = ""


_REGIMES = {"trend": "in trends", "range": "in RANGE", "chop": "in CHOP", "volatile": "in VOLATILE"}
_BY_REGIME: Mapping[str, Meaning] = {
    "stop_by_regime": Meaning(
        "stop distance multiplier", "wider stops, smaller positions", "tighter stops"
    ),
    "exits.trail": Meaning(
        "trailing distance as a fraction of price", "gives profit more room", "trails closer"
    ),
    "exits.limit_minutes": Meaning("time limit in minutes", "holds longer", "leaves earlier"),
}
_MEANINGS: Mapping[str, Meaning] = {
    "name": Meaning("what it is called"),
    "version": Meaning("counts up with every save; what the file says does not matter"),
    "schema_version": Meaning("version of this form"),
    "description": Meaning("what the strategy is for, in a sentence"),
    "pairs": Meaning("pairs it may enter; empty = every allowed pair"),
    "weights.momentum": Meaning("weight of momentum (RSI, Stochastic, CCI)"),
    "weights.trend": Meaning("weight of trend (MACD, EMA alignment, ADX)"),
    "weights.mean_reversion": Meaning("weight of mean reversion (Z-score, Bollinger position)"),
    "weights.volatility": Meaning("weight of volatility (Bollinger width)"),
    "weights.volume": Meaning("weight of volume (MFI, VWAP, OBV)"),
    "weights.probability": Meaning("weight of probability (Monte Carlo)"),
    "entry_score": Meaning(
        "score beyond which a side is proposed", "fewer proposals", "more proposals"
    ),
    "full_confidence_score": Meaning(
        "score at which confidence is 1", "less confidence for the same score", "more confidence"
    ),
    "v2_min_confidence": Meaning(
        "least confidence the rules accept", "fewer entries", "more entries"
    ),
    "v2_min_supporting": Meaning("rules that must support", "fewer entries", "more entries"),
    "v2_max_conflicting": Meaning("rules that may conflict", "more entries", "fewer entries"),
    "rsi_low": Meaning("RSI that counts as oversold", "oversold sooner", "oversold later"),
    "rsi_high": Meaning("RSI that counts as overbought", "overbought later", "overbought sooner"),
    "stop_atr": Meaning(
        "stop distance in ATR", "wider stops, smaller positions", "tighter stops, costlier in R"
    ),
    "target_r": Meaning("target in R", "rarer, larger wins", "more frequent, smaller wins"),
    "min_net_reward_risk": Meaning(
        "least net reward per net risk after costs", "fewer entries", "more entries"
    ),
    "exits.arm_r": Meaning("R at which breakeven and trail arm", "arms later", "arms earlier"),
    "exits.trail_atr": Meaning(
        "widest trailing distance in ATR", "gives profit more room", "trails closer"
    ),
    "exits.keep_past_limit": Meaning(
        "profit (fraction) that outlives the time limit", "fewer kept", "more kept"
    ),
    "exits.keep_past_regime_change": Meaning(
        "profit (fraction) that outlives a regime change", "fewer kept", "more kept"
    ),
    "exits.partial_at_r": Meaning("R at which half is taken; 0 = never"),
}


def flat(strategy: Strategy) -> dict[str, Any]:
    """Return a strategy's parameters by path, e.g. ``exits.trail.chop``, in schema order."""
    return dict(_flat(STRATEGY_SCHEMA.dump_python(strategy, mode="json")))


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _flat(item, f"{above}{name}.")
        else:
            yield f"{above}{name}", item


def meaning(path: str) -> Meaning:
    """Return what a parameter means, by its path."""
    known = _MEANINGS.get(path)
    if known is not None:
        return known
    parent, _, regime = path.rpartition(".")
    if parent in _BY_REGIME:
        shared = _BY_REGIME[parent]
        return shared._replace(words=f"{shared.words} {_REGIMES[regime]}")
    return Meaning(path.replace("_", " "))


def documentation() -> list[tuple[str, str, str, str]]:
    """Return (path, default, allowed range, meaning) of every parameter."""
    return [
        (path, "all" if value == [] else f"{value}", allowed_range(path), meaning(path).words)
        for path, value in flat(Strategy()).items()
    ]
