"""A terminal driver that never waits for the terminal and notices when it is gone.

Textual's writer blocks the screen's loop once thirty writes are queued and the terminal does not
read. This one drops writes instead, counts them, and asks for one full repaint when the terminal
reads again. Textual's reader spins on a closed terminal; this one says so and ends. Both lean on
private names: Textual is pinned exactly, and ``tests/terminal`` guards an upgrade.
"""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from sigma_tui.outlet import Outlet

READ_BYTES = 4_096
LOOK_S = 0.1
_ERRORS = 2  # Textual draws on the standard error stream


class SteadyDriver(LinuxDriver):
    """Drops what a stalled terminal cannot take.

    When input ends, the app's method ``terminal_lost`` is called in the app's loop.
    """

    dropped = 0

    _outlet: Outlet | None = None

    @property  # type: ignore[override]
    def _writer_thread(self) -> Outlet | None:
        return self._outlet

    @_writer_thread.setter
    def _writer_thread(self, theirs: object) -> None:
        """Put an outlet in the place of Textual's own writer, which is never started."""
        self._outlet = None if theirs is None else Outlet(_ERRORS)

    def write(self, data: str) -> None:
        """Line output up; drop it when the terminal has stopped reading."""
        outlet = self._outlet
        if outlet is not None and not outlet.put(data):
            self.dropped += 1

    def recovered(self) -> bool:
        """Return, once, whether output was dropped and the terminal reads again."""
        outlet = self._outlet
        if self.dropped == 0 or outlet is None or not outlet.idle:
            return False
        self.dropped = 0
        return True

    def close(self) -> None:
        """Stop the writer; the terminal is restored even when it does not read."""
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            outlet.close()

    def run_input_thread(self) -> None:
        """Turn input into events until asked to stop or there is no more input."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(LOOK_S):
                    data = _read(self.fileno)
                    if not data:
                        app: Any = self._app
                        app.call_later(app.terminal_lost)
                        return
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)


def _read(fd: int) -> bytes:
    """Return input, nothing when there is no terminal at the other end."""
    try:
        return os.read(fd, READ_BYTES)
    except OSError:
        return b""
