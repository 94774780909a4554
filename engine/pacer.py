"""The pacer: lets simulated time pass at a multiple of real time, stand still, or run ahead.

It only says when the next step may come, never which: no decision depends on it.
"""

from __future__ import annotations

import asyncio
import time

from engine.model.commands import ReplayAction, ReplayControl
from engine.trace import iso

YIELD_S = 0.008  # how long the loop may be held when running as fast as possible
BEHIND_S = 1.0  # further behind than this is forgiven, not caught up
FASTEST = 1e9


class Pacer:
    """Waits until the real moment of a simulated instant. ``speed`` = simulated / real time."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.paused = False
        self._steps = 0  # still to be taken while paused
        self._ahead: int | None = None  # as fast as possible up to this instant
        self._origin: tuple[int, float] | None = None
        self._yielded = time.monotonic()
        self._changed = asyncio.Event()

    @property
    def pace(self) -> float:
        """Return how fast time passes now: 0 while it stands still."""
        return 0.0 if self.paused and self._ahead is None else self.speed

    async def wait_for(self, instant: int) -> None:
        """Wait until simulated time reaches ``instant`` (ms); never holds the loop for long."""
        while True:
            if self._ahead is not None and instant > self._ahead:
                self._ahead = self._origin = None
            if self._ahead is not None:
                break
            if self.paused and not self._steps:
                await self._change(None)
                continue
            if self.paused:
                self._steps -= 1
                break
            wait = self._due(instant) - time.monotonic()
            if wait <= 0:
                break
            if not await self._change(wait):
                self._yielded = time.monotonic()
                return
        if time.monotonic() - self._yielded > YIELD_S:
            await asyncio.sleep(0)
            self._yielded = time.monotonic()

    def steer(self, command: ReplayControl, now: int) -> str:
        """Do what is asked, ``now`` being the market's time (ms); return it in a sentence.

        Raises ``ValueError`` for what cannot be.
        """
        sentence = self._steer(command, now)
        self._origin = None
        self._changed.set()
        return sentence

    def _steer(self, command: ReplayControl, now: int) -> str:
        match command.action:
            case ReplayAction.PAUSE:
                self.paused, self._steps, self._ahead = True, 0, None
                return f"time stands still at {iso(now)[:19]} UTC; orders and commands work on"
            case ReplayAction.RESUME:
                self.paused, self._steps = False, 0
                return f"time goes on at {self.speed:g} x"
            case ReplayAction.STEP:
                self.paused, self._ahead = True, None
                self._steps += 1
                return "one step, then time stands still"
            case ReplayAction.JUMP:
                if command.until is None or command.until <= now:
                    raise ValueError(f"time only goes forward; it is {iso(now)[:19]} UTC")
                self._ahead = command.until
                after = "stands still" if self.paused else f"goes on at {self.speed:g} x"
                return f"running ahead to {iso(command.until)[:19]} UTC; then time {after}"
            case ReplayAction.SPEED:
                if command.speed is None or not 0 < command.speed <= FASTEST:
                    raise ValueError(f"the speed is a number above 0, at most {FASTEST:g}")
                self.speed = command.speed
                return f"time passes at {self.speed:g} x{', once resumed' if self.paused else ''}"

    def _due(self, instant: int) -> float:
        """Return the monotonic time at which an instant is due."""
        now = time.monotonic()
        if self._origin is None:
            self._origin = (instant, now)
        due = self._origin[1] + (instant - self._origin[0]) / 1000 / self.speed
        if now - due > BEHIND_S:
            self._origin = (instant, now)
        return due

    async def _change(self, seconds: float | None) -> bool:
        """Wait until somebody steers, or for some time; return whether somebody did."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
                return True
        except TimeoutError:
            return False
