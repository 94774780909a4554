"""The API monitor: counts, percentiles with their bounds, weights and clock offset."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.protection.api import MAX_ENDPOINTS, OTHER, RING, ApiMonitor, percentile

NOW = 1_700_000_000_000 // 60_000 * 60_000


def test_counts_errors_and_latencies_per_endpoint() -> None:
    monitor = ApiMonitor()
    for ms in range(1, 101):
        monitor.record_call("positions", ms, ms % 10 != 0, NOW)
    monitor.record_call("balance", 7, True, NOW)
    balance, positions = monitor.endpoints()
    assert (balance.name, balance.calls, balance.p50, balance.worst) == ("balance", 1, 7, 7)
    assert (positions.calls, positions.errors) == (100, 10)
    assert (positions.p50, positions.p95, positions.worst) == (50, 95, 100)


def test_percentiles_forget_old_calls_and_the_worst_does_not() -> None:
    monitor = ApiMonitor()
    monitor.record_call("x", 9_000, False, NOW)
    for _ in range(RING):
        monitor.record_call("x", 20, True, NOW)
    (view,) = monitor.endpoints()
    assert (view.p50, view.p95, view.worst) == (20, 20, 9_000)
    assert (view.calls, view.errors) == (RING + 1, 1)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=600))
def test_percentiles_are_exact_over_the_last_calls(latencies: list[float]) -> None:
    monitor = ApiMonitor()
    for ms in latencies:
        monitor.record_call("x", ms, True, NOW)
    (view,) = monitor.endpoints()
    kept = latencies[-RING:]
    for value, fraction in ((view.p50, 0.5), (view.p95, 0.95)):
        assert value in kept
        assert sum(x <= value for x in kept) >= fraction * len(kept)
        assert sum(x < value for x in kept) < fraction * len(kept)
    assert view.worst == max(latencies)
    assert view.p50 <= view.p95 <= view.worst


def test_the_stated_error_against_the_long_run() -> None:
    """Over 256 calls p95 is the true 92nd to 98th percentile, p50 the 44th to 56th, 95 in 100."""
    source = random.Random(7)
    inside_95 = inside_50 = 0
    rounds = 400
    for _ in range(rounds):
        ordered = sorted(source.random() for _ in range(RING))  # the true quantile is the value
        inside_95 += 0.92 <= percentile(ordered, 0.95) <= 0.98
        inside_50 += 0.44 <= percentile(ordered, 0.50) <= 0.56
    assert inside_95 / rounds > 0.93
    assert inside_50 / rounds > 0.93


def test_percentile_of_nothing_and_of_the_ends() -> None:
    assert percentile([], 0.5) == 0
    assert percentile([3.0], 0.95) == 3
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.0) == 1
    assert percentile([1.0, 2.0, 3.0, 4.0], 1.0) == 4


def test_memory_is_bounded_whatever_the_names() -> None:
    monitor = ApiMonitor()
    for i in range(1_000):
        monitor.record_call(f"order/{i}", 1, True, NOW)
    views = monitor.endpoints()
    assert len(views) == MAX_ENDPOINTS
    assert sum(view.calls for view in views) == 1_000
    assert {v.name: v.calls for v in views}[OTHER] == 1_000 - (MAX_ENDPOINTS - 1)
    monitor.record_call("order/0", 1, True, NOW)
    assert {v.name: v.calls for v in monitor.endpoints()}["order/0"] == 2


@pytest.mark.parametrize(
    ("ms", "shown", "errors"), [(math.nan, 3_600_000, 1), (-5, 0, 0), (math.inf, 3_600_000, 0)]
)
def test_latencies_that_are_no_latencies(ms: float, shown: float, errors: int) -> None:
    monitor = ApiMonitor()
    monitor.record_call("x", ms, True, NOW)
    (view,) = monitor.endpoints()
    assert (view.worst, view.errors) == (shown, errors)


def test_a_view_is_kept_until_the_next_call() -> None:
    monitor = ApiMonitor()
    monitor.record_call("x", 5, True, NOW)
    assert monitor.endpoints()[0] is monitor.endpoints()[0]
    monitor.record_call("x", 15, True, NOW)
    assert monitor.endpoints()[0].worst == 15


def test_weight_counts_within_the_minute() -> None:
    monitor = ApiMonitor()
    assert monitor.weight(NOW).share == 0
    monitor.record_call("x", 5, True, NOW, weight=10)
    monitor.record_call("y", 5, True, NOW + 59_999, weight=5)
    assert monitor.weight(NOW + 59_999).used == 15
    monitor.record_weight(1_200, 2_400, NOW + 59_999)  # other programs use the same address
    assert monitor.weight(NOW + 59_999) == (1_200, 2_400)
    assert monitor.weight(NOW + 59_999).share == pytest.approx(0.5)
    monitor.record_weight(900, 2_400, NOW + 59_999)  # a late header does not lower it
    assert monitor.weight(NOW + 59_999).used == 1_200
    assert monitor.weight(NOW + 60_000) == (0, 2_400)
    assert monitor.weights() == {"x": 10, "y": 5}


def test_clock_offset_is_that_of_the_shortest_of_the_last_round_trips() -> None:
    monitor = ApiMonitor()
    assert monitor.clock_offset_ms == 0
    assert monitor.clock_error_ms == math.inf
    monitor.record_clock(900, 2_000)
    monitor.record_clock(-120, 30)
    monitor.record_clock(400, 700)
    monitor.record_clock(math.nan, 1)
    assert (monitor.clock_offset_ms, monitor.clock_error_ms) == (-120, 15)
    for _ in range(8):
        monitor.record_clock(50, 100)
    assert monitor.clock_offset_ms == 50
