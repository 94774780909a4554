"""tmux as a terminal whose picture can be read: a server of our own for each test."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from engine.home import Home
from tests.terminal.terminal import environment, wait_until


class Multiplexer:
    """Runs programs in tmux, one a session, detached."""

    def __init__(self, directory: Path, home: Path) -> None:
        self.home = Home(home)
        directory.mkdir()
        self.place = environment(home) | {"TMUX_TMPDIR": str(directory)}
        self.words = ["tmux", "-L", f"sigma-{os.getpid()}", "-f", "/dev/null"]

    def say(self, *words: object) -> str:
        """Run a tmux command; return what it prints."""
        done = subprocess.run(
            [*self.words, *map(str, words)],
            env=self.place,
            cwd=self.home.root.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def open(self, name: str, words: Sequence[object], size: tuple[int, int] = (120, 40)) -> None:
        """Start a program in a session of its own."""
        line = shlex.join(map(str, words))
        self.say("new-session", "-d", "-s", name, "-x", size[0], "-y", size[1], line)

    def picture(self, name: str) -> str:
        """Return what a session shows."""
        return self.say("capture-pane", "-p", "-t", name)

    def wait_for(self, name: str, text: str) -> None:
        """Wait until a session shows a text, wherever its lines break."""

        def seen() -> bool:
            return text in " ".join(self.picture(name).split())

        try:
            wait_until(seen, f"{text!r} in {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.picture(name)}") from None

    def press(self, name: str, *keys: str) -> None:
        """Press keys as tmux names them."""
        self.say("send-keys", "-t", name, *keys)

    def pid(self, name: str) -> int:
        """Return the process of a session, 0 when it is over."""
        return int(self.say("list-panes", "-t", name, "-F", "#{pane_pid}").strip() or 0)

    def close(self) -> None:
        """End the server and all that runs in it."""
        self.say("kill-server")
