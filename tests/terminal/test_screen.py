"""The engine cannot be stopped by its screen, and the screen can be thrown away."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from tests.terminal.multiplexer import Multiplexer
from tests.terminal.terminal import (
    SIGMA,
    Terminal,
    wait_until,
    worst_silence,
)

STALL_S = float(os.environ.get("STALL_SECONDS", "8"))  # 60 in the long form
LONGEST_GAP_S = 0.25
LOOKS = 4  # a loaded machine may be late once; a blocked engine is silent in all of them
FAULTY = (sys.executable, "-m", "tests.terminal.faulty")
Cockpit = Callable[..., Terminal]


def quiet_gap(terminal: Terminal) -> float:
    """Return the shortest of the longest silences of several spans (s)."""
    return min(worst_silence(terminal.home, STALL_S / LOOKS) for _ in range(LOOKS))


def test_a_terminal_that_does_not_read_does_not_touch_the_engine(cockpit: Cockpit) -> None:
    terminal = cockpit()
    cycles = terminal.ask("status")["last_cycle"]["time"]
    terminal.pause()
    assert quiet_gap(terminal) < LONGEST_GAP_S
    assert terminal.ask("status")["last_cycle"]["time"] != cycles
    pieces = len(terminal.arrived)
    terminal.resume()
    terminal.wait_for("Market", pieces)  # one full repaint after the stall


def test_a_slow_link_does_not_touch_the_engine(cockpit: Cockpit) -> None:
    terminal = cockpit()
    terminal.pause()
    end = time.monotonic() + STALL_S
    gaps = []
    while time.monotonic() < end:  # 20 kB/s
        os.read(terminal.master, 5_000)
        gaps.append(worst_silence(terminal.home, 0.2))
    assert sorted(gaps)[len(gaps) // 2] < LONGEST_GAP_S


def test_a_panel_that_fails_says_so_and_comes_back(opened: Callable[..., Terminal]) -> None:
    terminal = opened("panel", "run", "--speed", 120, program=FAULTY)
    terminal.wait_for("SIGMA")
    terminal.ask("status")
    fault = terminal.home.root / "fault"
    fault.touch()
    terminal.wait_for("panel failed")
    assert terminal.ask("status")["state"] == "stopped"
    pieces = len(terminal.arrived)
    fault.unlink()
    terminal.wait_for("BTC", pieces)


def test_a_crashed_screen_is_back_within_seconds(opened: Callable[..., Terminal]) -> None:
    terminal = opened("crash", "run", "--speed", 120, "--start", program=FAULTY)
    terminal.wait_for("SIGMA")
    before = terminal.ask("status")
    pieces = len(terminal.arrived)
    struck = time.monotonic()
    (terminal.home.root / "fault").touch()
    terminal.wait_for("started again", pieces)
    back = terminal.wait_for("\x1b[?1049h", pieces)
    assert back - struck < 3.0
    assert worst_silence(terminal.home, 1.0) < 1.0
    after = terminal.ask("status")
    assert after["pid"] == before["pid"]
    assert after["uptime_s"] > before["uptime_s"]
    assert "a fault in the whole screen" in (terminal.home.logs / "trading_bot.log").read_text()


def test_a_screen_that_keeps_crashing_leaves_the_engine_alone(
    opened: Callable[..., Terminal],
) -> None:
    terminal = opened("crash-always", "run", "--speed", 120, program=FAULTY)
    terminal.wait_for("SIGMA")
    terminal.ask("status")
    (terminal.home.root / "fault").touch()
    terminal.wait_for("the engine goes on without a screen")
    assert terminal.ask("status")["state"] == "stopped"
    terminal.signal(signal.SIGTERM)
    assert terminal.ended(20) == 0


def test_in_tmux_the_client_may_be_killed(
    tmux: Multiplexer, opened: Callable[..., Terminal]
) -> None:
    client = opened(
        "new-session", "-s", "sigma", *SIGMA, "run", "--speed", 120, "--start",
        program=("env", f"TMUX_TMPDIR={tmux.place['TMUX_TMPDIR']}", *tmux.words),
    )  # fmt: skip
    wait_until(lambda: "SIGMA" in tmux.picture("sigma"), "cockpit in tmux")
    before = client.ask("status")
    client.process.kill()
    client.ended()
    assert worst_silence(client.home, 2.0) < 1.0
    assert client.ask("status")["pid"] == before["pid"]
    assert "SIGMA" in tmux.picture("sigma")
    os.kill(before["pid"], signal.SIGTERM)
    wait_until(lambda: client.home.holder() is None, "end of the engine")
    wait_until(lambda: not tmux.pid("sigma"), "end of the session")
