"""The explain screen's lines: everything a decision holds, at any width."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rich.text import Text

from engine.model.decision import Decision, SizingMethod
from engine.risk.limits import RiskLimits
from engine.trace import GATES, gates
from sigma_tui.glyphs import ASCII, UNICODE
from sigma_tui.look import Look
from sigma_tui.screens.explain_lines import columns, number, value_text, wrap
from sigma_tui.screens.explain_signal import v1_lines, v2_lines
from sigma_tui.screens.explain_size import plan_lines, sizing_lines
from sigma_tui.screens.explain_trace import header_lines, trace_lines, verdict_text
from tests.cockpit_views.sample import blocked, changed, entry, gates_of, waiting

LOOK = Look()
WIDTHS = [40, 50, 62, 76, 96]


def plain(lines: list[Text]) -> str:
    return "\n".join(line.plain for line in lines)


def everything(decision: Decision, width: int, look: Look = LOOK) -> list[Text]:
    passed = gates(decision)
    return [
        *header_lines(look, decision, passed, (7, 9), width),
        *trace_lines(look, decision, passed, width, True),
        *trace_lines(look, decision, passed, width, False),
        *v1_lines(look, decision.v1, width),
        *v2_lines(look, decision.v2, width, True),
        *plan_lines(look, decision.plan, width),
        *sizing_lines(look, decision, RiskLimits(), width),
    ]


@pytest.mark.parametrize("made", [entry, waiting, blocked])
@pytest.mark.parametrize("width", [50, 62, 76, 96])
def test_nothing_is_wider_than_its_column(made: object, width: int) -> None:
    for line in everything(made(), width):  # type: ignore[operator]
        assert line.cell_len <= width, line.plain


@pytest.mark.parametrize("made", [entry, waiting, blocked])
def test_ascii_is_ascii(made: object) -> None:
    text = plain(everything(made(), 76, Look(glyphs=ASCII)))  # type: ignore[operator]
    assert text.isascii()


@pytest.mark.parametrize("width", WIDTHS)
def test_every_gate_has_verdict_name_and_sentence(width: int) -> None:
    decision = entry()
    text = plain(trace_lines(LOOK, decision, gates_of(decision), width, False))
    for gate in gates_of(decision):
        line = next(line for line in text.splitlines() if f" {gate.name} " in f"{line} ")
        assert gate.verdict.name in line
    assert "not reached" not in text
    joined = " ".join(text.split())
    assert "Kelly 0.520" in joined
    assert "12 of 13" not in joined


def test_the_gates_after_a_block_are_named_as_not_reached() -> None:
    decision = blocked()
    text = plain(trace_lines(LOOK, decision, gates(decision), 76, False))
    assert "✗ BLOCK  costs" in text
    missing = text.splitlines()[-1]
    assert "not reached" in missing
    for name in GATES[GATES.index("costs") + 1 :]:
        assert name in " ".join(text.split())


def test_inputs_are_short_or_complete() -> None:
    decision = entry()
    brief = trace_lines(LOOK, decision, gates(decision), 62, False)
    full = plain(trace_lines(LOOK, decision, gates(decision), 62, True))
    assert len(brief) < full.count("\n")
    assert "…" in plain(brief)
    flat = " ".join(full.split())
    assert decision.indicators is not None
    for name in ("rsi 63.4", "gk median 0.38", "htf 1h 1", "size factor 1", "kelly 0.52"):
        assert name in flat


def test_the_verdict_is_one_sentence() -> None:
    decision = entry()
    word, sentence = verdict_text(decision, gates(decision))
    assert (word, sentence) == ("ENTER LONG", "80.0 BTC at market: confirmed by the rules")
    decision = blocked()
    word, sentence = verdict_text(decision, gates(decision))
    assert word == "WAIT"
    assert sentence.startswith("ENTER LONG was proposed, stopped at costs: net reward is 0.94")
    decision = waiting()
    word, sentence = verdict_text(decision, gates(decision))
    assert (word, sentence.startswith("stopped at v1: ")) == ("WAIT", True)
    shadow = changed(blocked(), shadow=True, blocked_by="expectancy")
    word, sentence = verdict_text(shadow, gates(shadow))
    assert word == "SHADOW"
    assert "on paper only" in sentence


def test_a_decision_while_warming_up() -> None:
    cold = changed(waiting(), indicators=None, v1=None, reason="warming up: 12 of 1500 candles")
    text = plain(everything(cold, 76))
    assert "stopped at indicators: warming up: 12 of 1500 candles" in text
    assert "not scored" in text
    assert "V1 proposes no entry" in text
    assert "no trade was planned" in text
    assert "nothing was sized" in text


def test_categories_are_signed_bars_that_add_up() -> None:
    decision = entry()
    assert decision.v1 is not None
    text = plain(v1_lines(LOOK, decision.v1, 60))
    momentum = next(line for line in text.splitlines() if line.startswith("momentum"))
    reversion = next(line for line in text.splitlines() if line.startswith("mean reversion"))
    middle = 15 + 9  # after the names, half of a wide bar
    assert (momentum[middle - 1], momentum[middle]) == (UNICODE.track, UNICODE.bar)
    assert (reversion[middle - 1], reversion[middle]) == (UNICODE.bar, UNICODE.track)
    assert "+0.65 × 0.310  +0.202" in momentum
    assert "-0.66 × 0.057  -0.038" in reversion
    adds = sum(a * b for a, b in zip(decision.v1.categories, decision.v1.weights, strict=True))
    assert f"{adds:+.3f}"[:5] in text


def test_rules_tell_how_they_vote() -> None:
    decision = entry()
    lines = plain(v2_lines(LOOK, decision.v2, 56, False)).splitlines()
    assert "valid, NORMAL, confirmation 54%" in lines[0]
    assert any(line.split() == ["+", "for", "adx", "33.8", "long", "1.3"] for line in lines)
    assert any("against vwap" in line and "short" in line for line in lines)
    assert sum("neutral" in line for line in lines) == 5
    assert "regression slope +0.121 ATR" in plain(v2_lines(LOOK, decision.v2, 56, True))


def test_the_plan_has_prices_distances_and_chances() -> None:
    text = plain(plan_lines(LOOK, entry().plan, 60))
    for part in ("153.88", "+2.45%, +2.0 R", "148.36", "-1.23%, -1.0 R", "13% of R", "43%"):
        assert part in text
    assert "95 %: 40% to 46%" in text
    refused = plain(plan_lines(LOOK, blocked().plan, 60))
    assert "not worth its costs" in refused
    assert "not simulated" in refused


def test_the_sizing_ladder_is_the_arithmetic() -> None:
    text = plain(sizing_lines(LOOK, entry(), RiskLimits(), 76))
    rungs = [" ".join(line.split()) for line in text.splitlines()]
    for rung in (
        "Kelly 0.520",
        "× Kelly fraction 0.25",
        "× confidence 0.45 45 of 100 trades",
        "= base risk 2.000% 5.85% capped",
        "× regime 1.30",
        "× volatility 0.85",
        "= risk fraction 2.000% 2.21% capped",
        "× equity 10,000.00",
        "= money at risk 200.00 lost if stopped",
        "/ stop distance 1.8400",
        "= quantity 108.6 rounded down",
    ):
        assert rung in rungs
    assert any(rung.startswith("→ after limits 80.0 correlated group") for rung in rungs)
    assert any("49.0%→60.0% of 60.0%" in rung for rung in rungs)
    assert any("1→2 of 3" in rung for rung in rungs)


@pytest.mark.parametrize(
    ("method", "note"),
    [
        (SizingMethod.EXPLORATION, "short record"),
        (SizingMethod.NO_EDGE, "no proven edge"),
        (SizingMethod.SHADOW_REENTRY, "shadow trades"),
    ],
)
def test_other_methods_say_where_their_risk_comes_from(method: SizingMethod, note: str) -> None:
    decision = entry()
    assert decision.sizing is not None
    sizing = decision.sizing._replace(
        method=method, kelly=None, quantity=Decimal(0), reason="no proven edge"
    )
    text = plain(sizing_lines(LOOK, changed(decision, sizing=sizing), RiskLimits(), 76))
    assert note in text
    assert "Kelly fraction" not in text


def test_brackets_are_text_and_not_markup() -> None:
    decision = changed(blocked(), reason="E[R] is [red]low[/red]")
    text = plain(header_lines(LOOK, decision, gates(decision), (1, 1), 96))
    assert "E[R] is [red]low[/red]" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.66, "0.66"), (63.4, "63.4"), (912_331.0, "912,331"), (-0.0121, "-0.0121"),
        (0.00082, "0.00082"), (float("nan"), "nan"), (1e-12, "0"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_any_input_is_readable() -> None:
    assert value_text(None) == "unknown"
    assert value_text(True) == "yes"
    assert value_text("") == "none"
    assert value_text(["a", "b"]) == "a; b"
    assert value_text({"used_up": 0.5, "limit": 1}) == "used up 0.5, limit 1"


def test_columns_stand_side_by_side() -> None:
    rows = columns([Text("a"), Text("b")], [Text("c")], 5, LOOK)
    assert [row.plain for row in rows] == ["a      │ c", "b      │ "]
    assert UNICODE.line in rows[0].plain
    assert wrap("", 20) == [""]
