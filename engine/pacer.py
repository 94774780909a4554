"""The pacer: lets simulated time pass at a multiple of real time."""

from __future__ import annotations

import asyncio
import time

YIELD_S = 0.008  # how long the loop may be held when running as fast as possible
BEHIND_S = 1.0  # further behind than this is forgiven, not caught up


class Pacer:
    """Waits until the real moment of a simulated instant. ``speed`` = simulated / real time."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._origin: tuple[int, float] | None = None
        self._yielded = time.monotonic()

    async def wait_for(self, instant: int) -> None:
        """Wait until simulated time reaches ``instant`` (ms); never holds the loop for long."""
        now = time.monotonic()
        if self._origin is None:
            self._origin = (instant, now)
        due = self._origin[1] + (instant - self._origin[0]) / 1000 / self._speed
        if due > now:
            await asyncio.sleep(due - now)
            self._yielded = time.monotonic()
            return
        if now - due > BEHIND_S:
            self._origin = (instant, now)
        if now - self._yielded > YIELD_S:
            await asyncio.sleep(0)
            self._yielded = time.monotonic()
