"""Commands around the program: ``service``, ``completion`` and ``web``."""

from __future__ import annotations

import argparse
import shlex
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, CommandError, NoEngineError

if TYPE_CHECKING:
    from sigma_tui.cli.parser import Commands, Parser
    from sigma_tui.service import ServiceFile

PORT = 8_000
KINDS = ("systemd", "tmux")
SHELLS = ("bash", "zsh", "fish")


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    service = commands.group("service", "keep an engine running, or set tmux up")
    _files(service.add("show", "show the file", show_command))
    install = service.add("install", "write the file where it belongs", install_command)
    _files(install)
    install.add_argument("--force", action="store_true", help="replace a file that differs")
    completion = commands.add("completion", "a script for the shell", completion_command)
    completion.add_argument("shell", choices=SHELLS)
    web = commands.add("web", "the cockpit of a running engine in a browser", web_command)
    web.add_argument("--port", type=context.count, default=PORT, metavar="N", help="(8000)")


def _files(parser: Parser) -> None:
    parser.add_argument("kind", nargs="?", choices=KINDS, default="systemd")
    parser.add_argument("--start", action="store_true", help="the unit begins trading at once")


def _file(args: argparse.Namespace) -> ServiceFile:
    from sigma_tui.service import systemd_unit, tmux_settings

    if args.kind == "tmux":
        return tmux_settings()
    home = context.home_of(args).root.resolve()
    return systemd_unit(home, ("--start",) if args.start else ())


def show_command(args: argparse.Namespace) -> int:
    """Show a file and where it belongs."""
    file = _file(args)
    if context.wants_json(args):
        output.json_object({"file": str(file.path), "text": file.text, "then": list(file.then)})
    else:
        output.line(f"# {file.path}")
        output.lines(file.text.splitlines())
    return DONE


def install_command(args: argparse.Namespace) -> int:
    """Write a file; say what to do then."""
    from sigma_tui.service import install

    file = _file(args)
    if args.kind == "systemd":
        context.home_of(args).prepare()  # systemd wants its working directory
    try:
        written = install(file, force=args.force)
    except FileExistsError as error:
        raise CommandError(str(error)) from None
    if context.wants_json(args):
        output.json_object({"file": str(file.path), "written": written, "then": list(file.then)})
    else:
        output.line(f"{file.path}: {'written' if written else 'is there already'}; then")
        output.lines(f"  {line}" for line in file.then)
    return DONE


def completion_command(args: argparse.Namespace) -> int:
    """Print a completion script."""
    from sigma_tui.cli.entry import GROUPS
    from sigma_tui.cli.parser import build_parser
    from sigma_tui.completion import script

    text = script(build_parser(group.register for group in GROUPS), args.shell)
    if context.wants_json(args):
        output.json_object({"shell": args.shell, "script": text})
    else:
        output.lines(text.splitlines())
    return DONE


def web_command(args: argparse.Namespace) -> int:
    """Serve the cockpit on this machine's own address, one viewer a browser window."""
    home = context.home_of(args)
    if find_spec("textual_serve") is None:
        raise CommandError("web: textual-serve is missing; install it with pip install '.[web]'")
    if home.holder() is None:
        raise NoEngineError(
            f"no engine is running in {home.root}; start one with `sigma run --headless`"
        )
    from textual_serve.server import Server

    words = [sys.executable, "-m", "sigma_tui", "attach", "--home", str(home.root.resolve())]
    server = Server(shlex.join(words), host="127.0.0.1", port=args.port, title="Sigma")
    output.hint(f"http://127.0.0.1:{args.port} shows {home.root}; Ctrl-C ends it")
    server.serve()
    return DONE
