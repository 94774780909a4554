"""The parser: every command with its options. Only light imports, so that help comes at once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from engine import __version__
from sigma_tui.cli.failures import UsageError

Handler = Callable[[argparse.Namespace], int]
_VALUED = ("--home",)
_FLAGS = ("--json",)
_WRONG_COMMAND = re.compile(r"argument COMMAND: invalid choice: ('.*?') \(choose")


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ``UsageError`` instead of printing its usage."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise the message with the command it belongs to."""
        name = self.prog.removeprefix("sigma").strip()
        if wrong := _WRONG_COMMAND.match(message):
            message = f"{wrong.group(1)} is not a command"
        raise UsageError(f"{name + ': ' if name else ''}{message}; see `{self.prog} --help`")


class Commands:
    """Where a group adds its commands; ``--home`` and ``--json`` come with every one."""

    def __init__(self, parser: Parser, common: Parser, title: str) -> None:
        self._common = common
        self._actions = parser.add_subparsers(
            title=title, metavar="COMMAND", dest=title, required=True, parser_class=Parser
        )

    def add(self, name: str, summary: str, handler: Handler, **kwargs: Any) -> Parser:
        """Add a command; return its parser for its own options."""
        parser = self._parser(name, summary, **kwargs)
        parser.set_defaults(handler=handler, command=name)
        return parser

    def group(self, name: str, summary: str) -> Commands:
        """Add a command that has commands of its own."""
        return Commands(self._parser(name, summary), self._common, f"{name} commands")

    def _parser(self, name: str, summary: str, **kwargs: Any) -> Parser:
        parser: Parser = self._actions.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            parents=[self._common],
            **kwargs,
        )
        return parser


def build_parser(groups: Iterable[Callable[[Commands], None]]) -> Parser:
    """Return the parser of all commands; each group adds its own."""
    # SUPPRESS keeps a value given before the command from being overwritten after it.
    common = Parser(add_help=False)
    common.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="directory of data, logs and socket (default: SIGMA_HOME or the platform's)",
    )
    common.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object on stdout"
    )
    parser = Parser(
        prog="sigma",
        description="A terminal cockpit hosting an autonomous, risk-first crypto-futures engine. "
        "Without a command it opens the cockpit.",
        parents=[common],
        epilog="exit codes: 0 done, 1 failed, 2 usage or settings, 3 no engine is running, "
        "4 refused by a safety rule, 130 interrupted",
    )
    parser.add_argument("-V", "--version", action="version", version=f"sigma {__version__}")
    commands = Commands(parser, common, "commands")
    for register in groups:
        register(commands)
    return parser


def normalise(words: Sequence[str]) -> list[str]:
    """Insert ``run`` where no command is named: ``sigma --start`` is ``sigma run --start``."""
    position = 0
    while position < len(words):
        word = words[position]
        if word in _VALUED:
            position += 2
        elif word in _FLAGS or word.startswith(tuple(f"{name}=" for name in _VALUED)):
            position += 1
        else:
            break
    rest = list(words[position:])
    if position > len(words) or (rest and rest[0] in ("-h", "--help", "-V", "--version")):
        return list(words)
    if not rest or rest[0].startswith("-"):
        rest.insert(0, "run")
    return [*words[:position], *rest]
