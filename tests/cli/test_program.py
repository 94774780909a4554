"""The program as a process: start-up, pipes, and commands that need no engine."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

from engine import __version__
from tests.conftest import ROOT

HEAVY = ("argparse", "numpy", "pandas", "pydantic", "textual", "talib", "ccxt", "orjson", "asyncio")


def test_version_loads_nothing_heavy(place):
    """What --version must not wait for is not even imported."""
    code = (
        "import sys; from sigma_tui.__main__ import main; code = main(['--version']); "
        f"print(sorted(set({HEAVY!r}) & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"sigma {__version__}", "[]"]


def test_a_closed_pipe_ends_quietly(place, market):
    """``sigma strategy show | head -0``: no traceback, no noise."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "sigma_tui", "candles", "check", "--data", str(market)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == 0


def test_the_real_program_says_what_is_wrong(program):
    result = program("backtest", "--data", "nowhere")
    assert result.code == 2
    assert "no such directory" in result.error


def test_options_stand_before_or_after_the_command(sigma, place):
    before = sigma("--json", "--home", place / "h", "config", "show").json
    after = sigma("config", "show", "--home", place / "h", "--json").json
    assert before == after
    assert before["settings"]["SIGMA_HOME"] == str(place / "h")


def test_help_of_every_command(sigma):
    shown = sigma("--help")
    assert shown.code == 0
    assert "exit codes" in shown.out
    for words in (("backtest",), ("run",), ("candles", "check"), ("flatten",), ("db", "backup")):
        result = sigma(*words, "--help")
        assert result.code == 0
        assert "--home" in result.out
        assert "--json" in result.out


def test_without_a_command_it_runs(sigma, monkeypatch, place):
    """Options alone belong to ``run``; the parsed ones are handed over."""
    import sigma_tui.run as running
    from sigma_tui.cli import run

    seen = {}

    def stand_in(settings, options, args):
        seen.update(settings=settings, options=options, args=args)
        return 0

    monkeypatch.setattr(running, "run_cockpit", stand_in)
    monkeypatch.setattr(run, "has_terminal", lambda: True)
    result = sigma(
        "--home", place / "h", "--speed", "300", "--start", "--seed", "7", "--ascii", "--theme",
        "night", "--no-mouse", "--on-hangup", "keep", "--duration", "5", "--confirm-live", "sim",
        "--pairs", "BTC,ETH", "--timeframe", "15m",
    )  # fmt: skip
    assert result.code == 0
    options, args = seen["options"], seen["args"]
    assert (options.home, options.speed, options.seed) == (place / "h", 300, 7)
    assert options.start
    assert options.duration_s == 5
    assert [pair.base for pair in options.pairs] == ["BTC", "ETH"]
    assert seen["settings"].default_timeframe == "15m"
    assert (args.ascii, args.theme, args.no_mouse) == (True, "night", True)
    assert (args.on_hangup, args.confirm_live) == ("keep", "sim")
    assert sigma().code == 0
    assert seen["options"].speed == 1


def test_config_init_writes_a_private_file_that_is_valid(sigma, place):
    result = sigma("config", "init")
    assert result.code == 0
    file = place / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    file.write_text("\n".join(line.removeprefix("#") for line in text.splitlines()[2:]))
    assert sigma("config", "check").code == 0
    again = sigma("config", "init")
    assert again.code == 2
    assert "exists already" in again.error


def test_config_check_notes_what_is_odd_about_the_file(sigma, place):
    (place / ".env").write_text("MAX_LEVERAG=5\n")
    (place / ".env").chmod(0o644)
    notes = sigma("config", "check", "--json").json["notes"]
    assert len(notes) == 2
    assert "chmod 600" in notes[0]
    assert "MAX_LEVERAG" in notes[1]
    by_name = {c["name"]: c for c in sigma("doctor", "--json").json["checks"]}
    assert by_name["settings file"]["status"] == "warn"


def test_doctor_on_a_fresh_home(sigma, place):
    result = sigma("doctor", "--json")
    bad = [check for check in result.json["checks"] if check["status"] == "fail"]
    assert not bad
    assert result.code == 0
    checks = {check["name"]: check for check in result.json["checks"]}
    assert all(check.keys() == {"name", "status", "detail"} for check in checks.values())
    assert {c["status"] for c in checks.values()} <= {"ok", "warn"}
    assert checks.keys() >= {
        "python", "packages", "terminal", "colours", "tmux", "locale", "settings", "home", "disk",
        "database", "audit", "engine",
    }  # fmt: skip


def test_doctor_finds_what_is_broken(sigma, place, monkeypatch):
    home = place / "home"
    home.mkdir()
    (home / "sigma.db").write_bytes(b"not a database, but long enough to be looked at" * 50)
    checks = {c["name"]: c for c in sigma("doctor", "--json").json["checks"]}
    assert checks["database"]["status"] == "fail"
    monkeypatch.setenv("MAX_LEVERAGE", "99")
    result = sigma("doctor", "--json")
    assert result.code == 1
    assert {c["name"]: c for c in result.json["checks"]}["settings"]["status"] == "fail"


def test_strategies(sigma):
    listed = sigma("strategies", "--json").json["strategies"]
    assert [(s["name"], s["active"]) for s in listed] == [("default", True)]
    assert sigma("strategy", "list").out.startswith("default v1 (active)")
    assert sigma("strategy", "show", "--json").json["name"] == "default"
    assert "entry_score" in sigma("strategy", "show", "default").out


def test_the_description_names_every_command_and_option():
    """``docs/commands.md`` keeps up with the parser."""
    import argparse

    from sigma_tui.cli.entry import GROUPS
    from sigma_tui.cli.parser import build_parser

    text = (ROOT / "docs" / "commands.md").read_text()

    def walk(parser: argparse.ArgumentParser) -> None:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, inner in action.choices.items():
                    assert name in text, name
                    walk(inner)
            else:
                for option in action.option_strings:
                    assert option in ("-h", "-V", "--version") or option in text, option

    walk(build_parser(group.register for group in GROUPS))
