"""Run one command: parse, hand over, and turn whatever goes wrong into one line and a code."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from sigma_tui.cli import (
    attach,
    candles,
    chat,
    config,
    doctor,
    events,
    history,
    hosting,
    protection,
    queries,
    records,
    replay,
    run,
    steering,
    strategies,
)
from sigma_tui.cli.failures import DONE, FAILED, INTERRUPTED, USAGE, CommandError
from sigma_tui.cli.parser import build_parser, normalise

GROUPS = (
    run,
    attach,
    history,
    candles,
    queries,
    steering,
    replay,
    events,
    records,
    protection,
    config,
    doctor,
    hosting,
    strategies,
    chat,
)


def execute(words: Sequence[str]) -> int:
    """Run a command line (without the program's name) and return its exit code."""
    args: argparse.Namespace | None = None
    try:
        args = build_parser(group.register for group in GROUPS).parse_args(normalise(words))
        code = int(args.handler(args))
        sys.stdout.flush()
        return code
    except SystemExit as ended:  # --help and --version
        return ended.code if isinstance(ended.code, int) else DONE
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return DONE
    except Exception as error:  # noqa: BLE001 - the last line of defence of a command
        return _explain(error, args)


def _explain(error: Exception, args: argparse.Namespace | None) -> int:
    code = _code(error)
    if code is not None:
        _say(str(error))
        return code
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{where}{error.strerror}")
        return FAILED
    kept = _keep_traceback(error, args)
    _say(f"unexpected {type(error).__name__}: {error}{f'; details in {kept}' if kept else ''}")
    return FAILED


def _code(error: Exception) -> int | None:
    """Return the exit code of an error that explains itself, None for any other."""
    if isinstance(error, CommandError):
        return error.code
    # Looked up by module, so that a quick command need not load what cannot have failed.
    for module, name, code in (
        ("sigma_tui.actions", "KeymapError", USAGE),
        ("sigma_tui.theme", "ThemeError", USAGE),
        ("engine.home", "HomeBusy", FAILED),
        ("engine.home", "HomeError", USAGE),
        ("engine.settings", "SettingsError", USAGE),
        ("engine.market.series", "CandleDataError", USAGE),
        ("engine.ledger.port", "RecordError", FAILED),
    ):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return code
    return None


def _say(sentence: str) -> None:
    line = " ".join(_redacted(sentence).split())
    try:
        sys.stderr.write(f"sigma: {line}\n")
    except (OSError, ValueError):
        return  # nobody is left to read it


def _keep_traceback(error: Exception, args: argparse.Namespace | None) -> Path | None:
    """Append a traceback to the home's log where that home exists; return the file."""
    try:
        from sigma_tui.cli.context import home_of

        logs = home_of(args).logs if args is not None else None
        if logs is None or not logs.is_dir():
            return None
        path = logs / "trading_bot.log"
        text = _redacted("".join(traceback.format_exception(error)))
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} CRITICAL {text}")
        return path
    except Exception:  # noqa: BLE001 - the first error is the one to report
        return None


def _silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's own flush at exit stays quiet."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _redacted(text: str) -> str:
    """Return a text without secrets, also where the settings themselves cannot be read."""
    from engine.ledger.redact import Redactor

    secrets: tuple[str, ...] = ()
    if "engine.settings" in sys.modules:  # else none has been read that could be in the text
        from engine.settings import SettingsError, load_settings

        try:
            secrets = load_settings().secrets()
        except SettingsError:
            secrets = ()
    return Redactor(secrets)(text)
