"""How the breaker speaks: durations and times of day. Never raises, whatever the number."""

from __future__ import annotations


def duration(ms: float) -> str:
    """Return a duration in ms as ``45 s``, ``4 min 10 s`` or ``1 h 5 min``, rounded up."""
    seconds = max(0, -int(-ms // 1_000))
    hours, rest = divmod(seconds, 3_600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return f"{seconds} s"


def clock(ms: int) -> str:
    """Return the time of day of an instant (ms UTC) as ``14:05:09 UTC``."""
    seconds = ms // 1_000 % 86_400
    return f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d} UTC"
