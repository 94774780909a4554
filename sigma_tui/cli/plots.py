"""Plots for the terminal: equity and drawdown under a report."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime

PLOT_HEIGHT = 12
MOST_COLUMNS = 110
_MARKS = 5

Points = Sequence[tuple[int, float]]


def equity_plots(equity: Points, falls: Points) -> list[str]:
    """Return equity (quote currency) and its fall below the highest so far, as lines of text."""
    if len(equity) < 2:
        return []
    width = min(MOST_COLUMNS, shutil.get_terminal_size().columns)
    percent = [(time, 100 * fall) for time, fall in falls]
    return [
        "",
        *_plot(equity, "equity, open positions included (USDT)", width),
        *_plot(percent, "below the highest so far (%)", width),
    ]


def _plot(points: Points, title: str, width: int) -> list[str]:
    import plotext

    times = [time for time, _ in points]
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(width, PLOT_HEIGHT)
    plotext.title(title)
    plotext.plot(times, [value for _, value in points], marker="braille")
    marks = [times[0] + (times[-1] - times[0]) * k // (_MARKS - 1) for k in range(_MARKS)]
    plotext.xticks(
        marks, [f"{datetime.fromtimestamp(mark / 1000, UTC):%Y-%m-%d}" for mark in marks]
    )
    text: str = plotext.uncolorize(plotext.build())
    plotext.clear_figure()
    return [line.rstrip() for line in text.rstrip("\n").splitlines()]
