"""The strategy monitor: what the last closed trades say about the strategy, and what to do.

Five readings, each low, high or critical, add up to one severity:

- healthy: nothing to report. minor: one low reading; watch.
- moderate: one high reading, or several low ones; half size.
- severe: two high readings, or one critical reading with fewer than 30 trades; no new entries.
- critical: a critical reading; HALT and alert.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from engine.model.market import YEAR_MS
from engine.model.orders import ClosedTrade
from engine.protection.triggers import MonitorSeverity
from engine.risk.expectancy import WindowStats, window_stats
from engine.risk.performance import drawdown_curve, equity_curve, sharpe_ratio, trade_returns

_Z95 = 1.959963984540054


class Grade(StrEnum):
    """How one reading of the monitor stands."""

    OK = "ok"
    LOW = "low"
    HIGH = "high"
    CRITICAL = "critical"


class MonitorReading(NamedTuple):
    """One figure of the monitor: its value, its grade and a sentence a trader can act on."""

    name: str
    value: float
    severity: Grade
    sentence: str


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """The monitor's numbers. Rates and drawdowns are fractions.

    Raises ``ValueError`` where a critical threshold is not worse than the one before it.
    """

    trades: int = 100
    min_trades: int = 20
    full_trades: int = 30  # under these one critical reading is at most severe
    win_rate_low: float = 0.50
    win_rate_critical: float = 0.35
    sharpe_low: float = 0.5
    sharpe_critical: float = 0.0
    losses_high: int = 7
    losses_critical: int = 10
    drawdown_high: float = 0.08
    drawdown_critical: float = 0.15
    moderate_factor: float = 0.5

    def __post_init__(self) -> None:
        if not 2 <= self.min_trades <= self.full_trades <= self.trades:
            raise ValueError("min_trades <= full_trades <= trades, and at least 2, must hold")
        if not 0 <= self.win_rate_critical < self.win_rate_low <= 1:
            raise ValueError("win_rate_critical must be below win_rate_low, both in [0, 1]")
        if not self.sharpe_critical < self.sharpe_low:
            raise ValueError("sharpe_critical must be below sharpe_low")
        if not 1 <= self.losses_high < self.losses_critical:
            raise ValueError("losses_critical must be above losses_high")
        if not 0 < self.drawdown_high < self.drawdown_critical <= 1:
            raise ValueError("drawdown_critical must be above drawdown_high, both in (0, 1]")
        if not 0 < self.moderate_factor <= 1:
            raise ValueError("moderate_factor must be in (0, 1]")


DEFAULTS = MonitorSettings()


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """What the monitor found.

    ``degradation_factor`` multiplies the size of entries from moderate on, also of those that
    shadow trades re-open once they are blocked.
    """

    severity: MonitorSeverity
    readings: tuple[MonitorReading, ...]
    advice: str
    degradation_factor: float
    blocks_entries: bool
    trades: int
    checked: int  # ms UTC


def review(
    trades: Sequence[ClosedTrade], now: int, settings: MonitorSettings = DEFAULTS
) -> MonitorReport:
    """Review the last closed trades at an instant (ms UTC). Shadow trades are left out.

    The order of ``trades`` does not matter: they are put in order of exit, newest last.
    """
    real = sorted((trade for trade in trades if not trade.shadow), key=lambda t: t.exit_time)
    sample = real[-settings.trades :]
    n = len(sample)
    if n < settings.min_trades:
        advice = f"{n} of {settings.min_trades} closed trades needed: nothing to judge yet"
        return MonitorReport(MonitorSeverity.HEALTHY, (), advice, 1.0, False, n, now)
    stats = window_stats(sample, "monitor")
    readings = (
        _win_rate(stats, settings),
        _sharpe(sample, now, settings),
        _losing_streak(sample, settings),
        _expectancy(stats),
        _drawdown(sample, settings),
    )
    severity = _severity(readings, n, settings)
    degraded = severity.rank >= MonitorSeverity.MODERATE.rank
    return MonitorReport(
        severity=severity,
        readings=readings,
        advice=_advice(severity, readings, n, settings),
        degradation_factor=settings.moderate_factor if degraded else 1.0,
        blocks_entries=severity.rank >= MonitorSeverity.SEVERE.rank,
        trades=n,
        checked=now,
    )


def _win_rate(stats: WindowStats, s: MonitorSettings) -> MonitorReading:
    rate = stats.win_rate or 0.0
    low, high = stats.win_rate_low or 0.0, stats.win_rate_high or 0.0
    grade = _below(rate, s.win_rate_low, s.win_rate_critical)
    sentence = f"wins {rate:.1%} of {stats.trades} trades (95 % interval {low:.1%} to {high:.1%})"
    return MonitorReading("win rate", rate, grade, sentence)


def _sharpe(sample: Sequence[ClosedTrade], now: int, s: MonitorSettings) -> MonitorReading:
    """Read the Sharpe ratio, annualised by the trades per year made since the first entry.

    Its standard error is that of A. W. Lo (2002) for independent returns:
    sqrt((1 + SR^2 / 2) / n), SR per trade, annualised likewise.
    """
    returns = trade_returns(sample)
    span = max(now, sample[-1].exit_time) - min(trade.entry_time for trade in sample)
    per_year = len(returns) * YEAR_MS / span if span > 0 else 0.0
    sharpe = sharpe_ratio(returns, per_year)
    if sharpe is None:
        return MonitorReading("Sharpe", 0.0, Grade.OK, "Sharpe is not defined for these trades")
    scale = math.sqrt(per_year)
    error = scale * math.sqrt((1 + (sharpe / scale) ** 2 / 2) / len(returns))
    low, high = sharpe - _Z95 * error, sharpe + _Z95 * error
    sentence = (
        f"Sharpe {sharpe:.2f} a year at {per_year:.0f} trades a year "
        f"(95 % interval {low:.2f} to {high:.2f})"
    )
    return MonitorReading(
        "Sharpe", sharpe, _below(sharpe, s.sharpe_low, s.sharpe_critical), sentence
    )


def _losing_streak(sample: Sequence[ClosedTrade], s: MonitorSettings) -> MonitorReading:
    """Read how many of the newest trades in a row lost; a flat trade ends the streak."""
    streak = 0
    for trade in reversed(sample):
        if trade.pnl >= 0:
            break
        streak += 1
    grade = Grade.OK
    if streak >= s.losses_critical:
        grade = Grade.CRITICAL
    elif streak >= s.losses_high:
        grade = Grade.HIGH
    lost = f"lost the last {streak} trades in a row" if streak else "the last trade did not lose"
    return MonitorReading("losses in a row", float(streak), grade, lost)


def _expectancy(stats: WindowStats) -> MonitorReading:
    """Read expectancy: below zero is low, below zero with its whole interval is critical."""
    value = stats.expectancy or 0.0
    low = value if stats.expectancy_low is None else stats.expectancy_low
    high = value if stats.expectancy_high is None else stats.expectancy_high
    grade = Grade.OK
    if high < 0:
        grade = Grade.CRITICAL
    elif value < 0:
        grade = Grade.LOW
    verb = "loses" if value < 0 else "earns"
    sentence = f"{verb} {abs(value):.2f} per trade (95 % interval {low:+.2f} to {high:+.2f})"
    return MonitorReading("expectancy", value, grade, sentence)


def _drawdown(sample: Sequence[ClosedTrade], s: MonitorSettings) -> MonitorReading:
    """Read how far closed equity now stands below its peak in the sample, as a fraction.

    A drawdown that has been earned back is history: it is told, not graded.
    """
    first = sample[0]
    falls = [fall for _, fall in drawdown_curve(equity_curve(sample, first.entry_equity, 0))]
    now, worst = falls[-1], max(falls)
    grade = Grade.OK
    if now > s.drawdown_critical:
        grade = Grade.CRITICAL
    elif now > s.drawdown_high:
        grade = Grade.HIGH
    sentence = f"closed equity is {now:.1%} below its peak (worst of the sample {worst:.1%})"
    return MonitorReading("drawdown", now, grade, sentence)


def _below(value: float, low: float, critical: float) -> Grade:
    if value < critical:
        return Grade.CRITICAL
    return Grade.LOW if value < low else Grade.OK


def _severity(
    readings: Sequence[MonitorReading], n: int, settings: MonitorSettings
) -> MonitorSeverity:
    count = {grade: sum(1 for r in readings if r.severity is grade) for grade in Grade}
    if count[Grade.CRITICAL]:
        alone = count[Grade.CRITICAL] == 1 and n < settings.full_trades
        return MonitorSeverity.SEVERE if alone else MonitorSeverity.CRITICAL
    if count[Grade.HIGH] >= 2:
        return MonitorSeverity.SEVERE
    if count[Grade.HIGH] or count[Grade.LOW] >= 2:
        return MonitorSeverity.MODERATE
    return MonitorSeverity.MINOR if count[Grade.LOW] else MonitorSeverity.HEALTHY


def _advice(
    severity: MonitorSeverity,
    readings: Sequence[MonitorReading],
    n: int,
    settings: MonitorSettings,
) -> str:
    worst = "; ".join(r.sentence for r in readings if r.severity is not Grade.OK)
    if severity is MonitorSeverity.HEALTHY:
        return f"trade on: nothing unusual in the last {n} trades"
    if severity is MonitorSeverity.MINOR:
        return f"watch it, size unchanged: {worst}"
    if severity is MonitorSeverity.MODERATE:
        return f"trade at size x {settings.moderate_factor:g} until this improves: {worst}"
    if severity is MonitorSeverity.SEVERE:
        few = f" (only {n} trades, so not yet critical)" if n < settings.full_trades else ""
        return f"no new entries{few}; manage what is open and review the strategy: {worst}"
    return f"HALT: stop trading this strategy, review it, then recover with a reason: {worst}"
