"""Numbers and times in words; performance by hand-made examples."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma_tui import figures, performance
from sigma_tui.glyphs import ASCII, UNICODE
from sigma_tui.look import Look
from sigma_tui.theme import Palette
from tests.cockpit.sample import trades

LOOK = Look(Palette())


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(0, "0s"), (-5, "0s"), (99_999, "99s"), (100_000, "1m"), (5_999_000, "99m"),
     (6_000_000, "1h40"), (100 * 3_600_000, "4d")],
)  # fmt: skip
def test_span(milliseconds: int, words: str) -> None:
    assert figures.span(milliseconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(104_512.44, "104,512.4"), (2_748.35, "2,748.35"), (87.6551, "87.655"), (2.2431, "2.2431"),
     (0.189341, "0.18934"), (math.nan, "-")],
)  # fmt: skip
def test_price(value: float, words: str) -> None:
    assert figures.price(value) == words


@settings(max_examples=200, deadline=None)
@given(st.floats(0.00001, 999_999, allow_nan=False))
def test_decimal_points_stand_below_each_other(value: float) -> None:
    text = figures.aligned(figures.price(value), 7, 5)
    assert len(text) == 13
    assert text[7] == "."


@pytest.mark.parametrize(
    ("value", "words"), [(1.5, "+1.50"), (-0.001, "0.00"), (0, "0.00"), (-1234.5, "-1,234.50")]
)
def test_signed(value: float, words: str) -> None:
    assert figures.signed(value) == words


def test_sizes_countdowns_and_latencies() -> None:
    assert figures.size(950) == "950 B"
    assert figures.size(148_300_000) == "148.3 MB"
    assert figures.countdown(61_500) == "1:02"
    assert figures.countdown(3_661_000) == "1:01:01"
    assert figures.latency(2_210) == "2.2 s"


@settings(max_examples=150, deadline=None)
@given(st.floats(-2, 3), st.integers(1, 40), st.sampled_from([UNICODE, ASCII]))
def test_bars_are_exactly_as_wide_as_asked(share: float, width: int, glyphs: object) -> None:
    look = replace(LOOK, glyphs=glyphs)  # type: ignore[arg-type]
    assert look.bar(share, width).cell_len == width
    assert look.score_bar(share, width).cell_len == 2 * width
    assert look.spark([share, 1.0, 2.0] * 30, width).cell_len == width


def test_performance_by_hand() -> None:
    first, second, third = (
        replace(t, pnl=Decimal(p), entry_equity=Decimal(1_000), shadow=False,
                fees=Decimal(1), funding=Decimal(-1),
                exit_time=i * 1_000, entry_time=i * 1_000 - 500)
        for i, (t, p) in enumerate(zip(trades()[:3], (10, -20, 40), strict=True), 1)
    )  # fmt: skip
    shadow = replace(first, shadow=True, pnl=Decimal(1_000_000))
    curve = performance.equity_curve([third, shadow, first, second])
    assert [equity for _, equity in curve] == [1_000, 1_010, 990, 1_030]
    assert performance.max_drawdown([1_000, 1_010, 990, 1_030]) == pytest.approx(20 / 1_010)
    told = {
        item.name: item.value for item in performance.figures_of([third, shadow, first, second])
    }
    assert told["trades"] == "3"
    assert told["win rate"] == "66.7%"
    assert told["expectancy"] == "+10.00"
    assert told["profit factor"] == "2.50"
    assert told["fees paid"] == "3.00"
    assert told["exposure time"] == "60.0%"  # 3 x 500 ms held in 2,500 ms
    assert told["funding paid"] == "-3.00"
    buckets = performance.breakdown([third, shadow, first, second], lambda t: "all")
    assert buckets == [performance.Bucket("all", 3, 2, 30.0)]


def test_performance_of_nothing() -> None:
    told = {item.name: item.value for item in performance.figures_of([])}
    assert told["win rate"] == "-"
    assert told["Sharpe"] == "-"
    assert told["max drawdown"] == "0.0%"
    assert performance.equity_curve([]) == []
