"""Quiet hours: a daily span (UTC) in which only what cannot wait is sent. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_DAY_MIN = 1_440


class QuietHours(NamedTuple):
    """From ``start`` up to ``end`` (minutes after 00:00 UTC), across midnight where end is first.

    Equal ends mean that there are no quiet hours.
    """

    start: int = 0
    end: int = 0

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Read ``22:00-07:00``; an empty text means none. Raises ``ValueError``."""
        if not text.strip():
            return cls()
        found = _SPAN.fullmatch(text.strip())
        if found is None:
            raise ValueError("write a span of UTC such as 22:00-07:00, or leave it empty")
        hours = [int(part) for part in found.groups()]
        if max(hours[0], hours[2]) > 23 or max(hours[1], hours[3]) > 59:
            raise ValueError("hours go from 00:00 to 23:59, e.g. 22:00-07:00")
        start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if start == end:
            raise ValueError("start and end are the same minute; leave it empty for none")
        return cls(start, end)

    def holds(self, seconds: float) -> bool:
        """Return whether an instant (s since the epoch, UTC) lies in the quiet hours."""
        minute = int(seconds // 60) % _DAY_MIN
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end
