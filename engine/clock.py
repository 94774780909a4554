"""The clock port: wall time for live trading, the market's own time for everything simulated."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the engine's time and waits in it."""

    def now(self) -> int:
        """Return the time, ms since the epoch UTC."""

    async def sleep(self, ms: int) -> None:
        """Wait for a span of the engine's time, in ms."""


class WallClock:
    """Real time."""

    def now(self) -> int:
        """Return the wall time, ms since the epoch UTC."""
        return time.time_ns() // 1_000_000

    async def sleep(self, ms: int) -> None:
        """Wait in real time."""
        await asyncio.sleep(ms / 1000)


class MarketClock:
    """Time as the simulated market tells it: it stands still between market steps."""

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> int:
        """Return the time of the last market step, ms since the epoch UTC."""
        return self._now

    def set(self, now: int) -> None:
        """Move to the time of a market step."""
        self._now = now

    async def sleep(self, ms: int) -> None:
        """Let other tasks run; simulated time passes only with market steps."""
        await asyncio.sleep(0)
