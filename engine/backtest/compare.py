"""Two strategies over the same candles, and whether the difference is more than luck."""

from __future__ import annotations

from typing import NamedTuple

from engine.backtest.intervals import Interval, daily, total
from engine.backtest.runner import BacktestResult
from engine.risk.performance import Metrics, metrics


class Comparison(NamedTuple):
    """A strategy beside another one.

    ``difference`` is the other's net PnL minus this one's (quote currency), its interval from
    the differences day by day: what both share, the market, cancels out. ``better_days`` and
    ``worse_days`` are the other's.
    """

    name: str
    other: str
    figures: Metrics
    other_figures: Metrics
    difference: Interval
    days: int
    better_days: int
    worse_days: int
    other_fingerprint: str


def compare(name: str, result: BacktestResult, other: str, found: BacktestResult) -> Comparison:
    """Hold another strategy's run against this one's; both over the same span."""
    start, end = result.start, max(result.end, found.end)
    own, _ = daily(result.trades, start, end)
    theirs, _ = daily(found.trades, start, end)
    difference = theirs - own
    return Comparison(
        name,
        other,
        metrics(result.trades, result.starting_balance, result.start, result.end),
        metrics(found.trades, found.starting_balance, found.start, found.end),
        total(difference),
        len(difference),
        int((difference > 0).sum()),
        int((difference < 0).sum()),
        found.fingerprint,
    )
