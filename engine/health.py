"""The engine's pulse: how late its loop runs, and how much it holds."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from engine.home import Home
from engine.model.snapshot import HealthView
from engine.protection.api import ApiMonitor
from engine.supervisor import Supervisor

BEAT_S = 0.05
KEPT = 1_200  # a minute of beats
SIZES_EVERY_S = 5.0


class Pulse:
    """Beats every 50 ms and notes how late each beat came (ms).

    ``api`` has heard of every call to the exchange, ``now`` is the engine's clock (ms UTC).
    ``channels`` gives (name, state, losses) of what runs outside the loop, shown with its tasks.
    """

    def __init__(
        self,
        home: Home,
        supervisor: Supervisor,
        api: ApiMonitor,
        now: Callable[[], int],
        channels: Callable[[], tuple[tuple[str, str, int], ...]] = tuple,
    ) -> None:
        self._api = api
        self._now = now
        self._home = home
        self._channels = channels
        self._supervisor = supervisor
        self._late: deque[float] = deque(maxlen=KEPT)
        self._worst = 0.0
        self._sizes = (0, 0)
        self._sized = 0.0

    async def wait(self) -> None:
        """Wait one beat and note how late it came."""
        due = time.monotonic() + BEAT_S
        await asyncio.sleep(BEAT_S)
        late = max(0.0, (time.monotonic() - due) * 1000)
        self._late.append(late)
        self._worst = max(self._worst, late)

    def view(self) -> HealthView:
        """Return the figures for the screen."""
        if time.monotonic() - self._sized > SIZES_EVERY_S:
            self._sized = time.monotonic()
            self._sizes = (_size(self._home.database), _size(self._home.logs))
        late = sorted(self._late)
        weight = self._api.weight(self._now())
        return HealthView(
            endpoints=self._api.endpoints(),
            clock_offset_ms=self._api.clock_offset_ms,
            tasks=self._supervisor.overview() + self._channels(),
            queue_depth=0,
            memory=_memory(),
            database_size=self._sizes[0],
            log_size=self._sizes[1],
            audit="chained",
            tick_gap_p99_ms=late[int(0.99 * (len(late) - 1))] if late else 0.0,
            tick_gap_max_ms=self._worst,
            weight_used=weight.used,
            weight_limit=weight.limit,
        )


def _memory() -> int:
    """Return the resident memory of this process in bytes (its peak where /proc is missing)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _size(path: Path) -> int:
    """Return the bytes of a file with its journal, or of every file below a directory."""
    try:
        if path.is_dir():
            return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
        return sum(item.stat().st_size for item in path.parent.glob(path.name + "*"))
    except OSError:
        return 0
