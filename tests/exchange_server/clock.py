"""The exchange's clock: the machine's time plus an offset that tests may move."""

from __future__ import annotations

import time


class Clock:
    """Server time in ms UTC; ``offset_ms`` simulates a client whose clock is off, or a jump."""

    def __init__(self) -> None:
        self.offset_ms = 0

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms
