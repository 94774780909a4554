"""Attaching: the cockpit as a viewer of an engine that runs elsewhere on this machine."""

from __future__ import annotations

import argparse
import os
import signal
import threading

from engine.home import Home
from sigma_tui.assistance import Assistance
from sigma_tui.cli import context
from sigma_tui.hosting import HostedApp, Outcome, Screens
from sigma_tui.keymap import read_keymap
from sigma_tui.outlet import BeforeScreens, let_go
from sigma_tui.remote import RemoteLink
from sigma_tui.run import LEAVE_S, prepare_terminal
from sigma_tui.signals import Signals


def run_attach(home: Home, args: argparse.Namespace) -> int:
    """Show the engine of a home until the screen is left; return the exit code.

    Signals and a closed terminal end this viewer alone; the engine goes on.
    """

    def cockpit() -> HostedApp:
        return HostedApp(
            link,
            theme=getattr(args, "theme", None),
            ascii=bool(getattr(args, "ascii", False)),
            mouse=not getattr(args, "no_mouse", False),
            theme_dir=home.root / "themes",
            keymap=keymap,
            assistance=assistance,
        )

    keymap = read_keymap(home.root)
    prepare_terminal()
    link = RemoteLink(home)
    assistance = Assistance(link.snapshot, settings=context.settings_of(args), home=home)
    screens = Screens(cockpit, lambda: False)
    before = BeforeScreens()
    heard: list[str] = []
    left = threading.Event()

    def leave(name: str) -> None:
        heard.append(name)
        screens.leave()
        if len(heard) > 1 or not left.wait(LEAVE_S):
            before.restore()
            os._exit(_code(heard))

    with Signals(leave):
        outcome = screens.run(begun=link.start)
        left.set()
        if outcome is Outcome.LOST or "SIGHUP" in heard:
            let_go()
        link.close()
    return 1 if outcome is Outcome.CRASHED else _code(heard)


def _code(heard: list[str]) -> int:
    return 128 + int(signal.SIGINT) if "SIGINT" in heard else 0
