"""Every end is orderly, bounded and leaves the terminal as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable

import pytest

from engine.control.client import ControlClient
from engine.home import Home
from engine.ledger.reader import LedgerReader
from sigma_tui.run import END_S, LEAVE_S
from tests.terminal.terminal import (
    SIGMA,
    Terminal,
    environment,
    processor_seconds,
    wait_until,
)

FAULTY = (sys.executable, "-m", "tests.terminal.faulty")
Cockpit = Callable[..., Terminal]


class EndOfEngine:
    """Follows the events and notes when the engine said that it ends, and why."""

    def __init__(self, home: Home) -> None:
        self.when, self.why = 0.0, ""
        self._follows = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(home,), daemon=True)
        self._thread.start()
        assert self._follows.wait(10)

    def _follow(self, home: Home) -> None:
        with ControlClient(home.socket) as client:
            events = client.follow()
            self._follows.set()
            for event in events:
                if event["type"] == "status_update" and "engine ended" in event["text"]:
                    self.when, self.why = time.monotonic(), event["text"]
                    return

    def join(self) -> None:
        self._thread.join(20)


def left_in_order(terminal: Terminal) -> bool:
    """Return whether the newest record says that the engine ended cleanly."""
    with LedgerReader(terminal.home.database) as reader:
        from engine.ledger import queries

        return bool(reader.fetch(queries.state(reader.account, "resume"))[0]["clean"])


def restored(terminal: Terminal) -> bool:
    """Return whether the terminal is as it was: modes, main screen, cursor, mouse."""
    drawn = terminal.output
    undone = all(
        drawn.rfind(off) > drawn.rfind(on)
        for on, off in (
            (b"\x1b[?1049h", b"\x1b[?1049l"),
            (b"\x1b[?25l", b"\x1b[?25h"),
            (b"\x1b[?1003h", b"\x1b[?1003l"),
            (b"\x1b[?2004h", b"\x1b[?2004l"),
        )
    )
    return undone and termios.tcgetattr(terminal.slave) == terminal.modes


@pytest.mark.parametrize("stalled", [False, True], ids=["read", "stalled"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_engine_and_screen_in_order(
    cockpit: Cockpit, name: str, stalled: bool
) -> None:
    terminal = cockpit()
    end = EndOfEngine(terminal.home)
    if stalled:
        terminal.pause()
        time.sleep(3)
    sent = terminal.signal(signal.Signals[name])
    code = terminal.ended(END_S + LEAVE_S)
    end.join()
    assert code == (130 if name == "SIGINT" else 0)
    assert f"signal {name}" in end.why
    assert end.when - sent < 1.0  # told, and its last events written
    assert left_in_order(terminal)
    terminal.resume()
    wait_until(lambda: restored(terminal), "restored terminal", 5)


def test_a_screen_that_is_stuck_delays_neither_engine_nor_end(
    opened: Callable[..., Terminal],
) -> None:
    terminal = opened("stuck", "run", "--speed", 120, program=FAULTY)
    terminal.wait_for("SIGMA")
    terminal.ask("status")
    end = EndOfEngine(terminal.home)
    (terminal.home.root / "fault").touch()
    time.sleep(1)
    sent = terminal.signal(signal.SIGTERM)
    assert terminal.ended(END_S + LEAVE_S) == 0
    end.join()
    assert end.when - sent < 1.0
    assert left_in_order(terminal)
    wait_until(lambda: restored(terminal), "restored terminal", 5)


def test_without_a_terminal_a_stalled_pipe_does_not_hold_up_the_end(
    opened: Callable[..., Terminal], tmp_path
) -> None:
    home = Home(tmp_path / "home")
    process = subprocess.Popen(
        [*SIGMA, "run", "--headless", "--json", "--speed", "3600", "--start"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(home.root),
    )
    try:
        wait_until(home.socket.exists, "engine")
        time.sleep(3)  # the pipe is full by now
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S + LEAVE_S + 5) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("setting", ["stop", "keep"])
def test_a_terminal_that_is_closed_costs_nothing(cockpit: Cockpit, setting: str) -> None:
    terminal = cockpit("--on-hangup", setting)
    terminal.hang_up()
    if setting == "stop":
        assert terminal.ended(END_S + LEAVE_S) == 0
        assert left_in_order(terminal)
        return
    time.sleep(2)  # the screen has left
    assert terminal.process.poll() is None
    assert terminal.ask("status")["state"] == "running"
    shares = []
    for _ in range(3):
        used, began = processor_seconds(terminal.pid), time.monotonic()
        time.sleep(2)
        shares.append((processor_seconds(terminal.pid) - used) / (time.monotonic() - began))
    assert min(shares) < 0.15  # the engine at 120 x; a spinning screen takes 0.6 or more
    terminal.signal(signal.SIGTERM)
    assert terminal.ended(END_S + LEAVE_S) == 0
    assert left_in_order(terminal)


def test_an_idle_engine_whose_terminal_is_gone_sleeps(opened: Callable[..., Terminal]) -> None:
    terminal = opened("run", "--on-hangup", "keep")
    terminal.wait_for("SIGMA")
    terminal.ask("status")
    terminal.hang_up()
    time.sleep(2)
    shares = []
    for _ in range(4):
        used, began = processor_seconds(terminal.pid), time.monotonic()
        time.sleep(2)
        shares.append((processor_seconds(terminal.pid) - used) / (time.monotonic() - began))
    assert min(shares) < 0.05, shares
    assert terminal.process.poll() is None
