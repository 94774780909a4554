"""Draw what surrounds the plot: price axis with levels, time axis and the reading line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sigma_tui.charts.bars import Bar
from sigma_tui.charts.canvas import Canvas
from sigma_tui.charts.plot import Level, Plot
from sigma_tui.charts.scale import (
    Range,
    format_amount,
    format_price,
    nice_step,
    price_places,
    ticks,
    time_step,
)

LABEL_WIDTH = 7  # a level's name beside its price
_DAY_MS = 86_400_000


class AxisLabel(NamedTuple):
    """One text at the price axis. ``row`` is where it stands, ``true_row`` what it marks."""

    row: int
    true_row: int
    price: float
    label: str
    role: str


def axis_width(scale: Range, levels: Sequence[Level]) -> int:
    """Return the columns right of the plot: rule, price, and level names if there are any."""
    widest = max(len(_price(scale, scale.high)), len(_price(scale, scale.low)))
    names = max((min(LABEL_WIDTH, len(level.label)) for level in levels), default=0)
    return 1 + widest + (names + 1 if names else 0)


def place_labels(plot: Plot, last: float | None, levels: Sequence[Level]) -> list[AxisLabel]:
    """Give the last price and every level its own row, as near to its price as is free.

    A level outside the range stands at the edge. The last price keeps its exact row; levels
    keep their order from top to bottom.
    """
    wanted = [(level.price, level.label[:LABEL_WIDTH], level.kind) for level in levels]
    if last is not None:
        wanted.insert(0, (last, "", "last"))
    taken: dict[int, AxisLabel] = {}
    for price, label, role in wanted:
        true_row = plot.scale.half_row(price, plot.height) // 2
        clipped = min(plot.height - 1, max(0, true_row))
        row = _free_row(clipped, plot.height, taken, price)
        if row is not None:
            taken[row] = AxisLabel(row, true_row, price, label, role)
    return [taken[row] for row in sorted(taken)]


def _free_row(wanted: int, height: int, taken: dict[int, AxisLabel], price: float) -> int | None:
    """Return the nearest free row, on the side where the price belongs, or None."""
    if wanted not in taken:
        return wanted
    upward = price >= taken[wanted].price
    for distance in range(1, height):
        first, second = (-distance, distance) if upward else (distance, -distance)
        for row in (wanted + first, wanted + second):
            if 0 <= row < height and row not in taken:
                return row
    return None


def draw_price_axis(canvas: Canvas, plot: Plot, labels: Sequence[AxisLabel]) -> None:
    """Draw the rule with nice prices, then the last price and the levels over them."""
    x, glyphs = plot.width, plot.glyphs
    for row in range(plot.height):
        canvas.put(x, plot.top + row, glyphs.axis, "axis")
    taken = {label.row for label in labels}
    for price in ticks(plot.scale, max(2, int(plot.height / 2.5))):
        row = plot.scale.half_row(price, plot.height) // 2
        if 0 <= row < plot.height and row not in taken:
            canvas.put(x, plot.top + row, glyphs.tick, "axis")
            canvas.text(x + 1, plot.top + row, _price(plot.scale, price), "muted")
    for label in labels:
        y = plot.top + label.row
        mark = glyphs.last if label.role == "last" else glyphs.tick
        if not 0 <= label.true_row < plot.height:
            mark = glyphs.above if label.true_row < 0 else glyphs.below
        canvas.put(x, y, mark, label.role)
        text = _price(plot.scale, label.price)
        if label.label:
            text += f" {label.label}"
        room = canvas.width - x - 1
        canvas.text(x + 1, y, text.ljust(room) if label.role == "last" else text, label.role)


def _price(scale: Range, price: float) -> str:
    """Return a price with the decimals its size and the tick step ask for."""
    step_places = max(0, -math.floor(math.log10(nice_step(scale.span, 8)) + 1e-9))
    return format_price(price, max(step_places, price_places(scale.high)))


def draw_time_axis(canvas: Canvas, plot: Plot, y: int, period: int, cursor: int | None) -> None:
    """Write HH:MM under the bars on even times, the date in front where a day begins."""
    step = time_step(period, plot.zoom.step, 6)
    free_from = 0
    cursor_at = (0, 0)
    if cursor is not None:
        text = f" {_at(plot.bars[cursor].time):%H:%M} "
        x = min(max(0, plot.centre(cursor) - len(text) // 2), plot.width - len(text))
        canvas.text(x, y, text, "cursor-label")
        cursor_at = (x, x + len(text))
    for index, bar in enumerate(plot.bars):
        new_day = index > 0 and bar.time // _DAY_MS != plot.bars[index - 1].time // _DAY_MS
        if bar.time % step and not new_day:
            continue
        text = f"{_at(bar.time):%d %b}" if new_day or step >= _DAY_MS else f"{_at(bar.time):%H:%M}"
        x = plot.centre(index) - len(text) // 2
        end = x + len(text)
        beside_cursor = end <= cursor_at[0] or x >= cursor_at[1]
        if x >= free_from and end <= plot.width and beside_cursor:
            canvas.text(x, y, text, "day" if new_day else "muted")
            free_from = end + 1
    if plot.bars and plot.bars[-1].forming:
        canvas.put_free(plot.centre(len(plot.bars) - 1), y, plot.glyphs.forming, "muted")
    if canvas.width - plot.width > 4:
        canvas.text(plot.width + 1, y, "UTC", "muted")


def draw_reading(
    canvas: Canvas, plot: Plot, head: str, note: str, bar: Bar, before: Bar | None, line: str
) -> None:
    """Write the top line: what the bar under the cursor (or the newest) says.

    ``line`` names the timeframe of the EMAs when it is not the chart's own. When the width is
    short the least important parts go first; nothing is cut in half.
    """
    base = before.close if before is not None else bar.open
    change = (bar.close / base - 1) * 100 if base else 0.0
    direction = "up" if change >= 0 else "down"
    arrow = plot.glyphs.up if change >= 0 else plot.glyphs.down
    fine = plot.glyphs.fine[len(plot.glyphs.fine) // 2]
    dots = plot.glyphs.dots[len(plot.glyphs.dots) // 2]
    parts = [  # (dropped how late, text, role)
        (9, head, "title"),
        (8, note, "stale"),
        (6, f"{_at(bar.time):%H:%M}" + (" forming" if bar.forming else ""), "muted"),
        (4, f"O {_price(plot.scale, bar.open)}", "text"),
        (4, f"H {_price(plot.scale, bar.high)}", "text"),
        (4, f"L {_price(plot.scale, bar.low)}", "text"),
        (7, f"C {_price(plot.scale, bar.close)}", "text"),
        (5, f"{arrow}{change:+.2f} %", direction),
        (1, f"V {format_amount(bar.volume)}", "text"),
        (2, f"{fine} EMA20{line} {_price(plot.scale, bar.ema20)}", "ema20"),
        (2, f"{dots} EMA50{line} {_price(plot.scale, bar.ema50)}", "ema50"),
    ]
    shown = [part for part in parts if part[1]]
    while shown and sum(len(text) + 2 for _, text, _ in shown) - 2 > canvas.width:
        least = min(rank for rank, _, _ in shown)
        shown = [part for part in shown if part[0] != least]
    x = 0
    for _, text, role in shown:
        canvas.text(x, 0, text, role)
        x += len(text) + 2


def _at(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1000, UTC)
