"""decide(): every gate blocks alone and in the order of the flow; shadow paths; outrank."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.decision import Context, PairInputs, decide, outrank
from engine.model.account import Exposure
from engine.model.decision import Decision, SizingMethod, Verdict
from engine.model.signal import Action, Regime, Side
from engine.strategy import Strategy
from tests.decision import build
from tests.decision.build import BTC, ETH, LIMITS, context, inputs, no_edge, rising, state

# A candle and a strategy that propose a long in every regime.
EAGER_CANDLE = rising(rsi=90.0, stoch_k=95.0, cci=300.0)
EAGER = context(strategy=Strategy(entry_score=0.05, full_confidence_score=0.1))


def test_a_clean_proposal_enters_on_either_side() -> None:
    long = decide(inputs(), context())
    assert (long.action, long.proposal, long.blocked_by) == (Action.ENTER_LONG,) * 2 + ("",)
    down = inputs(build.falling(), regime=state(Regime.TREND_DOWN))
    short = decide(down, context())
    assert (short.action, short.blocked_by) == (Action.ENTER_SHORT, "")
    assert short.quantity == long.quantity > 0
    assert short.plan is not None
    assert short.plan.stop > short.plan.entry > short.plan.target


def test_stop_and_target_come_from_volatility_and_regime() -> None:
    factors = {Regime.TREND_UP: 1.2, Regime.RANGE: 0.9, Regime.CHOP: 0.8}
    for regime, factor in factors.items():
        plan = decide(inputs(EAGER_CANDLE, regime=state(regime, 0.5)), EAGER).plan
        assert plan is not None
        assert plan.entry - plan.stop == pytest.approx(1.5 * factor)
        assert plan.target - plan.entry == pytest.approx(3.0 * factor)


# Each gate alone. What breaks it, on the inputs or on the context.

held = build.ACCOUNT._replace(exposures=(Exposure(ETH, Side.LONG, 1_000.0, 10.0),))
full = replace(LIMITS, max_open_positions=1)
GATES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "scanner": ({}, {"open_pairs": frozenset({BTC})}, "a BTC position is open already"),
    "indicators": (
        {"indicators": rising(notes=("zero volume",))},
        {},
        "doubtful data: zero volume",
    ),
    "regime": ({"regime": state(Regime.VOLATILE)}, {}, "no entries while VOLATILE"),
    "costs": ({"indicators": rising(atr=0.1)}, {}, "net reward is"),
    "sizing": (
        {"instrument": build.instrument(min_quantity=Decimal(1_000))},
        {},
        "below the minimum",
    ),
    "portfolio": ({}, {"account": held, "limits": full}, "open positions"),
    "safety": ({}, {"account": build.ACCOUNT._replace(day_loss=0.05)}, "24 h loss 5.00%"),
    "breaker": ({}, {"breaker": build.HALTED}, "HALT for latency"),
    "execution": ({}, {"closed_to_entries": "paused"}, "paused"),
}
ORDER = list(GATES)


def _decide(names: list[str]) -> Decision:
    given: dict[str, Any] = {}
    around: dict[str, Any] = {}
    for name in names:
        ours, theirs, _ = GATES[name]
        given |= ours
        if "account" in theirs and "account" in around:
            theirs = theirs | {"account": held._replace(day_loss=0.05)}
        around |= theirs
    chosen: PairInputs = inputs(**given)
    return decide(chosen, context(**around))


@pytest.mark.parametrize("name", ORDER)
def test_every_gate_blocks_alone(name: str) -> None:
    decision = _decide([name])
    assert decision.blocked_by == name
    assert GATES[name][2] in decision.reason
    assert decision.action is Action.WAIT
    assert decision.proposal is Action.ENTER_LONG
    assert not decision.shadow


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_first_gate_of_the_flow_speaks(first: int) -> None:
    """With this gate and all later ones broken, this one is named."""
    later = [name for name in ORDER[first:] if name != "indicators" or first == 1]
    if first == 1:
        later.remove("costs")  # both are broken through the same candle
    assert _decide(later).blocked_by == ORDER[first]


def test_stages_after_the_block_were_not_reached() -> None:
    reached = {
        name: (d.plan is not None, d.sizing is not None, d.portfolio is not None, d.safety)
        for name in ORDER
        if (d := _decide([name]))
    }
    assert reached["regime"] == (False, False, False, None)
    assert reached["costs"] == (True, False, False, None)
    assert reached["sizing"] == (True, True, False, None)
    assert reached["portfolio"] == (True, True, True, None)
    for name in ("safety", "breaker", "execution"):
        assert reached[name][2] is True
        assert reached[name][3] is not None


def test_a_disputed_pair_takes_no_new_risk() -> None:
    decision = decide(inputs(), context(disputed=frozenset({BTC})))
    assert (decision.blocked_by, decision.action) == ("scanner", Action.WAIT)
    assert decision.reason == (
        "BTC is disputed: book and exchange differ; adopt or close what the exchange shows"
    )
    assert decide(inputs(), context(disputed=frozenset({ETH}))).blocked_by == ""


def test_only_the_strategys_pairs() -> None:
    elsewhere = context(strategy=Strategy(pairs=(ETH,)))
    decision = decide(inputs(), elsewhere)
    assert decision.blocked_by == "scanner"
    assert decision.reason == "BTC is not among the strategy's pairs"
    assert decide(inputs(), context(strategy=Strategy(pairs=(BTC, ETH)))).blocked_by == ""


@pytest.mark.parametrize(
    ("regime", "confidence", "blocked"),
    [
        (Regime.UNKNOWN, 0.0, True),
        (Regime.VOLATILE, 0.1, True),
        (Regime.CHOP, 0.61, True),
        (Regime.CHOP, 0.60, False),
        (Regime.RANGE, 1.0, False),
        (Regime.TREND_UP, 1.0, False),
    ],
)
def test_the_regimes_that_take_no_entries(regime: Regime, confidence: float, blocked: bool) -> None:
    multiplier = 0.0 if regime is Regime.UNKNOWN else 0.5
    given = inputs(EAGER_CANDLE, regime=state(regime, confidence, multiplier))
    decision = decide(given, EAGER)
    assert decision.proposal is Action.ENTER_LONG
    assert (decision.blocked_by == "regime") is blocked


def test_a_wait_of_the_signal_is_no_block() -> None:
    quiet = decide(inputs(build.indicators()), context())
    assert (quiet.proposal, quiet.action, quiet.blocked_by) == (Action.WAIT, Action.WAIT, "")
    assert quiet.v2 is None
    assert "within +/-0.20" in quiet.reason
    vetoed = decide(inputs(rising(htf_15m=-1, htf_1h=-1)), context())
    assert (vetoed.proposal, vetoed.blocked_by) == (Action.WAIT, "")
    assert vetoed.signal.veto == vetoed.reason != ""


def test_warming_up() -> None:
    for ind, seen in ((None, 0), (rising(candles=499), 499)):
        decision = decide(inputs()._replace(indicators=ind), context())
        assert decision.reason == f"warming up: {seen} of 500 candles"
        assert (decision.v1, decision.proposal) == (None, Action.WAIT)
    assert decide(inputs(rising(candles=500)), context()).action is Action.ENTER_LONG


# Costs: the stated arithmetic


def test_the_cost_gate_at_its_boundary() -> None:
    """Net reward / risk = (2 d - c) / (d + c) reaches 1.2 at d = 2.75 c."""
    cost = 100.0 * (2 * (0.0005 + 0.0002) + 0.0001 * 240 / 480)
    at = 2.75 * cost / (1.5 * 1.2)
    assert decide(inputs(rising(atr=at * 0.999)), context()).blocked_by == "costs"
    enough = decide(inputs(rising(atr=at * 1.001)), context())
    assert enough.blocked_by == ""
    assert enough.plan is not None
    assert enough.plan.net_reward_risk == pytest.approx(1.2, abs=0.002)
    assert enough.plan.cost_share_of_r == pytest.approx(1 / 2.75, rel=0.01)


# The breaker


def test_a_halt_speaks_at_its_own_gate() -> None:
    for edge in (build.EXPLORING, build.PROVEN):
        decision = decide(inputs(), context(breaker=build.HALTED, edge=edge))
        assert decision.blocked_by == "breaker"
        assert decision.sizing is not None
        assert decision.sizing.quantity > 0
        assert decision.safety is not None
        assert not decision.shadow


def test_throttle_halves_the_size_and_asks_for_confidence() -> None:
    sure = rising(rsi=85.0, stoch_k=95.0, cci=300.0, mc_up=0.95, obv_slope=1.0)
    free = decide(inputs(sure), context())
    throttled = decide(inputs(sure), context(breaker=build.THROTTLED))
    assert free.confidence >= 0.70
    assert throttled.action is Action.ENTER_LONG
    assert free.sizing is not None
    assert throttled.sizing is not None
    assert throttled.sizing.risk_fraction == free.sizing.risk_fraction / 2
    plain = decide(inputs(), context(breaker=build.THROTTLED))
    assert plain.confidence < 0.70
    assert plain.blocked_by == "breaker"
    assert plain.reason == f"THROTTLE asks for confidence 0.70, this has {plain.confidence:.2f}"
    at = build.THROTTLED._replace(min_confidence=plain.confidence)
    assert decide(inputs(), context(breaker=at)).blocked_by == ""


# Portfolio


def test_a_portfolio_limit_reduces_what_is_traded() -> None:
    rules = {BTC: build.instrument(BTC), ETH: build.instrument(ETH)}
    account = build.ACCOUNT._replace(exposures=(Exposure(ETH, Side.LONG, 49_900.0, 20.0),))
    decision = decide(inputs(), context(account=account, instruments=rules))
    assert decision.portfolio is not None
    assert decision.portfolio.verdict is Verdict.REDUCE
    assert decision.action is Action.ENTER_LONG
    assert decision.sizing is not None
    assert 0 < decision.quantity < decision.sizing.quantity
    assert decision.quantity == decision.portfolio.quantity


# Shadow trades


def test_no_edge_is_followed_in_shadow() -> None:
    decision = decide(inputs(), no_edge())
    assert decision.shadow
    assert (decision.action, decision.proposal) == (Action.WAIT, Action.ENTER_LONG)
    assert (decision.blocked_by, decision.reason) == ("expectancy", "no edge")
    assert decision.sizing is not None
    assert decision.sizing.method is SizingMethod.EXPLORATION
    assert decision.quantity == decision.sizing.quantity > 0
    assert decision.portfolio is None  # no margin is used
    assert decision.plan is not None
    assert decision.plan.target_first_error > 0.0


@pytest.mark.parametrize("name", [name for name in ORDER if name != "portfolio"])
def test_a_shadow_trade_must_pass_every_other_gate(name: str) -> None:
    given, around, _ = GATES[name]
    decision = decide(inputs(**given), no_edge(**around))
    assert decision.blocked_by == name
    assert not decision.shadow


def test_a_pair_followed_in_shadow_is_not_followed_twice() -> None:
    followed = {"shadow_pairs": frozenset({BTC})}
    decision = decide(inputs(), no_edge(**followed))
    assert (decision.blocked_by, decision.shadow) == ("scanner", False)
    # Real money does not care about shadow trades.
    assert decide(inputs(), context(**followed)).action is Action.ENTER_LONG


def test_a_breaker_raised_for_want_of_an_edge_alone_lets_shadow_trades_through() -> None:
    withheld = {"withheld_by": "breaker", "withheld_reason": "HALT for expectancy"}
    for breaker in (build.HALTED, build.THROTTLED):
        around = context(breaker=breaker, breaker_lacks_edge=True, **withheld)
        decision = decide(inputs(), around)
        assert decision.shadow
        assert (decision.blocked_by, decision.reason) == ("breaker", "HALT for expectancy")
        assert decision.sizing is not None
        assert decision.sizing.breaker_factor == 1.0


def test_a_breaker_raised_for_anything_else_stops_them() -> None:
    for around in (no_edge(breaker=build.HALTED), _thin(breaker=build.HALTED)):
        decision = decide(inputs(), around)
        assert (decision.blocked_by, decision.shadow) == ("breaker", False)
    throttled = decide(inputs(), no_edge(breaker=build.THROTTLED))
    assert throttled.confidence < 0.70
    assert (throttled.blocked_by, throttled.shadow) == ("breaker", False)


def test_degradation_does_not_shrink_a_shadow_trade() -> None:
    healthy = decide(inputs(), no_edge())
    degraded = decide(inputs(), no_edge(edge=build.LOSING._replace(degradation_factor=0.0)))
    assert degraded.quantity == healthy.quantity
    assert degraded.shadow


def _thin(**changes: Any) -> Context:
    """Return the context of an edge whose Kelly size is below the minimum notional."""
    thin = build.PROVEN._replace(kelly=0.00001)
    return context(**{"edge": thin} | changes)


def test_an_edge_too_thin_to_trade_is_followed_in_shadow() -> None:
    decision = decide(inputs(), _thin())
    assert decision.shadow
    assert decision.blocked_by == "expectancy"
    assert decision.reason.startswith("the edge is too thin: notional")
    assert decision.quantity > 0
    assert decision.sizing is not None
    assert decision.sizing.method is SizingMethod.EXPLORATION
    again = decide(inputs(), _thin(shadow_pairs=frozenset({BTC})))
    assert (again.blocked_by, again.shadow) == ("scanner", False)


def test_a_thin_edge_on_top_of_degradation_is_followed_too() -> None:
    edge = build.PROVEN._replace(degradation_factor=0.0)
    decision = decide(inputs(), context(edge=edge))
    assert decision.shadow
    assert decision.blocked_by == "expectancy"


def test_a_size_too_small_for_other_reasons_is_no_thin_edge() -> None:
    """Kelly risks more than exploration would; only the throttle makes it untradable."""
    account = build.ACCOUNT._replace(equity=36.0, balance=36.0, available=36.0)
    sure = rising(rsi=85.0, stoch_k=95.0, cci=300.0, mc_up=0.95, obv_slope=1.0)
    given = inputs(sure, instrument=build.instrument(min_notional=Decimal(9)))
    around = context(edge=build.PROVEN._replace(kelly=0.024), account=account)
    assert decide(given, around).action is Action.ENTER_LONG
    assert decide(given, around._replace(edge=build.EXPLORING)).action is Action.ENTER_LONG
    decision = decide(given, around._replace(breaker=build.THROTTLED))
    assert (decision.blocked_by, decision.shadow) == ("sizing", False)


# Ranking


def test_outrank_turns_an_entry_into_a_wait() -> None:
    decision = decide(inputs(), context())
    one, two = outrank(decision, ETH, 1), outrank(decision, ETH, 2)
    assert (one.action, one.blocked_by) == (Action.WAIT, "execution")
    assert one.proposal is Action.ENTER_LONG
    assert one.reason == "ETH ranked higher; 1 new entry per pass"
    assert two.reason == "ETH ranked higher; 2 new entries per pass"
    assert one.quantity == decision.quantity
