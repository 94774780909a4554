"""Decision vocabulary: gates, stage results and the decision with its trace.

Stage results are plain numbers; the sentences of the trace are rendered from them on demand
(``engine.trace``), so that a decision nobody reads costs no text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from engine.model.market import Pair
from engine.model.signal import (
    Action,
    Indicators,
    RegimeState,
    RuleVote,
    Side,
    Strength,
)


class Verdict(StrEnum):
    """What a gate says."""

    PASS = "pass"
    REDUCE = "reduce"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Gate:
    """One step of the decision trace: what it saw, what it said and why."""

    name: str
    verdict: Verdict
    detail: str
    inputs: Mapping[str, Any]


class V1Result(NamedTuple):
    """The probabilistic signal: score in [-1, 1] (positive = long), before V2.

    ``categories`` and ``weights`` follow ``engine.signals.v1.CATEGORIES``; the weights are
    the ones in force after the regime's tilt and sum to 1. ``entry_score`` is what the score has
    to exceed on either side.
    """

    score: float
    raw_score: float
    volatility_factor: float
    categories: tuple[float, ...]
    weights: tuple[float, ...]
    action: Action
    confidence: float
    entry_score: float = 0.20


class V2Result(NamedTuple):
    """The rules' verdict on V1's side."""

    valid: bool
    confirmation: float
    strength: Strength
    supporting: tuple[RuleVote, ...]
    conflicting: tuple[RuleVote, ...]
    neutral: tuple[RuleVote, ...]
    reason: str


class Signal(NamedTuple):
    """What the orchestrator makes of V1 and V2. ``veto`` names a higher-timeframe veto."""

    action: Action
    confidence: float
    multiplier: float
    veto: str
    reason: str


class Plan(NamedTuple):
    """Where a proposed trade would enter, stop and take profit, and what it would cost.

    Prices in quote currency; ``cost_fraction`` = fees both ways + slippage + funding as a
    fraction of notional; ``net_reward_risk`` after those costs; ``cost_share_of_r`` = costs as a
    fraction of the gross risk; ``target_first`` = probability (with ``target_first_error``, its
    standard error) that the target is reached before the stop.
    """

    side: Side
    entry: float
    stop: float
    target: float
    reward_risk: float
    cost_fraction: float
    cost_share_of_r: float
    net_reward_risk: float
    target_first: float
    target_first_error: float
    worthwhile: bool


class SizingMethod(StrEnum):
    """Which rule set the risk fraction."""

    EXPLORATION = "exploration"
    EMPIRICAL_KELLY = "empirical_kelly"
    NO_EDGE = "no_edge"
    SHADOW_REENTRY = "shadow_reentry"


class Sizing(NamedTuple):
    """The arithmetic of the position size, factor by factor.

    ``base_fraction`` and ``risk_fraction`` are fractions of equity at risk before and after
    the factors; ``quantity`` is rounded down to the instrument's step, zero with ``reason``
    when nothing tradable is left.
    """

    method: SizingMethod
    kelly: float | None
    trades: int
    base_fraction: float
    regime_multiplier: float
    volatility_penalty: float
    degradation_factor: float
    breaker_factor: float
    risk_fraction: float
    equity: float
    money_at_risk: float
    stop_distance: float
    quantity: Decimal
    reason: str


class LimitCheck(NamedTuple):
    """One portfolio limit: how much is used, how much a trade would use, what is allowed."""

    name: str
    used: float
    after: float
    limit: float


class PortfolioCheck(NamedTuple):
    """What the portfolio limits leave of a size."""

    verdict: Verdict
    quantity: Decimal
    checks: tuple[LimitCheck, ...]
    heat: float
    adjusted_heat: float
    reason: str


class SafetyCheck(NamedTuple):
    """The five layers: the first that failed (0 = none) and a sentence for each one checked."""

    passed: bool
    failed_layer: int
    sentences: tuple[str, ...]
    reason: str


class BreakerGate(NamedTuple):
    """What the circuit breaker and the operator allow."""

    verdict: Verdict
    level: str
    cause: str
    min_confidence: float
    size_factor: float
    reason: str


class _Decision(NamedTuple):
    """The fields of a ``Decision``."""

    pair: Pair
    time: int
    indicators: Indicators | None
    regime: RegimeState
    v1: V1Result | None
    v2: V2Result | None
    signal: Signal
    plan: Plan | None
    sizing: Sizing | None
    portfolio: PortfolioCheck | None
    safety: SafetyCheck | None
    breaker: BreakerGate | None
    proposal: Action
    action: Action
    quantity: Decimal
    confidence: float
    blocked_by: str
    reason: str
    shadow: bool = False


class Decision(_Decision):
    """One pass for one pair. Stages that were not reached are None.

    ``proposal`` is what the signal layers want, ``action`` what will be done. ``blocked_by``
    names the gate that stopped a proposal ("" when none did). ``shadow`` marks a proposal
    followed only on paper because size was withheld for want of an edge; then ``sizing`` holds
    the size of the shadow trade.
    """

    __slots__ = ()

    @property
    def reason(self) -> str:
        """Return why, in a sentence; that of most candles is written only when it is read."""
        said, v1 = super().reason, self.v1
        if said or v1 is None:
            return said
        return f"score {v1.score:+.2f} within +/-{v1.entry_score:.2f}"

    def __eq__(self, other: object) -> bool:
        """Compare what the fields say: a sentence not written yet equals the written one."""
        if not isinstance(other, Decision):
            return NotImplemented
        if self.reason != other.reason:
            return False
        return tuple.__eq__(self._replace(reason=""), other._replace(reason=""))

    __ne__ = object.__ne__  # the opposite of the above; a tuple would bring its own

    def __hash__(self) -> int:
        return hash((self.pair, self.time, self.action))
