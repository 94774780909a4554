"""Replaying a run's compliance log: every decision comes out the same, or it is said which not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.context_record import digest_of, dump_rules, load_rules
from engine.ledger.audit import verify
from engine.ledger.replay import replay
from tests.engine.live import BEGIN, HOUR, Run

LOG = "ai_trading_log.jsonl"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the logs of a day and a half of trading on the simulated market."""
    home = tmp_path_factory.mktemp("recorded")
    Run(home, until=BEGIN + 30 * HOUR).go()
    return home / "logs" / "compliance"


@pytest.fixture
def logs(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "compliance"))


def edit(logs: Path, change: Callable[[dict[str, Any]], bool]) -> int:
    """Change lines by hand; return how many ``change`` says it changed."""
    changed = 0
    lines = []
    for line in (logs / LOG).read_bytes().splitlines():
        record = orjson.loads(line)
        changed += change(record)
        lines.append(orjson.dumps(record))
    (logs / LOG).write_bytes(b"\n".join(lines) + b"\n")
    return changed


def test_every_decision_of_a_run_comes_out_the_same(recorded: Path) -> None:
    report = replay(recorded)
    assert report.ok, report.different
    assert report.same == report.decisions > 1_000
    assert report.proposals > 20
    assert report.refused_at_order == report.without_inputs == 0


def test_it_writes_nothing(logs: Path) -> None:
    before = {path: path.read_bytes() for path in logs.iterdir()}
    replay(logs)
    assert {path: path.read_bytes() for path in logs.iterdir()} == before
    assert verify(logs).ok


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("action", lambda r: r.update(action="ENTER_LONG", blocked_by="")),
        ("quantity", lambda r: r["size"].update(quantity="0.123")),
        (
            "blocked by",
            lambda r: r.update(blocked_by="costs" if r["blocked_by"] != "costs" else "v"),
        ),
        ("confidence", lambda r: r.update(confidence=r["confidence"] + 0.01)),
        ("gates", lambda r: r["gates"].pop()),
    ],
)
def test_a_record_edited_by_hand_differs(
    logs: Path, what: str, change: Callable[[dict[str, Any]], object]
) -> None:
    done: list[str] = []

    def edit_one(record: dict[str, Any]) -> bool:
        if done or record["proposal"] == "WAIT" or record["action"] != "WAIT":
            return False
        change(record)
        done.append(record["pair"])
        return True

    assert edit(logs, edit_one) == 1
    report = replay(logs)
    assert not report.ok
    assert report.differing == 1
    assert what in report.different[0]["what"]


def test_indicators_edited_by_hand_do_not_make_the_same_decision(logs: Path) -> None:
    def turn(record: dict[str, Any]) -> bool:
        if record["proposal"] == "WAIT":
            return False
        record["indicators"]["rsi"] = 100.0 - record["indicators"]["rsi"]
        record["indicators"]["z_score"] *= -1.0
        return True

    changed = edit(logs, turn)
    report = replay(logs)
    assert 0 < report.differing <= changed


def test_rules_edited_by_hand_are_not_taken_for_the_ones_in_force(logs: Path) -> None:
    def loosen(record: dict[str, Any]) -> bool:
        if "context" not in record:
            return False
        record["context"]["rules"]["limits"]["max_risk_per_trade"] = 0.05
        return True

    assert edit(logs, loosen)
    report = replay(logs)
    assert not report.ok
    assert report.same == 0
    assert report.without_inputs == report.decisions


def test_lines_of_an_older_program_are_counted_as_without_inputs(logs: Path) -> None:
    def strip(record: dict[str, Any]) -> bool:
        return record.pop("rules", None) is not None

    assert edit(logs, strip) == replay(logs).without_inputs


def test_a_torn_line_is_counted_and_the_rest_replayed(logs: Path) -> None:
    with (logs / LOG).open("ab") as file:
        file.write(b'{"pair": "BTC')
    report = replay(logs)
    assert report.unreadable == 1
    assert report.same == report.decisions
    assert not report.ok


def test_since_leaves_older_lines_out(recorded: Path) -> None:
    whole, late = replay(recorded), replay(recorded, "2025-11-25T12:00:00.000Z")
    assert 0 < late.decisions < whole.decisions
    assert late.ok


def test_rules_survive_their_own_record(recorded: Path) -> None:
    for line in (recorded / LOG).read_bytes().splitlines():
        record = orjson.loads(line)
        if "context" in record:
            data = record["context"]["rules"]
            assert dump_rules(load_rules(data)) == data
            assert digest_of(data) == record["rules"]
            return
    pytest.fail("no proposal on record")


def test_an_empty_directory_has_nothing_to_replay(tmp_path: Path) -> None:
    report = replay(tmp_path)
    assert report.decisions == 0
    assert report.ok
