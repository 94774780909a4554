"""The context: what a model is given of the engine's state before it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.assistant import views
from engine.model.snapshot import Snapshot

MAX_CHARS = 24_000
_TRADES = 20
_EVENTS = 15
_TRACES = 8  # newest decision of this many pairs, proposals first


@dataclass(frozen=True, slots=True)
class Context:
    """JSON text for the model, and one line for the operator saying what is in it."""

    text: str
    summary: str


def build_context(
    snapshot: Snapshot, redact: Callable[[str], str], limit: int = MAX_CHARS
) -> Context:
    """Return a compact picture of at most ``limit`` characters, without keys and account names.

    When it does not fit, the least telling parts go first: gate inputs, older events, older
    trades, traces of pairs that proposed nothing.
    """
    inputs, trades, events, traces = True, _TRADES, _EVENTS, _TRACES
    while True:
        body = _body(snapshot, inputs, trades, events, traces)
        text = redact(json.dumps(body, separators=(",", ":"), ensure_ascii=False))
        if len(text) <= limit or not (inputs or trades or events or traces):
            break
        if inputs:
            inputs = False
        elif events:
            events //= 2
        elif trades:
            trades //= 2
        else:
            traces //= 2
    return Context(text[:limit], _summary(body, len(text[:limit])))


def _body(
    snapshot: Snapshot, inputs: bool, trades: int, events: int, traces: int
) -> dict[str, Any]:
    newest = [
        found[0] for pair in snapshot.history if (found := views.decisions_of(snapshot, pair))
    ]
    newest.sort(key=lambda d: (d.v2 is None, -d.confidence, d.pair))
    return {
        "state": views.summary(snapshot),
        "positions": views.positions(snapshot),
        "market": views.market(snapshot),
        "breaker": views.breaker(snapshot),
        "expectancy": views.expectancy(snapshot),
        "decisions": [views.decision(item, inputs) for item in newest[:traces]],
        "trades": views.trades(snapshot, trades),
        "events": views.events(snapshot, events),
    }


def _summary(body: dict[str, Any], size: int) -> str:
    def count(key: str, one: str) -> str:
        number = len(body[key])
        return f"{number} {one}{'' if number == 1 else 's'}"

    parts = (
        count("positions", "position"),
        count("decisions", "trace"),
        "breaker",
        "expectancy",
        count("trades", "trade"),
        count("events", "event"),
    )
    return f"sent: {', '.join(parts)} ({size / 1000:.1f} kB)"
