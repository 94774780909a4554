"""Attached screens: viewers of one headless engine, which outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.control.client import ControlClient, ControlError, NotRunning
from engine.home import Home
from tests.terminal.multiplexer import Multiplexer
from tests.terminal.terminal import SIGMA, Terminal, environment, wait_until, worst_silence

Headless = Callable[[], subprocess.Popen[bytes]]
ATTACH = (*SIGMA, "attach")


@pytest.fixture
def headless(tmp_path: Path) -> Iterator[Headless]:
    """Return a function that starts an engine without a terminal and waits until it answers."""
    home = Home(tmp_path / "home")
    running: list[subprocess.Popen[bytes]] = []

    def answers(pid: int) -> bool:
        try:
            with ControlClient(home.socket) as client:
                return bool(client.ask("status")["pid"] == pid)
        except (ControlError, NotRunning):
            return False

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*SIGMA, "run", "--headless", "--speed", "120", "--start"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=tmp_path,
            env=environment(home.root),
        )
        running.append(process)
        wait_until(lambda: answers(process.pid), "answer from the engine")
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_viewers_come_and_go_and_the_engine_stays(
    opened: Callable[..., Terminal], headless: Headless, tmux: Multiplexer
) -> None:
    engine = headless()
    tmux.open("wide", ATTACH)
    tmux.open("small", (*ATTACH, "--ascii"), (80, 24))
    for name in ("wide", "small"):
        tmux.wait_for(name, "RUNNING")
        tmux.wait_for(name, "BTC")
    stalled = opened("attach")
    stalled.wait_for("SIGMA")
    stalled.pause()
    assert worst_silence(stalled.home, 2.0) < 1.0
    stalled.signal(signal.SIGTERM)
    assert stalled.ended(10) == 0
    closed = opened("attach")
    closed.wait_for("SIGMA")
    closed.hang_up()
    assert closed.ended(10) == 0
    os.kill(tmux.pid("small"), signal.SIGINT)
    wait_until(lambda: not tmux.pid("small"), "end of the small viewer")
    assert "RUNNING" in tmux.picture("wide")
    assert engine.poll() is None


def test_keys_of_a_viewer_reach_the_engine(headless: Headless, tmux: Multiplexer) -> None:
    headless()
    tmux.open("viewer", ATTACH)
    tmux.wait_for("viewer", "RUNNING")
    tmux.press("viewer", "p")
    tmux.wait_for("viewer", "PAUSED")
    tmux.press("viewer", "p")
    tmux.wait_for("viewer", "RUNNING")


def test_a_viewer_says_that_the_engine_is_gone_and_meets_the_next(
    headless: Headless, tmux: Multiplexer
) -> None:
    engine = headless()
    tmux.open("viewer", ATTACH)
    tmux.wait_for("viewer", "RUNNING")
    engine.kill()
    engine.wait()
    tmux.wait_for("viewer", "NO CONNECTION")
    headless()  # the one before was killed: entries wait for an acknowledgement
    tmux.wait_for("viewer", "STOPPED")
    assert "NO CONNECTION" not in tmux.picture("viewer")


def test_run_points_at_attach_when_an_engine_runs(
    opened: Callable[..., Terminal], headless: Headless
) -> None:
    engine = headless()
    other = opened("run")
    assert other.ended(20) == 1
    other.wait_for("sigma attach")
    assert str(engine.pid).encode() in other.output


def test_attach_needs_an_engine(opened: Callable[..., Terminal]) -> None:
    viewer = opened("attach")
    assert viewer.ended(20) == 3
    viewer.wait_for("no engine is running")
