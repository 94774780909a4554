"""Replaying the compliance log: make every recorded decision again and compare.

From the log alone. Of each line the recorded indicators, regime and context go through the very
code that trades: V1, V2, orchestrator, costs, sizing, portfolio, safety, breaker and the ranking
of a pass. What has to come out again: proposal, action, quantity, confidence, the gate that
blocked, and every gate's verdict. Not made again, because the log does not hold candles: the
indicators and the regime themselves, and the simulated chance to reach the target, which decides
nothing. What the account refused at the moment of the order is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from engine.context_record import Rules, digest_of, load_context, load_rules
from engine.decision import Context, PairInputs, decide
from engine.ledger.audit import DECISIONS, read_records
from engine.ledger.errors import record_error
from engine.model.account import AccountState, Edge
from engine.model.decision import BreakerGate, Decision, Verdict
from engine.model.market import Pair
from engine.model.signal import Action, Indicators, Regime, RegimeState
from engine.risk.correlation import CorrelationModel
from engine.signals.v1 import regime_weights
from engine.trace import gates
from engine.trader import rank

SHOWN = 20
_NO_RETURNS = np.zeros(500)

Record = dict[str, Any]


@dataclass(slots=True)
class ReplayReport:
    """How many decisions came out the same. ``different`` names the first that did not."""

    decisions: int = 0
    proposals: int = 0
    same: int = 0
    refused_at_order: int = 0
    without_inputs: int = 0
    unreadable: int = 0
    differing: int = 0
    different: list[dict[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Return whether every decision on record was made again, and came out the same."""
        return self.same + self.refused_at_order == self.decisions and not self.unreadable

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``sigma audit replay``."""
        return {**asdict(self), "ok": self.ok}


def replay(directory: Path, since: str = "") -> ReplayReport:
    """Make every decision recorded since an instant (ISO 8601 UTC) again. Writes nothing.

    Raises ``RecordError`` when a file cannot be read.
    """
    report = ReplayReport()
    try:
        rules = _rules_on_record(directory)
        records = _readable(read_records(directory, DECISIONS, since), report)
        for _, group in groupby(records, key=lambda r: (r.get("account"), r.get("time"))):
            _replay_pass(list(group), rules, report)
    except OSError as error:
        raise record_error(error, directory) from error
    return report


def _rules_on_record(directory: Path) -> dict[str, Rules]:
    """Return every set of rules the log holds in full, by digest; a forged one is left out."""
    found: dict[str, Rules] = {}
    for record in read_records(directory, DECISIONS, ""):
        context = record.get("context") if record else None
        name = record.get("rules") if record else None
        if not isinstance(context, dict) or not isinstance(name, str) or name in found:
            continue
        try:
            if digest_of(context["rules"]) == name:
                found[name] = load_rules(context["rules"])
        except (KeyError, TypeError, ValueError, ArithmeticError):
            continue  # its decisions will be counted as without inputs
    return found


def _readable(records: Iterable[Record | None], report: ReplayReport) -> Iterator[Record]:
    for record in records:
        if record is None:
            report.unreadable += 1
        else:
            yield record


def _replay_pass(records: list[Record], rules: dict[str, Rules], report: ReplayReport) -> None:
    """Make the decisions of one pass again, together: they are ranked against each other."""
    report.decisions += len(records)
    made: list[Decision] = []
    of: list[Record] = []
    context: Context | None = None
    for record in records:
        report.proposals += record.get("proposal") != Action.WAIT
        try:
            known = rules[record["rules"]]
            own = _context(record, known)
            made.append(decide(_inputs(record, known), own))
            of.append(record)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            report.without_inputs += 1
            continue
        if "context" in record:
            context = own
    if context is not None:
        made = rank(made, context.limits, len(context.shadow_pairs))
    for record, decision in zip(of, made, strict=True):
        _compare(record, decision, report)


def _compare(record: Record, decision: Decision, report: ReplayReport) -> None:
    differences = [
        f"{name}: recorded {recorded}, now {now}"
        for name, recorded, now in _compared(record, decision)
        if recorded != now
    ]
    if not differences:
        report.same += 1
    elif _refused_at_order(record, decision):
        report.refused_at_order += 1
    else:
        report.differing += 1
        if len(report.different) < SHOWN:
            report.different.append(
                {
                    "pair": str(record.get("pair")),
                    "time": str(record.get("candle_time", record.get("time"))),
                    "what": "; ".join(differences),
                }
            )


def _compared(record: Record, d: Decision) -> Iterator[tuple[str, Any, Any]]:
    yield "proposal", record.get("proposal"), str(d.proposal)
    yield "action", record.get("action"), str(d.action)
    yield "blocked by", record.get("blocked_by"), d.blocked_by
    yield "shadow", record.get("shadow"), d.shadow
    yield "confidence", record.get("confidence"), d.confidence
    yield "quantity", record["size"].get("quantity"), str(d.quantity) if d.sizing else "0"
    recorded = [(gate["name"], gate["verdict"]) for gate in record["gates"]]
    yield "gates", recorded, [(gate.name, str(gate.verdict)) for gate in gates(d)]


def _refused_at_order(record: Record, decision: Decision) -> bool:
    """Return whether the decision was an entry that the account of that moment refused."""
    return (
        record.get("blocked_by") == "safety"
        and decision.action is not Action.WAIT
        and record.get("proposal") == decision.proposal
        and record["size"].get("quantity") == str(decision.quantity)
    )


def _inputs(record: Record, rules: Rules) -> PairInputs:
    pair = Pair(record["pair"])
    state = record["regime"]
    return PairInputs(
        pair,
        _ms(record["candle_time"]),
        _indicators(record["indicators"]),
        RegimeState(Regime(state["name"]), state["confidence"], state["risk_multiplier"], 0),
        rules.instruments[pair],
        lambda: _NO_RETURNS,
    )


def _indicators(values: Record) -> Indicators | None:
    if not values:
        return None
    return Indicators(**{**values, "time": _ms(values["time"]), "notes": tuple(values["notes"])})


def _context(record: Record, rules: Rules) -> Context:
    """Return the recorded context; for a line that proposed nothing, one that plays no part."""
    recorded = record.get("context")
    if recorded is not None:
        return load_context(recorded, rules)
    nothing = CorrelationModel(())
    return Context(
        account=AccountState(0.0, 0.0, 0.0, 0.0, ()),
        edge=Edge(0, 0.0, None, 0.0, None, 1.0, False),
        breaker=BreakerGate(Verdict.BLOCK, "", "", 0.0, 0.0, "no context on record"),
        withheld_by="",
        withheld_reason="",
        strategy=rules.strategy,
        weights=regime_weights(rules.strategy),
        limits=rules.limits,
        correlation=lambda: nothing,
        instruments=rules.instruments,
        open_pairs=frozenset(),
        shadow_pairs=frozenset(),
        closed_to_entries="",
        breaker_lacks_edge=False,
    )


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)
