"""The command ``doctor``: is everything there that Sigma needs, and what to do where it is not."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, FAILED

if TYPE_CHECKING:
    from engine.home import Home
    from sigma_tui.cli.parser import Commands

OK, WARN, FAIL = "ok", "warn", "fail"
SMALLEST = (80, 24)
OLDEST_PYTHON = (3, 11)
LOW_DISK, NO_DISK = 1_000_000_000, 100_000_000  # bytes
PACKAGES = (
    "textual",
    "numpy",
    "pandas",
    "talib",
    "aiosqlite",
    "pydantic_settings",
    "orjson",
    "platformdirs",
    "plotext",
    "ccxt",
)


class Check(NamedTuple):
    """One check: ``status`` is ok, warn or fail; ``detail`` says what to do unless ok."""

    name: str
    status: str
    detail: str


def register(commands: Commands) -> None:
    """Add the command."""
    commands.add("doctor", "check what Sigma needs, with remedies", doctor_command)


def doctor_command(args: argparse.Namespace) -> int:
    """Run every check; 0 unless one failed."""
    checks = list(examine(args))
    if context.wants_json(args):
        output.json_object({"checks": [check._asdict() for check in checks]})
    else:
        output.lines(f"{c.status:<5} {c.name:<13} {c.detail}" for c in checks)
    return FAILED if any(check.status == FAIL for check in checks) else DONE


def examine(args: argparse.Namespace) -> Iterator[Check]:
    """Yield the checks in order; one that breaks is itself a finding."""
    for name, check in (
        ("python", _python),
        ("packages", _packages),
        ("terminal", _terminal),
        ("colours", _colours),
        ("tmux", _tmux),
        ("locale", _locale),
    ):
        yield _guarded(name, check)
    yield _guarded("settings", lambda: _settings(args))
    yield _guarded("settings file", _settings_file)
    try:
        home = context.home_of(args)
    except Exception as error:  # noqa: BLE001 - reported as the finding it is
        yield Check("home", FAIL, f"unknown, because the settings are wrong: {error}")
        return
    yield _guarded("home", lambda: _home(home))
    yield _guarded("disk", lambda: _disk(home.root))
    yield _guarded("database", lambda: _database(home))
    yield _guarded("audit", lambda: _audit(home))
    yield _guarded("engine", lambda: _engine(home))
    yield from _exchange(args)


def _exchange(args: argparse.Namespace) -> Iterator[Check]:
    from engine.settings import SettingsError
    from sigma_tui.cli.exchange_checks import exchange_findings

    try:
        settings = context.settings_of(args)
    except SettingsError:
        return  # told above
    try:
        yield from (Check(*finding) for finding in exchange_findings(settings))
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, not an end
        yield Check("exchange", FAIL, f"{type(error).__name__}: {error}")


def _guarded(name: str, check: Callable[[], tuple[str, str]]) -> Check:
    try:
        return Check(name, *check())
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, not an end
        return Check(name, FAIL, f"{type(error).__name__}: {error}")


def _python() -> tuple[str, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return FAIL, f"{version}; install Python 3.11 or newer"
    return OK, version


def _packages() -> tuple[str, str]:
    from importlib.util import find_spec

    if missing := [n for n in PACKAGES if n not in sys.modules and find_spec(n) is None]:
        return FAIL, f"missing: {', '.join(missing)}; run the first command of the README again"
    return OK, f"{len(PACKAGES)} found"


def _terminal() -> tuple[str, str]:
    if not sys.stdout.isatty():
        return OK, "output is not a terminal; the cockpit needs one, `run --headless` does not"
    columns, lines = shutil.get_terminal_size()
    kind = os.environ.get("TERM", "")
    if kind in ("", "dumb"):
        return WARN, f"TERM is {kind or 'not set'}; set it, e.g. to xterm-256color"
    if columns < SMALLEST[0] or lines < SMALLEST[1]:
        return WARN, f"{columns}x{lines} is small; make it at least {SMALLEST[0]}x{SMALLEST[1]}"
    return OK, f"{kind}, {columns}x{lines}"


def _colours() -> tuple[str, str]:
    if os.environ.get("NO_COLOR"):
        return OK, "NO_COLOR is set: the cockpit stays without colours"
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return OK, "16 million"
    if "256color" in os.environ.get("TERM", ""):
        return OK, "256"
    return WARN, "perhaps 16 only; set COLORTERM=truecolor if the terminal can do it"


def _tmux() -> tuple[str, str]:
    if os.environ.get("TMUX"):
        return OK, "inside tmux: a dropped link leaves Sigma running"
    if shutil.which("tmux"):
        return OK, "installed; start Sigma inside it to survive a dropped link"
    return WARN, "not installed; over SSH use it, or run with --headless --on-hangup keep"


def _locale() -> tuple[str, str]:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding == "utf8":
        return OK, "UTF-8"
    return WARN, f"{sys.stdout.encoding}; set LANG=C.UTF-8, or run with --ascii"


def _settings(args: argparse.Namespace) -> tuple[str, str]:
    from engine.settings import SettingsError

    try:
        settings = context.settings_of(args)
    except SettingsError as error:
        return FAIL, str(error)
    return OK, f"{settings.exchange}, {settings.trading_mode}, {len(settings.pairs)} pairs"


def _settings_file() -> tuple[str, str]:
    from sigma_tui.cli.config import SETTINGS_FILE, advice

    file = Path(SETTINGS_FILE)
    if not file.is_file():
        return OK, f"no {file} here; defaults and the environment count"
    notes = advice(file)
    return (WARN, "; ".join(notes)) if notes else (OK, f"{file} is for your eyes only")


def _home(home: Home) -> tuple[str, str]:
    from engine.home import HomeError

    try:
        home.prepare()
    except HomeError as error:
        return FAIL, str(error)
    mode = home.root.stat().st_mode & 0o777
    if mode & 0o077:
        return WARN, f"{home.root} is open to others ({mode:04o}); run `chmod 700 {home.root}`"
    return OK, str(home.root)


def _disk(root: Path) -> tuple[str, str]:
    while not root.exists() and root != root.parent:
        root = root.parent
    free = shutil.disk_usage(root).free
    room = f"{free / 1e9:.1f} GB free"
    if free < NO_DISK:
        return FAIL, f"{room}; make room, records need it"
    return (WARN, f"{room}; make room soon") if free < LOW_DISK else (OK, room)


def _database(home: Home) -> tuple[str, str]:
    from engine.ledger.port import RecordError
    from engine.ledger.upkeep import check_database

    if not home.database.is_file():
        return OK, "none yet; the first run creates it"
    try:
        findings = check_database(home.database)
    except RecordError as error:
        return FAIL, str(error)
    if findings:
        return FAIL, f"{findings[0]} ({len(findings)} findings; `sigma db check` lists all)"
    return OK, f"sound, {home.database.stat().st_size / 1e6:.1f} MB"


def _audit(home: Home) -> tuple[str, str]:
    from engine.ledger.audit import verify

    if not home.compliance.is_dir() or not any(home.compliance.iterdir()):
        return OK, "no compliance logs yet"
    report = verify(home.compliance)
    if not report.ok:
        bad = next(file for file in report.files if not file.ok)
        return FAIL, f"{bad.name} line {bad.first_bad_line}: {bad.detail}; see `sigma audit verify`"
    return OK, f"whole, {sum(file.lines for file in report.files):,} lines"


def _engine(home: Home) -> tuple[str, str]:
    holder = home.holder()
    if holder is None:
        return OK, "not running"
    from engine.control.client import ControlClient, ControlError, NotRunning

    who = f"pid {holder.get('pid', '?')} since {holder.get('started', '?')}"
    try:
        with ControlClient(home.socket) as client:
            return OK, f"{client.ask('status')['state']}, {who}"
    except (ControlError, NotRunning) as error:
        return WARN, f"{who}, but it does not answer: {error}"
