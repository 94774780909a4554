"""The feed: the newest picture, how long there has been no news, and whether the engine ended."""

from __future__ import annotations

from collections.abc import Callable

from engine.model.snapshot import Snapshot
from sigma_tui.link import Link

SILENT_MS = 10_000  # no new picture for so long is worth a word
_STEP_MS = 5_000  # silence is told in steps, so that it costs next to nothing on the wire


class Feed:
    """Reads a link. ``wall`` is the wall clock in ms UTC."""

    def __init__(self, link: Link, wall: Callable[[], int]) -> None:
        self._link, self._wall = link, wall
        self.snapshot: Snapshot | None = None
        self.silence = 0  # ms without news, 0 while pictures keep coming
        self.ended = ""  # why the engine ended, empty while it lives or has not begun
        self.cut = ""  # why it cannot be reached for the moment, empty while it can
        self._met = False

    def read(self) -> bool:
        """Take the newest picture; return whether silence, end or connection changed."""
        before = (self.silence, self.ended, self.cut)
        self.snapshot = self._link.snapshot() or self.snapshot
        alive = self._link.alive()
        self._met = self._met or alive
        fate = "" if alive else self._link.fate()
        self.ended = fate or ("the engine ended" if self._met and not alive else "")
        self.silence = self._silent_for() if alive else 0
        self.cut = self._link.cut()
        return (self.silence, self.ended, self.cut) != before

    def now(self) -> int:
        """Return the engine's clock, carried on while no news comes (ms UTC)."""
        if self.snapshot is None:
            return self._wall()
        return self.snapshot.time + int(self.silence * self.snapshot.speed)

    def _silent_for(self) -> int:
        if self.snapshot is None:
            return 0
        quiet = self._wall() - self.snapshot.wall_time
        return quiet // _STEP_MS * _STEP_MS if quiet >= SILENT_MS else 0
