"""Slash commands: answers from the snapshot with no model at all, as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from engine.assistant import views
from engine.assistant.text import escape_markdown as text
from engine.assistant.text import one_line
from engine.model.decision import Verdict
from engine.model.market import Pair
from engine.model.snapshot import PositionView, Snapshot, WindowView
from engine.trace import GATES, gates, verdict_sentence

HELP: tuple[tuple[str, str], ...] = (
    ("/why PAIR", "the newest decision of a pair, gate by gate"),
    ("/positions", "open positions with their protection"),
    ("/risk", "exposure against every limit"),
    ("/breaker", "the circuit breaker, its readings and what would clear it"),
    ("/expectancy", "what the closed trades say"),
    ("/explain GATE", "what a gate asks, and what it said last"),
    ("/help", "this list"),
)
_GATES: dict[str, str] = {
    "scanner": "One position a pair, and only the strategy's pairs; looks at each newly closed "
    "candle, never at the forming one.",
    "indicators": "Sixteen indicators need their warm-up and clean data: doubtful data are never "
    "traded on.",
    "regime": "No entry in VOLATILE or UNKNOWN, nor in CHOP with confidence above 0.6. Elsewhere "
    "the regime scales the risk.",
    "v1": "Six weighted category scores make one score from -1 to 1; beyond the entry score it "
    "proposes a side.",
    "v2": "Named rules vote for or against that side; too few for or too many against make it "
    "invalid.",
    "orchestrator": "Joins V1 and V2: confirmation raises or lowers the confidence; a higher "
    "timeframe may veto.",
    "costs": "After fees, slippage and funding the net reward must be worth the net risk.",
    "expectancy": "No proven edge, no size: expectancy at or below zero withholds real money; the "
    "proposal is followed in shadow.",
    "sizing": "Kelly or exploration, times regime, volatility, degradation and breaker factors, "
    "rounded down to the instrument's step.",
    "portfolio": "Limits per asset, group and sector, heat and open positions: a size is reduced "
    "to what fits, or blocked.",
    "safety": "Five layers that trust nothing before them: symbol, leverage, size, balance and "
    "liquidation, daily loss.",
    "breaker": "The circuit breaker's level: THROTTLE asks for more confidence and halves the "
    "size, HALT takes no entry.",
    "execution": "The operator's word and the best of the pass; then market entry with stop and "
    "target at the exchange.",
}


def answer(line: str, snapshot: Snapshot | None) -> str:
    """Return the answer to a slash command, as Markdown; wrong commands are told the right one."""
    name, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if name.lower() in ("/help", "/?", "/"):
        return "\n".join(f"- `{command}` {words}" for command, words in HELP)
    known: dict[str, Callable[[Snapshot, str], str]] = {
        "/why": _why,
        "/positions": lambda s, _: _positions(s),
        "/risk": lambda s, _: _risk(s),
        "/breaker": lambda s, _: _breaker(s),
        "/expectancy": lambda s, _: _expectancy(s),
        "/explain": _explain,
    }
    command = known.get(name.lower())
    if command is None:
        return f"There is no command {text(name, 40)}; `/help` lists them."
    if snapshot is None:
        return "The engine has shown nothing yet; try again in a moment."
    return command(snapshot, rest)


def _why(snapshot: Snapshot, word: str) -> str:
    names = ", ".join(row.pair.base for row in snapshot.market)
    try:
        pair = Pair.parse(word)
    except ValueError:
        return f"Name a pair, as in `/why BTC`. There are: {names}."
    kept = views.decisions_of(snapshot, pair)
    if not kept:
        known = any(row.pair == pair for row in snapshot.market)
        why = "no candle has closed yet" if known else f"it is not traded here; there are: {names}"
        return f"No decision for {pair.base}: {why}."
    newest = kept[0]
    lines = [
        f"**{pair.base}** at {_clock(newest.time)} UTC: {text(verdict_sentence(newest), 300)}",
        "",
    ]
    for gate in gates(newest):
        lines.append(f"- {_MARK[gate.verdict]} **{gate.name}** {text(gate.detail, 300)}")
        if gate.name == "v2" and newest.v2 is not None:
            lines += [f"    - against: {text(v.sentence, 160)}" for v in newest.v2.conflicting]
    return "\n".join(lines)


def _positions(snapshot: Snapshot) -> str:
    held = (*snapshot.positions, *snapshot.shadow_positions)
    return "\n".join(_position(item) for item in held) if held else "No position is open."


def _position(item: PositionView) -> str:
    rests = "rests" if item.stop_resting else "DOES NOT REST"
    target = "rests" if item.target_resting else "does not rest"
    moved = ", trailing" if item.trailing else ", at breakeven" if item.breakeven else ""
    shadow = "SHADOW " if item.shadow else ""
    return (
        f"- {shadow}**{item.pair.base}** {item.side} {text(item.quantity, 30)} from "
        f"{item.entry:.6g}, now {item.mark:.6g}: {item.pnl:+,.2f} ({item.r_multiple:+.2f} R); stop "
        f"{item.stop:.6g} {rests}{moved}, target {item.target:.6g} {target}; "
        f"{item.regime_entry} at entry, {item.regime_now} now"
    )


def _risk(snapshot: Snapshot) -> str:
    view = snapshot.risk
    lines = [
        f"- {text(item.name, 60)}: {item.used:.1%} of {item.limit:.1%}" for item in view.limits
    ]
    lines += [
        f"- heat {view.heat:.2%}, {view.adjusted_heat:.2%} after correlation, of "
        f"{snapshot.max_heat:.2%}",
        f"- net exposure {view.net_exposure:+.0%}",
        f"- loss over 24 h {view.day_loss:.2%} of {view.max_day_loss:.2%}",
    ]
    return "\n".join(lines)


def _breaker(snapshot: Snapshot) -> str:
    view = snapshot.breaker
    pinned = ", pinned by the operator" if view.pinned else ""
    lines = [
        f"**{view.level}** since {_clock(view.since)} UTC{pinned}: "
        f"{text(view.cause or 'healthy', 300)}"
    ]
    if view.clears:
        lines.append(f"\nClears: {text(view.clears, 300)}")
    raised = [item for item in view.readings if item.level.rank > 0]
    lines.append("")
    lines += [
        f"- {text(item.trigger, 80)}: {item.value:.4g} {text(item.unit, 12)} ({item.level})"
        for item in raised
    ] or ["- every reading is healthy"]
    return "\n".join(lines)


def _expectancy(snapshot: Snapshot) -> str:
    view = snapshot.expectancy
    lines = [
        f"Sizing by **{text(view.method, 40)}**: {view.risk_fraction:.2%} of equity per trade"
        f"{', degrading' if view.degrading else ''}.",
        "",
    ]
    return "\n".join(lines + [_window(item) for item in (*view.windows, view.shadow)])


def _window(item: WindowView) -> str:
    if item.expectancy is None or item.win_rate is None:
        return f"- {text(item.name, 30)}: n={item.trades}, not defined yet"
    kelly = "unknown" if item.kelly is None else f"{item.kelly:.3f}"
    payoff = "unknown" if item.payoff is None else f"{item.payoff:.2f}"
    return (
        f"- {text(item.name, 30)}: n={item.trades}, {item.expectancy:+,.2f} per trade, win rate "
        f"{item.win_rate:.0%}, payoff {payoff}, Kelly {kelly}"
    )


def _explain(snapshot: Snapshot, word: str) -> str:
    name = one_line(word, 30).lower()
    if name not in _GATES:
        return f"Name a gate: {', '.join(GATES)}."
    lines = [f"**{name}**: {_GATES[name]}", ""]
    for row in snapshot.market:
        kept = views.decisions_of(snapshot, row.pair)
        said = next((g for g in gates(kept[0]) if g.name == name), None) if kept else None
        if said is not None:
            lines.append(f"- {row.pair.base} {_MARK[said.verdict]} {text(said.detail, 200)}")
    return "\n".join(lines if lines[2:] else [*lines, "No pair has come to this gate lately."])


_MARK = {Verdict.PASS: "pass", Verdict.REDUCE: "reduce", Verdict.BLOCK: "BLOCK"}


def _clock(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M}"
