"""Expectancy: what the closed trades say about the edge, with intervals, and its Kelly fraction.

Conventions. A win is a trade with pnl > 0, a loss one with pnl < 0. A flat trade counts in n
but in neither average, so that win rate x average win - loss rate x average loss is the plain
mean of the PnL. In Kelly q = 1 - win rate: a flat trade weighs like a loss, the careful side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.model.orders import ClosedTrade

BOOTSTRAP_LIMIT = 500  # above this many trades the mean is normal enough for the plain formula
_Z95 = 1.959963984540054
_RESAMPLES = 1_000
_SEED = 20_240_229


def kelly(win_rate: float, payoff: float) -> float:
    """Return the Kelly fraction f = (p b - q) / b, negative without an edge.

    ``win_rate`` p is a fraction, ``payoff`` b = average win / average loss. Raises
    ``ValueError`` unless 0 <= p <= 1 and b is positive. Source: J. L. Kelly (1956).
    """
    if not (0.0 <= win_rate <= 1.0 and payoff > 0.0):
        raise ValueError(f"no Kelly fraction for a win rate of {win_rate} and a payoff of {payoff}")
    return (win_rate * payoff - (1.0 - win_rate)) / payoff


def wilson(wins: int, trades: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a win rate, as fractions. ``trades`` is at least 1.

    Source: E. B. Wilson (1927), score interval without continuity correction.
    """
    share = wins / trades
    z2 = _Z95 * _Z95
    scale = 1.0 + z2 / trades
    centre = (share + z2 / (2.0 * trades)) / scale
    spread = _Z95 / scale * math.sqrt(share * (1.0 - share) / trades + z2 / (4.0 * trades**2))
    # The share itself always lies within; at 0 and 1 only a float rounding says otherwise.
    return max(0.0, min(share, centre - spread)), min(1.0, max(share, centre + spread))


def bootstrap_mean(sample: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % percentile-bootstrap interval of a mean, in the sample's unit.

    Deterministic: the same sample gives the same interval (numpy's frozen legacy generator,
    whose stream does not change between releases). ``sample`` is not empty.
    """
    n = len(sample)
    means = _resample_counts(n) @ np.asarray(sample, dtype=np.float64) / n
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


@lru_cache(maxsize=4)  # the windows in use; at most 1,000 x 500 numbers each
def _resample_counts(n: int) -> NDArray[np.float64]:
    """Return how often each of n trades is drawn in each resample, shape (resamples, n)."""
    draws = np.random.RandomState(_SEED).randint(0, n, (_RESAMPLES, n), dtype=np.int64)
    flat = draws + n * np.arange(_RESAMPLES)[:, None]
    counts = np.bincount(flat.ravel(), minlength=_RESAMPLES * n).reshape(_RESAMPLES, n)
    return counts.astype(np.float64)


class Totals(NamedTuple):
    """Sums over trades, each correctly rounded, so that no order of adding matters.

    ``win_sum``, ``loss_sum`` (positive), ``pnl_sum`` in quote currency; ``r_sum`` in R.
    """

    trades: int
    wins: int
    losses: int
    win_sum: float
    loss_sum: float
    pnl_sum: float
    square_sum: float
    r_sum: float

    @classmethod
    def of(cls, trades: Sequence[ClosedTrade]) -> Totals:
        """Sum up some trades."""
        pnls = [float(trade.pnl) for trade in trades]
        wins = [pnl for pnl in pnls if pnl > 0.0]
        losses = [-pnl for pnl in pnls if pnl < 0.0]
        return cls(
            len(pnls),
            len(wins),
            len(losses),
            math.fsum(wins),
            math.fsum(losses),
            math.fsum(pnls),
            math.fsum(pnl * pnl for pnl in pnls),
            math.fsum(trade.r_multiple for trade in trades),
        )


class RunningTotals:
    """Totals of every trade ever added, in constant memory and without drift (exact fractions)."""

    __slots__ = ("_loss_sum", "_losses", "_r_sum", "_square_sum", "_win_sum", "_wins", "trades")

    def __init__(self) -> None:
        self.trades = self._wins = self._losses = 0
        self._win_sum = self._loss_sum = self._square_sum = self._r_sum = Fraction(0)

    def add(self, trade: ClosedTrade) -> None:
        """Add one trade."""
        pnl = float(trade.pnl)
        self.trades += 1
        self._square_sum += Fraction(pnl * pnl)
        self._r_sum += Fraction(trade.r_multiple)
        if pnl > 0.0:
            self._wins += 1
            self._win_sum += Fraction(pnl)
        elif pnl < 0.0:
            self._losses += 1
            self._loss_sum -= Fraction(pnl)

    def totals(self) -> Totals:
        """Return the sums so far; equal to ``Totals.of`` over the same trades."""
        return Totals(
            self.trades,
            self._wins,
            self._losses,
            float(self._win_sum),
            float(self._loss_sum),
            float(self._win_sum - self._loss_sum),
            float(self._square_sum),
            float(self._r_sum),
        )


@dataclass(frozen=True)
class WindowStats:
    """Expectancy over one window; None where it is not defined yet.

    Rates are fractions, ``expectancy`` and averages quote currency per trade, ``expectancy_r``
    R per trade, ``average_loss`` positive. ``expectancy_low`` and ``expectancy_high`` bound the
    expectancy at 95 % and are computed when first asked for.
    """

    name: str
    trades: int
    win_rate: float | None
    win_rate_low: float | None
    win_rate_high: float | None
    average_win: float | None
    average_loss: float | None
    payoff: float | None
    expectancy: float | None
    expectancy_r: float | None
    profit_factor: float | None
    kelly: float | None
    standard_error: float | None
    sample: tuple[float, ...] = field(repr=False)

    @property
    def expectancy_low(self) -> float | None:
        """Return the lower end of the 95 % interval; None under two trades."""
        return None if self._interval is None else self._interval[0]

    @property
    def expectancy_high(self) -> float | None:
        """Return the upper end of the 95 % interval; None under two trades."""
        return None if self._interval is None else self._interval[1]

    @cached_property
    def _interval(self) -> tuple[float, float] | None:
        if self.expectancy is None or self.standard_error is None:
            return None
        if self.trades <= BOOTSTRAP_LIMIT:
            return bootstrap_mean(self.sample)
        spread = _Z95 * self.standard_error
        return self.expectancy - spread, self.expectancy + spread


def window_stats(trades: Sequence[ClosedTrade], name: str) -> WindowStats:
    """Return the figures over some trades, newest last."""
    return stats_of(Totals.of(trades), [float(trade.pnl) for trade in trades], name)


def stats_of(totals: Totals, pnls: Iterable[float], name: str) -> WindowStats:
    """Return the figures from sums; ``pnls`` feed the bootstrap of a window it applies to."""
    n = totals.trades
    if n == 0:
        return WindowStats(name, 0, *(None,) * 11, sample=())
    win_rate = totals.wins / n
    low, high = wilson(totals.wins, n)
    average_win = totals.win_sum / totals.wins if totals.wins else None
    average_loss = totals.loss_sum / totals.losses if totals.losses else None
    payoff = _ratio(average_win, average_loss)
    return WindowStats(
        name=name,
        trades=n,
        win_rate=win_rate,
        win_rate_low=low,
        win_rate_high=high,
        average_win=average_win,
        average_loss=average_loss,
        payoff=payoff,
        expectancy=totals.pnl_sum / n,
        expectancy_r=totals.r_sum / n,
        profit_factor=totals.win_sum / totals.loss_sum if totals.losses else None,
        kelly=None if payoff is None else kelly(win_rate, payoff),
        standard_error=_standard_error(totals),
        sample=tuple(pnls) if n <= BOOTSTRAP_LIMIT else (),
    )


def _ratio(win: float | None, loss: float | None) -> float | None:
    """Return win / loss, or None while either is missing or the ratio leaves the floats."""
    if not win or not loss:
        return None
    ratio = win / loss
    return ratio if 0.0 < ratio < math.inf else None


def _standard_error(totals: Totals) -> float | None:
    n = totals.trades
    if n < 2:
        return None
    variance = (totals.square_sum - totals.pnl_sum * totals.pnl_sum / n) / (n - 1)
    return math.sqrt(max(0.0, variance) / n)
