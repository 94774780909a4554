"""Strategies and the assistant, as far as this version goes; it says plainly where it ends."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, CommandError, UsageError

if TYPE_CHECKING:
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    commands.add("strategies", "list the strategies", list_command)
    group = commands.group("strategy", "list, show or change strategies")
    group.add("list", "list the strategies", list_command)
    show = group.add("show", "show a strategy's parameters", show_command)
    show.add_argument("name", nargs="?", default="default", metavar="NAME")
    for verb, summary in (
        ("create", "draft a strategy from a sentence"),
        ("apply", "trade by another strategy"),
        ("export", "write a strategy to a file"),
        ("import", "read a strategy from a file"),
    ):
        group.add(verb, summary, unavailable).add_argument("words", nargs="*", metavar="...")
    chat = commands.add("chat", "ask the assistant one question", unavailable)
    chat.add_argument("words", nargs="+", metavar="TEXT")


def list_command(args: argparse.Namespace) -> int:
    """List the strategies: the built-in one is the active one."""
    from engine.strategy import Strategy

    known = Strategy()
    row = {
        "name": known.name,
        "version": known.version,
        "active": True,
        "description": known.description,
    }
    if context.wants_json(args):
        output.json_object({"strategies": [row]})
    else:
        output.line(f"{known.name} v{known.version} (active): {known.description}")
    return DONE


def show_command(args: argparse.Namespace) -> int:
    """Show every parameter of a strategy."""
    from engine.strategy import STRATEGY_SCHEMA, Strategy

    if args.name != "default":
        raise UsageError(f"{args.name}: no such strategy; there is: default")
    found = STRATEGY_SCHEMA.dump_python(Strategy(), mode="json")
    if context.wants_json(args):
        output.json_object(found)
    else:
        for name, value in found.items():
            if isinstance(value, dict):
                value = ", ".join(f"{key} {item}" for key, item in value.items())
            output.line(f"{name:<24}{value if value != [] else 'all allowed'}")
    return DONE


def unavailable(args: argparse.Namespace) -> int:
    """Say that a command is not part of this version."""
    name = args.command if args.command == "chat" else f"strategy {args.command}"
    raise CommandError(f"{name}: not available in this version")
