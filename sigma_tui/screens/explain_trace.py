"""The decision trace as lines: the verdict on top, then gate by gate. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text

from engine.model.decision import Decision, Gate, Verdict
from engine.model.signal import Action
from sigma_tui.look import REGIME_NAMES, Look
from sigma_tui.screens.explain_lines import hanging, heading, indented, value_text, words, wrap

_ROLES = {Verdict.PASS: "gain", Verdict.REDUCE: "warn", Verdict.BLOCK: "bold loss"}
# What has a section of its own is not said twice; the time stands in the head.
_ELSEWHERE = frozenset({"scanner", "v1", "v2", "costs", "expectancy", "sizing", "execution"})
_NESTED = frozenset({"categories", "weights", "supporting", "conflicting", "neutral"})
_BRIEF_LINES = 2


def verdict_glyph(look: Look, verdict: Verdict) -> str:
    """Return the sign of a verdict; its word always stands beside it."""
    if look.glyphs.bar_parts:  # the Unicode set
        return {Verdict.PASS: "✓", Verdict.REDUCE: "▽", Verdict.BLOCK: "✗"}[verdict]
    return {Verdict.PASS: "+", Verdict.REDUCE: "v", Verdict.BLOCK: "x"}[verdict]


def stopped_at(decision: Decision, gates: Sequence[Gate]) -> str:
    """Return the name of the gate that ended the pass, "" when none did."""
    blocked = (gate.name for gate in gates if gate.verdict is Verdict.BLOCK)
    return decision.blocked_by or next(blocked, "")


def verdict_text(decision: Decision, gates: Sequence[Gate]) -> tuple[str, str]:
    """Return the final verdict as its word and one sentence."""
    base = decision.pair.base
    if decision.action is not Action.WAIT:
        side = decision.action.value.replace("_", " ")
        return side, f"{decision.quantity:f} {base} at market: {decision.reason}"
    where = stopped_at(decision, gates)
    at = f"stopped at {where}: " if where else ""
    wanted = decision.proposal.value.replace("_", " ")
    if decision.shadow:
        return "SHADOW", f"{wanted} is followed on paper only, {at}{decision.reason}"
    if decision.proposal is not Action.WAIT:
        return "WAIT", f"{wanted} was proposed, {at}{decision.reason}"
    return "WAIT", f"{at}{decision.reason}"


def header_lines(
    look: Look, decision: Decision, gates: Sequence[Gate], position: tuple[int, int], width: int
) -> list[Text]:
    """Return what stays on top: pair, time, place in the history, and the verdict.

    ``position`` = (place of this decision counted from 1, number of decisions).
    """
    place, total = position
    moment = datetime.fromtimestamp(decision.time / 1000, UTC)
    back = total - place
    where = f"decision {place} of {total}"
    where += ", newest" if back == 0 else f", {back} back"
    state = decision.regime
    line = look.say((decision.pair.base, "bold strong"))
    for text, role in (  # the most important first; what does not fit is left out whole
        (f"{moment:%d %b %H:%M} UTC", "text"),
        (where, "muted" if back == 0 else "bold accent"),
        (f"{REGIME_NAMES[state.regime]} {state.confidence:.2f}", "info"),
        (_keys(look), "faint"),
    ):
        room = width - line.cell_len
        if len(text) + 2 <= room:
            line.append(" " * (room - len(text)) if role == "faint" else "  ")
            line.append(text, look.style(role))
    word, sentence = verdict_text(decision, gates)
    role = _action_role(look, decision)
    head = look.say((f" {word} ", f"bold reverse {role}"), " ")
    return [line, *hanging(look, head, sentence, width, "strong")]


def _keys(look: Look) -> str:
    arrows = "←→" if look.glyphs.bar_parts else "left/right"
    return f"{arrows} step  [ ] pair  i inputs"


def _action_role(look: Look, decision: Decision) -> str:
    role = look.action(decision.action)
    return "accent" if decision.shadow else role


def trace_lines(
    look: Look, decision: Decision, gates: Sequence[Gate], width: int, every_input: bool
) -> list[Text]:
    """Return the gates in the order of the flow, then the names of those not reached.

    Each gate has its sign, verdict and sentence; its inputs follow on ``_BRIEF_LINES`` lines,
    or in full with ``every_input``.
    """
    from engine.trace import GATES

    passed = sum(gate.verdict is not Verdict.BLOCK for gate in gates)
    lines = heading(look, "TRACE", f"{passed} of {len(GATES)} gates passed", width)
    for gate in gates:
        lines += _gate_lines(look, gate, width, every_input)
    reached = {gate.name for gate in gates}
    missing = [name for name in GATES if name not in reached]
    if missing:
        text = "not reached: " + ", ".join(missing)
        lines += hanging(look, look.say((f"{look.glyphs.flat} ", "faint")), text, width, "faint")
    return lines


def _gate_lines(look: Look, gate: Gate, width: int, every_input: bool) -> list[Text]:
    role = _ROLES[gate.verdict]
    head = look.say(
        (f"{verdict_glyph(look, gate.verdict)} {gate.verdict.name:<7}", role),
        (f"{gate.name:<13}", "bold text"),
    )
    sentence_role = "text" if gate.verdict is Verdict.PASS else role.removeprefix("bold ")
    lines = hanging(look, head, gate.detail, width, sentence_role)
    indent = head.cell_len if width - head.cell_len >= 24 else 2
    inputs = "; ".join(
        f"{words(name)} {value_text(value)}"
        for name, value in gate.inputs.items()
        if name not in _NESTED and (every_input or name != "time")
    )
    if every_input:
        return lines + (indented(look, inputs, width, "muted", indent) if inputs else [])
    return lines + ([] if gate.name in _ELSEWHERE else _brief(look, inputs, width, indent))


def _brief(look: Look, inputs: str, width: int, indent: int) -> list[Text]:
    if not inputs:
        return []
    lines = wrap(inputs, width - indent)
    shown = lines[:_BRIEF_LINES]
    if len(lines) > len(shown):
        shown[-1] = shown[-1][: width - indent - 2].rstrip(" ;") + " " + look.glyphs.ellipsis
    return [look.say(" " * indent, (line, "muted")) for line in shown]
