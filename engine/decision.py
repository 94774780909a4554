"""One pass for one pair: the decision flow of section 1 of the specification, top to bottom.

A pure function of (candles, account, closed trades, breaker state, strategy, time). Each stage
leaves its numbers in the decision; ``engine.trace`` turns them into the gates a person reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.indicators.monte_carlo import target_first
from engine.model.account import AccountState, Edge
from engine.model.decision import (
    BreakerGate,
    Decision,
    Plan,
    PortfolioCheck,
    SafetyCheck,
    Signal,
    Sizing,
    SizingMethod,
    V1Result,
    V2Result,
    Verdict,
)
from engine.model.market import Instrument, Pair
from engine.model.signal import Action, Indicators, Regime, RegimeState
from engine.risk.costs import plan_trade
from engine.risk.limits import RiskLimits
from engine.risk.portfolio import CorrelationModel, check_portfolio
from engine.risk.safety import check_safety
from engine.risk.sizing import size_position
from engine.signals import orchestrator, v1, v2
from engine.strategy import Strategy

CHOP_BLOCK_CONFIDENCE = 0.6
TARGET_HORIZON = 48  # candles over which "target before stop" is simulated
TARGET_PATHS = 1_000  # of them: a standard error of 1.6 % at most
_NOTHING = Decimal(0)


class PairInputs(NamedTuple):
    """What the market says of one pair: indicators and regime after its closed candle."""

    pair: Pair
    time: int
    indicators: Indicators | None
    regime: RegimeState
    instrument: Instrument
    returns: Callable[[], NDArray[np.float64]]


class Context(NamedTuple):
    """Everything else a decision depends on, the same for all pairs of one pass.

    ``withheld_by`` names the gate that withholds real money for want of an edge (then
    proposals are followed as shadow trades), with its sentence in ``withheld_reason``;
    ``disputed`` are pairs in which book and exchange differ;
    ``closed_to_entries`` says why operator or engine take no entries ("" = open);
    ``breaker_lacks_edge`` says that the breaker's level, if raised, is so for want of an edge
    alone: only then do shadow trades pass it.
    """

    account: AccountState
    edge: Edge
    breaker: BreakerGate
    withheld_by: str
    withheld_reason: str
    strategy: Strategy
    weights: Mapping[Regime, tuple[float, ...]]
    limits: RiskLimits
    correlation: Callable[[], CorrelationModel]
    instruments: Mapping[Pair, Instrument]
    open_pairs: frozenset[Pair]
    shadow_pairs: frozenset[Pair]
    closed_to_entries: str
    breaker_lacks_edge: bool
    disputed: frozenset[Pair] = frozenset()


def decide(inputs: PairInputs, context: Context) -> Decision:
    """Decide one pair: its signal first, then every gate an entry must pass."""
    ind = inputs.indicators
    strategy, limits = context.strategy, context.limits
    if ind is None or ind.candles < limits.warmup_candles:
        seen = ind.candles if ind else 0
        reason = f"warming up: {seen} of {limits.warmup_candles} candles"
        return _waiting(inputs, None, None, orchestrator.WAITING, reason)

    regime = inputs.regime.regime
    scored = v1.score(ind, context.weights[regime], strategy)
    side = scored.action.side
    if side is None:
        return _waiting(inputs, scored, None, orchestrator.wait(scored), "")
    judged = v2.evaluate(ind, regime, side, strategy, scored.confidence)
    signal = orchestrator.combine(scored, judged, ind, limits.min_confidence)
    if signal.action is Action.WAIT:
        return _waiting(inputs, scored, judged, signal, signal.reason)
    return pass_gates(inputs, context, ind, scored, judged, signal)


def pass_gates(
    inputs: PairInputs,
    context: Context,
    ind: Indicators,
    scored: V1Result,
    judged: V2Result,
    signal: Signal,
) -> Decision:
    """Take a proposal, whoever made it, through every gate after the signal layers."""
    side = signal.action.side
    assert side is not None
    pair, instrument, limits = inputs.pair, inputs.instrument, context.limits
    plan: Plan | None = None
    sizing: Sizing | None = None
    portfolio: PortfolioCheck | None = None
    safety: SafetyCheck | None = None
    quantity = _NOTHING
    withheld_by, withheld_reason = context.withheld_by, context.withheld_reason
    shadow = bool(withheld_by)

    def end(blocked_by: str, reason: str, follow: bool = False) -> Decision:
        return Decision(
            pair=pair,
            time=inputs.time,
            indicators=ind,
            regime=inputs.regime,
            v1=scored,
            v2=judged,
            signal=signal,
            plan=plan,
            sizing=sizing,
            portfolio=portfolio,
            safety=safety,
            breaker=context.breaker,
            proposal=signal.action,
            action=Action.WAIT if blocked_by else signal.action,
            quantity=quantity,
            confidence=signal.confidence,
            blocked_by=blocked_by,
            reason=reason,
            shadow=follow,
        )

    # Scanner: one position a pair, and only the strategy's pairs.
    if context.strategy.pairs and pair not in context.strategy.pairs:
        return end("scanner", f"{pair.base} is not among the strategy's pairs")
    if pair in context.disputed:
        words = "book and exchange differ; adopt or close what the exchange shows"
        return end("scanner", f"{pair.base} is disputed: {words}")
    if pair in context.open_pairs:
        return end("scanner", f"a {pair.base} position is open already")
    if shadow and pair in context.shadow_pairs:
        return end("scanner", f"a {pair.base} shadow trade is followed already")

    # Indicators: doubtful data are never traded on.
    if ind.notes:
        return end("indicators", f"doubtful data: {'; '.join(ind.notes)}")

    # Regime: no entry in violence, nor in certain chop.
    state = inputs.regime
    if state.regime is Regime.UNKNOWN or state.regime is Regime.VOLATILE:
        return end("regime", f"no entries while {state.regime}")
    if state.regime is Regime.CHOP and state.confidence > CHOP_BLOCK_CONFIDENCE:
        return end("regime", f"no entries in CHOP with confidence {state.confidence:.2f}")

    # Costs: stop and target from volatility must leave a reward after fees.
    plan = plan_trade(
        side=side,
        close=ind.close,
        atr=ind.atr,
        regime=state.regime,
        strategy=context.strategy,
        limits=limits,
        instrument=instrument,
    )
    if not plan.worthwhile:
        return end(
            "costs",
            f"net reward is {plan.net_reward_risk:.2f} x net risk, below "
            f"{context.strategy.min_net_reward_risk:.2f}: costs take "
            f"{plan.cost_share_of_r:.0%} of R",
        )

    # Expectancy and sizing: real Kelly, or the exploration size of a shadow trade. An edge too
    # thin to buy a tradable size is followed in shadow as well, or nothing would ever be learnt.
    breaker = context.breaker
    halted = breaker.verdict is Verdict.BLOCK  # says so at its own gate, not by a size of zero

    def size(*, explore: bool) -> Sizing:
        assert plan is not None
        edge = context.edge
        return size_position(
            edge=edge._replace(degradation_factor=1.0) if explore else edge,
            equity=context.account.equity,
            entry=plan.entry,
            stop=plan.stop,
            instrument=instrument,
            regime_multiplier=state.risk_multiplier,
            gk=ind.gk,
            breaker_factor=1.0 if explore or halted else breaker.size_factor,
            limits=limits,
            force_exploration=explore,
        )

    sizing = size(explore=shadow)
    if sizing.quantity <= 0 and _thin(sizing, limits):
        withheld_by, withheld_reason = "expectancy", f"the edge is too thin: {sizing.reason}"
        shadow, sizing = True, size(explore=True)
        if pair in context.shadow_pairs:
            return end("scanner", f"a {pair.base} shadow trade is followed already")
    quantity = sizing.quantity
    if quantity <= 0:
        return end("sizing", sizing.reason)

    # Portfolio: a limit reduces to what still fits, or blocks. Shadow trades use no margin.
    if not shadow:
        portfolio = check_portfolio(
            pair=pair,
            side=side,
            quantity=quantity,
            entry=plan.entry,
            stop=plan.stop,
            account=context.account,
            correlation=context.correlation(),
            limits=limits,
            instruments=context.instruments,
            leverage=limits.leverage,
        )
        quantity = portfolio.quantity
        if portfolio.verdict is Verdict.BLOCK:
            return end("portfolio", portfolio.reason)

    # Safety: five layers that trust none of the above.
    safety = check_safety(
        pair=pair,
        side=side,
        quantity=quantity,
        entry=plan.entry,
        stop=plan.stop,
        leverage=limits.leverage,
        account=context.account,
        limits=limits,
        instrument=instrument,
    )
    if not safety.passed:
        return end("safety", safety.reason)

    # Circuit breaker: levels raised only for want of an edge let shadow trades through.
    excused = shadow and context.breaker_lacks_edge
    if halted and not excused:
        return end("breaker", breaker.reason)
    if not excused and signal.confidence < breaker.min_confidence:
        return end(
            "breaker",
            f"{breaker.level} asks for confidence {breaker.min_confidence:.2f}, "
            f"this has {signal.confidence:.2f}",
        )

    # Execution: the operator's word.
    if context.closed_to_entries:
        return end("execution", context.closed_to_entries)
    plan = simulate(plan, inputs)
    if shadow:
        return end(withheld_by, withheld_reason, follow=True)
    return end("", signal.reason)


def _thin(sizing: Sizing, limits: RiskLimits) -> bool:
    """Return whether Kelly, degradation included, risks less than exploration would."""
    fraction = sizing.base_fraction * sizing.degradation_factor
    return sizing.method is SizingMethod.EMPIRICAL_KELLY and fraction < limits.exploration_risk


def simulate(plan: Plan, inputs: PairInputs) -> Plan:
    """Add to a plan the probability that the target is reached before the stop.

    Full paths over ``TARGET_HORIZON`` candles, resampled from the pair's own last 500 log
    returns, by a counter-based generator seeded from pair and candle time.
    """
    result = target_first(
        inputs.returns(),
        stop_return=log(plan.stop / plan.entry),
        target_return=log(plan.target / plan.entry),
        horizon=TARGET_HORIZON,
        paths=TARGET_PATHS,
        seed_parts=(str(inputs.pair), inputs.time),
    )
    return plan._replace(target_first=result.p_target, target_first_error=result.standard_error)


def outrank(decision: Decision, winner: Pair, limit: int) -> Decision:
    """Turn an entry into a WAIT because another pair of the same pass ranked higher."""
    entries = "entry" if limit == 1 else "entries"
    return decision._replace(
        action=Action.WAIT,
        blocked_by="execution",
        reason=f"{winner.base} ranked higher; {limit} new {entries} per pass",
    )


def _waiting(
    inputs: PairInputs,
    scored: V1Result | None,
    judged: V2Result | None,
    signal: Signal,
    reason: str,
) -> Decision:
    """Return the decision of a pair without a proposal.

    Most decisions are such: their tuple is built as one, at a third of the constructor's price.
    """
    pair, time, indicators, regime, _, _ = inputs
    stages = (pair, time, indicators, regime, scored, judged, signal, None, None, None, None, None)
    verdict = (Action.WAIT, Action.WAIT, _NOTHING, signal.confidence, "", reason, False)
    return tuple.__new__(Decision, stages + verdict)
