from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.risk.expectancy import bootstrap_mean, kelly, wilson, window_stats
from tests.risk.builders import trades

CENTS = st.integers(min_value=-500_00, max_value=500_00).map(lambda c: Decimal(c) / 100)


def test_kelly_of_the_worked_example() -> None:
    assert kelly(0.68, 2.15) == pytest.approx(0.5312, abs=1e-4)


@pytest.mark.parametrize(("p", "b"), [(1.1, 2.0), (-0.1, 2.0), (0.5, 0.0), (math.nan, 2.0)])
def test_kelly_refuses_what_is_not_a_record(p: float, b: float) -> None:
    with pytest.raises(ValueError, match="Kelly"):
        kelly(p, b)


def test_wilson_against_published_figures() -> None:
    # Newcombe (1998), table I: 81 of 263 -> 0.2553 to 0.3662; 0 of 20 -> 0 to 0.1611.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_forty_five_trades_by_hand() -> None:
    # 31 wins of 43 and 14 losses of 20: WR 0.6889, payoff 2.15.
    stats = window_stats(trades([43] * 31 + [-20] * 14), "45")
    assert stats.trades == 45
    assert stats.win_rate == pytest.approx(31 / 45)
    assert stats.payoff == pytest.approx(2.15)
    assert stats.expectancy == pytest.approx((31 * 43 - 14 * 20) / 45)
    assert stats.profit_factor == pytest.approx(31 * 43 / (14 * 20))
    assert stats.kelly == pytest.approx((31 / 45 * 2.15 - 14 / 45) / 2.15)
    assert stats.expectancy_r == pytest.approx(stats.expectancy / 50)


def test_nothing_is_defined_without_trades() -> None:
    stats = window_stats([], "all")
    assert stats.trades == 0
    assert stats.win_rate is None
    assert stats.expectancy is None
    assert stats.expectancy_low is None
    assert stats.kelly is None


def test_payoff_is_unknown_without_losses_and_without_wins() -> None:
    only_wins = window_stats(trades([5] * 40), "all")
    only_losses = window_stats(trades([-5] * 40), "all")
    assert only_wins.payoff is None
    assert only_wins.kelly is None
    assert only_wins.profit_factor is None
    assert only_losses.payoff is None
    assert only_losses.kelly is None
    assert only_losses.profit_factor == 0.0
    assert only_losses.expectancy == -5.0


def test_a_flat_trade_counts_in_n_and_in_no_average() -> None:
    stats = window_stats(trades([10, 0, -5, 0]), "all")
    assert stats.win_rate == 0.25
    assert stats.average_win == 10
    assert stats.average_loss == 5
    assert stats.expectancy == 1.25
    assert stats.kelly == pytest.approx(kelly(0.25, 2.0))  # q = 3/4: flat trades weigh as losses


@settings(max_examples=100, deadline=None)
@given(st.lists(CENTS, min_size=1, max_size=120))
def test_expectancy_is_the_mean_and_its_decomposition(pnls: list[Decimal]) -> None:
    stats = window_stats(trades(pnls), "all")
    mean = sum(map(Fraction, map(float, pnls)), Fraction(0)) / len(pnls)
    assert stats.expectancy == pytest.approx(float(mean), rel=1e-15, abs=1e-15)
    losses = sum(pnl < 0 for pnl in pnls) / len(pnls)
    parts = (stats.win_rate or 0.0) * (stats.average_win or 0.0) - losses * (
        stats.average_loss or 0.0
    )
    assert parts == pytest.approx(stats.expectancy, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(CENTS, min_size=1, max_size=60))
def test_figures_are_defined_or_none_never_nan(pnls: list[Decimal]) -> None:
    stats = window_stats(trades(pnls), "all")
    for value in (
        stats.win_rate,
        stats.payoff,
        stats.expectancy,
        stats.expectancy_low,
        stats.expectancy_high,
        stats.profit_factor,
        stats.kelly,
    ):
        assert value is None or math.isfinite(value)
    assert stats.win_rate is not None
    assert stats.win_rate_low is not None
    assert stats.win_rate_high is not None
    assert 0 <= stats.win_rate_low <= stats.win_rate <= stats.win_rate_high <= 1
    if stats.kelly is not None and not any(pnl == 0 for pnl in pnls):
        assert stats.expectancy is not None
        assert (stats.kelly > 1e-12) <= (stats.expectancy > 0)


@settings(max_examples=20, deadline=None)
@given(st.lists(CENTS, min_size=2, max_size=60))
def test_interval_is_deterministic_and_within_the_sample(pnls: list[Decimal]) -> None:
    first, second = window_stats(trades(pnls), "all"), window_stats(trades(pnls), "all")
    low, high = first.expectancy_low, first.expectancy_high
    assert low is not None
    assert high is not None
    assert (low, high) == (second.expectancy_low, second.expectancy_high)
    assert float(min(pnls)) - 1e-9 <= low <= high <= float(max(pnls)) + 1e-9


def test_bootstrap_agrees_with_the_normal_interval_on_a_large_sample() -> None:
    sample = [math.sin(i * 12.9898) * 10 + 1 for i in range(500)]
    mean = math.fsum(sample) / 500
    error = math.sqrt(math.fsum((x - mean) ** 2 for x in sample) / 499 / 500)
    low, high = bootstrap_mean(sample)
    assert low == pytest.approx(mean - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.15 * error)


def test_interval_beyond_500_trades_is_the_normal_one() -> None:
    stats = window_stats(trades([3, -1] * 300), "all")
    assert stats.sample == ()
    spread = 1.959964 * math.sqrt(4 * 600 / 599) / math.sqrt(600)
    assert stats.expectancy_low == pytest.approx(1 - spread, rel=1e-6)
    assert stats.expectancy_high == pytest.approx(1 + spread, rel=1e-6)
