"""The properties of specification section 1 on random markets, through the real scanner."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.decision import decide
from engine.model.account import Edge, Exposure
from engine.model.decision import BreakerGate, Decision, SizingMethod, Verdict
from engine.model.market import Candle
from engine.model.signal import Action, Regime, Side
from engine.risk.limits import RiskLimits
from engine.scanner import Scanner
from engine.trace import gates
from tests.conftest import ROOT
from tests.decision import build
from tests.decision.build import BTC, CANDLE_MS, ETH, LIMITS

FEW = settings(max_examples=6, deadline=None)
SOME = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def outline(decision: Decision) -> tuple[object, ...]:
    """Return what a decision says, without the figures that carry a price."""
    return (
        decision.time,
        decision.action,
        decision.proposal,
        decision.blocked_by,
        decision.shadow,
        decision.regime.regime,
        decision.proposal.side and [(gate.name, gate.verdict) for gate in gates(decision)],
    )


@pytest.fixture(scope="module")
def typical() -> list[list[Decision]]:
    """Return the decisions of a few fixed markets, on which the properties are not empty."""
    return [build.run(build.market(seed, 1_400)) for seed in range(5)]


def test_random_markets_reach_every_part_of_the_flow(typical: list[list[Decision]]) -> None:
    seen = Counter(d.blocked_by or str(d.action) for ds in typical for d in build.proposals(ds))
    regimes = {d.regime.regime for ds in typical for d in ds}
    assert regimes == set(Regime)
    assert seen["ENTER_LONG"] > 20
    assert seen["ENTER_SHORT"] > 20
    assert seen["costs"] > 20


# Scale


@FEW
@given(seeds, st.integers(-12, 12))
def test_powers_of_two_scale_exactly(seed: int, power: int) -> None:
    candles = build.market(seed, 900)
    k = Decimal(2) ** power
    plain = build.run(candles)
    scaled = build.run(build.scaled(candles, float(k)), traded=build.scaled_instrument(k))
    assert [outline(d) for d in plain] == [outline(d) for d in scaled]
    for a, b in zip(plain, scaled, strict=True):
        assert a.confidence == b.confidence
        assert a.v1 == b.v1
        assert a.quantity == b.quantity * k
        if a.sizing is not None and b.sizing is not None:
            assert a.sizing.risk_fraction == b.sizing.risk_fraction
            assert a.sizing.money_at_risk == b.sizing.money_at_risk
        if a.plan is not None and b.plan is not None:
            assert a.plan.net_reward_risk == b.plan.net_reward_risk
            assert a.plan.target_first == b.plan.target_first
            assert b.plan.stop == a.plan.stop * float(k)


@pytest.mark.parametrize("k", ["3", "0.001", "1234.5", "70"])
def test_any_scale_gives_the_same_actions(typical: list[list[Decision]], k: str) -> None:
    step = Decimal("1e-8")  # fine enough for every scale
    fine = build.instrument(step_size=step, min_quantity=step, tick_size=step)
    for seed, plain in enumerate(typical[:2]):
        scaled = build.run(build.scaled(build.market(seed, 1_400), float(k)), traded=fine)
        assert [outline(d) for d in plain] == [outline(d) for d in scaled]
        for a, b in zip(plain, scaled, strict=True):
            gap = b.quantity * Decimal(k) - a.quantity
            assert -step * Decimal(k) <= gap <= build.instrument().step_size


# Determinism


@FEW
@given(seeds)
def test_the_same_candles_give_the_same_trace_byte_for_byte(seed: int) -> None:
    candles = build.market(seed, 800)
    first, second = build.run(candles), build.run(list(candles))
    assert [build.trace_bytes(d) for d in first] == [build.trace_bytes(d) for d in second]


def test_a_fresh_process_gives_the_same_trace() -> None:
    decisions = build.run(build.market(3, 1_200))
    simulated = [d for d in decisions if d.plan is not None and d.plan.target_first_error > 0.0]
    assert len(simulated) >= 5  # Monte Carlo included
    code = "from tests.decision import build;print(build.digest(build.run(build.market(3, 1_200))))"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == build.digest(decisions)


def test_monte_carlo_depends_on_pair_and_candle_time() -> None:
    def probability(time: int) -> float:
        plan = decide(build.inputs(time=time), build.context()).plan
        assert plan is not None
        assert plan.target_first_error > 0.0
        return plan.target_first

    times = [build.NOW + i * CANDLE_MS for i in range(6)]
    once = [probability(time) for time in times]
    assert len(set(once)) > 3
    assert once == [probability(time) for time in times]


# No look-ahead

Change = Callable[[np.random.Generator, Candle], Candle]
CHANGES: dict[str, Change] = {
    "noise": lambda rng, c: _moved(c, float(np.exp(rng.normal(0, 0.02)))),
    "crash": lambda rng, c: _moved(c, 0.4),
    "nan": lambda rng, c: c._replace(close=math.nan),
    "silence": lambda rng, c: c._replace(volume=0.0),
    "flat": lambda rng, c: Candle(c.time, c.open, c.open, c.open, c.open, 0.0),
    "later": lambda rng, c: c._replace(time=c.time + 40 * CANDLE_MS),
}


def _moved(c: Candle, by: float) -> Candle:
    return Candle(c.time, c.open * by, c.high * by, c.low * by, c.close * by, c.volume * 3.0)


@FEW
@given(seeds, st.integers(0, 849), st.sampled_from(sorted(CHANGES)))
def test_later_candles_change_no_earlier_decision(seed: int, t: int, name: str) -> None:
    candles = build.market(seed, 850)
    rng = np.random.default_rng(seed)
    changed = candles[: t + 1] + [CHANGES[name](rng, candle) for candle in candles[t + 1 :]]
    before = [build.trace_bytes(d) for d in build.run(candles)[: t + 1]]
    after = [build.trace_bytes(d) for d in build.run(changed)[: t + 1]]
    assert before == after


def test_a_pair_does_not_see_the_later_candles_of_another() -> None:
    btc, eth = build.market(1, 1_100), build.market(2, 1_100, price=30.0)
    crash = eth[:1_001] + [_moved(c, 0.5) for c in eth[1_001:]]

    def decisions(other: list[Candle]) -> list[bytes]:
        scanner = Scanner((BTC, ETH), CANDLE_MS, build.context().instruments)
        clock = [0]
        account = build.ACCOUNT._replace(exposures=(Exposure(ETH, Side.LONG, 3_000.0, 50.0),))
        around = build.context(account=account, correlation=scanner.correlation, edge=build.PROVEN)
        lines = []
        for a, b in zip(btc, other, strict=True):
            scanner.close_candles({BTC: a, ETH: b})
            clock[0] = a.time + CANDLE_MS
            lines.append(build.trace_bytes(decide(scanner.inputs(BTC, clock[0]), around)))
        return lines

    plain, perturbed = decisions(eth), decisions(crash)
    assert plain[:1_001] == perturbed[:1_001]
    assert any(b'"portfolio"' in line for line in plain)


# Sizes

edges = st.builds(
    Edge,
    trades=st.integers(0, 400),
    win_rate=st.floats(0.0, 1.0),
    payoff=st.none() | st.floats(0.1, 10.0),
    expectancy=st.floats(-100.0, 100.0),
    kelly=st.none() | st.floats(-5.0, 1.0),
    degradation_factor=st.sampled_from([0.0, 0.5, 1.0]),
    shadow_reentry=st.booleans(),
)
breakers = st.sampled_from([build.OPEN, build.THROTTLED, build.HALTED])
limits = st.builds(
    RiskLimits,
    max_risk_per_trade=st.floats(0.001, 0.05),
    exploration_risk=st.floats(0.001, 0.01),
    kelly_fraction=st.floats(0.05, 1.0),
    max_heat=st.floats(0.005, 0.06),
    leverage=st.integers(1, 20),
)


@SOME
@given(
    edges,
    breakers,
    limits,
    st.floats(1.0, 1e7),
    st.floats(0.05, 5.0),
    st.sampled_from([r for r in Regime if r is not Regime.UNKNOWN]),
    st.floats(0.0, 2.0),
    st.booleans(),
)
def test_sizes_stay_within_every_cap(
    edge: Edge,
    breaker: BreakerGate,
    limits: RiskLimits,
    equity: float,
    atr: float,
    regime: Regime,
    gk: float,
    long: bool,
) -> None:
    ind = (build.rising if long else build.falling)(atr=atr, gk=gk, gk_median=gk)
    account = build.ACCOUNT._replace(equity=equity, balance=equity, available=equity)
    around = build.context(edge=edge, breaker=breaker, limits=limits, account=account)
    d = decide(build.inputs(ind, regime=build.state(regime, 0.5)), around)
    if d.action is Action.WAIT:
        return
    assert d.plan is not None
    assert d.sizing is not None
    assert breaker.verdict is not Verdict.BLOCK
    quantity, distance = float(d.quantity), abs(d.plan.entry - d.plan.stop)
    assert quantity > 0.0
    risk, notional = quantity * distance / equity, quantity * d.plan.entry / equity
    slack = 1.0 + 1e-9
    assert d.quantity <= d.sizing.quantity
    assert risk <= limits.max_risk_per_trade * slack
    assert risk <= limits.max_heat * slack
    assert notional <= limits.max_notional_multiple * slack
    assert notional / limits.leverage <= limits.max_asset_exposure * slack
    if d.sizing.method is SizingMethod.EXPLORATION:
        assert risk <= limits.exploration_risk * 1.5 * slack  # regime multiplier at most 1.5
    if breaker is build.THROTTLED:
        assert d.confidence >= 0.7
        assert d.sizing.breaker_factor == 0.5


@SOME
@given(edges, breakers, st.booleans())
def test_no_real_money_without_a_positive_expectancy(
    edge: Edge, breaker: BreakerGate, long: bool
) -> None:
    edge = edge._replace(trades=max(30, edge.trades), shadow_reentry=False)
    assume(edge.expectancy <= 0.0)
    ind = build.rising() if long else build.falling()
    d = decide(build.inputs(ind), build.context(edge=edge, breaker=breaker))
    assert d.action is Action.WAIT
    assert d.blocked_by == "sizing"
    assert d.quantity == 0
    told = build.context(
        edge=edge,
        breaker=breaker,
        withheld_by="expectancy",
        withheld_reason="no edge",
        breaker_lacks_edge=True,
    )
    shadow = decide(build.inputs(ind), told)
    assert shadow.action is Action.WAIT
    assert shadow.shadow
    assert shadow.blocked_by == "expectancy"
    assert shadow.sizing is not None
    assert shadow.sizing.risk_fraction <= LIMITS.exploration_risk * 1.5


# Doubtful data and warm-up


def _spoil(candles: list[Candle], at: int, fault: str) -> list[Candle]:
    c = candles[at]
    spoilt = {
        "nan": c._replace(close=math.nan),
        "negative": c._replace(low=-c.low),
        "upside down": c._replace(low=c.high, high=c.low),
        "no volume": c._replace(volume=0.0),
        "no range": Candle(c.time, c.open, c.open, c.open, c.open, c.volume),
        "hundredfold": _moved(c, 200.0),
    }
    return [*candles[:at], spoilt[fault], *candles[at + 1 :]]


@pytest.mark.parametrize(
    "fault", ["nan", "negative", "upside down", "no volume", "no range", "hundredfold"]
)
def test_no_trade_on_a_faulty_candle(typical: list[list[Decision]], fault: str) -> None:
    """Spoil the very candles that would have been traded, one at a time."""
    spoilt = entered = 0
    for seed in range(2):
        candles = build.market(seed, 1_400)
        entries = [i for i, d in enumerate(typical[seed]) if d.action is not Action.WAIT]
        for at in entries[:2]:
            decision = build.run(_spoil(candles[: at + 1], at, fault))[-1]
            spoilt += 1
            entered += decision.action is not Action.WAIT
            assert decision.indicators is not None
            assert decision.indicators.notes
            if decision.proposal is not Action.WAIT:
                assert decision.blocked_by == "indicators"
                assert "doubtful data" in decision.reason
    assert spoilt == 4
    assert entered == 0


def test_no_trade_on_the_candle_after_a_gap(typical: list[list[Decision]]) -> None:
    candles = build.market(0, 1_400)
    entries = [i for i, d in enumerate(typical[0]) if d.action is not Action.WAIT]
    assert entries
    for at in entries[:3]:
        late = candles[at]._replace(time=candles[at].time + 3 * CANDLE_MS)
        decision = build.run([*candles[:at], late])[-1]
        assert decision.action is Action.WAIT
        assert decision.indicators is not None
        assert decision.indicators.notes == ("3 candles missing before this one",)


@pytest.mark.parametrize("volume", [0.0, 25.0])
def test_a_constant_price_is_never_traded(volume: float) -> None:
    start = build.market(0, 700)
    last = start[-1]
    flat = [Candle(last.time + (i + 1) * CANDLE_MS, *(last.close,) * 4, volume) for i in range(600)]
    for decision in build.run(start + flat)[700:]:
        assert decision.action is Action.WAIT
        assert not decision.shadow


def test_a_long_gap_begins_the_warm_up_again() -> None:
    candles = build.market(4, 1_600)
    gap = 13 * CANDLE_MS
    late = candles[:900] + [c._replace(time=c.time + gap) for c in candles[900:]]
    decisions = build.run(late)
    for age, decision in enumerate(decisions[900:1_399], start=1):
        assert decision.proposal is Action.WAIT
        assert decision.reason.startswith("warming up")
        assert decision.regime.regime is Regime.UNKNOWN
        if decision.indicators is not None:
            assert decision.indicators.candles == age
    assert not decisions[1_399].reason.startswith("warming up")


@pytest.mark.parametrize("warmup", [500, 750])
def test_warming_up_until_the_last_candle_of_the_limit(warmup: int) -> None:
    around = build.context(limits=replace(LIMITS, warmup_candles=warmup))
    decisions = build.run(build.market(1, warmup + 50), around)
    young, grown = decisions[: warmup - 1], decisions[warmup - 1 :]
    assert all(d.action is Action.WAIT and d.v1 is None for d in young)
    assert young[-1].reason == f"warming up: {warmup - 1} of {warmup} candles"
    assert all(d.v1 is not None for d in grown)
