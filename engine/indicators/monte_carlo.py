"""Monte Carlo in two parts: the terminal distribution on every candle, full paths on a proposal."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_DEGREES_OF_FREEDOM = 5  # fat tails, finite kurtosis
_BLOCK = 200  # paths simulated at a time, an even number: their arrays stay in the cache
_Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution


class TerminalShocks:
    """Common random numbers for the return over ``horizon`` candles, drawn once and kept sorted.

    Each shock is a sum of ``horizon`` Student-t steps (5 degrees of freedom), standardised over
    the sample. Shocks come in pairs of opposite sign, so that no drift means exactly one half
    up. One candle costs a binary search, and nothing flickers from candle to candle.
    """

    __slots__ = ("_column", "_horizon", "_q05", "_q50", "_q95", "_root", "_sorted", "paths")

    def __init__(self, paths: int = 2_000, horizon: int = 12, seed: int = 20_240_101) -> None:
        if paths < 1_000 or paths % 2 or horizon < 1:
            raise ValueError("needs an even number of at least 1,000 paths and a horizon of 1")
        generator = np.random.Generator(np.random.Philox(key=seed))
        steps = generator.standard_t(_DEGREES_OF_FREEDOM, size=(paths // 2, horizon))
        half = steps.sum(axis=1)
        shocks = np.concatenate((half, -half))
        shocks /= shocks.std()
        self.paths = paths
        self._horizon = float(horizon)
        self._root = sqrt(horizon)
        self._column = np.sort(shocks)
        self._sorted: list[float] = self._column.tolist()  # bisect wants Python numbers
        self._q05, self._q50, self._q95 = np.quantile(shocks, (0.05, 0.5, 0.95)).tolist()

    def evaluate(self, mean: float, sigma: float) -> tuple[float, float, float, float, float]:
        """Return (P(up), 5 %, 50 % and 95 % quantile, standard error of P(up)).

        ``mean`` and ``sigma`` are those of one candle's log return; quantiles are log returns
        at the horizon: mean x h + sigma x sqrt(h) x z. Paths up are counted as an integer, the
        error is binomial. Without volatility nothing is known: one half.
        """
        drift = mean * self._horizon
        spread = sigma * self._root
        if spread <= 0.0:
            return 0.5, drift, drift, drift, 0.0
        paths = self.paths
        up = (paths - bisect_right(self._sorted, -drift / spread)) / paths
        return (
            up,
            drift + spread * self._q05,
            drift + spread * self._q50,
            drift + spread * self._q95,
            sqrt(up * (1.0 - up) / paths),
        )

    def evaluate_columns(
        self, mean: NDArray[np.float64], sigma: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        """Return what ``evaluate`` returns, bit for bit, for whole columns."""
        drift = mean * self._horizon
        spread = sigma * self._root
        moves = spread > 0.0
        standard = -drift / np.where(moves, spread, 1.0)
        paths = self.paths
        up = (paths - np.searchsorted(self._column, standard, side="right")) / paths
        up = np.where(moves, up, 0.5)
        quantiles = (drift + spread * q for q in (self._q05, self._q50, self._q95))
        error = np.where(moves, np.sqrt(up * (1.0 - up) / paths), 0.0)
        return up, *(np.where(moves, each, drift) for each in quantiles), error


class TargetFirst(NamedTuple):
    """What becomes of a trade within the horizon: three probabilities that sum to 1.

    ``standard_error`` and the Wilson 95 % interval ``low`` to ``high`` belong to ``p_target``.
    """

    p_target: float
    p_stop: float
    p_neither: float
    standard_error: float
    low: float
    high: float


def target_first(
    returns: NDArray[np.float64],
    *,
    stop_return: float,
    target_return: float,
    horizon: int,
    paths: int = 2_000,
    seed_parts: tuple[str | int, ...],
) -> TargetFirst:
    """Estimate how often the target is reached before the stop, from resampled returns.

    Barriers are signed log returns from entry: a long has its stop below and its target above
    zero, a short the other way round. Paths are drawn with replacement from ``returns`` (log
    returns per candle) and touch a barrier at a candle's close. ``seed_parts`` (pair and candle
    time) key a counter-based generator of which only the raw bits are used, so that the answer
    is the same on any machine and numpy.

    Raises ``ValueError`` for barriers on one side of zero, no returns, paths or horizon.
    """
    if not stop_return * target_return < 0.0:
        raise ValueError(f"stop {stop_return} and target {target_return} must straddle zero")
    if returns.size == 0 or paths < 1 or horizon < 1:
        raise ValueError("needs returns, paths and a horizon")
    if target_return < 0.0:
        returns, stop_return, target_return = -returns, -stop_return, -target_return
    generator = _generator(seed_parts)
    won = lost = 0
    for first in range(0, paths, _BLOCK):
        count = min(_BLOCK, paths - first)
        steps = _resample(returns, count * horizon, generator).reshape(count, horizon)
        travelled = np.cumsum(steps, axis=1)
        outside = (travelled >= target_return) | (travelled <= stop_return)
        left_at = outside.argmax(axis=1)  # 0 for a path that stays inside: the side tells
        side = travelled[np.arange(count), left_at]
        won += int(np.count_nonzero(side >= target_return))
        lost += int(np.count_nonzero(side <= stop_return))
    share = won / paths
    low, high = wilson(won, paths)
    return TargetFirst(
        share,
        lost / paths,
        (paths - won - lost) / paths,
        sqrt(share * (1.0 - share) / paths),
        low,
        high,
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927), within [0, 1]."""
    share = successes / trials
    square = _Z95 * _Z95 / trials
    centre = (share + square / 2.0) / (1.0 + square)
    reach = _Z95 * sqrt((share * (1.0 - share) + square / 4.0) / trials) / (1.0 + square)
    # All or nothing would miss its own end by a rounding.
    return max(0.0, min(share, centre - reach)), min(1.0, max(share, centre + reach))


def _generator(seed_parts: tuple[str | int, ...]) -> np.random.Philox:
    text = "\x1f".join(map(str, seed_parts))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Philox(key=key)


def _resample(
    returns: NDArray[np.float64], count: int, generator: np.random.Philox
) -> NDArray[np.float64]:
    """Draw ``count`` returns with replacement; 32 random bits each, scaled to an index.

    The scaling is biased by less than the number of returns / 2**32.
    """
    raw = generator.random_raw((count + 1) // 2)
    bits = raw.astype("<u8", copy=False).view("<u4")[:count]
    index = (bits * np.uint64(returns.size)) >> np.uint64(32)
    return returns[index.view(np.int64)]
