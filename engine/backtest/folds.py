"""Walk-forward: the same strategy over contiguous folds, each begun anew and warmed up before it.

Nothing is fitted between folds. What this shows is whether the figures hold from one stretch of
time to the next, or come from one of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from engine.backtest.runner import BacktestResult
from engine.backtest.runs import Run
from engine.market.series import CandleSet
from engine.model.market import DAY_MS
from engine.risk.performance import Metrics, metrics
from engine.strategy import Strategy

MIN_CANDLES = 50  # of a fold; fewer say nothing


class FoldsError(ValueError):
    """There is not enough data for that many folds; the message says how many fit."""


def plan_folds(candles: CandleSet, count: int, warmup: int, strategy: Strategy) -> list[Run]:
    """Split what follows the first ``warmup`` candles into ``count`` runs of equal length.

    Each takes its own warm-up from the candles before it. Raises ``FoldsError``.
    """
    unit = candles.timeframe_ms
    first = candles.start + warmup * unit
    room = max(0, (candles.end - first) // unit)
    if room // count < MIN_CANDLES:
        fit = room // MIN_CANDLES
        raise FoldsError(
            f"{count} folds: {room:,} candles follow the warm-up of {warmup:,}, and a fold needs "
            f"{MIN_CANDLES}; {f'at most {fit} fit' if fit else 'not one fits'}"
        )
    borders = [first + room * number // count * unit for number in range(count)]
    ends = [*borders[1:], candles.end]
    return [
        Run(strategy, since=begin - warmup * unit, until=end, begin=begin)
        for begin, end in zip(borders, ends, strict=True)
    ]


class Fold(NamedTuple):
    """One fold's figures. ``r`` is the mean R multiple of its trades, None without one."""

    start: int
    end: int
    figures: Metrics
    shadow_trades: int
    r: float | None
    fingerprint: str


class Walk(NamedTuple):
    """All folds and how stable they are.

    ``winning`` and ``losing`` count folds by net PnL; ``mean_return`` and ``spread`` (standard
    deviation, None for one fold) are fractions of the starting balance per fold.
    """

    folds: tuple[Fold, ...]
    planned: int
    winning: int
    losing: int
    mean_return: float
    spread: float | None

    @property
    def complete(self) -> bool:
        """Return whether every fold ran to its end."""
        return len(self.folds) == self.planned


def walk_of(results: Sequence[BacktestResult | None]) -> Walk:
    """Sum up the folds that ran to their end."""
    done = [r for r in results if r is not None and not r.interrupted]
    folds = tuple(_fold(result) for result in done)
    returns = [
        float(fold.figures.net_pnl / result.starting_balance)
        for fold, result in zip(folds, done, strict=True)
    ]
    return Walk(
        folds,
        len(results),
        sum(value > 0 for value in returns),
        sum(value < 0 for value in returns),
        statistics.fmean(returns) if returns else 0.0,
        statistics.stdev(returns) if len(returns) > 1 else None,
    )


def _fold(result: BacktestResult) -> Fold:
    every = [trade.r_multiple for trade in result.trades]
    return Fold(
        result.start,
        result.end,
        metrics(result.trades, result.starting_balance, result.start, result.end),
        len(result.shadow_trades),
        statistics.fmean(every) if every else None,
        result.fingerprint,
    )


def days_of(fold: Fold) -> float:
    """Return a fold's length in days."""
    return (fold.end - fold.start) / DAY_MS
