"""Draw a candle chart on a canvas: candles, lines, levels, volume and both axes.

Pure functions; later calls draw only on free cells, so candles lie above lines and lines
above levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sigma_tui.charts.bars import Bar
from sigma_tui.charts.canvas import Canvas
from sigma_tui.charts.glyphs import Glyphs
from sigma_tui.charts.scale import Range, format_amount


class Level(NamedTuple):
    """A labelled price; ``kind`` is one of entry, stop, target, trail."""

    label: str
    price: float
    kind: str


class Zoom(NamedTuple):
    """How many columns a bar takes: its body (odd) and the gap to the next one."""

    body: int
    gap: int

    @property
    def step(self) -> int:
        """Return the columns from one bar to the next."""
        return self.body + self.gap


ZOOMS = (Zoom(1, 0), Zoom(1, 1), Zoom(3, 1), Zoom(5, 1), Zoom(7, 1))


class Plot(NamedTuple):
    """Where the bars go: the plot's size in cells, its columns and its price scale.

    ``bars`` are the visible ones; ``ahead`` is how many more would fit to their right.
    """

    bars: Sequence[Bar]
    scale: Range
    width: int
    top: int
    height: int
    zoom: Zoom
    glyphs: Glyphs
    hollow: bool
    ahead: int = 0

    def left(self, index: int) -> int:
        """Return the first column of a bar's body."""
        to_the_right = len(self.bars) - 1 - index + self.ahead
        return self.width - 1 - self.zoom.body - to_the_right * self.zoom.step

    def centre(self, index: int) -> int:
        """Return the column of a bar's wick."""
        return self.left(index) + self.zoom.body // 2


def capacity(width: int, zoom: Zoom) -> int:
    """Return how many bars fit into a plot of this width."""
    return max(0, (width - 1 + zoom.gap) // zoom.step)


def draw_candles(canvas: Canvas, plot: Plot) -> None:
    """Draw every visible bar, body and wick, to half a cell."""
    for index, bar in enumerate(plot.bars):
        role = ("up" if bar.rising else "down") + ("-forming" if bar.forming else "")
        hollow = plot.hollow and bar.rising
        if hollow and plot.zoom.body >= 3:
            _draw_box(canvas, plot, index, bar, role)
        else:
            _draw_solid(canvas, plot, index, bar, role, hollow)


def _halves(plot: Plot, high: float, low: float) -> tuple[int, int]:
    """Return first and last half-row from a high to a low, clipped to the plot."""
    first = plot.scale.half_row(high, plot.height)
    last = max(first, math.ceil((plot.scale.high - low) / plot.scale.span * 2 * plot.height) - 1)
    return max(0, first), min(2 * plot.height - 1, last)


def _draw_solid(canvas: Canvas, plot: Plot, index: int, bar: Bar, role: str, hollow: bool) -> None:
    glyphs = plot.glyphs
    body = _halves(plot, max(bar.open, bar.close), min(bar.open, bar.close))
    wick = _halves(plot, bar.high, bar.low)
    left, centre = plot.left(index), plot.centre(index)
    for row in range(wick[0] // 2, wick[1] // 2 + 1):
        y = plot.top + row
        upper, lower = _covers(body, 2 * row), _covers(body, 2 * row + 1)
        if upper or lower:
            glyph = glyphs.body if upper and lower else glyphs.body_top
            glyph = glyphs.body_bottom if lower and not upper else glyph
            for x in range(left, left + plot.zoom.body):
                canvas.put(x, y, glyphs.hollow if hollow else glyph, role)
        else:
            upper, lower = _covers(wick, 2 * row), _covers(wick, 2 * row + 1)
            glyph = glyphs.wick if upper and lower else glyphs.wick_top
            canvas.put(centre, y, glyphs.wick_bottom if lower and not upper else glyph, role)


def _covers(halves: tuple[int, int], half: int) -> bool:
    return halves[0] <= half <= halves[1]


def _draw_box(canvas: Canvas, plot: Plot, index: int, bar: Bar, role: str) -> None:
    """Draw a wide rising bar as an outline: readable without any colour."""
    box = plot.glyphs.box
    body = _halves(plot, bar.close, bar.open)
    wick = _halves(plot, bar.high, bar.low)
    top, bottom = body[0] // 2, body[1] // 2
    left, right, centre = (
        plot.left(index),
        plot.left(index) + plot.zoom.body - 1,
        plot.centre(index),
    )
    for row in range(wick[0] // 2, wick[1] // 2 + 1):
        y = plot.top + row
        if not top <= row <= bottom:
            canvas.put(centre, y, plot.glyphs.wick, role)
        elif top == bottom:
            canvas.text(left, y, box.flat * plot.zoom.body, role)
        elif row in (top, bottom):
            ends = (
                (box.top_left, box.top_right) if row == top else (box.bottom_left, box.bottom_right)
            )
            canvas.text(left, y, ends[0] + box.edge * (plot.zoom.body - 2) + ends[1], role)
            if row == top and wick[0] // 2 < top:
                canvas.put(centre, y, box.head, role)
            if row == bottom and wick[1] // 2 > bottom:
                canvas.put(centre, y, box.foot, role)
        else:
            canvas.put(left, y, box.side, role)
            canvas.put(right, y, box.side, role)
            for x in range(left + 1, right):
                canvas.put(x, y, " ", role)


def draw_line(
    canvas: Canvas,
    plot: Plot,
    value: Callable[[Bar], float],
    fractions: str,
    role: str,
    dashed: bool = False,
) -> None:
    """Draw a line through one value of every bar, with glyphs for fractions of a row.

    It shows through full candle bodies (role ``line/candle``) but never replaces a wick.
    """
    if not plot.bars:
        return
    for x in range(max(0, plot.left(0)), plot.centre(len(plot.bars) - 1) + 1):
        price = _between(plot, x, value)
        if price is None or (dashed and x % 3 == 2):
            continue
        fine = plot.scale.fine_row(price, plot.height)
        row = math.floor(fine)
        if not 0 <= row < plot.height:
            continue
        glyph = fractions[min(len(fractions) - 1, int((fine - row) * len(fractions)))]
        y = plot.top + row
        if canvas.is_free(x, y):
            canvas.put(x, y, glyph, role)
        elif canvas.glyph(x, y) == plot.glyphs.body and not plot.hollow:
            canvas.put(x, y, glyph, f"{role}/{canvas.role(x, y)}")


def _between(plot: Plot, x: int, value: Callable[[Bar], float]) -> float | None:
    """Return the value at a column, between the two bars beside it; None where unknown."""
    position = (x - plot.centre(0)) / plot.zoom.step
    if position <= -1 or position > len(plot.bars) - 1:
        return None
    before = max(0, math.floor(position))
    after = min(len(plot.bars) - 1, before + 1)
    share = max(0.0, position - before)
    mixed = value(plot.bars[before]) * (1 - share) + value(plot.bars[after]) * share
    return mixed if math.isfinite(mixed) else None


def draw_levels(canvas: Canvas, plot: Plot, levels: Sequence[Level]) -> None:
    """Draw each level inside the range as a line over the free cells of its row."""
    for level in levels:
        row = plot.scale.half_row(level.price, plot.height) // 2
        if 0 <= row < plot.height:
            for x in range(plot.width):
                canvas.put_free(x, plot.top + row, plot.glyphs.lines[level.kind], level.kind)


def draw_cursor(canvas: Canvas, plot: Plot, index: int) -> None:
    """Draw a vertical line over the free cells of one bar's column."""
    for y in range(plot.top, plot.top + plot.height):
        canvas.put_free(plot.centre(index), y, plot.glyphs.cursor, "cursor")


def draw_volume(canvas: Canvas, plot: Plot, top: int, height: int) -> None:
    """Draw volume columns of eighths, the largest visible one filling the height."""
    largest = max((bar.volume for bar in plot.bars), default=0.0)
    if largest <= 0:
        return
    eighths = plot.glyphs.eighths
    for index, bar in enumerate(plot.bars):
        filled = math.ceil(bar.volume / largest * height * len(eighths) - 1e-9)
        role = "volume-up" if bar.rising else "volume-down"
        for row in range(height):
            part = min(len(eighths), filled - (height - 1 - row) * len(eighths))
            if part > 0:
                for x in range(plot.left(index), plot.left(index) + plot.zoom.body):
                    canvas.put(x, top + row, eighths[part - 1], role)
    canvas.text(plot.width + 1, top, f"vol {format_amount(largest)}", "muted")
