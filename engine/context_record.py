"""What a decision was made from, as data: enough to make the same decision again.

The indicators and the regime are in the decision's own record; here is the rest of the pass:
account, edge, breaker, strategy, limits and trading rules. Every line names its *rules* (strategy,
limits, instruments) by a digest; a proposal's line carries them in full, with the account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

from engine.decision import Context
from engine.model.account import AccountState, Edge, Exposure
from engine.model.decision import BreakerGate, Decision, Verdict
from engine.model.market import Instrument, Pair
from engine.model.signal import Action, Side
from engine.risk.correlation import CorrelationModel
from engine.risk.limits import RiskLimits
from engine.signals.v1 import regime_weights
from engine.strategy import STRATEGY_SCHEMA, Strategy

_TEXT = ("pair", "sector")


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds over many passes: strategy, limits and the trading rules of every pair."""

    strategy: Strategy
    limits: RiskLimits
    instruments: Mapping[Pair, Instrument]


class ContextRecorder:
    """Renders contexts; the digest of rules that have not changed is computed once."""

    def __init__(self) -> None:
        self._known: tuple[tuple[object, ...], str, dict[str, Any]] | None = None

    def __call__(self, context: Context, decision: Decision) -> dict[str, Any]:
        """Return the keys a decision's line gets: ``rules`` and, for a proposal, ``context``."""
        digest, rules = self._rules(context)
        if decision.proposal is Action.WAIT:
            return {"rules": digest}
        return {"rules": digest, "context": {**_inputs(context, decision), "rules": rules}}

    def _rules(self, context: Context) -> tuple[str, dict[str, Any]]:
        parts = (context.strategy, context.limits, context.instruments)
        known = self._known
        if known is None or any(a is not b for a, b in zip(known[0], parts, strict=True)):
            data = dump_rules(Rules(*parts))
            known = self._known = (parts, digest_of(data), data)
        return known[1], known[2]


def digest_of(rules: Mapping[str, Any]) -> str:
    """Return the name of rules: 16 hexadecimal digits of a SHA-256 over their JSON text."""
    text = orjson.dumps(rules, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]


def dump_rules(rules: Rules) -> dict[str, Any]:
    """Return rules as JSON-able data."""
    return {
        "strategy": STRATEGY_SCHEMA.dump_python(rules.strategy, mode="json"),
        "limits": _plain(asdict(rules.limits)),
        "instruments": {
            str(pair): _plain(asdict(rule)) for pair, rule in rules.instruments.items()
        },
    }


def load_rules(data: Mapping[str, Any]) -> Rules:
    """Read what ``dump_rules`` gave. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
    limits = dict(data["limits"])
    limits["allowed_pairs"] = tuple(Pair(pair) for pair in limits["allowed_pairs"])
    return Rules(
        STRATEGY_SCHEMA.validate_python(data["strategy"]),
        RiskLimits(**limits),
        {Pair(pair): _instrument(rule) for pair, rule in data["instruments"].items()},
    )


def load_context(data: Mapping[str, Any], rules: Rules) -> Context:
    """Read a recorded context. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
    account = data["account"]
    exposures = tuple(
        Exposure(Pair(pair), Side(side), notional, risk)
        for pair, side, notional, risk in account["exposures"]
    )
    correlated = tuple(Pair(pair) for pair in data["correlation"]["pairs"])
    correlation = CorrelationModel.recorded(correlated, np.array(data["correlation"]["rows"]))
    equity, balance, available, day_loss = account["figures"]
    verdict, *breaker = data["breaker"]
    return Context(
        account=AccountState(equity, balance, available, day_loss, exposures),
        edge=Edge(*data["edge"]),
        breaker=BreakerGate(Verdict(verdict), *breaker),
        withheld_by=data["withheld"][0],
        withheld_reason=data["withheld"][1],
        strategy=rules.strategy,
        weights=regime_weights(rules.strategy),
        limits=rules.limits,
        correlation=lambda: correlation,
        instruments=rules.instruments,
        open_pairs=frozenset(map(Pair, data["open"])),
        shadow_pairs=frozenset(map(Pair, data["shadow"])),
        closed_to_entries=data["closed"],
        breaker_lacks_edge=data["lacks_edge"],
        disputed=frozenset(map(Pair, data.get("disputed", ()))),
    )


def _inputs(context: Context, decision: Decision) -> dict[str, Any]:
    account, gate = context.account, context.breaker
    pairs: list[Pair] = []
    rows: list[list[float]] = []
    if decision.portfolio is not None:  # only then were correlations asked for
        model = context.correlation()
        pairs = sorted({decision.pair, *(held.pair for held in account.exposures)})
        rows = [[model.between(a, b) for b in pairs] for a in pairs]
    return {
        "account": {
            "figures": [account.equity, account.balance, account.available, account.day_loss],
            "exposures": [
                [held.pair, str(held.side), held.notional, held.risk_at_stop]
                for held in account.exposures
            ],
        },
        "edge": list(context.edge),
        "breaker": [str(gate.verdict), *gate[1:]],
        "withheld": [context.withheld_by, context.withheld_reason],
        "open": sorted(context.open_pairs),
        "shadow": sorted(context.shadow_pairs),
        "closed": context.closed_to_entries,
        "lacks_edge": context.breaker_lacks_edge,
        **({"disputed": sorted(context.disputed)} if context.disputed else {}),
        "correlation": {"pairs": pairs, "rows": rows},
    }


def _instrument(data: Mapping[str, Any]) -> Instrument:
    values: dict[str, Any] = {
        name: Decimal(value) if isinstance(value, str) and name not in _TEXT else value
        for name, value in data.items()
    }
    return Instrument(**{**values, "pair": Pair(data["pair"])})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value)
        if isinstance(value, Decimal)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in values.items()
    }
