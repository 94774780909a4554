"""Bootstrap intervals over days: trades of one day share their market, days hardly do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.model.market import DAY_MS
from engine.model.orders import ClosedTrade

RESAMPLES = 2_000
MIN_DAYS = 10
_SEED = 20_250_601
_AT_ONCE = 200

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A figure with its 95 % bootstrap interval; the bounds are None on too few days."""

    value: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> int:
        """Return +1 or -1 when the whole interval lies above or below zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def daily(
    trades: Iterable[ClosedTrade], start: int, end: int, *, in_r: bool = False
) -> tuple[Floats, Floats]:
    """Return PnL (quote currency, or R) and number of trades of every UTC day from start to end.

    A trade belongs to the day of its exit; one outside the span counts at its border.
    """
    first = start // DAY_MS
    days = max(1, (end - 1) // DAY_MS - first + 1)
    sums, counts = np.zeros(days), np.zeros(days)
    for trade in trades:
        day = min(max(trade.exit_time // DAY_MS - first, 0), days - 1)
        sums[day] += trade.r_multiple if in_r else float(trade.pnl)
        counts[day] += 1
    return sums, counts


def total(sums: Floats) -> Interval:
    """Return the sum over all days with its interval."""
    return _interval(float(sums.sum()), [draws @ sums for draws in _resamples(len(sums))])


def per_trade(sums: Floats, counts: Floats) -> Interval | None:
    """Return the mean per trade with its interval, None without a trade.

    Whole days are drawn, so that trades which shared a day stay together (cluster bootstrap). On
    fewer than ``MIN_DAYS`` days with a trade there are no bounds: so few days resemble each other.
    """
    if not counts.sum():
        return None
    if np.count_nonzero(counts) < MIN_DAYS:
        return Interval(float(sums.sum() / counts.sum()), None, None)
    means = []
    for draws in _resamples(len(sums)):
        n = draws @ counts
        means.append((draws @ sums)[n > 0] / n[n > 0])
    return _interval(float(sums.sum() / counts.sum()), means)


def _resamples(days: int) -> Iterable[Floats]:
    """Yield how often each day is drawn, (resamples, days), some at a time. Deterministic."""
    if days < 2:
        return
    random = np.random.RandomState(_SEED)  # its stream does not change between releases
    for _ in range(RESAMPLES // _AT_ONCE):
        drawn = random.multinomial(days, np.full(days, 1 / days), _AT_ONCE)
        yield drawn.astype(np.float64)


def _interval(value: float, parts: Sequence[Floats]) -> Interval:
    if not parts:
        return Interval(value, None, None)
    low, high = np.percentile(np.concatenate(parts), (2.5, 97.5)).tolist()
    return Interval(value, low, high)
