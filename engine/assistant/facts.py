"""Named facts: all that a model may ask for, answered from the snapshot. Read-only, bounded.

A model asks by JSON (``{"need": ["trace:BTC", "trades:20"]}``), never by calling code, so that
both client libraries behave alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.assistant import views
from engine.assistant.text import one_line
from engine.model.market import Pair
from engine.model.snapshot import Snapshot

MAX_ROUNDS = 3
MAX_NAMES = 6  # facts in one request
MAX_CHARS = 12_000  # of one fact

# What may be asked for, as the model is told.
CATALOGUE = (
    ("positions", "open positions"),
    ("trace:PAIR", "the newest decision of a pair with every gate, e.g. trace:BTC"),
    ("trace:PAIR:N", "the N-th newest decision of a pair (N up to 100)"),
    ("decisions:N", "the newest N decisions in one line each (N up to 100)"),
    ("trades:N", "the newest N closed trades (N up to 100)"),
    ("market", "price, signal and regime of every pair"),
    ("candles:PAIR:N", "the newest N candles of a pair (N up to 100)"),
    ("breaker", "the circuit breaker with every reading and threshold"),
    ("expectancy", "win rate, payoff, expectancy and Kelly by window"),
    ("risk", "exposure against every limit, heat, correlations"),
    ("monitor", "the strategy monitor's readings"),
    ("health", "latency of the exchange, tasks, tick lateness"),
    ("events:N", "the newest N events (N up to 100)"),
    ("strategy", "every parameter of the active strategy"),
)


class UnknownFact(Exception):
    """There is no such fact; the message says what is wrong with the name."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What goes back to the model, and in a few words what that was."""

    text: str
    names: tuple[str, ...]
    refused: tuple[str, ...]


def answer(
    names: Sequence[str],
    snapshot: Snapshot,
    redact: Callable[[str], str],
    strategy: dict[str, Any] | None = None,
) -> Answered:
    """Return the facts named, as JSON text; unknown names are refused by name, each.

    ``strategy`` holds the active strategy's parameters where they are known.
    """
    facts: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for given in names[:MAX_NAMES]:
        name = one_line(given, 40)
        try:
            facts[name] = _bounded(_fact(name, snapshot, strategy))
        except UnknownFact as error:
            refused[name] = str(error)
    if len(names) > MAX_NAMES:
        refused["the rest"] = f"at most {MAX_NAMES} facts at a time"
    body: dict[str, Any] = {"facts": facts}
    if refused:
        body["refused"] = refused
    text = redact(json.dumps(body, separators=(",", ":"), ensure_ascii=False))
    return Answered(text, tuple(facts), tuple(refused))


def _fact(name: str, snapshot: Snapshot, strategy: dict[str, Any] | None) -> Any:
    head, *rest = name.split(":")
    plain: dict[str, Callable[[Snapshot], Any]] = {
        "positions": views.positions,
        "market": views.market,
        "breaker": views.breaker,
        "expectancy": views.expectancy,
        "risk": views.risk,
        "monitor": views.monitor,
        "health": views.health,
    }
    if head in plain and not rest:
        return plain[head](snapshot)
    counted: dict[str, Callable[[Snapshot, int], Any]] = {
        "trades": views.trades,
        "decisions": views.decisions,
        "events": views.events,
    }
    if head in counted and len(rest) == 1:
        return counted[head](snapshot, _count(rest[0]))
    if head == "strategy" and not rest:
        if strategy is None:
            raise UnknownFact("the strategy's parameters are not at hand")
        return strategy
    if head == "trace" and len(rest) in (1, 2):
        found = views.trace(snapshot, _pair(rest[0]), _count(rest[1]) if rest[1:] else 1)
        if found is None:
            raise UnknownFact("no such decision is kept")
        return found
    if head == "candles" and len(rest) == 2:
        return views.candles(snapshot, _pair(rest[0]), _count(rest[1]))
    raise UnknownFact("unknown name; ask for one of the catalogue")


def _pair(text: str) -> Pair:
    try:
        return Pair.parse(text)
    except ValueError:
        raise UnknownFact("not a pair") from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 100):
        raise UnknownFact("the number goes from 1 to 100")
    return int(text)


def _bounded(value: Any) -> Any:
    """Return a fact that fits: lists lose their end, anything else too large is cut as text."""
    if isinstance(value, list):
        while value and len(json.dumps(value, default=str)) > MAX_CHARS:
            value = value[: len(value) * 3 // 4]
        return value
    text = json.dumps(value, default=str)
    return value if len(text) <= MAX_CHARS else one_line(text, MAX_CHARS)
