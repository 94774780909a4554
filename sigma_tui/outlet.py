"""The outlet: terminal output that never waits, and a way back to a sane terminal.

A terminal that has stopped reading (a paused tmux, a dead link) holds up whoever writes to it.
The outlet writes from a thread of its own, without blocking, and drops what does not fit.
"""

from __future__ import annotations

import errno
import os
import select
import termios
import threading
import time
from contextlib import suppress
from queue import Full, Queue
from typing import Any

QUEUED = 30  # writes that wait
PIECE = 4_096  # bytes of one write
LOOK_S = 0.1  # between two looks at a terminal that does not read
DRAIN_S = 0.5  # for what is queued, at the end
RESTORE_S = 0.3  # for the sequence that restores the terminal

# Line wrap on; bracketed paste, in-band resizing, mouse, focus events and key protocol off;
# colours reset; alternate screen left; cursor shown.
RESTORE = (
    "\x1b[?7h\x1b[?2004l\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[?1004l\x1b[<u\x1b[?2026l\x1b[0m\x1b[?1049l\x1b[?25h"
)
_BREAK_OFF = "\x18\x1b\\"  # ends a control sequence that was cut short


class Outlet(threading.Thread):
    """Writes text to a terminal. ``gone`` says that nothing can reach it any more."""

    def __init__(self, fd: int) -> None:
        super().__init__(daemon=True, name="terminal-output")
        self.gone = False
        self._fd = _own_description(fd)
        self._waiting: Queue[str | None] = Queue(QUEUED)
        self._given_up = threading.Event()
        self._cut = False  # whether something was written in part only

    def put(self, text: str) -> bool:
        """Line text up; return whether there was room for it."""
        try:
            self._waiting.put_nowait(text)
        except Full:
            return False
        return True

    @property
    def idle(self) -> bool:
        """Return whether nothing waits to be written."""
        return self._waiting.empty()

    def run(self) -> None:
        """Write what is lined up until it is closed."""
        while (text := self._waiting.get()) is not None:
            if not self.gone and not self._given_up.is_set():
                self._write(text.encode(errors="replace"))

    def _write(self, data: bytes, deadline: float | None = None) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest[:PIECE]) :]
            except BlockingIOError:
                late = deadline is not None and time.monotonic() > deadline
                if late or (deadline is None and self._given_up.is_set()):
                    self._cut = True
                    return
                _until_writable(self._fd, LOOK_S)
            except OSError:
                self.gone = True
                return

    def close(self) -> None:
        """Write what waits, within half a second; else throw it away and restore the terminal."""
        if self.put(None):  # type: ignore[arg-type]
            self.join(DRAIN_S)
        if self.is_alive():
            self._given_up.set()
            self._empty()
            self.join(DRAIN_S)
            if not self.gone:
                with suppress(termios.error):  # what the terminal has not read makes room
                    termios.tcflush(self._fd, termios.TCOFLUSH)
                self._write((_BREAK_OFF + RESTORE).encode(), time.monotonic() + RESTORE_S)
        os.close(self._fd)

    def _empty(self) -> None:
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)


class BeforeScreens:
    """The terminal as it was before a screen took it, for an end that cannot wait for screens."""

    def __init__(self) -> None:
        try:
            self._modes: list[Any] | None = termios.tcgetattr(0)
        except termios.error:
            self._modes = None

    def restore(self) -> None:
        """Bring it back, whatever state it is in; never waits."""
        if self._modes is None:
            return
        with suppress(termios.error):
            termios.tcflush(2, termios.TCOFLUSH)
            termios.tcsetattr(0, termios.TCSANOW, self._modes)
        _write_now(_BREAK_OFF + RESTORE, 2)


def say(text: str, fd: int = 2) -> None:
    """Write a line for the person at the terminal or a log; never wait for either."""
    _write_now(f"{text}\n", fd)


def _write_now(text: str, fd: int) -> None:
    data = memoryview(text.encode(errors="replace"))
    deadline = time.monotonic() + RESTORE_S
    try:
        own = _own_description(fd)
    except OSError:
        return
    try:
        while data and time.monotonic() < deadline:
            if not _until_writable(own, LOOK_S):
                continue
            data = data[os.write(own, data[:PIECE]) :]
    except OSError as error:
        if error.errno not in (errno.EIO, errno.EPIPE, errno.EAGAIN, errno.EBADF):
            raise
    finally:
        os.close(own)


def let_go() -> None:
    """Point the standard streams at nothing: the terminal is gone and must not be touched."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _own_description(fd: int) -> int:
    """Return a descriptor for the same terminal that does not block; never the shared one's flags.

    Where the terminal has no name (some containers), a plain duplicate.
    """
    try:
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return os.dup(fd)


def _until_writable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))
