"""A terminal of our own: a program on a pseudo-terminal that is read, or not, as a test likes."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.control.client import ControlClient, ControlError, NotRunning
from engine.home import Home
from tests.conftest import ROOT

PATIENCE_S = 60.0
SIGMA = (sys.executable, "-m", "sigma_tui")


class Terminal:
    """Runs a command on a pseudo-terminal as its controlling terminal and reads what it draws.

    ``pause`` stops reading, as a dead link would. ``hang_up`` closes the master's end.
    """

    def __init__(
        self, words: Sequence[object], home: Path, size: tuple[int, int] = (120, 40)
    ) -> None:
        self.home = Home(home)
        self.master, slave = os.openpty()
        columns, lines = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.modes = termios.tcgetattr(slave)
        self.slave = slave
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [str(word) for word in words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=home.parent,
            env=environment(home),
            preexec_fn=_take_terminal,
        )
        self.arrived: list[tuple[float, bytes]] = []
        self._reading = threading.Event()
        self._reading.set()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> bytes:
        return b"".join(data for _, data in self.arrived)

    def _read(self) -> None:
        while not self._over:
            self._reading.wait(0.2)
            if not self._reading.is_set() or not select.select([self.master], [], [], 0.02)[0]:
                continue
            try:
                data = os.read(self.master, 65_536)
            except OSError:
                return
            self.arrived.append((time.monotonic(), data))

    def pause(self) -> None:
        """Read no more: what the program draws piles up."""
        self._reading.clear()
        time.sleep(0.1)

    def resume(self) -> None:
        self._reading.set()

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait_for(self, text: str, since: int = 0) -> float:
        """Wait until a text was drawn after ``since`` pieces; return when it came."""

        def seen() -> float | None:
            found = self._when(text.encode(), since)
            if found is None and self.process.poll() is not None:
                time.sleep(0.2)  # for what it drew last
                found = self._when(text.encode(), since)
                assert found, f"it ended ({self.process.returncode}): {self.output[-500:]!r}"
            return found

        return float(wait_until(seen, f"{text!r} on the screen"))

    def _when(self, text: bytes, since: int) -> float | None:
        seen = b""
        for moment, data in self.arrived[since:]:
            seen += data
            if text in seen:
                return moment
        return None

    def signal(self, number: signal.Signals) -> float:
        """Send a signal; return when."""
        os.kill(self.pid, number)
        return time.monotonic()

    def ended(self, seconds: float = PATIENCE_S) -> int:
        """Wait for the program's end; return its exit code."""
        return self.process.wait(seconds)

    def hang_up(self) -> None:
        """Close both ends we hold: the terminal is gone."""
        self._over = True
        self._reader.join()
        os.close(self.master)
        os.close(self.slave)
        self.master = self.slave = -1

    def close(self) -> None:
        """End what still runs, by its own process id."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            self.hang_up()

    def ask(self, name: str) -> dict[str, Any]:
        """Ask the engine, waiting for it to be there."""
        return wait_until(lambda: _answer(self.home, name), f"an answer to {name}")


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def environment(home: Path) -> dict[str, str]:
    """Return an environment without settings but for a home and a short warm-up."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "SIGMA_HOME": str(home),
        "WARMUP_CANDLES": "500",
        "ALLOWED_SYMBOLS": "BTC,ETH,SOL",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
    }


def _answer(home: Home, name: str) -> dict[str, Any] | None:
    try:
        with ControlClient(home.socket) as client:
            return client.ask(name)
    except (ControlError, NotRunning):
        return None


def wait_until(true: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """Wait until something is true and return it; fail after a generous time."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"there was no {what} in {seconds:g} s"
        time.sleep(0.02)
    return found


def worst_silence(home: Home, seconds: float) -> float:
    """Ask the engine every 50 ms; return the longest time it took to answer (s)."""
    worst = 0.0
    end = time.monotonic() + seconds
    with ControlClient(home.socket) as client:
        while time.monotonic() < end:
            began = time.monotonic()
            client.ask("breaker")
            worst = max(worst, time.monotonic() - began)
            time.sleep(0.05)
    return worst


def processor_seconds(pid: int) -> float:
    """Return the processor time a process has used (s)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
