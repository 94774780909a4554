"""A terminal driver that never waits for the terminal.

Textual's writer blocks the screen's loop once thirty writes are queued and the terminal does not
read (a paused tmux, a dead link). This one drops writes instead, counts them, and asks for one
full repaint when the terminal reads again. It leans on private names: Textual is pinned exactly.
"""

from __future__ import annotations

from queue import Full

from textual.drivers.linux_driver import LinuxDriver

CLOSE_S = 1.0


class SteadyDriver(LinuxDriver):
    """Drops what a stalled terminal cannot take."""

    dropped = 0

    def write(self, data: str) -> None:
        """Queue output; drop it when the terminal has stopped reading."""
        thread = self._writer_thread
        assert thread is not None
        try:
            thread._queue.put_nowait(data)
        except Full:
            self.dropped += 1

    def recovered(self) -> bool:
        """Return, once, whether output was dropped and the terminal reads again."""
        thread = self._writer_thread
        if self.dropped == 0 or thread is None or thread._queue.qsize() > 0:
            return False
        self.dropped = 0
        return True

    def close(self) -> None:
        """Stop the writer, but not for longer than a second: it may be stuck in a write."""
        thread, self._writer_thread = self._writer_thread, None
        if thread is None:
            return
        try:
            thread._queue.put_nowait(None)
        except Full:
            return
        thread.join(CLOSE_S)
