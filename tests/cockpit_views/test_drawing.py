"""The picture as text: candles to half a cell, lines, levels, axes, at several sizes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sigma_tui.charts.axes import place_labels
from sigma_tui.charts.bars import Bar, make_bars
from sigma_tui.charts.canvas import Canvas
from sigma_tui.charts.glyphs import ASCII, UNICODE, Glyphs
from sigma_tui.charts.picture import View, draw
from sigma_tui.charts.plot import ZOOMS, Level, Plot, Zoom, draw_candles, draw_line, draw_volume
from sigma_tui.charts.scale import Range
from tests.cockpit_views.sample import PERIOD, START, history, levels_of, now_of

SIZES = [(28, 6), (60, 14), (80, 20), (110, 30), (200, 50)]


def bar(open: float, high: float, low: float, close: float, line: float = 5.0) -> Bar:
    return Bar(START, open, high, low, close, 1.0, line, line, 9.0, 1.0, False)


def plot_of(
    bars: Sequence[Bar], zoom: Zoom = ZOOMS[1], glyphs: Glyphs = UNICODE, hollow: bool = False
) -> Plot:
    """Return a plot of prices 0 to 10 on five rows: one half-row per unit of price."""
    return Plot(bars, Range(0.0, 10.0), 2 + len(bars) * zoom.step, 0, 5, zoom, glyphs, hollow)


def drawn(plot: Plot) -> Canvas:
    canvas = Canvas(plot.width, plot.height)
    draw_candles(canvas, plot)
    return canvas


def column(canvas: Canvas, x: int) -> str:
    return "".join(canvas.glyph(x, y) for y in range(canvas.height))


def test_bodies_and_wicks_are_drawn_to_half_a_cell() -> None:
    plot = plot_of([bar(3, 9, 1, 7)])
    assert column(drawn(plot), plot.centre(0)) == "╷▄█▀╵"
    plot = plot_of([bar(2, 10, 0, 8)])
    assert column(drawn(plot), plot.centre(0)) == "│███│"


def test_a_candle_without_a_body_is_still_seen() -> None:
    plot = plot_of([bar(5, 5, 5, 5)])
    assert column(drawn(plot), plot.centre(0)).strip() in "▀▄"


def test_direction_is_readable_without_colour() -> None:
    rising, falling = bar(2, 10, 0, 8), bar(8, 10, 0, 2)
    plot = plot_of([rising, falling], hollow=True)
    canvas = drawn(plot)
    assert column(canvas, plot.centre(0)) == "│▯▯▯│"
    assert column(canvas, plot.centre(1)) == "│███│"
    plot = plot_of([rising, falling], glyphs=ASCII, hollow=True)
    assert column(drawn(plot), plot.centre(0)) == "|OOO|"
    assert column(drawn(plot), plot.centre(1)) == "|###|"


def test_a_wide_hollow_body_is_a_box() -> None:
    plot = plot_of([bar(2, 10, 0, 8)], zoom=ZOOMS[2], hollow=True)
    text = [line.strip() for line in drawn(plot).as_text().splitlines()]
    assert text == ["│", "┌┴┐", "│ │", "└┬┘", "│"]


def test_a_wide_body_fills_its_columns() -> None:
    plot = plot_of([bar(8, 10, 0, 2)], zoom=ZOOMS[2])
    text = [line.strip() for line in drawn(plot).as_text().splitlines()]
    assert text == ["│", "███", "███", "███", "│"]


def test_a_line_shows_through_bodies_and_never_hides_a_wick() -> None:
    bars = [bar(2, 10, 0, 8, 5.0), bar(2, 3, 0, 2.5, 5.0), bar(8, 10, 0, 8.5, 5.0)]
    plot = plot_of(bars)
    canvas = drawn(plot)
    draw_line(canvas, plot, lambda bar: bar.ema20, UNICODE.fine, "ema20")
    row = 2
    assert canvas.role(plot.centre(0), row) == "ema20/up"
    assert canvas.role(plot.centre(1), row) == "ema20"
    assert canvas.glyph(plot.centre(2), row) == "│"


def test_an_unknown_line_value_leaves_a_gap() -> None:
    bars = [bar(2, 3, 1, 2, float("nan")), bar(2, 3, 1, 2, float("nan"))]
    plot = plot_of(bars)
    canvas = Canvas(plot.width, plot.height)
    draw_line(canvas, plot, lambda bar: bar.ema20, UNICODE.fine, "ema20")
    assert canvas.as_text().strip() == ""


def test_the_largest_volume_fills_the_height() -> None:
    bars = [bar(1, 2, 1, 2)._replace(volume=volume) for volume in (16.0, 8.0, 1.0, 0.0)]
    plot = plot_of(bars)
    canvas = Canvas(plot.width + 10, 2)
    draw_volume(canvas, plot, 0, 2)
    assert [column(canvas, plot.centre(i)) for i in range(4)] == ["██", " █", " ▁", "  "]
    assert "vol 16.0" in canvas.as_text()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("zoom", range(len(ZOOMS)))
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_every_size_is_filled_and_nothing_is_cut(
    size: tuple[int, int], zoom: int, glyphs: Glyphs
) -> None:
    shown = history()
    bars = make_bars(shown, PERIOD, PERIOD, now_of(shown))
    levels = [Level(*level) for level in levels_of(shown)]
    view = View("BTC", PERIOD, PERIOD, zoom=zoom)
    text = draw(bars, levels, view, size, None, glyphs).canvas.as_text()
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert max(map(len, lines)) <= size[0]
    assert "BTC 5m" in lines[0]
    assert f"{shown.candles[-1].close:,.1f}" in text
    if size[1] >= 14:
        for label, price, _ in levels:
            assert any(label in line and f"{price:,.1f}" in line for line in lines)
    if glyphs is ASCII:
        assert text.isascii()


def test_levels_are_lines_with_their_price_at_the_axis() -> None:
    shown = history()
    bars = make_bars(shown, PERIOD, PERIOD, now_of(shown))
    levels = [Level(*level) for level in levels_of(shown)]
    drawing = draw(bars, levels, View("BTC", PERIOD, PERIOD), (100, 30), None, UNICODE)
    entry = next(line for line in drawing.canvas.as_text().splitlines() if "entry" in line)
    assert "─────" in entry


def test_two_levels_on_one_row_get_rows_of_their_own() -> None:
    plot = plot_of([bar(4, 6, 4, 5)])
    levels = [
        Level("entry", 5.0, "entry"),
        Level("stop", 4.9, "stop"),
        Level("trail", 5.1, "trail"),
    ]
    labels = place_labels(plot, 5.0, levels)
    assert len({label.row for label in labels}) == 4
    assert next(label for label in labels if label.role == "last").row == 2


def test_a_level_out_of_range_stands_at_the_edge() -> None:
    plot = plot_of([bar(4, 6, 4, 5)])
    labels = place_labels(plot, None, [Level("target", 99.0, "target")])
    assert (labels[0].row, labels[0].true_row < 0) == (0, True)
    shown = history()
    bars = make_bars(shown, PERIOD, PERIOD, now_of(shown))
    far = [Level("target", 150_000.0, "target")]
    text = draw(bars, far, View("BTC", PERIOD, PERIOD), (90, 20), None, UNICODE).canvas.as_text()
    assert "↑150,000.0 target" in text.splitlines()[1]


def test_the_cursor_reads_its_bar() -> None:
    shown = history()
    bars = make_bars(shown, PERIOD, PERIOD, now_of(shown))
    chosen = bars[-7]
    view = View("BTC", PERIOD, PERIOD, cursor=chosen.time)
    lines = draw(bars, [], view, (130, 24), None, UNICODE).canvas.as_text().splitlines()
    for value in (chosen.open, chosen.high, chosen.low, chosen.close, chosen.ema20, chosen.ema50):
        assert f"{value:,.1f}" in lines[0]
    change = (chosen.close / bars[-8].close - 1) * 100
    assert f"{change:+.2f} %" in lines[0]
    assert "V " in lines[0]
    assert any("┊" in line for line in lines[1:-1])


def test_a_narrow_reading_drops_whole_parts() -> None:
    shown = history()
    bars = make_bars(shown, PERIOD, PERIOD, now_of(shown))
    view = View("BTC", PERIOD, PERIOD, note="STALE 12 min")
    line = draw(bars, [], view, (50, 12), None, UNICODE).canvas.as_text().splitlines()[0]
    assert "STALE 12 min" in line
    assert f"C {bars[-1].close:,.1f}" in line
    assert "EMA" not in line


def test_the_time_axis_names_a_new_day() -> None:
    shown = history(40, start=START - 20 * PERIOD)
    bars = make_bars(shown, PERIOD, PERIOD, now_of(shown))
    view = View("BTC", PERIOD, PERIOD)
    axis = draw(bars, [], view, (110, 20), None, UNICODE).canvas.as_text().splitlines()[-1]
    assert "12 Jun" in axis
    assert "23:30" in axis
    assert "UTC" in axis


def test_no_candles_is_a_calm_sentence() -> None:
    drawing = draw((), [], View("BTC", PERIOD, PERIOD), (60, 14), None, UNICODE)
    assert drawing.canvas.as_text().strip() == "waiting for candles"
    small = draw((), [], View("BTC", PERIOD, PERIOD), (20, 4), None, UNICODE)
    assert "too small" in small.canvas.as_text()


def test_the_scale_stays_when_the_price_moves_a_little() -> None:
    shown = history()
    bars = make_bars(shown, PERIOD, PERIOD, now_of(shown))
    view = View("BTC", PERIOD, PERIOD)
    first = draw(bars[:-3], [], view, (110, 30), None, UNICODE)
    again = draw(bars[:-2], [], view, (110, 30), first.scale, UNICODE)
    assert again.scale == first.scale
