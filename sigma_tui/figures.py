"""Numbers and times as a trader reads them: plain strings, aligned on the decimal point."""

from __future__ import annotations

import math
from datetime import UTC, datetime

DAY_S = 86_400


def price(value: float) -> str:
    """Return a price with about six significant digits, grouped in thousands."""
    if not math.isfinite(value):
        return "-"
    return f"{value:,.{price_decimals(value)}f}"


def price_decimals(value: float) -> int:
    """Return the decimals a price of this size is shown with."""
    size = abs(value)
    return 1 if size >= 10_000 else 2 if size >= 100 else 3 if size >= 10 else 4 if size >= 1 else 5


def aligned(text: str, before: int, after: int) -> str:
    """Pad a number so that its decimal point stands ``before`` cells from the left."""
    whole, point, rest = text.partition(".")
    return f"{whole:>{before}}{point or ' '}{rest:<{after}}"


def money(value: float, decimals: int = 2) -> str:
    """Return an amount of quote currency."""
    return f"{value:,.{decimals}f}" if math.isfinite(value) else "-"


def signed(value: float, decimals: int = 2) -> str:
    """Return an amount with its sign; zero has none."""
    if not math.isfinite(value):
        return "-"
    text = f"{value:+,.{decimals}f}"
    return text[1:] if float(text.replace(",", "")) == 0 else text


def percent(fraction: float, decimals: int = 1) -> str:
    """Return a fraction as a percentage."""
    return f"{fraction * 100:.{decimals}f}%" if math.isfinite(fraction) else "-"


def signed_percent(fraction: float, decimals: int = 2) -> str:
    """Return a fraction as a percentage with its sign."""
    return signed(fraction * 100, decimals) + "%" if math.isfinite(fraction) else "-"


def optional(value: float | None, pattern: str = "{:.2f}") -> str:
    """Return a formatted number, or a dash where it is not defined yet."""
    return "-" if value is None or not math.isfinite(value) else pattern.format(value)


def span(milliseconds: float) -> str:
    """Return a duration in at most five cells: ``45s``, ``12m``, ``3h05``, ``2d``."""
    seconds = max(0, int(milliseconds // 1_000))
    if seconds < 100:
        return f"{seconds}s"
    if seconds < 6_000:
        return f"{seconds // 60}m"
    if seconds < 2 * DAY_S:
        return f"{seconds // 3_600}h{seconds // 60 % 60:02d}"
    return f"{seconds // DAY_S}d"


def countdown(milliseconds: float) -> str:
    """Return a remaining time as minutes and seconds."""
    seconds = max(0, math.ceil(milliseconds / 1_000))
    if seconds >= 3_600:
        return f"{seconds // 3_600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{seconds // 60}:{seconds % 60:02d}"


def clock(milliseconds: int) -> str:
    """Return the time of day in UTC, to the second."""
    return _utc(milliseconds).strftime("%H:%M:%S")


def minute(milliseconds: int) -> str:
    """Return the time of day in UTC, to the minute."""
    return _utc(milliseconds).strftime("%H:%M")


def stamp(milliseconds: int) -> str:
    """Return month, day and time of day in UTC."""
    return _utc(milliseconds).strftime("%m-%d %H:%M")


def day(milliseconds: int) -> str:
    """Return the date in UTC."""
    return _utc(milliseconds).strftime("%Y-%m-%d")


def size(count: float) -> str:
    """Return a number of bytes in the unit that fits."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1_000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1_000
    return ""  # pragma: no cover - the loop always returns


def latency(milliseconds: float) -> str:
    """Return a latency in ms, or in seconds from one second on."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:.1f} s"


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)
