"""Small plots as SVG text: a line over time, bars, a histogram with a mark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape

WIDTH, HEIGHT = 860, 220
LEFT, RIGHT, TOP, BOTTOM = 70, 12, 12, 26
MOST_POINTS = 800

Show = Callable[[float], str]


def line(points: Sequence[tuple[int, float]], title: str, show: Show, kind: str = "line") -> str:
    """Return a line over time (ms UTC). ``kind`` is the CSS class; "fall" fills towards zero."""
    if len(points) < 2:
        return _frame(title, '<text class="none" x="80" y="110">nothing to draw yet</text>')
    drawn = thin(points)
    times = [float(time) for time, _ in drawn]
    values = [value for _, value in drawn]
    low, high = _bounds(values, zero=kind == "fall")
    across = _scale(times[0], times[-1], LEFT, WIDTH - RIGHT)
    up = _scale(low, high, HEIGHT - BOTTOM, TOP)
    path = " ".join(f"{across(t):.1f},{up(v):.1f}" for t, v in zip(times, values, strict=True))
    parts = [_rules(low, high, up, show)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        time = times[0] + share * (times[-1] - times[0])
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        label = f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d}"
        parts.append(_text(across(time), HEIGHT - 8, label, anchor))
    if kind == "fall":
        zero = up(0.0)
        path = f"{across(times[0]):.1f},{zero:.1f} {path} {across(times[-1]):.1f},{zero:.1f}"
        parts.append(f'<polygon class="{kind}" points="{path}"/>')
    else:
        parts.append(f'<polyline class="{kind}" points="{path}"/>')
    return _frame(title, "".join(parts))


def bars(labels: Sequence[str], values: Sequence[float], title: str, show: Show) -> str:
    """Return one bar per label, up or down from zero."""
    if not values:
        return _frame(title, '<text class="none" x="80" y="110">nothing to draw yet</text>')
    low, high = _bounds(values, zero=True)
    up = _scale(low, high, HEIGHT - BOTTOM, TOP)
    room = (WIDTH - LEFT - RIGHT) / len(values)
    parts = [_rules(low, high, up, show)]
    skip = math.ceil(len(labels) * 46 / (WIDTH - LEFT - RIGHT))
    for number, (label, value) in enumerate(zip(labels, values, strict=True)):
        x = LEFT + number * room
        top, bottom = sorted((up(value), up(0.0)))
        sign = "gain" if value >= 0 else "loss"
        parts.append(
            f'<rect class="{sign}" x="{x + room * 0.1:.1f}" y="{top:.1f}" '
            f'width="{room * 0.8:.1f}" height="{max(0.5, bottom - top):.1f}">'
            f"<title>{escape(label)}: {escape(show(value))}</title></rect>"
        )
        if number % skip == 0:
            parts.append(_text(x + room / 2, HEIGHT - 8, label, "middle"))
    return _frame(title, "".join(parts))


def histogram(values: Sequence[float], title: str, mark: float | None = None) -> str:
    """Return how often values fall into about twenty classes, with a mark at one value."""
    if not values:
        return bars((), (), title, str)
    inside = [*values, mark] if mark is not None else list(values)
    low, high = min(inside), max(inside)
    width = _nice((high - low) / 20 or 1.0)
    first = math.floor(low / width)
    count = max(1, math.floor(high / width) - first + 1)
    found = [0] * count
    for value in values:
        found[math.floor(value / width) - first] += 1
    up = _scale(0.0, max(found), HEIGHT - BOTTOM, TOP)
    room = (WIDTH - LEFT - RIGHT) / count
    parts = [_rules(0.0, max(found), up, lambda v: f"{v:,.0f}")]
    skip = math.ceil(count * 56 / (WIDTH - LEFT - RIGHT))
    for number, amount in enumerate(found):
        x, begin = LEFT + number * room, (first + number) * width
        parts.append(
            f'<rect class="gain" x="{x + 1:.1f}" y="{up(amount):.1f}" width="{room - 2:.1f}" '
            f'height="{up(0.0) - up(amount):.1f}"><title>{begin:.4g} to {begin + width:.4g}: '
            f"{amount}</title></rect>"
        )
        if number % skip == 0:
            parts.append(_text(x, HEIGHT - 8, f"{begin:.4g}", "middle"))
    if mark is not None:
        x = LEFT + (mark / width - first) * room
        parts.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
    return _frame(title, "".join(parts))


def thin(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return at most about ``MOST_POINTS`` points that keep every extreme and both ends."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = math.ceil(len(points) / (MOST_POINTS // 2))
    kept: list[tuple[int, float]] = [points[0]]
    for start in range(0, len(points), size):
        part = points[start : start + size]
        kept += {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
    return sorted({*kept, points[-1]})


def _bounds(values: Sequence[float], *, zero: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 1.0, high + 1.0
    return low, high


def _scale(start: float, end: float, left: float, right: float) -> Callable[[float], float]:
    factor = (right - left) / (end - start) if end > start else 0.0
    return lambda value: left + (value - start) * factor


def _nice(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= step * (1 - 1e-9))


def _rules(low: float, high: float, up: Callable[[float], float], show: Show) -> str:
    step = _nice((high - low) / 4)
    values = [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    parts = []
    for value in values:
        y = up(value)
        name = "zero" if value == 0 else "rule"
        parts.append(
            f'<line class="{name}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            + _text(LEFT - 6, y + 4, show(value), "end")
        )
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _frame(title: str, inside: str) -> str:
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{escape(title)}">{inside}</svg></figure>'
    )


def falls(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return how far each value lies below the highest before it, as a negative fraction."""
    peak, found = -math.inf, []
    for time, value in points:
        peak = max(peak, value)
        found.append((time, value / peak - 1.0 if peak > 0 else 0.0))
    return found
