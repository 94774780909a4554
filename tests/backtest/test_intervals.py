"""Bootstrap intervals by day, and the groups of trades."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.breakdown import TRAITS, breakdowns
from engine.backtest.intervals import Interval, daily, per_trade, total
from engine.model.orders import ExitReason
from engine.model.signal import Regime
from tests.backtest.conftest import DAY, HOUR, START, trade

PNLS = st.lists(st.floats(-100, 100), min_size=1, max_size=60)


def spread(pnls: list[float], per_day: int = 3):
    return [trade(i, pnl, at=START + i // per_day * DAY + HOUR) for i, pnl in enumerate(pnls)]


@given(PNLS)
@settings(max_examples=30, deadline=None)
def test_days_hold_every_trade_once(pnls):
    made = spread(pnls)
    sums, counts = daily(made, START, START + 30 * DAY)
    assert len(sums) == len(counts) == 30
    assert counts.sum() == len(made)
    assert sums.sum() == pytest.approx(sum(pnls), abs=1e-6)


def test_an_interval_covers_as_often_as_it_says():
    """Over 100 samples with a known mean, a 95 % interval must hold it about that often."""
    random = np.random.RandomState(3)
    held = 0
    for _ in range(100):
        sums = random.normal(2.0, 5.0, 60)
        found = total(sums)
        held += found.low <= 120.0 <= found.high
    assert 88 <= held <= 99


def test_days_are_kept_together():
    """Trades that repeat each other inside a day must not make the interval narrower."""
    alone = [trade(i, 5.0 if i % 2 else -4.0, at=START + i * DAY + HOUR) for i in range(40)]
    crowd = [
        trade(10 * i + k, 5.0 if i % 2 else -4.0, at=START + i * DAY + HOUR)
        for i in range(40)
        for k in range(10)
    ]
    one = per_trade(*daily(alone, START, START + 40 * DAY))
    ten = per_trade(*daily(crowd, START, START + 40 * DAY))
    assert one == ten


def test_intervals_are_deterministic_and_know_their_limits():
    sums, counts = daily(spread([1.0, -2.0, 3.0] * 8), START, START + 9 * DAY)
    assert per_trade(sums, counts).low is None, "eight days with trades are too few"
    assert total(sums) == total(sums)
    assert per_trade(np.zeros(4), np.zeros(4)) is None
    assert total(np.array([3.0])) == Interval(3.0, None, None)
    assert total(np.full(20, 1.0)).verdict == 1
    assert total(np.full(20, -1.0)).verdict == -1
    assert total(np.array([1.0, -1.0] * 10)).verdict == 0
    assert per_trade(sums, counts).value == pytest.approx(sums.sum() / counts.sum())


def test_groups_hold_every_trade_once():
    made = [
        trade(1, 10, pair="BTC", at=START + 5 * HOUR, reason=ExitReason.TAKE_PROFIT),
        trade(2, -5, pair="ETH", at=START + 29 * HOUR, regime=Regime.TREND_UP),
        trade(3, -7, pair="ETH", at=START + 20 * DAY),
    ]
    groups = breakdowns(made)
    assert tuple(groups) == TRAITS == ("pair", "regime", "exit_reason", "hour", "month")
    for found in groups.values():
        assert sum(group.trades for group in found) == 3
        assert sum(group.pnl for group in found) == Decimal(-2)
        assert sum(group.fees for group in found) == Decimal("1.5")
    names = {trait: [group.name for group in found] for trait, found in groups.items()}
    assert names["pair"] == ["BTC", "ETH"]
    assert names["regime"] == ["RANGE", "TREND_UP"]
    assert names["exit_reason"] == ["stop_loss", "take_profit"]
    assert names["hour"] == ["04", "23"]  # of the entry, an hour before the exit
    assert names["month"] == ["2023-11", "2023-12"]
    eth = groups["pair"][1]
    assert (eth.trades, eth.win_rate, eth.pnl, eth.r) == (2, 0.0, Decimal(-12), -0.6)
