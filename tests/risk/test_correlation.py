from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.market import Pair
from engine.risk.correlation import (
    PRIOR_WEIGHT,
    CorrelationModel,
    nearest_correlation,
    prior_correlation,
)
from tests.risk.builders import ADA, BNB, BTC, DOGE, ETH, LIMITS, LTC, SOL, XRP

PAIRS = LIMITS.allowed_pairs


def assert_correlation_matrix(matrix: np.ndarray) -> None:
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(np.diag(matrix), np.ones(len(matrix)))
    assert np.abs(matrix).max() <= 1.0
    assert np.linalg.eigvalsh(matrix)[0] >= -1e-10


def returns(seed: int, length: int, weight: float = 0.7) -> dict[Pair, np.ndarray]:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=length)
    return {
        pair: 1e-3 * (weight * common + (1 - weight) * rng.normal(size=length)) for pair in PAIRS
    }


def test_the_prior_is_that_of_the_specification() -> None:
    model = CorrelationModel(PAIRS)
    for a, b, value in [
        (BTC, ETH, 0.85),
        (BNB, BTC, 0.80),
        (ETH, BNB, 0.82),
        (SOL, ADA, 0.75),
        (XRP, LTC, 0.70),
        (BTC, DOGE, 0.50),
        (BTC, BTC, 1.0),
    ]:
        assert model.between(a, b) == model.between(b, a) == value == prior_correlation(a, b)
    assert_correlation_matrix(model.matrix)


def test_an_unknown_pair_takes_the_prior() -> None:
    model = CorrelationModel([BTC, ETH])
    assert model.between(BTC, Pair.parse("PEPE")) == 0.50
    assert model.between(LTC, XRP) == 0.70


def test_the_measured_figure_takes_over_as_the_sample_grows() -> None:
    for length, weight in ((0, 0.0), (PRIOR_WEIGHT, 0.5), (9 * PRIOR_WEIGHT, 0.9)):
        windows = returns(3, length)
        model = CorrelationModel(PAIRS)
        model.update(windows)
        for a, b in ((BTC, ETH), (BTC, DOGE)):
            measured = np.corrcoef(windows[a], windows[b])[0, 1] if length else 0.0
            expected = weight * measured + (1 - weight) * prior_correlation(a, b)
            assert model.between(a, b) == pytest.approx(expected, abs=1e-9)


def test_update_starts_from_the_prior_each_time() -> None:
    model = CorrelationModel(PAIRS)
    model.update(returns(1, 500))
    model.update({})
    assert model.between(BTC, ETH) == 0.85


def test_windows_of_different_length_are_compared_where_they_overlap() -> None:
    windows = returns(5, 1_000)
    short = windows | {ETH: windows[ETH][-200:]}
    short[BTC] = short[BTC].copy()
    short[BTC][-1] = np.nan
    model = CorrelationModel([BTC, ETH, SOL])
    model.update(short)
    measured = np.corrcoef(windows[BTC][-200:-1], windows[ETH][-200:-1])[0, 1]
    weight = 199 / (199 + PRIOR_WEIGHT)
    assert model.between(BTC, ETH) == pytest.approx(weight * measured + (1 - weight) * 0.85)


def test_a_price_that_never_moves_keeps_the_prior() -> None:
    model = CorrelationModel(PAIRS)
    model.update(returns(1, 500) | {DOGE: np.zeros(500)})
    assert model.between(DOGE, BTC) == pytest.approx(0.5, abs=0.02)
    assert_correlation_matrix(model.matrix)


def test_an_impossible_matrix_is_repaired() -> None:
    # a = b, b = c, a = -c cannot be.
    broken = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    assert np.linalg.eigvalsh(broken)[0] < 0
    repaired = nearest_correlation(broken)
    assert_correlation_matrix(repaired)
    assert np.sign(repaired[0, 1]) == 1
    assert np.sign(repaired[0, 2]) == -1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_always_a_correlation_matrix(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    windows = {}
    for pair in PAIRS:
        length = data.draw(st.integers(0, 60))
        window = rng.standard_t(3, size=length) * 10.0 ** rng.integers(-6, 0)
        window[rng.random(length) < data.draw(st.floats(0, 0.5))] = np.nan
        windows[pair] = window
    model = CorrelationModel(PAIRS)
    model.update(windows)
    assert_correlation_matrix(model.matrix)
    assert model.rows() == tuple(map(tuple, model.matrix.tolist()))
    assert model.between(SOL, ADA) == model.matrix[2, 5]


def test_the_matrix_handed_out_is_a_copy() -> None:
    model = CorrelationModel(PAIRS)
    model.matrix[0, 1] = 9.0
    assert model.matrix[0, 1] == 0.85
    assert CorrelationModel([]).rows() == ()
