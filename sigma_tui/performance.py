"""Performance of the trades on the screen: figures with their reading, curves and breakdowns.

Shadow trades never count. Formulas follow the usual definitions; Sharpe and Sortino are those
of per-trade returns on entry equity, annualised by the trades per year actually made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from engine.model.market import YEAR_MS
from engine.model.orders import ClosedTrade
from sigma_tui import figures


class Figure(NamedTuple):
    """One figure: name, value in words, reading in words and its role."""

    name: str
    value: str
    reading: str
    role: str


class Bucket(NamedTuple):
    """The trades of one day, pair, regime or exit reason; money in quote currency."""

    name: str
    trades: int
    wins: int
    pnl: float


def figures_of(trades: Sequence[ClosedTrade]) -> list[Figure]:
    """Return the figures of spec section 16 over closed trades, newest first or not."""
    real = sorted((t for t in trades if not t.shadow), key=lambda t: t.exit_time)
    pnls = [float(t.pnl) for t in real]
    wins, losses = [p for p in pnls if p > 0], [p for p in pnls if p <= 0]
    lost = -sum(losses)
    count = len(real)
    rate = len(wins) / count if count else math.nan
    sharpe, sortino = _sharpe(real)
    fall = max_drawdown([equity for _, equity in equity_curve(real)])
    mean = sum(pnls) / count if count else math.nan
    factor = sum(wins) / lost if lost else math.nan
    return [
        Figure("trades", str(count), *_sample(count)),
        Figure("win rate", figures.percent(rate), *_win_rate(rate)),
        Figure("expectancy", _signed(mean), "per trade", "muted"),
        Figure("net PnL", _signed(sum(pnls)), "after costs", "muted"),
        Figure("profit factor", _ratio(factor), "won / lost", "muted"),
        Figure("Sharpe", _ratio(sharpe), *_sharpe_reading(sharpe)),
        Figure("Sortino", _ratio(sortino), "downside only", "muted"),
        Figure("max drawdown", figures.percent(fall), *_drawdown(fall, count)),
        Figure("exposure time", figures.percent(exposure_time(real)), "in a position", "muted"),
        Figure("fees paid", figures.money(float(sum(t.fees for t in real))), "", "muted"),
        Figure("funding paid", _signed(float(sum(t.funding for t in real))), "net cost", "muted"),
    ]  # fmt: skip


def equity_curve(trades: Sequence[ClosedTrade]) -> list[tuple[int, float]]:
    """Return (ms UTC, closed equity) after each real trade, oldest first, start included."""
    real = sorted((t for t in trades if not t.shadow), key=lambda t: t.exit_time)
    if not real:
        return []
    equity = float(real[0].entry_equity)
    curve = [(real[0].entry_time, equity)]
    for trade in real:
        equity += float(trade.pnl)
        curve.append((trade.exit_time, equity))
    return curve


def drawdowns(equity: Sequence[float]) -> list[float]:
    """Return the fall below the highest equity so far, as fractions <= 0."""
    peak, falls = -math.inf, []
    for value in equity:
        peak = max(peak, value)
        falls.append(value / peak - 1 if peak > 0 else 0.0)
    return falls


def max_drawdown(equity: Sequence[float]) -> float:
    """Return the largest fall below a peak as a fraction, 0 for none."""
    return abs(min(drawdowns(equity), default=0.0))


def exposure_time(trades: Sequence[ClosedTrade]) -> float:
    """Return the share of the time from first entry to last exit with a position open."""
    if not trades:
        return math.nan
    spans = sorted((t.entry_time, t.exit_time) for t in trades)
    held, until = 0, spans[0][0]
    for start, end in spans:
        held += max(0, end - max(start, until))
        until = max(until, end)
    whole = until - spans[0][0]
    return held / whole if whole else math.nan


def breakdown(trades: Iterable[ClosedTrade], key: Callable[[ClosedTrade], str]) -> list[Bucket]:
    """Return real trades grouped by a key, in the order the keys first appear."""
    groups: dict[str, list[float]] = {}
    for trade in trades:
        if not trade.shadow:
            groups.setdefault(key(trade), []).append(float(trade.pnl))
    return [Bucket(k, len(v), sum(p > 0 for p in v), sum(v)) for k, v in groups.items()]


def _sharpe(trades: Sequence[ClosedTrade]) -> tuple[float, float]:
    returns = [float(t.pnl / t.entry_equity) for t in trades if t.entry_equity]
    if len(returns) < 2:
        return math.nan, math.nan
    mean = sum(returns) / len(returns)
    spread = math.sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    below = math.sqrt(sum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    years = (trades[-1].exit_time - trades[0].entry_time) / YEAR_MS
    scale = math.sqrt(len(returns) / years) if years > 0 else math.nan
    return (
        mean / spread * scale if spread else math.nan,
        mean / below * scale if below else math.nan,
    )


def _sample(count: int) -> tuple[str, str]:
    if count < 30:
        return "exploration", "muted"
    return ("building", "muted") if count <= 100 else ("full Kelly", "gain")


def _win_rate(rate: float) -> tuple[str, str]:
    if math.isnan(rate):
        return "", "muted"
    if rate < 0.35:
        return "critical", "wrong"
    if rate < 0.5:
        return "degrading", "warn"
    return ("good", "gain") if 0.6 <= rate <= 0.75 else ("fair", "muted")


def _sharpe_reading(value: float) -> tuple[str, str]:
    if math.isnan(value):
        return "", "muted"
    if value > 1.5:
        return "excellent", "gain"
    return (
        ("good", "gain")
        if value >= 0.5
        else ("low", "warn")
        if value >= 0
        else ("critical", "wrong")
    )


def _drawdown(fall: float, count: int) -> tuple[str, str]:
    if count == 0:
        return "", "muted"
    if fall < 0.05:
        return "excellent", "gain"
    return ("fair", "muted") if fall <= 0.10 else ("a risk problem", "wrong")


def _ratio(value: float) -> str:
    return figures.optional(None if math.isnan(value) else value)


def _signed(value: float) -> str:
    return figures.signed(value)
