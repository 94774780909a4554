"""Commands that steer the time of a simulated or replayed market."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sigma_tui.cli import asking, context, steering

if TYPE_CHECKING:
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    group = commands.group("replay", "steer the time of a simulated or replayed market")
    group.add("pause", "let time stand still", replay_command)
    group.add("resume", "let time go on", replay_command)
    group.add("step", "take one step and stand still", replay_command)
    jump = group.add("jump", "run ahead to an instant", replay_command)
    jump.add_argument("until", type=context.instant, metavar="TIME", help="ISO date or time, UTC")
    speed = group.add("speed", "change how fast time passes", replay_command)
    speed.add_argument("speed", type=context.positive, metavar="N", help="time, N x real")


def replay_command(args: argparse.Namespace) -> int:
    """Send one of them to the running engine and report what became of it."""
    from engine.model.commands import ReplayAction, ReplayControl, Source

    values: dict[str, Any] = {
        name: getattr(args, name) for name in ("until", "speed") if hasattr(args, name)
    }
    command = ReplayControl(source=Source.CLI, action=ReplayAction(args.command), **values)
    with asking.connected(context.home_of(args)) as client:
        result = client.do(command)
    return steering.report(args, f"replay {args.command}", result)
