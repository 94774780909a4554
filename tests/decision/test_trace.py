"""The trace: gates in flow order, verdicts, sentences, and the record of ``explain --json``."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest

from engine.decision import decide, outrank
from engine.model.decision import Decision, Gate, Verdict
from engine.model.signal import Action, Regime
from engine.trace import GATES, decision_record, gates, iso, verdict_sentence
from tests.decision import build
from tests.decision.build import ETH, context, inputs, no_edge, rising, state
from tests.decision.test_gates import GATES as BLOCKS
from tests.decision.test_gates import _decide

PASS, REDUCE, BLOCK = Verdict.PASS, Verdict.REDUCE, Verdict.BLOCK


def verdicts(decision: Decision) -> dict[str, Verdict]:
    return {gate.name: gate.verdict for gate in gates(decision)}


def gate(decision: Decision, name: str) -> Gate:
    return next(gate for gate in gates(decision) if gate.name == name)


def samples() -> dict[str, Decision]:
    """Return a decision of every kind there is."""
    entered = decide(inputs(), context())
    kinds = {f"blocked by {name}": _decide([name]) for name in BLOCKS}
    return kinds | {
        "no candles": decide(inputs()._replace(indicators=None), context()),
        "warming up": decide(inputs(rising(candles=499)), context()),
        "quiet": decide(inputs(build.indicators()), context()),
        "vetoed": decide(inputs(rising(htf_15m=-1, htf_1h=-1)), context()),
        "entered": entered,
        "outranked": outrank(entered, ETH, 1),
        "shadow": decide(inputs(), no_edge()),
        "proven": decide(inputs(), context(edge=build.PROVEN)),
        "refused": entered._replace(action=Action.WAIT, blocked_by="safety", reason="too late"),
    }


SAMPLES = samples()


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_gates_come_in_the_order_of_the_flow_with_a_sentence(kind: str) -> None:
    decision = SAMPLES[kind]
    shown = gates(decision)
    places = [GATES.index(gate.name) for gate in shown]
    assert places == sorted(set(places))
    assert shown[0].name == "scanner"
    for entry in shown:
        assert entry.detail.strip() == entry.detail != ""
        assert entry.inputs
        assert isinstance(entry.verdict, Verdict)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_the_blocking_gate_says_block_and_the_reason(kind: str) -> None:
    decision = SAMPLES[kind]
    blocking = [gate for gate in gates(decision) if gate.verdict is BLOCK]
    if decision.action is not Action.WAIT:
        assert blocking == []
        return
    assert blocking
    if decision.blocked_by:
        assert [gate.name for gate in blocking] == [decision.blocked_by]
        assert blocking[0].detail == decision.reason


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_the_record_is_complete_json(kind: str) -> None:
    decision = SAMPLES[kind]
    text = orjson.dumps(decision_record(decision))
    assert orjson.dumps(decision_record(decision)) == text
    record = orjson.loads(text)
    promised = "pair time action confidence regime indicators v1 v2 size gates"
    assert set(promised.split()) <= set(record)
    assert set(record["regime"]) >= {"name", "confidence", "risk_multiplier"}
    assert set(record["v1"]) >= {"score", "categories"}
    assert set(record["v2"]) >= {"valid", "confirmation", "supporting", "conflicting"}
    for entry in record["gates"]:
        assert set(entry) == {"name", "verdict", "detail", "inputs"}
        assert entry["verdict"] in ("pass", "reduce", "block")
    assert record["time"] == "2024-01-07T22:40:00.000Z"
    assert record["pair"] == "BTC/USDT:USDT"
    assert record["action"] == str(decision.action)
    _no_nulls_from_nan(decision_record(decision))


def _no_nulls_from_nan(value: Any) -> None:
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            assert isinstance(key, str)
            _no_nulls_from_nan(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _no_nulls_from_nan(item)


def test_an_entry_shows_every_gate() -> None:
    assert list(verdicts(SAMPLES["entered"])) == list(GATES)
    assert set(verdicts(SAMPLES["entered"]).values()) == {PASS}


def test_the_trace_ends_where_the_pass_ended() -> None:
    assert list(verdicts(SAMPLES["warming up"])) == ["scanner", "indicators"]
    assert list(verdicts(SAMPLES["quiet"])) == ["scanner", "indicators", "regime", "v1"]
    assert list(verdicts(SAMPLES["vetoed"]))[-1] == "orchestrator"
    for name in ("costs", "sizing", "portfolio", "safety", "breaker", "execution"):
        assert list(verdicts(SAMPLES[f"blocked by {name}"]))[-1] == name
    # The signal behind a proposal is shown even where its data or regime were refused.
    for name in ("scanner", "indicators", "regime"):
        assert list(verdicts(SAMPLES[f"blocked by {name}"]))[-1] == "orchestrator"


def test_an_order_refused_after_the_decision_ends_at_safety() -> None:
    shown = gates(SAMPLES["refused"])
    assert (shown[-1].name, shown[-1].verdict, shown[-1].detail) == ("safety", BLOCK, "too late")


def test_a_shadow_trade_shows_what_withholds_the_money() -> None:
    shown = verdicts(SAMPLES["shadow"])
    assert shown["expectancy"] is BLOCK
    assert "portfolio" not in shown
    last = gate(SAMPLES["shadow"], "execution")
    assert last.inputs["shadow"] is True
    assert last.detail.startswith("shadow trade of ")
    halted = decide(
        inputs(),
        context(
            breaker=build.HALTED,
            breaker_lacks_edge=True,
            withheld_by="expectancy",
            withheld_reason="no edge",
        ),
    )
    assert halted.shadow
    assert verdicts(halted)["breaker"] is BLOCK  # what it would say to real money
    assert verdicts(halted)["expectancy"] is BLOCK


def test_what_reduces_says_so() -> None:
    slow = decide(inputs(regime=state(Regime.TREND_UP, 0.5, 0.91)), context())
    assert verdicts(slow)["regime"] is REDUCE
    sure = rising(rsi=85.0, stoch_k=95.0, cci=300.0, mc_up=0.95, obv_slope=1.0)
    throttled = decide(inputs(sure), context(breaker=build.THROTTLED))
    assert throttled.action is Action.ENTER_LONG
    assert verdicts(throttled)["breaker"] is REDUCE


def test_an_overruled_v2_reduces() -> None:
    strict = build.Strategy(v2_min_supporting=13)
    sure = rising(rsi=85.0, stoch_k=95.0, cci=300.0, mc_up=0.95, obv_slope=1.0)
    decision = decide(inputs(sure), context(strategy=strict))
    assert decision.action is Action.ENTER_LONG
    assert decision.confidence == pytest.approx(0.8 * decision.v1.confidence)  # type: ignore[union-attr]
    assert verdicts(decision)["v2"] is REDUCE
    assert verdicts(decision)["orchestrator"] is REDUCE
    assert gate(decision, "v2").detail.startswith("invalid: only")


def test_the_sizing_sentence_is_the_log_line() -> None:
    decision = SAMPLES["proven"]
    assert decision.sizing is not None
    assert gate(decision, "sizing").detail == (
        f"Position size: {decision.sizing.quantity} | Method: empirical_kelly | "
        "Regime mult: 1.30 | Vol penalty: 0.85"
    )
    record = decision_record(decision)
    assert record["size"]["quantity"] == str(decision.quantity)


def test_the_costs_gate_tells_the_share_and_the_simulation() -> None:
    detail = gate(SAMPLES["entered"], "costs").detail
    assert "costs take 8% of R" in detail
    assert "of simulated paths (+/- " in detail
    assert "simulated" not in gate(SAMPLES["blocked by costs"], "costs").detail


def test_v2_names_its_rules_in_order_of_weight() -> None:
    names = gate(SAMPLES["entered"], "v2").detail.split("; ")[-1].split(", ")
    assert names[:3] == ["higher_timeframe", "adx", "ema_alignment"]


def test_the_verdict_in_one_line() -> None:
    assert verdict_sentence(SAMPLES["entered"]) == "ENTER_LONG: confirmation 62%"
    assert verdict_sentence(SAMPLES["shadow"]) == "SHADOW ENTER_LONG: no edge"
    assert verdict_sentence(SAMPLES["warming up"]) == "WAIT: warming up: 499 of 500 candles"
    assert verdict_sentence(SAMPLES["blocked by execution"]) == "WAIT: paused"


def test_times_are_iso_8601_with_milliseconds() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_704_067_200_007) == "2024-01-01T00:00:00.007Z"
