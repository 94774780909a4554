"""Programs on pseudo-terminals, ended after each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.terminal.multiplexer import Multiplexer
from tests.terminal.terminal import SIGMA, Terminal


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Return a function that runs ``sigma`` (or ``program``) on a terminal of its own."""
    terminals: list[Terminal] = []

    def open_terminal(
        *words: object, program: tuple[str, ...] = SIGMA, size: tuple[int, int] = (120, 40)
    ) -> Terminal:
        terminal = Terminal([*program, *words], tmp_path / "home", size)
        terminals.append(terminal)
        return terminal

    yield open_terminal
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def cockpit(opened: Callable[..., Terminal]) -> Callable[..., Terminal]:
    """Return a function that opens the cockpit and waits until its engine has decided once."""

    def open_cockpit(*words: object, **options: object) -> Terminal:
        terminal = opened("run", "--speed", 120, "--seed", 3, "--start", *words, **options)
        terminal.wait_for("SIGMA")
        terminal.ask("status")
        return terminal

    return open_cockpit


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Multiplexer]:
    """Return a terminal multiplexer whose pictures can be read."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    found = Multiplexer(tmp_path / "tmux", tmp_path / "home")
    yield found
    found.close()
