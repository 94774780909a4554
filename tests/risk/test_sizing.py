from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.decision import Sizing, SizingMethod
from engine.risk.limits import RiskLimits
from engine.risk.sizing import (
    risk_fraction,
    size_position,
    sizing_line,
    volatility_penalty,
)
from engine.risk.track_record import TrackRecord
from tests.risk.builders import LIMITS, edge, instrument, trades

FINE = instrument(
    step_size=Decimal("0.00000001"), min_quantity=Decimal("0.00000001"), min_notional=Decimal(0)
)


def size(**changes: Any) -> Sizing:
    arguments: dict[str, Any] = {
        "edge": edge(),
        "equity": 10_000.0,
        "entry": 50_000.0,
        "stop": 49_500.0,
        "instrument": instrument(),
        "regime_multiplier": 1.0,
        "gk": 0.2,
        "breaker_factor": 1.0,
        "limits": LIMITS,
    }
    return size_position(**(arguments | changes))


def test_the_worked_example_of_45_trades() -> None:
    record = edge(trades=45, win_rate=0.68, payoff=2.15, kelly=0.5312, expectancy=18.5)
    method, kelly, fraction = risk_fraction(record, LIMITS)
    assert method is SizingMethod.EMPIRICAL_KELLY
    assert kelly == 0.5312
    assert fraction == 0.02  # 0.25 x 0.5312 x 0.45 = 5.98 %, capped
    small = edge(trades=45, kelly=0.08)
    assert risk_fraction(small, LIMITS)[2] == pytest.approx(0.25 * 0.08 * 0.45)


def test_full_kelly_from_a_hundred_trades() -> None:
    assert risk_fraction(edge(trades=100, kelly=0.04), LIMITS)[2] == pytest.approx(0.01)
    assert risk_fraction(edge(trades=50, kelly=0.04), LIMITS)[2] == pytest.approx(0.005)


@pytest.mark.parametrize("pnls", [[5], [-5], [5, -3]])
def test_under_thirty_trades_is_exploration(pnls: list[int]) -> None:
    record = TrackRecord(trades((pnls * 29)[:29])).edge(LIMITS)
    assert record.trades == 29
    assert risk_fraction(record, LIMITS)[::2] == (SizingMethod.EXPLORATION, 0.005)


def test_thirty_trades_end_exploration() -> None:
    winner = TrackRecord(trades([30, -10] * 15)).edge(LIMITS)
    method, kelly, fraction = risk_fraction(winner, LIMITS)
    assert method is SizingMethod.EMPIRICAL_KELLY
    assert kelly == pytest.approx(0.5 - 0.5 / 3)
    assert fraction == pytest.approx(0.02)
    loser = TrackRecord(trades([10, -10] * 15)).edge(LIMITS)
    assert risk_fraction(loser, LIMITS)[::2] == (SizingMethod.NO_EDGE, 0.0)


def test_no_losses_yet_stays_in_exploration() -> None:
    record = TrackRecord(trades([5] * 60)).edge(LIMITS)
    assert risk_fraction(record, LIMITS) == (SizingMethod.EXPLORATION, None, 0.005)


def test_thirty_trades_without_a_win_are_no_edge() -> None:
    record = TrackRecord(trades([-5] * 30)).edge(LIMITS)
    assert risk_fraction(record, LIMITS) == (SizingMethod.NO_EDGE, None, 0.0)


def test_flat_trades_that_eat_kelly_are_no_edge() -> None:
    record = TrackRecord(trades([10, -5] * 5 + [0] * 40)).edge(LIMITS)
    assert record.expectancy > 0
    assert risk_fraction(record, LIMITS)[::2] == (SizingMethod.NO_EDGE, 0.0)


def test_shadow_reentry_reopens_exploration() -> None:
    losing = edge(expectancy=-1.0, kelly=-0.1, shadow_reentry=True)
    assert risk_fraction(losing, LIMITS)[::2] == (SizingMethod.SHADOW_REENTRY, 0.005)
    off = RiskLimits(shadow_reentry=False)
    assert risk_fraction(losing, off)[::2] == (SizingMethod.NO_EDGE, 0.0)
    winning = edge(shadow_reentry=True)
    assert risk_fraction(winning, LIMITS)[0] is SizingMethod.EMPIRICAL_KELLY


@pytest.mark.parametrize(
    ("gk", "penalty"),
    [
        (0.0, 1.0),
        (0.299, 1.0),
        (0.3, 0.85),
        (0.5, 0.65),
        (0.7, 0.45),
        (0.9, 0.3),
        (5.0, 0.3),
        (math.nan, 0.3),
        (math.inf, 0.3),
        (-1.0, 0.3),
    ],
)
def test_volatility_penalty_steps(gk: float, penalty: float) -> None:
    assert volatility_penalty(gk) == penalty


def test_every_factor_multiplies() -> None:
    result = size(
        edge=edge(trades=10, degradation_factor=0.5),
        regime_multiplier=0.8,
        gk=0.4,
        breaker_factor=0.5,
    )
    assert result.risk_fraction == pytest.approx(0.005 * 0.8 * 0.85 * 0.5 * 0.5)
    assert result.money_at_risk == pytest.approx(8.5)
    assert result.quantity == Decimal("0.017")
    assert result.reason == ""


def test_quantity_on_round_numbers_is_not_a_step_short() -> None:
    # 0.005 x 10,000 = 50 at risk, 0.1 away: 500 exactly, though 0.1 is not a binary number.
    result = size(edge=edge(trades=0), entry=100.3, stop=100.2, instrument=FINE)
    assert result.quantity == Decimal(500)


def test_log_line() -> None:
    line = sizing_line(
        size(entry=100.0, stop=99.0, regime_multiplier=1.3)._replace(quantity=Decimal("0.001234"))
    )
    assert line == (
        "Position size: 0.001234 | Method: empirical_kelly | Regime mult: 1.30 | Vol penalty: 1.00"
    )


def test_too_small_says_why() -> None:
    quantity = size(equity=10.0)
    assert quantity.quantity == 0
    assert "below the minimum of 0.001" in quantity.reason
    notional = size(instrument=instrument(min_notional=Decimal(1_000_000)))
    assert notional.quantity == 0
    assert "notional" in notional.reason


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["equity", "entry", "stop", "regime_multiplier", "breaker_factor"])
def test_a_figure_that_is_no_number_gives_no_size(name: str, bad: float) -> None:
    result = size(**{name: bad})
    assert result.quantity == 0
    assert result.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"stop": 50_000.0},
        {"stop": 0.0},
        {"equity": 0.0},
        {"equity": -5.0},
        {"regime_multiplier": 0.0},
        {"stop": math.nextafter(50_000.0, 0.0), "instrument": FINE, "equity": 1e12},
    ],
)
def test_degenerate_figures_give_no_size(changes: dict[str, Any]) -> None:
    result = size(**changes)
    assert result.quantity == 0
    assert result.reason


def test_shadow_size_is_exploration_whatever_holds_real_size_back() -> None:
    common: dict[str, Any] = {
        "equity": 10_000.0,
        "entry": 50_000.0,
        "stop": 49_500.0,
        "instrument": instrument(),
        "regime_multiplier": 1.0,
        "gk": 0.2,
        "limits": LIMITS,
    }
    blocked = edge(expectancy=-1.0, kelly=-0.2, degradation_factor=0.0)
    assert size_position(edge=blocked, breaker_factor=1.0, **common).quantity == 0
    shadow = size_position(
        edge=blocked._replace(degradation_factor=1.0),
        breaker_factor=1.0,
        force_exploration=True,
        **common,
    )
    assert shadow.method is SizingMethod.EXPLORATION
    assert shadow.quantity == Decimal("0.1")


EDGES = st.builds(
    edge,
    trades=st.integers(0, 100),
    payoff=st.none() | st.floats(0.01, 100),
    expectancy=st.floats(-1e4, 1e4),
    kelly=st.none() | st.floats(-50, 1),
    degradation_factor=st.floats(0, 1),
)
PRICES = st.floats(1e-4, 1e6)
STOPS = st.floats(0.0005, 0.2)


@settings(max_examples=100, deadline=None)
@given(
    EDGES,
    st.floats(1, 1e8),
    PRICES,
    STOPS,
    st.booleans(),
    st.floats(0, 1.5),
    st.floats(0, 3),
    st.floats(0, 1),
)
def test_risk_never_exceeds_the_caps(
    record: Any,
    equity: float,
    entry: float,
    share: float,
    long: bool,
    regime: float,
    gk: float,
    breaker: float,
) -> None:
    result = size(
        edge=record,
        equity=equity,
        entry=entry,
        stop=entry * (1 - share if long else 1 + share),
        regime_multiplier=regime,
        gk=gk,
        breaker_factor=breaker,
        instrument=FINE,
    )
    assert 0 <= result.risk_fraction <= LIMITS.max_risk_per_trade
    assert result.quantity >= 0
    assert result.quantity == FINE.round_quantity(result.quantity)
    loss = result.quantity * abs(
        Decimal(repr(entry)) - Decimal(repr(entry * (1 - share if long else 1 + share)))
    )
    assert loss <= Decimal(repr(result.money_at_risk))
    assert float(loss) <= equity * LIMITS.max_risk_per_trade * (1 + 1e-12)
    if not result.reason:  # and nothing tradable is left on the table
        step = FINE.step_size * Decimal(repr(result.stop_distance))
        assert float(loss + 2 * step) >= result.money_at_risk * (1 - 1e-12)
    else:
        assert result.quantity == 0


@settings(max_examples=100, deadline=None)
@given(EDGES.filter(lambda record: record.trades >= 30), st.floats(-1e6, 0))
def test_no_size_at_all_without_positive_expectancy(record: Any, expectancy: float) -> None:
    result = size(edge=record._replace(expectancy=expectancy))
    assert result.risk_fraction == 0
    assert result.quantity == 0
    assert result.method is SizingMethod.NO_EDGE


@settings(max_examples=100, deadline=None)
@given(st.floats(10, 1e5), STOPS, st.floats(0.01, 100))
def test_scale_invariance(entry: float, share: float, k: float) -> None:
    stop = entry * (1 - share)
    one = size(entry=entry, stop=stop, instrument=FINE)
    other = size(entry=entry * k, stop=stop * k, instrument=FINE)
    assert one.risk_fraction == other.risk_fraction
    wanted = float(one.quantity) / k
    step = float(FINE.step_size)
    assert abs(float(other.quantity) - wanted) <= step * (1 + 1 / k) + wanted * 1e-9


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 125))
def test_leverage_changes_nothing(leverage: int) -> None:
    limits = RiskLimits(leverage=leverage, max_leverage=125)
    assert size(limits=limits) == size()
