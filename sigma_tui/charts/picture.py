"""Compose the whole chart for a size: layout, scale and the order of drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sigma_tui.charts.axes import (
    axis_width,
    draw_price_axis,
    draw_reading,
    draw_time_axis,
    place_labels,
)
from sigma_tui.charts.bars import Bar, period_name
from sigma_tui.charts.canvas import Canvas
from sigma_tui.charts.glyphs import Glyphs
from sigma_tui.charts.plot import (
    ZOOMS,
    Level,
    Plot,
    Zoom,
    capacity,
    draw_candles,
    draw_cursor,
    draw_levels,
    draw_line,
    draw_volume,
)
from sigma_tui.charts.scale import Range, sticky_range, with_levels

LEAST_WIDTH, LEAST_HEIGHT = 28, 6
_VOLUME_FROM = 14  # rows of chart from which volume fits below


class View(NamedTuple):
    """What the operator looks at.

    ``back`` is how many bars the view ends before the newest, ``ahead`` how many fit after it
    (so that the picture need not move with every candle); ``cursor`` a bar's open time, or
    None; ``period`` and ``base`` in ms; ``note`` is a warning such as "STALE 12 min".
    """

    name: str
    period: int
    base: int
    zoom: int = 1
    back: int = 0
    ahead: int = 0
    cursor: int | None = None
    hollow: bool = False
    note: str = ""


class Drawing(NamedTuple):
    """A drawn chart, the scale it used and how many bars it shows."""

    canvas: Canvas
    scale: Range | None
    shown: int


def visible(bars: Sequence[Bar], view: View, columns: int) -> Sequence[Bar]:
    """Return the bars in view for a plot of this many columns."""
    end = max(1, len(bars) - view.back)
    room = max(1, capacity(columns, ZOOMS[view.zoom]) - view.ahead)
    return bars[max(0, end - room) : end]


def draw(
    bars: Sequence[Bar],
    levels: Sequence[Level],
    view: View,
    size: tuple[int, int],
    scale: Range | None,
    glyphs: Glyphs,
) -> Drawing:
    """Draw the chart into ``size`` (columns, rows).

    Pass the scale of the last drawing in: it stays while the data fit.
    """
    width, height = size
    canvas = Canvas(width, height)
    sentence = _sentence(bars, size)
    if sentence:
        canvas.text(max(0, (width - len(sentence)) // 2), height // 2, sentence[:width], "muted")
        return Drawing(canvas, scale, 0)
    plot = _fit(bars, levels, view, size, scale, glyphs)
    volume = max(2, height // 8) if height >= _VOLUME_FROM else 0
    cursor = next((i for i, bar in enumerate(plot.bars) if bar.time == view.cursor), None)
    draw_candles(canvas, plot)
    draw_line(canvas, plot, lambda bar: bar.ema20, glyphs.fine, "ema20")
    draw_line(canvas, plot, lambda bar: bar.ema50, glyphs.dots, "ema50")
    draw_line(canvas, plot, lambda bar: bar.bb_upper, glyphs.fine, "band", dashed=True)
    draw_line(canvas, plot, lambda bar: bar.bb_lower, glyphs.fine, "band", dashed=True)
    draw_levels(canvas, plot, levels)
    if cursor is not None:
        draw_cursor(canvas, plot, cursor)
    if volume:
        draw_volume(canvas, plot, height - 1 - volume, volume)
    draw_price_axis(canvas, plot, place_labels(plot, bars[-1].close, levels))
    draw_time_axis(canvas, plot, height - 1, view.period, cursor)
    _draw_reading(canvas, plot, view, cursor)
    return Drawing(canvas, plot.scale, len(plot.bars))


def _sentence(bars: Sequence[Bar], size: tuple[int, int]) -> str:
    if size[0] < LEAST_WIDTH or size[1] < LEAST_HEIGHT:
        return "too small"
    return "" if bars else "waiting for candles"


def _fit(
    bars: Sequence[Bar],
    levels: Sequence[Level],
    view: View,
    size: tuple[int, int],
    scale: Range | None,
    glyphs: Glyphs,
) -> Plot:
    """Choose bars, scale and plot size; the axis' width depends on the scale and comes first."""
    width, height = size
    volume = max(2, height // 8) if height >= _VOLUME_FROM else 0
    zoom: Zoom = ZOOMS[view.zoom]
    columns = width - 10
    for _ in range(2):  # once to know the axis' width, once with it
        shown = visible(bars, view, columns)
        low, high = min(bar.low for bar in shown), max(bar.high for bar in shown)
        fitted = sticky_range(scale, *with_levels(low, high, (level.price for level in levels)))
        columns = width - axis_width(fitted, levels)
    return Plot(
        shown, fitted, columns, 1, height - 2 - volume, zoom, glyphs, view.hollow, view.ahead
    )


def _draw_reading(canvas: Canvas, plot: Plot, view: View, cursor: int | None) -> None:
    index = len(plot.bars) - 1 if cursor is None else cursor
    before = plot.bars[index - 1] if index else None
    line = "" if view.period == view.base else f" {period_name(view.base)}"
    head = f"{view.name} {period_name(view.period)}"
    draw_reading(canvas, plot, head, view.note, plot.bars[index], before, line)
