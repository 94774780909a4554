"""Aggregation: no look-ahead, no holes, and one result whichever way it is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.aggregate import Aggregator, aggregate
from engine.market.files import load_directory, load_file
from engine.market.raw import candle_file
from engine.model.market import Candle
from tests.market.helpers import BTC, FIVE, MINUTE, T0, candle, candles, series


def test_emits_exactly_when_the_last_part_closes() -> None:
    build = Aggregator(MINUTE, FIVE)
    parts = candles(10, MINUTE)
    emitted = [build.push(part) for part in parts]
    assert [made is not None for made in emitted] == [False] * 4 + [True] + [False] * 4 + [True]
    first = emitted[4]
    assert first == Candle(
        T0, 100.0, max(p.high for p in parts[:5]), 98.0, parts[4].close, first.volume
    )
    assert first.volume == pytest.approx(sum(p.volume for p in parts[:5]))


@pytest.mark.parametrize("hole", range(5))
def test_candle_with_a_missing_part_is_dropped(hole: int) -> None:
    build = Aggregator(MINUTE, FIVE)
    made = [build.push(part) for part in candles(15, MINUTE, skip=[5 + hole])]
    assert [m.time for m in made if m] == [T0, T0 + 2 * FIVE]


def test_start_inside_a_candle_waits_for_the_next() -> None:
    build = Aggregator(MINUTE, FIVE)
    made = [build.push(part) for part in candles(10, MINUTE)[2:]]
    assert [m.time for m in made if m] == [T0 + FIVE]


def test_equal_timeframes_pass_candles_through() -> None:
    build = Aggregator(FIVE, FIVE)
    assert [build.push(c) for c in candles(3)] == candles(3)
    assert aggregate(series(BTC, candles(3)), FIVE).candles() == candles(3)


def test_refuses_disorder_and_odd_timeframes() -> None:
    build = Aggregator(MINUTE, FIVE)
    build.push(candle(T0))
    with pytest.raises(ValueError, match="out of order or off the grid"):
        build.push(candle(T0))
    with pytest.raises(ValueError, match="out of order or off the grid"):
        build.push(candle(T0 + 1))
    for base, target in [(FIVE, MINUTE), (FIVE, 7 * MINUTE), (0, FIVE)]:
        with pytest.raises(ValueError, match="whole multiple"):
            Aggregator(base, target)
    with pytest.raises(ValueError, match="whole multiple"):
        aggregate(series(BTC, candles(3)), MINUTE)


PART = st.builds(
    lambda low, a, b, c, volume: (low + a * 10, low + 10, low, low + b * 10, volume * c),
    st.floats(1, 1e5),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1e6),
    st.floats(0, 1e3),
)


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 11),
    st.lists(st.tuples(st.booleans() | st.just(True), PART), max_size=60),
    st.sampled_from([1, 2, 3, 5, 12]),
)
def test_streaming_and_vectorised_agree_bit_for_bit(
    offset: int, parts: list[tuple[bool, tuple[float, ...]]], count: int
) -> None:
    rows = [
        Candle(T0 + (offset + i) * MINUTE, *part) for i, (there, part) in enumerate(parts) if there
    ]
    build = Aggregator(MINUTE, count * MINUTE)
    streamed = [made for row in rows if (made := build.push(row)) is not None]
    assert aggregate(series(BTC, rows, MINUTE), count * MINUTE).candles() == streamed
    times = {row.time for row in rows}
    whole = [
        start
        for start in range(T0, T0 + 80 * MINUTE, MINUTE)
        if start % (count * MINUTE) == 0 and all(start + i * MINUTE in times for i in range(count))
    ]
    assert [made.time for made in streamed] == whole


@settings(deadline=None, max_examples=50)
@given(st.lists(PART, min_size=10, max_size=30), st.integers(1, 9))
def test_a_later_part_changes_nothing_emitted_before(
    parts: list[tuple[float, ...]], at: int
) -> None:
    rows = [Candle(T0 + i * MINUTE, *part) for i, part in enumerate(parts)]
    changed = [*rows[:at], *(row._replace(close=row.low, volume=0.0) for row in rows[at:])]
    one, two = Aggregator(MINUTE, FIVE), Aggregator(MINUTE, FIVE)
    assert [one.push(r) for r in rows][:at] == [two.push(r) for r in changed][:at]


def test_recorded_minutes_aggregate_to_the_recorded_five_minutes(data_dir: Path) -> None:
    folder = data_dir / "perp-2025-06"
    loaded = load_directory(folder)
    assert len(loaded.detail) == 8
    for pair, fine in loaded.detail.items():
        made = aggregate(fine, FIVE)
        known = loaded.series[pair]
        shared = np.intersect1d(made.time, known.time)
        assert len(shared) > 8_600
        a, b = (
            made.rows(np.searchsorted(made.time, shared)),
            known.rows(np.searchsorted(known.time, shared)),
        )
        for name in ("open", "high", "low", "close"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        np.testing.assert_allclose(a.volume, b.volume, rtol=1e-9)


def test_streaming_agrees_on_a_real_outage(data_dir: Path) -> None:
    file = candle_file(data_dir / "spot-2021-04_crash" / "BTC-USDT-5m.csv.gz")
    loaded = load_file(file)
    build = Aggregator(FIVE, 12 * FIVE)
    streamed = [made for row in loaded.candles() if (made := build.push(row))]
    assert streamed == aggregate(loaded, 12 * FIVE).candles()
