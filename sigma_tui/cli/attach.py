"""The command ``attach``: the cockpit over an engine that runs already."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sigma_tui.cli import context
from sigma_tui.cli.failures import CommandError, NoEngineError, UsageError
from sigma_tui.cli.run import has_terminal, register_look

if TYPE_CHECKING:
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the command."""
    attach = commands.add("attach", "the cockpit over an engine that runs already", attach_command)
    register_look(attach)


def attach_command(args: argparse.Namespace) -> int:
    """See that there is an engine, then show it."""
    home = context.home_of(args)
    if not has_terminal():
        raise UsageError("attach: the cockpit needs a terminal")
    if home.holder() is None:
        raise NoEngineError(f"no engine is running in {home.root}; `sigma run` starts one")
    if not home.socket.exists():
        raise CommandError(f"the engine in {home.root} is still starting; try again in a moment")
    from sigma_tui.attach import run_attach

    return run_attach(home, args)
