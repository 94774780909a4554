"""Recorded candles as a market: one clock, bars inside candles, nothing out of place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market import recorded
from engine.market.files import CandleSet, load_directory
from engine.market.recorded import RecordedMarket
from engine.model.market import Candle, Pair
from tests.market.helpers import BTC, ETH, FIVE, MINUTE, T0, candles, series


def market(
    decision: dict[Pair, list[Candle]], detail: dict[Pair, list[Candle]] | None = None
) -> RecordedMarket:
    return RecordedMarket(
        CandleSet(
            "5m",
            FIVE,
            {pair: series(pair, rows) for pair, rows in decision.items()},
            {pair: series(pair, rows, MINUTE) for pair, rows in (detail or {}).items()},
        )
    )


def test_describes_itself() -> None:
    replay = market({BTC: candles(3), ETH: candles(4)})
    assert replay.pairs == (BTC, ETH)
    assert (replay.candle_ms, replay.bar_ms, replay.end) == (FIVE, FIVE, T0 + 4 * FIVE)
    assert replay.history() == {BTC: (), ETH: ()}


def test_without_detail_the_candle_is_its_own_bar() -> None:
    rows = candles(3)
    steps = list(market({BTC: rows}).steps())
    assert [step.time for step in steps] == [row.time + FIVE for row in rows]
    assert [step.bars for step in steps] == [{BTC: row} for row in rows]
    assert [step.closed for step in steps] == [{BTC: row} for row in rows]


def test_detail_moves_prices_inside_a_candle() -> None:
    fine = candles(10, MINUTE)
    steps = list(market({BTC: candles(2)}, {BTC: fine}).steps())
    assert [step.bars[BTC] for step in steps] == fine
    assert [step.time for step in steps] == [row.time + MINUTE for row in fine]
    assert [bool(step.closed) for step in steps] == ([False] * 4 + [True]) * 2


def test_detail_with_a_hole_falls_back_to_the_candle() -> None:
    fine = candles(10, MINUTE, skip=[6])
    rows = candles(2)
    steps = list(market({BTC: rows}, {BTC: fine}).steps())
    assert [step.bars[BTC] for step in steps] == [*fine[:5], rows[1]]


def test_detail_outside_decision_candles_is_not_shown() -> None:
    fine = candles(15, MINUTE)
    rows = candles(3, skip=[1])
    steps = list(market({BTC: rows}, {BTC: fine}).steps())
    assert [step.bars[BTC] for step in steps] == fine[:5] + fine[10:]


def test_pairs_with_and_without_detail_share_one_clock() -> None:
    fine = candles(10, MINUTE)
    rows = candles(2)
    steps = list(market({ETH: rows, BTC: rows}, {BTC: fine}).steps())
    assert [list(step.bars) for step in steps] == ([[BTC]] * 4 + [[ETH, BTC]]) * 2
    assert [list(step.closed) for step in steps] == ([[]] * 4 + [[ETH, BTC]]) * 2


def test_steps_begin_anew_at_each_call() -> None:
    replay = market({BTC: candles(5)})
    assert list(replay.steps()) == list(replay.steps())


@st.composite
def recordings(
    draw: st.DrawFn,
) -> tuple[dict[Pair, list[Candle]], dict[Pair, list[Candle]]]:
    decision, detail = {}, {}
    for pair in draw(st.permutations([BTC, ETH])):
        first = draw(st.integers(0, 5))
        skip = draw(st.sets(st.integers(1, 9), max_size=3))
        decision[pair] = candles(10, start=T0 + first * FIVE, skip=skip)
        if draw(st.booleans()):
            begin = draw(st.integers(0, 20))
            holes = draw(st.sets(st.integers(1, 49), max_size=3))
            detail[pair] = candles(50, MINUTE, T0 + begin * MINUTE, holes)
    return decision, detail


@settings(deadline=None, max_examples=100)
@given(recordings(), st.sampled_from([1, 3, 64]))
def test_replay_is_what_a_plain_loop_would_show(
    recording: tuple[dict[Pair, list[Candle]], dict[Pair, list[Candle]]], chunk: int
) -> None:
    decision, detail = recording
    bars: dict[int, dict[Pair, Candle]] = {}
    closed: dict[int, dict[Pair, Candle]] = {}
    for pair, rows in decision.items():
        fine = {row.time: row for row in detail.get(pair, [])}
        for row in rows:
            closed.setdefault(row.time + FIVE, {})[pair] = row
            inside = [fine.get(row.time + i * MINUTE) for i in range(5)]
            parts = [(bar, MINUTE) for bar in inside] if None not in inside else [(row, FIVE)]
            for bar, length in parts:
                assert bar is not None
                bars.setdefault(bar.time + length, {})[pair] = bar
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorded, "_CHUNK", chunk)
        steps = list(market(decision, detail).steps())
    times = [step.time for step in steps]
    assert times == sorted(set(bars))
    order = list(decision)
    for step in steps:
        assert step.bars == bars[step.time]
        assert step.closed == closed.get(step.time, {})
        assert list(step.bars) == [pair for pair in order if pair in step.bars]
        assert list(step.closed) == [pair for pair in order if pair in step.closed]


def test_real_recording_keeps_every_candle(data_dir: Path) -> None:
    loaded = load_directory(data_dir / "spot-2021-04_crash", start=1_621_000_000_000)
    replay = RecordedMarket(loaded)
    seen: dict[Pair, list[Candle]] = {pair: [] for pair in loaded.pairs}
    last = 0
    for step in replay.steps():
        assert step.time > last
        last = step.time
        for pair, row in step.closed.items():
            seen[pair].append(row)
            assert row.time + FIVE == step.time
            assert row.close == step.bars[pair].close  # minutes end where their candle does
    assert last == replay.end
    for pair, rows in seen.items():
        assert rows == loaded.series[pair].candles()
    assert np.diff(loaded.series[BTC].time).max() == FIVE
