"""Correlations between pairs: a prior that yields to the measured figure as the sample grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.model.market import Pair

Matrix = NDArray[np.float64]

PRIOR_WEIGHT = 288  # the prior counts as much as one day of 5m returns
_OTHERS = 0.50
_PRIOR: Mapping[frozenset[str], float] = MappingProxyType(
    {
        frozenset(("BTC", "ETH")): 0.85,
        frozenset(("BTC", "BNB")): 0.80,
        frozenset(("ETH", "BNB")): 0.82,
        frozenset(("SOL", "ADA")): 0.75,
        frozenset(("XRP", "LTC")): 0.70,
    }
)
_NO_VARIANCE = 1e-16  # of 5m log returns: a price that does not move has no correlation
_EIGENVALUE_FLOOR = 1e-8


def prior_correlation(a: Pair, b: Pair) -> float:
    """Return the correlation assumed before anything is measured, by base asset."""
    if a.base == b.base:
        return 1.0
    return _PRIOR.get(frozenset((a.base, b.base)), _OTHERS)


def nearest_correlation(matrix: Matrix) -> Matrix:
    """Return a positive semi-definite matrix with unit diagonal near a symmetric one.

    A matrix that is one already comes back unchanged. Otherwise negative eigenvalues are
    clipped and the diagonal is scaled back to 1 (Rebonato and Jaeckel, 1999, spectral method).
    """
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= 0.0:
        return matrix
    clipped = (vectors * np.maximum(values, _EIGENVALUE_FLOOR)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(clipped))
    repaired = clipped * scale[:, None] * scale[None, :]
    repaired = np.clip((repaired + repaired.T) / 2.0, -1.0, 1.0)
    np.fill_diagonal(repaired, 1.0)
    return np.asarray(repaired, dtype=np.float64)


class CorrelationModel:
    """Correlations of the pairs traded, positive semi-definite with unit diagonal.

    Every entry is w x measured + (1 - w) x prior with w = n / (n + 288), n being the returns
    both pairs share; the result is repaired where unequal samples cost definiteness.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = tuple(dict.fromkeys(pairs))
        prior = np.array([[prior_correlation(a, b) for b in self._pairs] for a in self._pairs])
        self._prior = nearest_correlation(prior) if self._pairs else np.ones((0, 0))
        self._adopt(self._prior)

    @classmethod
    def recorded(cls, pairs: Sequence[Pair], matrix: Matrix) -> Self:
        """Return a model as it was recorded: ``matrix`` has shape (pairs, pairs)."""
        model = cls(pairs)
        if len(pairs):
            model._adopt(matrix.reshape(len(pairs), len(pairs)))
        return model

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Return the pairs, in the order of the matrix."""
        return self._pairs

    @property
    def matrix(self) -> Matrix:
        """Return the correlation matrix, shape (pairs, pairs), as a copy."""
        return self._matrix.copy()

    def rows(self) -> tuple[tuple[float, ...], ...]:
        """Return the matrix as tuples of plain floats."""
        return tuple(tuple(row) for row in self._matrix.tolist())

    def between(self, a: Pair, b: Pair) -> float:
        """Return the correlation of two pairs; the prior for a pair the model does not hold."""
        known = self._lookup.get((a, b))
        return prior_correlation(a, b) if known is None else known

    def update(self, returns: Mapping[Pair, NDArray[np.float64]]) -> None:
        """Measure anew from each pair's window of 5m log returns, oldest first.

        Windows end at the same candle and may differ in length; NaN marks a missing return.
        Pairs without a window, or whose price never moved, keep the prior.
        """
        if not self._pairs:
            return
        measured, shared = _pairwise(self._aligned(returns))
        weight = shared / (shared + PRIOR_WEIGHT)
        blended = weight * measured + (1.0 - weight) * self._prior
        np.fill_diagonal(blended, 1.0)
        self._adopt(nearest_correlation(blended))

    def _aligned(self, returns: Mapping[Pair, NDArray[np.float64]]) -> Matrix:
        """Return the windows as columns that end together, NaN before a shorter one begins."""
        length = max((len(returns[p]) for p in self._pairs if p in returns), default=0)
        table = np.full((length, len(self._pairs)), np.nan)
        for column, pair in enumerate(self._pairs):
            window = returns.get(pair)
            if window is not None and len(window):
                table[length - len(window) :, column] = window
        return table

    def _adopt(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._lookup: dict[tuple[Pair, Pair], float] = {(p, p): 1.0 for p in self._pairs}
        for (i, a), (j, b) in combinations(enumerate(self._pairs), 2):
            self._lookup[a, b] = self._lookup[b, a] = float(matrix[i, j])


def _pairwise(table: Matrix) -> tuple[Matrix, Matrix]:
    """Return Pearson correlations over the rows each two columns share, and how many.

    Both have shape (columns, columns); where a correlation is undefined, both are zero.
    """
    present = np.isfinite(table)
    there = present.astype(np.float64)
    shared = there.T @ there
    own = np.maximum(there.sum(axis=0), 1.0)
    clean = np.where(present, table, 0.0)
    clean = np.where(present, clean - clean.sum(axis=0) / own, 0.0)  # for accuracy, not for r
    count = np.maximum(shared, 1.0)
    mean = (clean.T @ there) / count  # mean of the row's column over the rows shared
    variance = ((clean * clean).T @ there) / count - mean * mean
    covariance = (clean.T @ clean) / count - mean * mean.T
    defined = (shared >= 2.0) & (variance > _NO_VARIANCE) & (variance.T > _NO_VARIANCE)
    deviation = np.sqrt(np.where(defined, variance * variance.T, 1.0))
    measured = np.where(defined, np.clip(covariance / deviation, -1.0, 1.0), 0.0)
    return measured, np.where(defined, shared, 0.0)
