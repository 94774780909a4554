"""The scales: steps of 1, 2 and 5, price text, and a range that stands still."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_tui.charts.scale import (
    LEVEL_ROOM,
    Range,
    format_amount,
    format_price,
    nice_step,
    price_places,
    sticky_range,
    ticks,
    time_step,
    with_levels,
)

prices = st.floats(1e-3, 1e6)


@pytest.mark.parametrize(
    ("span", "count", "step"),
    [(10, 10, 1), (10, 5, 2), (10, 3, 5), (1_700, 5, 500), (0.0123, 6, 0.005), (9, 1, 10)],
)
def test_steps_are_one_two_or_five(span: float, count: int, step: float) -> None:
    assert nice_step(span, count) == pytest.approx(step)


def test_no_span_has_no_steps() -> None:
    with pytest.raises(ValueError, match="no steps"):
        nice_step(0.0, 5)


@settings(deadline=None, max_examples=60)
@given(prices, st.floats(0.001, 0.5), st.integers(2, 20))
def test_ticks_are_few_even_and_inside(price: float, share: float, count: int) -> None:
    scale = Range(price, price * (1 + share))
    found = ticks(scale, count)
    assert len(found) <= count + 1
    slack = scale.span * 1e-6
    assert all(scale.low - slack <= tick <= scale.high + slack for tick in found)
    steps = [b - a for a, b in pairwise(found)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)


@settings(deadline=None, max_examples=60)
@given(prices, st.floats(0, 0.2))
def test_a_fresh_range_holds_its_data_with_room(price: float, share: float) -> None:
    low, high = price, price * (1 + share)
    scale = sticky_range(None, low, high)
    assert scale.low < low <= high < scale.high


def test_the_range_stands_still_while_the_data_fit() -> None:
    scale = sticky_range(None, 100.0, 110.0)
    for low, high in ((100.5, 109.0), (99.5, 110.5), (103.0, 109.5)):
        assert sticky_range(scale, low, high) == scale


def test_the_range_follows_data_that_leave_it() -> None:
    scale = sticky_range(None, 100.0, 110.0)
    assert sticky_range(scale, 100.0, scale.high + 0.1).high > scale.high


def test_the_range_tightens_when_too_little_is_used() -> None:
    scale = sticky_range(None, 100.0, 110.0)
    tight = sticky_range(scale, 104.0, 106.0)
    assert tight.span < scale.span / 2


def test_a_constant_price_still_has_a_range() -> None:
    scale = sticky_range(None, 100.0, 100.0)
    assert scale.span > 0
    assert sticky_range(scale, 100.0, 100.0) == scale


def test_near_levels_stretch_the_range_and_far_ones_do_not() -> None:
    assert with_levels(100.0, 110.0, [98.0, 112.0]) == (98.0, 112.0)
    low, high = with_levels(100.0, 110.0, [90.0, 500.0])
    assert (low, high) == (90.0, 110.0)
    assert high - low <= 10.0 * LEVEL_ROOM


def test_half_rows_run_from_top_to_bottom() -> None:
    scale = Range(0.0, 10.0)
    assert [scale.half_row(price, 5) for price in (9.5, 8.5, 0.5)] == [0, 1, 9]
    assert scale.half_row(11.0, 5) < 0
    assert scale.fine_row(7.5, 4) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("price", "text"),
    [(104_512.34, "104,512.3"), (2_501.5, "2,501.50"), (2.12345, "2.1235"), (0.17234, "0.17234")],
)
def test_prices_have_the_decimals_of_their_size(price: float, text: str) -> None:
    assert format_price(price, price_places(price)) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.5, "0.50"), (12.34, "12.3"), (950, "950"), (12_340, "12.3k"), (4.56e6, "4.56M")],
)
def test_amounts_are_short(amount: float, text: str) -> None:
    assert format_amount(amount) == text


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([1, 5, 15, 60, 1_440]), st.integers(1, 8))
def test_time_labels_never_touch(minutes: int, columns: int) -> None:
    period = minutes * 60_000
    assert time_step(period, columns, 6) / period * columns >= 8
