"""Both parts of the Monte Carlo: terminal shocks and target before stop."""

from __future__ import annotations

import hashlib
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.indicators.monte_carlo import TargetFirst, TerminalShocks, target_first, wilson

RETURNS = np.random.default_rng(11).standard_t(5, 500) * 1e-3
SEED = ("BTC/USDT:USDT", 1_704_067_200_000)


def digest(result: tuple[float, ...]) -> str:
    return hashlib.sha256(np.array(result).tobytes()).hexdigest()


def test_terminal_shocks_are_the_same_in_every_instance() -> None:
    first, second = TerminalShocks(), TerminalShocks()
    for mean, sigma in [(1e-5, 1e-3), (-3e-4, 2e-3), (0.0, 5e-4)]:
        assert first.evaluate(mean, sigma) == second.evaluate(mean, sigma)


def test_no_drift_is_exactly_one_half_and_symmetric() -> None:
    up, low, mid, high, error = TerminalShocks().evaluate(0.0, 1e-3)
    assert up == 0.5
    assert mid == pytest.approx(0.0, abs=1e-18)
    assert low == pytest.approx(-high, rel=1e-12)
    assert error == pytest.approx(0.5 / sqrt(2_000))


def test_the_horizon_scales_drift_and_spread() -> None:
    up, low, mid, high, _ = TerminalShocks(horizon=12).evaluate(1e-4, 1e-3)
    assert mid == pytest.approx(12e-4)
    assert low < mid < high
    assert high - low == pytest.approx(2 * 1.63 * sqrt(12) * 1e-3, rel=0.05)
    assert up > 0.5


def test_without_volatility_nothing_is_known() -> None:
    assert TerminalShocks().evaluate(2e-3, 0.0) == (0.5, 0.024, 0.024, 0.024, 0.0)


def test_an_overwhelming_drift_is_certain() -> None:
    assert TerminalShocks().evaluate(1.0, 1e-3)[0] == 1.0
    assert TerminalShocks().evaluate(-1.0, 1e-3)[0] == 0.0


def test_the_sampling_error_claimed_covers_the_errors_made() -> None:
    truth = TerminalShocks(paths=400_000, seed=1)
    for mean in (-2e-4, 1e-4, 4e-4):
        true_up = truth.evaluate(mean, 1e-3)[0]
        samples = [
            TerminalShocks(paths=1_000, seed=seed).evaluate(mean, 1e-3) for seed in range(2, 102)
        ]
        errors = np.array([up - true_up for up, *_ in samples])
        claimed = np.array([error for *_, error in samples])
        assert sqrt((errors**2).mean()) <= 1.1 * claimed.mean()
        assert (np.abs(errors) <= 2 * claimed).mean() >= 0.93


@settings(deadline=None, max_examples=60)
@given(st.floats(-1e-2, 1e-2), st.floats(0, 5e-2))
def test_the_forecast_is_always_in_order(mean: float, sigma: float) -> None:
    up, low, mid, high, error = TerminalShocks(paths=1_000).evaluate(mean, sigma)
    assert 0.0 <= up <= 1.0
    assert low <= mid <= high
    assert 0.0 <= error <= 0.5 / sqrt(1_000)


@pytest.mark.parametrize(("paths", "horizon"), [(999, 12), (1_001, 12), (1_000, 0)])
def test_too_few_paths_are_refused(paths: int, horizon: int) -> None:
    with pytest.raises(ValueError, match="paths"):
        TerminalShocks(paths, horizon)


def brute_force(stop: float, target: float, horizon: int, paths: int) -> tuple[int, int]:
    """Walk the same paths one by one, drawing as the vectorised form promises to."""
    text = "\x1f".join(map(str, SEED))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    words = np.random.Philox(key=key).random_raw((paths * horizon + 1) // 2).tolist()
    draws = [half for word in words for half in (word & 0xFFFF_FFFF, word >> 32)]
    won = lost = 0
    for path in range(paths):
        travelled = 0.0
        for step in range(horizon):
            travelled += float(RETURNS[draws[path * horizon + step] * len(RETURNS) >> 32])
            reached = travelled >= target if target > 0 else travelled <= target
            stopped = travelled <= stop if stop < 0 else travelled >= stop
            if reached or stopped:
                won, lost = won + reached, lost + stopped
                break
    return won, lost


@pytest.mark.parametrize(
    ("stop", "target", "horizon"), [(-0.003, 0.006, 48), (0.002, -0.004, 13), (-0.02, 0.03, 5)]
)
def test_target_first_equals_a_loop_over_its_paths(
    stop: float, target: float, horizon: int
) -> None:
    paths = 501
    won, lost = brute_force(stop, target, horizon, paths)
    result = target_first(
        RETURNS,
        stop_return=stop,
        target_return=target,
        horizon=horizon,
        paths=paths,
        seed_parts=SEED,
    )
    assert (result.p_target, result.p_stop) == (won / paths, lost / paths)
    assert result.p_neither == (paths - won - lost) / paths


def estimate(**changes: object) -> TargetFirst:
    arguments: dict[str, object] = {
        "stop_return": -0.004,
        "target_return": 0.008,
        "horizon": 48,
        "seed_parts": SEED,
    }
    return target_first(RETURNS, **(arguments | changes))  # type: ignore[arg-type]


def test_target_first_is_the_same_byte_for_byte() -> None:
    assert digest(estimate()) == digest(estimate())
    # Only raw Philox bits and plain sums are used: any machine gives these counts.
    steps = np.tile([0.5, -0.25, 0.125, -0.375], 3)
    fixed = target_first(
        steps, stop_return=-0.75, target_return=1.0, horizon=24, seed_parts=("BTC", 42)
    )
    assert (fixed.p_target, fixed.p_stop) == (821 / 2_000, 1_119 / 2_000)


def test_another_pair_or_time_draws_other_paths() -> None:
    one = estimate()
    assert estimate(seed_parts=("ETH/USDT:USDT", SEED[1])) != one
    assert estimate(seed_parts=(SEED[0], SEED[1] + 300_000)) != one


def test_symmetric_barriers_of_a_symmetric_market_are_a_coin_toss() -> None:
    returns = np.concatenate((RETURNS, -RETURNS))
    result = target_first(
        returns, stop_return=-0.005, target_return=0.005, horizon=400, seed_parts=SEED
    )
    assert result.p_neither < 0.01
    assert abs(result.p_target - 0.5) < 3 * result.standard_error
    assert result.low < 0.5 < result.high


def test_a_random_walk_meets_the_ruin_formula() -> None:
    # P(reach +n before -m) of a walk in unit steps, up with p: (1 - r^m) / (1 - r^(n+m)), r = q/p.
    up, n, m, step = 0.52, 8, 4, 0.001
    returns = np.repeat([step, -step], [52, 48])
    ratio = (1 - up) / up
    exact = (1 - ratio**m) / (1 - ratio ** (n + m))
    result = target_first(
        returns,
        stop_return=-(m - 0.5) * step,
        target_return=(n - 0.5) * step,
        horizon=500,
        paths=4_000,
        seed_parts=SEED,
    )
    assert result.p_neither < 0.001
    assert abs(result.p_target - exact) < 3 * result.standard_error


def test_a_short_is_the_mirror_of_a_long() -> None:
    long = estimate()
    short = target_first(
        -RETURNS, stop_return=0.004, target_return=-0.008, horizon=48, seed_parts=SEED
    )
    assert short == long


def test_the_claimed_interval_covers_other_seeds() -> None:
    many = [estimate(seed_parts=("BTC", time)) for time in range(60)]
    truth = sum(result.p_target for result in many) / len(many)
    covered = sum(result.low <= truth <= result.high for result in many)
    assert covered >= 52


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-0.05, 0.05), min_size=1, max_size=40),
    st.floats(1e-4, 0.2),
    st.floats(1e-4, 0.2),
    st.integers(1, 30),
)
def test_the_three_probabilities_sum_to_one(
    returns: list[float], stop: float, target: float, horizon: int
) -> None:
    result = target_first(
        np.array(returns),
        stop_return=-stop,
        target_return=target,
        horizon=horizon,
        paths=97,
        seed_parts=("X", horizon),
    )
    assert result.p_target + result.p_stop + result.p_neither == pytest.approx(1.0)
    assert 0.0 <= result.low <= result.p_target <= result.high <= 1.0
    assert all(type(value) is float for value in result)


@pytest.mark.parametrize(
    "changes",
    [
        {"stop_return": 0.004},
        {"target_return": 0.0},
        {"target_return": float("nan")},
        {"horizon": 0},
        {"paths": 0},
    ],
)
def test_nonsense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"needs|straddle"):
        estimate(**changes)


def test_wilson_interval_known_values() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
