"""The supervisor: every task of the engine is watched; none dies silently."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

BACKOFF_S = (0.2, 1.0, 5.0, 15.0)
REPEATED = 4  # crashes within the window that make a crash a HALT
WINDOW_S = 300.0
STOP_AGAIN_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class TaskState:
    """How one task fares."""

    state: str = "starting"
    restarts: int = 0
    crashes: list[float] = field(default_factory=list)


class Supervisor:
    """Runs named tasks; a crash is reported and the task restarted, later each time.

    ``on_crash`` is told (name, sentence, repeated); repeated means it crashed often lately.
    Returning normally ends a task for good.
    """

    def __init__(self, on_crash: Callable[[str, str, bool], None]) -> None:
        self.tasks: dict[str, TaskState] = {}
        self._on_crash = on_crash

    async def run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run one task until it returns or is cancelled."""
        state = self.tasks.setdefault(name, TaskState())
        while True:
            state.state = "running"
            try:
                await work()
            except asyncio.CancelledError:
                state.state = "cancelled"
                raise
            except Exception as error:  # noqa: BLE001 - every crash is reported, then restarted
                _log.exception("task %s crashed", name)
                now = time.monotonic()
                state.crashes = [t for t in state.crashes if now - t < WINDOW_S] + [now]
                state.restarts += 1
                state.state = "restarting"
                sentence = f"task {name} crashed: {type(error).__name__}: {error}"
                self._report(name, sentence, len(state.crashes) >= REPEATED)
                await asyncio.sleep(BACKOFF_S[min(len(state.crashes), len(BACKOFF_S)) - 1])
            else:
                state.state = "done"
                return

    def _report(self, name: str, sentence: str, repeated: bool) -> None:
        try:
            self._on_crash(name, sentence, repeated)
        except Exception:  # noqa: BLE001 - the task must go on whatever the report meets
            _log.exception("the crash of task %s could not be reported", name)

    async def stop(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Cancel tasks until each has ended, even one in which something swallows a cancellation.

        Nothing may keep an engine from ending.
        """
        left = set(tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=STOP_AGAIN_S)

    def overview(self) -> tuple[tuple[str, str, int], ...]:
        """Return (name, state, restarts) of every task."""
        return tuple((name, s.state, s.restarts) for name, s in self.tasks.items())
