"""Performance: the figures of a run of closed trades, each with its reading in words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from engine.model.market import DAY_MS, YEAR_MS
from engine.model.orders import ClosedTrade
from engine.risk.expectancy import window_stats

Curve = tuple[tuple[int, Decimal], ...]


class Reading(NamedTuple):
    """One figure as a trader would read it: ``grade`` is good, fair, poor, bad or none yet."""

    name: str
    value: float | None
    grade: str
    words: str


class Day(NamedTuple):
    """One UTC day by exit time: money in quote currency, ``balance`` at its end."""

    date: str
    trades: int
    wins: int
    pnl: Decimal
    fees: Decimal
    funding: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures over closed trades, net of fees and funding; None where undefined, never NaN.

    Rates, ``max_drawdown`` and ``exposure_time`` are fractions; money in quote currency, fees
    and funding as costs; Sharpe and Sortino annualised by the trades per year actually made.
    """

    trades: int
    win_rate: float | None
    payoff_ratio: float | None
    expectancy: float | None
    profit_factor: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    net_pnl: Decimal
    fees: Decimal
    funding: Decimal
    final_balance: Decimal
    exposure_time: float | None

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the figures as plain numbers, for JSON."""
        return {
            name: float(value) if isinstance(value, Decimal) else value
            for name, value in asdict(self).items()
        }

    def readings(self) -> tuple[Reading, ...]:
        """Return every figure with its reading."""
        return (
            Reading("win rate", self.win_rate, *_read_win_rate(self.win_rate)),
            Reading("Sharpe", self.sharpe, *_read_ratio(self.sharpe)),
            Reading("Sortino", self.sortino, *_read_ratio(self.sortino)),
            Reading("expectancy", self.expectancy, *_read_expectancy(self.expectancy)),
            Reading("profit factor", self.profit_factor, *_read_factor(self.profit_factor)),
            Reading("max drawdown", self.max_drawdown, *_read_drawdown(self.max_drawdown)),
            Reading("sample size", float(self.trades), *_read_sample(self.trades)),
            Reading("exposure time", self.exposure_time, "fair", "of the time in a position"),
            Reading("fees", float(self.fees), "fair", "paid"),
            Reading(
                "funding", float(self.funding), "fair", "received" if self.funding < 0 else "paid"
            ),
        )


def metrics(
    trades: Iterable[ClosedTrade], starting_balance: Decimal, start_ms: int, end_ms: int
) -> Metrics:
    """Return the figures of the real trades among ``trades`` between two instants (ms UTC)."""
    closed = _real(trades)
    stats = window_stats(closed, "all")
    net = sum((trade.pnl for trade in closed), Decimal(0))
    sharpe, sortino = _ratios(closed, end_ms - start_ms)
    return Metrics(
        trades=len(closed),
        win_rate=stats.win_rate,
        payoff_ratio=stats.payoff,
        expectancy=stats.expectancy,
        profit_factor=stats.profit_factor,
        sharpe=sharpe,
        sortino=sortino,
        max_drawdown=max(
            (fall for _, fall in drawdown_curve(equity_curve(closed, starting_balance, start_ms))),
            default=0.0,
        ),
        net_pnl=net,
        fees=sum((trade.fees for trade in closed), Decimal(0)),
        funding=sum((trade.funding for trade in closed), Decimal(0)),
        final_balance=starting_balance + net,
        exposure_time=_exposure_time(closed, start_ms, end_ms),
    )


def equity_curve(trades: Iterable[ClosedTrade], starting_balance: Decimal, start_ms: int) -> Curve:
    """Return (time ms, balance) at the start and after every real trade, in order of exit."""
    balance = starting_balance
    points = [(start_ms, balance)]
    for trade in _real(trades):
        balance += trade.pnl
        points.append((trade.exit_time, balance))
    return tuple(points)


def drawdown_curve(curve: Curve) -> tuple[tuple[int, float], ...]:
    """Return (time ms, fall from the highest balance so far as a fraction of it)."""
    peak = Decimal(0)
    falls = []
    for time, balance in curve:
        peak = max(peak, balance)
        falls.append((time, float((peak - balance) / peak) if peak > 0 else 0.0))
    return tuple(falls)


def by_day(trades: Iterable[ClosedTrade], starting_balance: Decimal) -> tuple[Day, ...]:
    """Return the real trades summed up by the UTC day of their exit, days without one left out."""
    days: dict[int, list[ClosedTrade]] = {}
    for trade in _real(trades):
        days.setdefault(trade.exit_time // DAY_MS, []).append(trade)
    balance = starting_balance
    result = []
    for day, closed in days.items():
        pnl = sum((trade.pnl for trade in closed), Decimal(0))
        balance += pnl
        result.append(
            Day(
                datetime.fromtimestamp(day * DAY_MS / 1_000, UTC).date().isoformat(),
                len(closed),
                sum(trade.pnl > 0 for trade in closed),
                pnl,
                sum((trade.fees for trade in closed), Decimal(0)),
                sum((trade.funding for trade in closed), Decimal(0)),
                balance,
            )
        )
    return tuple(result)


def sharpe_ratio(returns: Sequence[float], per_year: float) -> float | None:
    """Return mean / standard deviation of per-trade returns, annualised by trades per year.

    None under two returns, without dispersion, or for a rate that is not positive. The
    risk-free rate is taken as zero. Source: W. F. Sharpe (1994).
    """
    if len(returns) < 2 or not per_year > 0.0:
        return None
    mean = statistics.fmean(returns)
    deviation = statistics.stdev(returns, mean)
    if deviation <= 1e-12 * abs(mean):
        return None
    return mean / deviation * math.sqrt(per_year)


def sortino_ratio(returns: Sequence[float], per_year: float) -> float | None:
    """Return mean / downside deviation below zero of per-trade returns, annualised likewise.

    None under two returns or without a loss. Source: F. A. Sortino and L. N. Price (1994).
    """
    if len(returns) < 2 or not per_year > 0.0:
        return None
    downside = math.sqrt(math.fsum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    return statistics.fmean(returns) / downside * math.sqrt(per_year) if downside > 0.0 else None


def trade_returns(trades: Iterable[ClosedTrade]) -> list[float]:
    """Return each trade's PnL as a fraction of the equity at its entry; none for no equity."""
    return [float(t.pnl / t.entry_equity) for t in trades if t.entry_equity > 0]


def _real(trades: Iterable[ClosedTrade]) -> list[ClosedTrade]:
    return sorted((t for t in trades if not t.shadow), key=lambda trade: trade.exit_time)


def _ratios(closed: Sequence[ClosedTrade], span_ms: int) -> tuple[float | None, float | None]:
    if span_ms <= 0:
        return None, None
    returns = trade_returns(closed)
    per_year = len(returns) * YEAR_MS / span_ms
    return sharpe_ratio(returns, per_year), sortino_ratio(returns, per_year)


def _exposure_time(closed: Sequence[ClosedTrade], start_ms: int, end_ms: int) -> float | None:
    """Return the share of the time with at least one position open."""
    if end_ms <= start_ms:
        return None
    open_ms = 0
    covered = start_ms
    for trade in sorted(closed, key=lambda trade: trade.entry_time):
        begin, end = max(trade.entry_time, covered), min(trade.exit_time, end_ms)
        if end > begin:
            open_ms += end - begin
            covered = end
    return open_ms / (end_ms - start_ms)


def _read_win_rate(value: float | None) -> tuple[str, str]:
    if value is None:
        return "none yet", "no closed trades yet"
    if value < 0.35:
        return "bad", "critical"
    if value < 0.50:
        return "poor", "degrading"
    if value < 0.60:
        return "fair", "acceptable"
    if value <= 0.75:
        return "good", "good"
    return "good", "very high: see that the losses are not the larger ones"


def _read_ratio(value: float | None) -> tuple[str, str]:
    if value is None:
        return "none yet", "not defined yet"
    if value > 1.5:
        return "good", "excellent"
    if value >= 0.5:
        return "good", "good"
    return ("fair", "weak") if value >= 0.0 else ("bad", "losing")


def _read_expectancy(value: float | None) -> tuple[str, str]:
    if value is None:
        return "none yet", "no closed trades yet"
    return ("good", "earns per trade") if value > 0.0 else ("bad", "no edge")


def _read_factor(value: float | None) -> tuple[str, str]:
    if value is None:
        return "none yet", "no losses yet"
    if value >= 1.5:
        return "good", "good"
    return ("fair", "thin") if value > 1.0 else ("bad", "losing")


def _read_drawdown(value: float) -> tuple[str, str]:
    if value < 0.05:
        return "good", "excellent"
    return ("fair", "acceptable") if value <= 0.10 else ("bad", "a risk problem")


def _read_sample(trades: int) -> tuple[str, str]:
    if trades < 30:
        return "fair", "exploration"
    return ("fair", "building confidence") if trades <= 100 else ("good", "full Kelly")
