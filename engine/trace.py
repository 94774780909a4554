"""The decision trace: gates with sentences, rendered from a decision's numbers on demand. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from engine.model.decision import Decision, Gate, Verdict
from engine.model.signal import Action, Regime, RuleVote
from engine.regime import regime_line
from engine.signals.v1 import CATEGORIES

GATES = (
    "scanner",
    "indicators",
    "regime",
    "v1",
    "v2",
    "orchestrator",
    "costs",
    "expectancy",
    "sizing",
    "portfolio",
    "safety",
    "breaker",
    "execution",
)


def iso(time: int) -> str:
    """Return ms since the epoch as ISO 8601 UTC with milliseconds."""
    moment = datetime.fromtimestamp(time // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time % 1000:03d}Z"


def gates(decision: Decision) -> tuple[Gate, ...]:
    """Return the gates in the order of the flow, as far as the pass has come.

    A proposal that the scanner, the data or the regime refuse still shows the signal behind it.
    """
    return tuple(_gates(decision))


def _gates(d: Decision) -> Iterator[Gate]:
    yield _gate(d, "scanner", f"{d.pair} closed a candle at {iso(d.time)}", {"time": iso(d.time)})
    ind = d.indicators
    if ind is None or d.v1 is None:
        seen = ind.candles if ind else 0
        yield Gate("indicators", Verdict.BLOCK, d.reason, {"candles": seen})
        return
    quality = "; ".join(ind.notes) or "clean data"
    yield _gate(d, "indicators", f"{ind.candles} candles, {quality}", _indicators(d))
    yield _regime_gate(d)

    v1 = d.v1
    yield Gate(
        "v1",
        Verdict.BLOCK if v1.action is Action.WAIT else Verdict.PASS,
        f"{v1.action}: score {v1.score:+.3f}, confidence {v1.confidence:.2f}",
        {
            "score": v1.score,
            "raw_score": v1.raw_score,
            "volatility_factor": v1.volatility_factor,
            "confidence": v1.confidence,
            "categories": dict(zip(CATEGORIES, v1.categories, strict=True)),
            "weights": dict(zip(CATEGORIES, v1.weights, strict=True)),
        },
    )
    if d.v2 is None:
        return
    yield Gate(
        "v2",
        Verdict.PASS if d.v2.valid else Verdict.BLOCK if not _proposed(d) else Verdict.REDUCE,
        _v2_sentence(d),
        {
            "valid": d.v2.valid,
            "confirmation": d.v2.confirmation,
            "strength": str(d.v2.strength),
            "supporting": [_rule(vote) for vote in d.v2.supporting],
            "conflicting": [_rule(vote) for vote in d.v2.conflicting],
            "neutral": [_rule(vote) for vote in d.v2.neutral],
        },
    )
    reduced = d.signal.multiplier < 1.0
    yield Gate(
        "orchestrator",
        Verdict.BLOCK if not _proposed(d) else Verdict.REDUCE if reduced else Verdict.PASS,
        f"{d.signal.action}: confidence {d.signal.confidence:.2f} "
        f"(V1 x {d.signal.multiplier:.1f}); {d.signal.reason}",
        {
            "confidence": d.signal.confidence,
            "multiplier": d.signal.multiplier,
            "veto": d.signal.veto,
            "htf_15m": ind.htf_15m,
            "htf_1h": ind.htf_1h,
        },
    )
    if _proposed(d):
        yield from _entry_gates(d)


def _entry_gates(d: Decision) -> Iterator[Gate]:
    plan = d.plan
    if plan is not None:
        yield _gate(
            d,
            "costs",
            f"stop {plan.stop:.6g}, target {plan.target:.6g} ({plan.reward_risk:.1f} R); costs "
            f"take {plan.cost_share_of_r:.0%} of R, net reward/risk {plan.net_reward_risk:.2f}"
            + _simulated(plan.target_first, plan.target_first_error),
            plan._asdict() | {"side": str(plan.side)},
        )
    size = d.sizing
    if size is not None:
        kelly = "unknown" if size.kelly is None else f"{size.kelly:.3f}"
        yield _gate(
            d,
            "expectancy",
            f"{size.trades} closed trades, Kelly {kelly}: {size.method}",
            {"trades": size.trades, "kelly": size.kelly, "method": str(size.method)},
        )
        yield _gate(
            d,
            "sizing",
            f"Position size: {size.quantity} | Method: {size.method} | "
            f"Regime mult: {size.regime_multiplier:.2f} | Vol penalty: "
            f"{size.volatility_penalty:.2f}",
            size._asdict() | {"method": str(size.method), "quantity": str(size.quantity)},
        )
    if d.portfolio is not None:
        check = d.portfolio
        yield Gate(
            "portfolio",
            check.verdict,
            check.reason or f"fits; heat {check.adjusted_heat:.2%} after correlation",
            {
                "quantity": str(check.quantity),
                "heat": check.heat,
                "adjusted_heat": check.adjusted_heat,
                "limits": [limit._asdict() for limit in check.checks],
            },
        )
    if d.safety is not None:
        # The order itself may still be refused after the check of the decision has passed.
        yield _gate(
            d,
            "safety",
            "all five layers passed",
            {"failed_layer": d.safety.failed_layer, "layers": list(d.safety.sentences)},
        )
    if d.safety is None or d.blocked_by == "safety":
        return
    breaker = d.breaker
    if breaker is not None:
        yield _gate(
            d,
            "breaker",
            breaker.reason or f"{breaker.level}: entries allowed",
            {
                "level": breaker.level,
                "cause": breaker.cause,
                "min_confidence": breaker.min_confidence,
                "size_factor": breaker.size_factor,
            },
            breaker.verdict,
        )
    if d.blocked_by in ("", "execution") or d.shadow:
        what = "shadow trade" if d.shadow else d.action
        yield _gate(
            d,
            "execution",
            f"{what} of {d.quantity} {d.pair.base} at market, stop and target at the exchange",
            {"quantity": str(d.quantity), "action": str(d.action), "shadow": d.shadow},
        )


def _gate(
    d: Decision,
    name: str,
    sentence: str,
    inputs: dict[str, Any],
    otherwise: Verdict = Verdict.PASS,
) -> Gate:
    if d.blocked_by == name:
        return Gate(name, Verdict.BLOCK, d.reason, inputs)
    return Gate(name, otherwise, sentence, inputs)


def _regime_gate(d: Decision) -> Gate:
    state = d.regime
    lowered = state.risk_multiplier < 1.0
    held = state.pending and f"; {state.pending} seen on {state.pending_count} candle"
    return _gate(
        d,
        "regime",
        regime_line(state) + (held or ""),
        {
            "regime": str(state.regime),
            "confidence": state.confidence,
            "risk_multiplier": state.risk_multiplier,
            "since": iso(state.since),
        },
        Verdict.REDUCE if lowered or state.regime is Regime.VOLATILE else Verdict.PASS,
    )


def _proposed(d: Decision) -> bool:
    return d.proposal is not Action.WAIT


def _simulated(probability: float, error: float) -> str:
    if error <= 0.0:
        return ""
    return f"; target first in {probability:.0%} of simulated paths (+/- {1.96 * error:.0%})"


def _v2_sentence(d: Decision) -> str:
    v2 = d.v2
    assert v2 is not None
    counts = (
        f"{v2.strength}, confirmation {v2.confirmation:.0%}: {len(v2.supporting)} for, "
        f"{len(v2.conflicting)} against, {len(v2.neutral)} neutral"
    )
    if v2.reason:
        return f"invalid: {v2.reason}; {counts}"
    names = ", ".join(vote.rule for vote in v2.supporting)
    return f"{counts}; {names}"


def _rule(vote: RuleVote) -> dict[str, Any]:
    return {
        "rule": vote.rule,
        "vote": vote.vote.value,
        "value": vote.value,
        "sentence": vote.sentence,
    }


def _indicators(d: Decision) -> dict[str, Any]:
    assert d.indicators is not None
    values = d.indicators._asdict()
    values["time"] = iso(d.indicators.time)
    values["notes"] = list(d.indicators.notes)
    return values


def verdict_sentence(d: Decision) -> str:
    """Return the decision in one line, as tables and lists show it."""
    if d.action is not Action.WAIT:
        return f"{d.action}: {d.reason}"
    if d.shadow:
        return f"SHADOW {d.proposal}: {d.reason}"
    return f"WAIT: {d.reason}"


def decision_record(d: Decision) -> dict[str, Any]:
    """Return a decision with its whole trace as JSON-able data (``explain --json``)."""
    v1, v2 = d.v1, d.v2
    size = d.sizing
    return {
        "pair": d.pair,
        "time": iso(d.time),
        "action": str(d.action),
        "proposal": str(d.proposal),
        "confidence": d.confidence,
        "blocked_by": d.blocked_by,
        "reason": d.reason,
        "shadow": d.shadow,
        "regime": {
            "name": str(d.regime.regime),
            "confidence": d.regime.confidence,
            "risk_multiplier": d.regime.risk_multiplier,
        },
        "indicators": _indicators(d) if d.indicators else {},
        "v1": {
            "score": v1.score if v1 else 0.0,
            "categories": dict(zip(CATEGORIES, v1.categories, strict=True)) if v1 else {},
        },
        "v2": {
            "valid": bool(v2 and v2.valid),
            "confirmation": v2.confirmation if v2 else 0.0,
            "supporting": [_rule(vote) for vote in v2.supporting] if v2 else [],
            "conflicting": [_rule(vote) for vote in v2.conflicting] if v2 else [],
        },
        "size": (
            size._asdict() | {"method": str(size.method), "quantity": str(d.quantity)}
            if size
            else {"quantity": "0", "reason": d.reason}
        ),
        "gates": [
            {
                "name": gate.name,
                "verdict": str(gate.verdict),
                "detail": gate.detail,
                "inputs": dict(gate.inputs),
            }
            for gate in gates(d)
        ],
    }
