"""Commands about settings: ``config check``, ``config show`` and ``config init``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, CommandError, UsageError

if TYPE_CHECKING:
    from engine.settings import Settings
    from sigma_tui.cli.parser import Commands

SETTINGS_FILE = ".env"
HIDDEN = "***"


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    group = commands.group("config", "check, show or begin the settings")
    group.add("check", "see that every setting is valid", check_command)
    group.add("show", "show every setting, secrets hidden", show_command)
    init = group.add("init", "write a settings file to fill in", init_command)
    init.add_argument(
        "--file", type=Path, default=Path(SETTINGS_FILE), metavar="FILE", help="default: .env"
    )


def check_command(args: argparse.Namespace) -> int:
    """Check the settings; a wrong one is named with what is allowed, exit code 2."""
    from engine.notify.setup import channels_of

    settings = context.settings_of(args)
    channels_of(settings)  # an address that no service understands is found here, not at night
    notes = advice(Path(SETTINGS_FILE))
    if context.wants_json(args):
        output.json_object({"ok": True, "notes": notes})
    else:
        output.line(
            f"settings are valid: {settings.exchange}, {settings.trading_mode}, "
            f"{len(settings.pairs)} pairs, home {settings.home()}"
        )
        output.lines(f"note: {note}" for note in notes)
    return DONE


def advice(file: Path) -> list[str]:
    """Return what a person should know of a settings file: its mode, names that mean nothing."""
    from engine.settings import Settings

    if not file.is_file():
        return []
    notes = []
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        notes.append(f"{file} can be read by others (mode {mode:04o}); run `chmod 600 {file}`")
    from dotenv import dotenv_values

    unknown = [n for n in dotenv_values(file) if n.lower() not in Settings.model_fields]
    if unknown:
        notes.append(f"{file}: not a setting of Sigma: {', '.join(unknown)}")
    return notes


def show_command(args: argparse.Namespace) -> int:
    """Show every setting by the name of its variable."""
    shown = visible(context.settings_of(args))
    if context.wants_json(args):
        output.json_object({"settings": shown})
    else:
        width = max(map(len, shown))
        output.lines(f"{name:<{width}}  {_text(value)}" for name, value in shown.items())
    return DONE


def visible(settings: Settings) -> dict[str, Any]:
    """Return the settings by variable, secrets hidden (empty where none is set)."""
    from pydantic import SecretStr

    shown: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = HIDDEN if value.get_secret_value() else ""
        elif name == "sigma_home":
            value = str(settings.home())
        elif isinstance(value, tuple):
            value = [str(item) for item in value]
        shown[name.upper()] = value
    return shown


def init_command(args: argparse.Namespace) -> int:
    """Write a settings file with every default, commented out; never over an existing one."""
    path: Path = args.file
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path}: exists already; edit it, or name another with --file") from None
    except OSError as error:
        raise CommandError(f"{path}: cannot be written ({error.strerror})") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(template())
    if context.wants_json(args):
        output.json_object({"file": str(path)})
    else:
        output.line(f"{path} written (mode 0600); remove the # before what you change")
    return DONE


def template() -> str:
    """Return the text of a fresh settings file."""
    from pydantic import SecretStr

    from engine.settings import Settings

    lines = ["# Settings of Sigma. A line without # counts; `sigma config check` checks them.", ""]
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr) or default is None:
            default = ""
        lines.append(f"#{name.upper()}={_text(default)}")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
