from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.orders import ExitReason
from engine.model.signal import Regime
from engine.risk.expectancy import window_stats
from engine.risk.limits import RiskLimits
from engine.risk.track_record import Breakdown, TrackRecord
from tests.risk.builders import BTC, ETH, HOUR, LIMITS, START, trade, trades

PNL = st.floats(min_value=-1e4, max_value=1e4).map(lambda x: Decimal(repr(x)))


def shadows(rs: list[float]) -> list:
    return [replace(trade(r * 50), shadow=True) for r in rs]


@settings(max_examples=25, deadline=None)
@given(st.lists(PNL, max_size=150), st.integers(min_value=1, max_value=8))
def test_incremental_equals_recomputation(pnls: list[Decimal], repeat: int) -> None:
    closed = trades(pnls * repeat)
    record = TrackRecord()
    for item in closed:
        record.add(item)
        record.edge(LIMITS)
    for window, size in zip(record.windows(), (30, 100, 500, None), strict=True):
        expected = window_stats(closed[-size:] if size else closed, window.name)
        assert replace(window, sample=()) == replace(expected, sample=())
    if len(closed) <= 500:
        assert record.windows()[3] == window_stats(closed, "all")


def test_sums_beyond_what_is_kept_are_exact() -> None:
    closed = trades([math.sin(i) * 10 ** (i % 7) for i in range(1_300)])
    assert TrackRecord(closed).windows()[3] == window_stats(closed, "all")


def test_memory_is_bounded() -> None:
    record = TrackRecord(trades([1, -1] * 600))
    assert len(record.trades) == 500
    assert record.windows()[3].trades == 1200
    assert record.windows()[3].sample == ()


def test_edge_covers_the_newest_hundred() -> None:
    record = TrackRecord(trades([-1000] * 50 + [20, -10] * 50))
    edge = record.edge(LIMITS)
    assert edge.trades == 100
    assert edge.expectancy == 5.0
    assert edge.payoff == 2.0
    assert edge.kelly == pytest.approx(0.25)
    assert edge is record.edge(LIMITS)


def test_degradation_factor_reaches_the_edge() -> None:
    record = TrackRecord(trades([1]))
    assert record.edge(LIMITS).degradation_factor == 1.0
    record.degradation_factor = 0.5
    assert record.edge(LIMITS).degradation_factor == 0.5
    with pytest.raises(ValueError, match="degradation"):
        record.degradation_factor = 1.5


@pytest.mark.parametrize("changes", [{"pnl": Decimal("NaN")}, {"r_multiple": float("inf")}])
def test_a_trade_that_is_not_a_number_is_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match="has pnl"):
        TrackRecord([replace(trade(1), **changes)])


def test_shadow_trades_never_enter_the_real_figures() -> None:
    record = TrackRecord([*trades([-5] * 40), *shadows([2.0] * 30)])
    assert record.windows()[3].trades == 40
    assert record.edge(LIMITS).expectancy == -5.0
    assert record.shadow.trades == 30
    assert record.shadow.expectancy_r == 2.0


def test_shadow_evidence_needs_thirty_trades_with_positive_mean_r() -> None:
    record = TrackRecord(trades([-5] * 40))
    for item in shadows([0.1] * 29):
        record.add(item)
    assert not record.shadow_reentry
    record.add(shadows([0.1])[0])
    assert record.shadow_reentry
    assert record.edge(LIMITS).shadow_reentry
    assert not record.edge(RiskLimits(shadow_reentry=False)).shadow_reentry
    record.add(shadows([-3.0])[0])  # mean of the newest 30 falls below zero
    assert not record.shadow_reentry


def test_shadow_is_judged_in_r_not_in_money() -> None:
    huge_loser = replace(trade(-1_000_000), r_multiple=-1.0, shadow=True)
    record = TrackRecord([huge_loser, *shadows([1.0] * 29)])
    assert record.shadow.expectancy is not None
    assert record.shadow.expectancy < 0
    assert record.shadow_reentry


def test_shadow_evidence_is_used_up_by_thirty_real_trades() -> None:
    record = TrackRecord(shadows([1.0] * 30))
    for item in trades([-5] * 29):
        record.add(item)
    assert record.shadow_reentry
    record.add(trade(-5))
    assert not record.shadow_reentry
    for item in shadows([1.0] * 29):
        record.add(item)
    assert not record.shadow_reentry
    record.add(shadows([1.0])[0])
    assert record.shadow_reentry


def test_shadow_evidence_ages_from_the_newest_shadow_trade() -> None:
    record = TrackRecord([*shadows([1.0] * 30), *trades([-5] * 20)])
    record.add(shadows([1.0])[0])
    for item in trades([-5] * 20):
        record.add(item)
    assert record.shadow_reentry


def test_degrading_by_win_rate_and_by_expectancy() -> None:
    steady = TrackRecord(trades([10, -5] * 50))
    assert not steady.degrading
    fewer_wins = TrackRecord(trades([10, -1] * 35 + [40, -1, -1] * 10))
    assert fewer_wins.windows()[0].win_rate == pytest.approx(1 / 3)
    assert fewer_wins.degrading
    smaller_wins = TrackRecord(trades([10, -5] * 35 + [6, -5] * 15))
    assert smaller_wins.degrading
    assert not TrackRecord(trades([-5] * 30)).degrading  # both windows are the same trades


def test_degrading_with_a_negative_base_means_worse_by_its_size() -> None:
    assert not TrackRecord(trades([-10, 5] * 50)).degrading
    assert TrackRecord(trades([-10, 5] * 35 + [-20, 5] * 15)).degrading


def test_breakdowns() -> None:
    record = TrackRecord(
        [
            trade(10, 0),
            trade(-4, 1, pair=ETH, regime=Regime.TREND_UP),
            trade(6, 2, exit_reason=ExitReason.TRAILING_STOP),
            trade(1, 26),
        ]
    )
    pairs = record.breakdown(Breakdown.PAIR)
    assert {name: stats.trades for name, stats in pairs.items()} == {BTC: 3, ETH: 1}
    assert pairs[ETH].expectancy == -4
    assert set(record.breakdown(Breakdown.REGIME)) == {"RANGE", "TREND_UP"}
    assert record.breakdown(Breakdown.EXIT_REASON)["trailing_stop"].trades == 1
    hours = record.breakdown(Breakdown.HOUR)
    assert {name: stats.trades for name, stats in hours.items()} == {"00": 1, "01": 1, "02": 2}
    assert START % (24 * HOUR) == 0


def test_log_lines() -> None:
    record = TrackRecord(trades(["30.00"] * 30 + ["-4.50"] * 15))
    assert record.expectancy_line() == "Expectancy: $18.50 per trade (n=45)"
    assert record.kelly_line() == "Kelly inputs: WR=0.67, PR=6.67, Kelly=0.617, n=45"
    losing = TrackRecord(trades([-3.2]))
    assert losing.expectancy_line() == "Expectancy: -$3.20 per trade (n=1)"
    assert losing.kelly_line() == "Kelly inputs: WR=0.00, PR=unknown, Kelly=unknown, n=1"
    assert TrackRecord().expectancy_line() == "Expectancy: unknown (n=0)"
