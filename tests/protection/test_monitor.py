"""The strategy monitor on samples worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.market import YEAR_MS, Pair
from engine.model.orders import ClosedTrade, ExitReason
from engine.model.signal import Regime, Side
from engine.protection.monitor import Grade, MonitorReading, MonitorReport, MonitorSettings, review
from engine.protection.triggers import MonitorSeverity

START = 1_700_000_000_000
HOUR = 3_600_000
EQUITY = 10_000


def trade(i: int, pnl: float, *, shadow: bool = False) -> ClosedTrade:
    """Return the i-th trade: one an hour, half an hour each."""
    opened = START + i * HOUR
    return ClosedTrade(
        id=f"t{i}",
        pair=Pair.parse("BTC"),
        side=Side.LONG,
        entry_time=opened,
        exit_time=opened + HOUR // 2,
        entry_price=Decimal(100),
        exit_price=Decimal(101),
        quantity=Decimal(1),
        fees=Decimal(0),
        funding=Decimal(0),
        pnl=Decimal(str(pnl)),
        r_multiple=pnl / 50,
        exit_reason=ExitReason.TAKE_PROFIT,
        regime=Regime.RANGE,
        confidence=0.5,
        strategy="default",
        strategy_version=1,
        entry_equity=Decimal(EQUITY),
        client_order_ids=(),
        shadow=shadow,
    )


def run(pnls: list[float]) -> MonitorReport:
    trades = [trade(i, pnl) for i, pnl in enumerate(pnls)]
    return review(trades, START + len(pnls) * HOUR)


def reading(report: MonitorReport, name: str) -> MonitorReading:
    return next(r for r in report.readings if r.name == name)


def mixed(wins: int, losses: int, win: float, loss: float) -> list[float]:
    """Spread losses evenly among wins, ending with a win, so that no streak forms."""
    total = wins + losses
    marks = [(k + 1) * losses // total - k * losses // total for k in range(total)]
    return [-loss if mark else win for mark in reversed(marks)]


GOOD = mixed(18, 12, 30, 20)


def test_under_twenty_trades_there_is_nothing_to_judge() -> None:
    report = run([-100.0] * 19)
    assert report.severity is MonitorSeverity.HEALTHY
    assert report.readings == ()
    assert "19 of 20" in report.advice
    assert (report.degradation_factor, report.blocks_entries) == (1.0, False)


def test_a_sound_sample_is_healthy() -> None:
    report = run(GOOD)
    assert report.severity is MonitorSeverity.HEALTHY
    assert {r.severity for r in report.readings} == {Grade.OK}
    assert report.advice.startswith("trade on")
    assert report.trades == 30
    assert reading(report, "win rate").value == pytest.approx(0.6)
    assert reading(report, "expectancy").value == pytest.approx((18 * 30 - 12 * 20) / 30)


def test_sharpe_is_annualised_by_the_trades_per_year_made() -> None:
    # 20 trades alternating +2 % and -1 % of equity, one an hour
    report = run([200.0, -100.0] * 10)
    mean, deviation = 0.005, 0.015 * math.sqrt(20 / 19)
    per_year = YEAR_MS / HOUR  # 20 trades within 20 hours
    expected = mean / deviation * math.sqrt(per_year)
    assert reading(report, "Sharpe").value == pytest.approx(expected, rel=1e-9)
    assert f"{per_year:.0f} trades a year" in reading(report, "Sharpe").sentence


def test_waiting_lowers_the_rate_of_trades_and_sharpe_with_it() -> None:
    trades = [trade(i, pnl) for i, pnl in enumerate([200.0, -100.0] * 10)]
    soon = reading(review(trades, START + 20 * HOUR), "Sharpe").value
    late = reading(review(trades, START + 80 * HOUR), "Sharpe").value
    assert late == pytest.approx(soon / 2)


@pytest.mark.parametrize(
    ("wins", "grade"),
    [(50, Grade.OK), (49, Grade.LOW), (35, Grade.LOW), (34, Grade.CRITICAL), (0, Grade.CRITICAL)],
)
def test_win_rate_thresholds(wins: int, grade: Grade) -> None:
    report = run(mixed(wins, 100 - wins, 100, 10))
    got = reading(report, "win rate")
    assert got.severity is grade
    assert got.value == pytest.approx(wins / 100)
    assert "95 % interval" in got.sentence


@pytest.mark.parametrize(
    ("streak", "grade"),
    [(0, Grade.OK), (6, Grade.OK), (7, Grade.HIGH), (9, Grade.HIGH), (10, Grade.CRITICAL)],
)
def test_losses_in_a_row_are_counted_from_the_newest(streak: int, grade: Grade) -> None:
    report = run([10.0] * 30 + [-1.0] * streak)
    assert reading(report, "losses in a row").severity is grade
    assert reading(report, "losses in a row").value == streak
    over = run([10.0] * 30 + [-1.0] * streak + [10.0])
    assert reading(over, "losses in a row").value == 0


@pytest.mark.parametrize(
    ("lost", "grade"),
    [(800, Grade.OK), (801, Grade.HIGH), (1_500, Grade.HIGH), (1_501, "critical")],
)
def test_drawdown_stands_on_the_equity_of_the_first_entry(lost: float, grade: Grade) -> None:
    # 10,000 at the first entry, then one loss: the peak is where it began
    report = run([0.0] * 19 + [-float(lost)])
    assert reading(report, "drawdown").severity is Grade(grade)
    assert reading(report, "drawdown").value == pytest.approx(lost / EQUITY)


def test_a_drawdown_earned_back_is_history() -> None:
    report = run([-2_000.0] + [150.0] * 20)
    drawdown = reading(report, "drawdown")
    assert drawdown.severity is Grade.OK
    assert drawdown.value == 0
    assert "20.0%" in drawdown.sentence


def test_expectancy_below_zero_is_low_and_beyond_its_interval_critical() -> None:
    low = reading(run(mixed(15, 15, 50, 51)), "expectancy")
    assert low.severity is Grade.LOW
    assert low.value == pytest.approx(-0.5)
    sure = reading(run(mixed(5, 25, 1, 50)), "expectancy")
    assert sure.severity is Grade.CRITICAL
    assert "loses" in sure.sentence


@pytest.mark.parametrize(
    ("grades", "n", "severity"),
    [
        ([], 100, "healthy"),
        (["low"], 100, "minor"),
        (["low", "low"], 100, "moderate"),
        (["high"], 100, "moderate"),
        (["high", "low"], 100, "moderate"),
        (["high", "high"], 100, "severe"),
        (["critical"], 29, "severe"),
        (["critical", "high"], 29, "severe"),
        (["critical"], 30, "critical"),
        (["critical", "critical"], 29, "critical"),
    ],
)
def test_readings_add_up_to_a_severity(grades: list[str], n: int, severity: str) -> None:
    from engine.protection.monitor import _severity

    readings = [MonitorReading("x", 0.0, Grade(grade), "x") for grade in grades]
    assert _severity(readings, n, MonitorSettings()) is MonitorSeverity(severity)


def test_what_each_severity_does() -> None:
    minor = run(mixed(14, 16, 40, 20))
    assert (minor.severity, minor.degradation_factor, minor.blocks_entries) == ("minor", 1.0, False)
    assert minor.advice.startswith("watch it")
    moderate = run(GOOD + [-1.0] * 7)
    assert moderate.severity is MonitorSeverity.MODERATE
    assert (moderate.degradation_factor, moderate.blocks_entries) == (0.5, False)
    assert "size x 0.5" in moderate.advice
    severe = run([100.0] * 19 + [-1.0] * 10)  # one critical reading, 29 trades
    assert severe.severity is MonitorSeverity.SEVERE
    assert severe.blocks_entries
    assert "29 trades" in severe.advice
    critical = run([100.0] * 20 + [-1.0] * 10)  # one more trade makes it critical
    assert critical.severity is MonitorSeverity.CRITICAL
    assert critical.blocks_entries
    assert critical.advice.startswith("HALT")
    assert "lost the last 10 trades in a row" in critical.advice


def test_only_the_last_hundred_real_trades_count_in_order_of_exit() -> None:
    recent = [trade(200 + i, pnl) for i, pnl in enumerate(GOOD * 4)][-100:]
    old = [trade(i, -100.0) for i in range(100)]
    shadow = [trade(400 + i, -100.0, shadow=True) for i in range(50)]
    plain = review(recent, START + 500 * HOUR)
    assert review([*old, *recent, *shadow], START + 500 * HOUR) == plain
    assert review([*shadow, *recent[::-1], *old], START + 500 * HOUR) == plain
    assert plain.trades == 100


@pytest.mark.parametrize("pnls", [[0.0] * 25, [5.0] * 25, [-5.0] * 25])
def test_samples_without_dispersion_give_no_sharpe_and_no_exception(pnls: list[float]) -> None:
    report = run(pnls)
    assert reading(report, "Sharpe").severity is Grade.OK
    assert "not defined" in reading(report, "Sharpe").sentence
    assert all(math.isfinite(r.value) for r in report.readings)


def test_no_equity_and_no_time_between_trades() -> None:
    poor = [replace(trade(0, pnl), entry_equity=Decimal(0)) for pnl in [5.0, -4.0] * 12]
    report = review(poor, START)
    assert all(math.isfinite(r.value) for r in report.readings)


@pytest.mark.parametrize(
    "change",
    [
        {"min_trades": 1},
        {"min_trades": 40},
        {"full_trades": 200},
        {"win_rate_critical": 0.6},
        {"win_rate_low": 1.2},
        {"sharpe_critical": 0.5},
        {"losses_critical": 7},
        {"drawdown_high": 0.2},
        {"drawdown_critical": 1.5},
        {"moderate_factor": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        MonitorSettings(**change)  # type: ignore[arg-type]
