"""Aggregation: complete bars and the forming newest, with the engine's own lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model.snapshot import PairHistory
from sigma_tui.charts.bars import base_period, make_bars, period_name, periods
from tests.cockpit_views.sample import PERIOD, START, history, now_of

QUARTER = 3 * PERIOD


def without(shown: PairHistory, *places: int) -> PairHistory:
    """Leave candles out."""

    def keep(values: tuple) -> tuple:
        return tuple(value for i, value in enumerate(values) if i not in places)

    return PairHistory(
        keep(shown.candles), keep(shown.ema20), keep(shown.ema50), keep(shown.bb_upper),
        keep(shown.bb_lower), (),
    )  # fmt: skip


def test_the_base_timeframe_is_read_from_the_candles() -> None:
    assert base_period(history(10).candles) == PERIOD
    assert base_period(without(history(10), 3, 4).candles) == PERIOD
    assert base_period(()) == PERIOD


def test_timeframes_are_multiples_of_the_base() -> None:
    minute = 60_000
    assert periods(PERIOD) == (PERIOD, 15 * minute, 60 * minute)
    assert periods(minute) == (minute, PERIOD, 15 * minute, 60 * minute)
    assert periods(15 * minute) == (15 * minute, 60 * minute)
    assert [period_name(p) for p in (PERIOD, 60 * minute, 1_440 * minute)] == ["5m", "1h", "1d"]


def test_base_bars_are_the_candles() -> None:
    shown = history(10)
    bars = make_bars(shown, PERIOD, PERIOD, now_of(shown))
    assert [bar.close for bar in bars] == [candle.close for candle in shown.candles]
    assert not any(bar.forming for bar in bars)


def test_three_candles_make_a_quarter_hour() -> None:
    shown = history(6)
    first, second = make_bars(shown, PERIOD, QUARTER, now_of(shown))
    group = shown.candles[:3]
    assert (first.time, first.open, first.close) == (START, group[0].open, group[2].close)
    assert first.high == max(candle.high for candle in group)
    assert first.low == min(candle.low for candle in group)
    assert first.volume == pytest.approx(sum(candle.volume for candle in group))
    assert first.ema20 == shown.ema20[2]
    assert first.bb_upper == shown.bb_upper[2]
    assert not second.forming


@pytest.mark.parametrize("count", [7, 8])
def test_the_newest_unfinished_bar_is_marked_forming(count: int) -> None:
    shown = history(count)
    bars = make_bars(shown, PERIOD, QUARTER, now_of(shown))
    assert [bar.forming for bar in bars] == [False, False, True]
    assert bars[-1].close == shown.candles[-1].close


def test_a_bucket_that_misses_a_candle_is_left_out() -> None:
    shown = without(history(12), 4)
    times = [bar.time for bar in make_bars(shown, PERIOD, QUARTER, now_of(shown))]
    assert times == [START, START + 2 * QUARTER, START + 3 * QUARTER]


def test_a_first_bucket_that_starts_late_is_left_out() -> None:
    shown = without(history(9), 0)
    assert make_bars(shown, PERIOD, QUARTER, now_of(shown))[0].time == START + QUARTER


def test_a_candle_whose_time_is_not_over_is_forming() -> None:
    shown = history(3)
    assert make_bars(shown, PERIOD, PERIOD, now_of(shown) - 1)[-1].forming


def test_no_candles_make_no_bars() -> None:
    assert make_bars(replace(history(0)), PERIOD, QUARTER, START) == ()
