"""The commands of protection: what they print, and their exit codes for bad input."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from engine.settings import Settings
from sigma_tui.cli.entry import execute
from tests.engine.live import BEGIN, HOUR, Run
from tests.notify.conftest import Hook, hook

__all__ = ["hook"]

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SIGMA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_the_drill_prints_each_level_cause_and_what_cleared_it(capsys: Captured) -> None:
    assert execute(["drill"]) == 0
    out = capsys.readouterr().out
    assert "CLOSED -> ALERT: order failures in a row: 2" in out
    assert "ALERT -> CLOSED: order failures healthy for 1 min" in out
    assert execute(["drill", "--json"]) == 0
    found = orjson.loads(capsys.readouterr().out)
    assert found["ok"]
    assert {scene["highest"] for scene in found["scenes"]} == {"THROTTLE", "HALT", "SHUTDOWN"}


def test_the_trial_of_notifications(
    hook: Hook, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("NOTIFY_URLS", hook.url)
    assert execute(["notifications", "test"]) == 0
    assert "json://*** (1): sent in" in capsys.readouterr().out
    hook.status = 500
    assert execute(["notifications", "test", "--json"]) == 1
    said = capsys.readouterr()
    assert orjson.loads(said.out)["ok"] is False
    assert "1 of 1 did not arrive" in said.err
    assert "hooktoken1234" not in said.out + said.err


@pytest.mark.parametrize(
    ("words", "environment", "code", "said"),
    [
        (["notifications", "test"], {}, 2, "NOTIFY_URLS is empty"),
        (["config", "check"], {"NOTIFY_URLS": "mytoken99"}, 2, "entry 1 of 1 (my***)"),
        (["config", "check"], {"NOTIFY_URLS": "nosuch://mytoken99"}, 2, "(nosuch://***)"),
        (["config", "check"], {"QUIET_HOURS": "late"}, 2, "QUIET_HOURS='late'"),
        (["config", "check"], {"NOTIFY_LEVEL": "loud"}, 2, "NOTIFY_LEVEL='loud'"),
        (["override", "HALT", "--minutes", "5", "--yes"], {}, 2, "--reason TEXT is needed"),
        (["recover", "--yes"], {}, 2, "--reason TEXT is needed"),
        (["trip", "PANIC"], {}, 2, "PANIC"),
        (["override", "PANIC", "--minutes", "5", "--reason", "x", "--yes"], {}, 2, "PANIC"),
        (["override", "HALT", "--minutes", "0", "--reason", "x", "--yes"], {}, 2, "0"),
        (["flatten", "--yes"], {}, 3, "no engine"),
        (["audit", "replay"], {}, 3, "no engine has run here yet"),
        (["audit", "replay", "--since", "soon"], {}, 2, "soon"),
    ],
)
def test_bad_input_is_one_clear_line_and_its_code(
    words: list[str],
    environment: dict[str, str],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert execute(words) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert "mytoken99" not in err


def test_audit_replay_over_a_run_and_over_an_edited_one(tmp_path: Path, capsys: Captured) -> None:
    home = tmp_path / "home"
    Run(home, until=BEGIN + 8 * HOUR).go()
    assert execute(["audit", "replay"]) == 0
    assert "decisions come out the same" in capsys.readouterr().out
    log = home / "logs" / "compliance" / "ai_trading_log.jsonl"
    lines = log.read_bytes().splitlines()
    record = orjson.loads(lines[0])
    record["action"] = "ENTER_LONG"
    log.write_bytes(b"\n".join([orjson.dumps(record), *lines[1:]]) + b"\n")
    assert execute(["audit", "replay", "--json"]) == 1
    found = orjson.loads(capsys.readouterr().out)
    assert (found["ok"], found["differing"]) == (False, 1)
