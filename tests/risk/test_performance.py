from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.market import DAY_MS
from engine.risk.performance import (
    Metrics,
    by_day,
    drawdown_curve,
    equity_curve,
    metrics,
    sharpe_ratio,
    sortino_ratio,
)
from tests.risk.builders import HOUR, START, trade, trades

BALANCE = Decimal(10_000)
CONTRACT = {
    "trades",
    "win_rate",
    "payoff_ratio",
    "expectancy",
    "profit_factor",
    "sharpe",
    "sortino",
    "max_drawdown",
    "net_pnl",
    "fees",
    "funding",
    "final_balance",
}


def of(pnls: list, days: int = 10) -> Metrics:
    return metrics(trades(pnls), BALANCE, START, START + days * DAY_MS)


def test_figures_by_hand() -> None:
    result = of([100, -50, 200, -100])
    assert result.trades == 4
    assert result.win_rate == 0.5
    assert result.payoff_ratio == 2.0
    assert result.expectancy == 37.5
    assert result.profit_factor == 2.0
    assert result.net_pnl == 150
    assert result.final_balance == 10_150
    assert result.fees == Decimal("0.4")
    assert result.funding == Decimal("0.04")
    assert result.max_drawdown == pytest.approx(100 / 10_250)
    returns = [0.01, -0.005, 0.02, -0.01]
    mean = 0.00375
    deviation = math.sqrt(sum((r - mean) ** 2 for r in returns) / 3)
    per_year = math.sqrt(4 * 365 / 10)
    assert result.sharpe == pytest.approx(mean / deviation * per_year)
    downside = math.sqrt((0.005**2 + 0.01**2) / 4)
    assert result.sortino == pytest.approx(mean / downside * per_year)
    assert result.exposure_time == pytest.approx(4 * (HOUR / 2) / (10 * DAY_MS))


def test_no_trades() -> None:
    result = of([])
    assert result == Metrics(
        0, None, None, None, None, None, None, 0.0, Decimal(0), Decimal(0), Decimal(0), BALANCE, 0.0
    )
    assert [reading.grade for reading in result.readings()][:2] == ["none yet", "none yet"]


def test_undefined_is_none() -> None:
    assert of([5]).sharpe is None
    assert of([5, 5, 5]).sharpe is None  # no dispersion
    assert of([5, 6]).sortino is None  # no loss
    assert of([5, 6]).payoff_ratio is None
    assert of([5, -6], days=0).sharpe is None
    assert of([5, -6], days=0).exposure_time is None
    assert sharpe_ratio([0.1, 0.1, 0.1], 100) is None
    assert sortino_ratio([0.1, -0.1], math.nan) is None


def test_shadow_trades_are_left_out() -> None:
    mixed = [*trades([10, -5]), replace(trade(9_999, 3), shadow=True)]
    assert metrics(mixed, BALANCE, START, START + DAY_MS).net_pnl == 5


def test_sharpe_of_a_year_of_known_returns() -> None:
    # 400 trades alternating +3 % and -1 %: mean 1 %, deviation 2 %, a Sharpe of 0.5 per trade.
    assert sharpe_ratio([0.03, -0.01] * 200, 400) == pytest.approx(0.5 * 20, rel=2e-3)


def test_keys_of_the_contract_and_plain_json() -> None:
    for pnls in ([], [5], [10, -5] * 20):
        shown = of(pnls).as_dict()
        assert set(shown) >= CONTRACT
        json.dumps(shown, allow_nan=False)


def test_curves() -> None:
    shuffled = trades([100, -50, -60, 200])
    curve = equity_curve([shuffled[i] for i in (2, 0, 3, 1)], BALANCE, START)
    assert [balance for _, balance in curve] == [10_000, 10_100, 10_050, 9_990, 10_190]
    assert [time for time, _ in curve] == sorted(time for time, _ in curve)
    falls = [fall for _, fall in drawdown_curve(curve)]
    assert falls == pytest.approx([0, 0, 50 / 10_100, 110 / 10_100, 0])


def test_by_day() -> None:
    closed = [trade(10, 0), trade(-4, 1), trade(7, 30)]
    first, second = by_day(closed, BALANCE)
    assert first.date == "2025-01-01"
    assert (first.trades, first.wins, first.pnl, first.balance) == (2, 1, 6, 10_006)
    assert (second.date, second.balance, second.fees) == ("2025-01-02", 10_013, Decimal("0.1"))


def test_overlapping_positions_are_one_exposure() -> None:
    long = replace(trade(1), entry_time=START, exit_time=START + 10 * HOUR)
    inside = replace(trade(1), entry_time=START + HOUR, exit_time=START + 2 * HOUR)
    later = replace(trade(1), entry_time=START + 9 * HOUR, exit_time=START + 12 * HOUR)
    result = metrics([later, inside, long], BALANCE, START, START + 24 * HOUR)
    assert result.exposure_time == 0.5


@pytest.mark.parametrize(
    ("pnls", "name", "words"),
    [
        ([1] * 3 + [-1] * 7, "win rate", "critical"),
        ([1] * 4 + [-1] * 6, "win rate", "degrading"),
        ([1] * 5 + [-1] * 5, "win rate", "acceptable"),
        ([1] * 7 + [-1] * 3, "win rate", "good"),
        ([1] * 9 + [-1], "win rate", "very high: see that the losses are not the larger ones"),
        ([10, -8] * 10, "Sharpe", "excellent"),
        ([10, -9] * 10, "Sharpe", "good"),
        ([10, -9.9] * 10, "Sharpe", "weak"),
        ([-10, 9] * 10, "Sharpe", "losing"),
        ([-100], "max drawdown", "excellent"),
        ([-700], "max drawdown", "acceptable"),
        ([-1_200], "max drawdown", "a risk problem"),
        ([1] * 29, "sample size", "exploration"),
        ([1] * 30, "sample size", "building confidence"),
        ([1] * 100, "sample size", "building confidence"),
        ([1] * 101, "sample size", "full Kelly"),
        ([2, -1], "expectancy", "earns per trade"),
        ([-2, 1], "expectancy", "no edge"),
        ([2, -1], "profit factor", "good"),
        ([2, -1.9], "profit factor", "thin"),
        ([1, -2], "profit factor", "losing"),
    ],
)
def test_readings(pnls: list, name: str, words: str) -> None:
    readings = {reading.name: reading for reading in of(pnls).readings()}
    assert readings[name].words == words


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-900_000, 900_000), max_size=40))
def test_final_balance_and_drawdown_on_random_trades(cents: list[int]) -> None:
    pnls = [Decimal(cent) / 100 for cent in cents]
    result = of(pnls)
    total = sum(pnls, Decimal(0))
    assert result.final_balance == BALANCE + total
    assert result.max_drawdown >= 0
    assert all(value is None or math.isfinite(value) for value in result.as_dict().values())
    assert (result.max_drawdown == 0) == all(pnl >= 0 for pnl in pnls)
