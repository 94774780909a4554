"""Scales of a chart: nice steps, price text and a vertical range that does not jump.

Pure functions: no widget, no clock. Prices in quote currency, times in ms UTC.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

PAD = 0.06  # free room above and below the data, as a fraction of their span
LEAST_USE = 0.50  # a range is kept while the data fill at least this fraction of it
LEVEL_ROOM = 2.2  # levels may stretch the range to this multiple of the candles' span

_MINUTE = 60_000
_TIME_STEPS = tuple(
    minutes * _MINUTE for minutes in (1, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1_440)
)
_DAY = 1_440 * _MINUTE


class Range(NamedTuple):
    """A closed interval of prices."""

    low: float
    high: float

    @property
    def span(self) -> float:
        """Return high - low."""
        return self.high - self.low

    def half_row(self, price: float, height: int) -> int:
        """Return the half-row of a price: 0 is the top, 2 * height - 1 the bottom.

        Prices outside the range give half-rows outside those bounds.
        """
        return math.floor((self.high - price) / self.span * 2 * height)

    def fine_row(self, price: float, height: int) -> float:
        """Return the row of a price with its fraction: 0.0 is the upper edge of the top row."""
        return (self.high - price) / self.span * height


def nice_step(span: float, count: int) -> float:
    """Return the smallest step of 1, 2 or 5 times a power of ten giving <= ``count`` steps.

    Raises ``ValueError`` when the span is not positive.
    """
    if not span > 0:
        raise ValueError(f"a span of {span} has no steps")
    raw = span / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1.0, 2.0, 5.0):
        if factor * power >= raw * (1 - 1e-9):
            return factor * power
    return 10.0 * power


def ticks(scale: Range, count: int) -> tuple[float, ...]:
    """Return at most ``count`` + 1 nice prices inside the range, ascending."""
    step = nice_step(scale.span, count)
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    return tuple(index * step for index in range(first, last + 1))


def price_places(price: float) -> int:
    """Return how many decimals a price of this size is shown with."""
    size = abs(price)
    for least, places in ((10_000, 1), (10, 2), (1, 4), (0.1, 5), (0.001, 6)):
        if size >= least:
            return places
    return 8


def format_price(price: float, places: int) -> str:
    """Return a price with thousands separators."""
    return f"{price:,.{places}f}"


def format_amount(amount: float) -> str:
    """Return a quantity in at most six characters, e.g. ``950``, ``12.3k``, ``4.56M``."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= size:
            scaled = amount / size
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{suffix}"
    return f"{amount:.{0 if amount >= 100 else 1 if amount >= 10 else 2}f}"


def with_levels(low: float, high: float, prices: Iterable[float]) -> tuple[float, float]:
    """Stretch the candles' bounds to the levels that leave the candles readable.

    The nearest levels first; a level that would shrink the candles below 1 / ``LEVEL_ROOM`` of
    the height stays outside and is shown at the edge.
    """
    room = max(high - low, abs(high) * 1e-6) * LEVEL_ROOM
    for price in sorted(prices, key=lambda price: max(low - price, price - high)):
        stretched = min(low, price), max(high, price)
        if stretched[1] - stretched[0] <= room:
            low, high = stretched
    return low, high


def sticky_range(current: Range | None, low: float, high: float) -> Range:
    """Return the range to draw in: the current one while it fits, else a fresh padded one.

    It is kept while the data lie inside it and use at least ``LEAST_USE`` of it, so that the
    picture stands still while the price moves.
    """
    if current is not None and current.low <= low and high <= current.high:
        padded = (high - low) * (1 + 2 * PAD)
        if padded >= current.span * LEAST_USE or current.span <= _least_span(high) * 2:
            return current
    span = max(high - low, _least_span(high))
    middle = (high + low) / 2
    step = nice_step(span, 25)
    return Range(
        math.floor((middle - span * (0.5 + PAD)) / step) * step,
        math.ceil((middle + span * (0.5 + PAD)) / step) * step,
    )


def _least_span(price: float) -> float:
    return max(abs(price) * 0.0005, 1e-9)


def time_step(period: int, columns_per_bar: int, label_width: int) -> int:
    """Return the time between labels (ms) so that labels of this width do not touch."""
    for step in _TIME_STEPS:
        if step >= period and step / period * columns_per_bar >= label_width + 2:
            return step
    days = 1
    while days * _DAY / period * columns_per_bar < label_width + 2:
        days *= 2
    return days * _DAY
