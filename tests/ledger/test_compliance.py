"""The compliance logs: what goes in, and that no change to them goes unseen."""

from __future__ import annotations

import errno
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.ledger import chainlog
from engine.ledger.audit import STEMS, FileReport, report, verify
from engine.ledger.compliance import ComplianceLog
from engine.ledger.port import RecordError
from engine.model.events import DecisionMade, OrderDenied
from engine.model.orders import OrderState
from engine.model.signal import Action
from tests.ledger.factory import BTC, NOW, closed, decision, one_of_each, order_changed, render

LINES = 12
DECISIONS = "ai_trading_log.jsonl"


def decisions(count: int, start: int = 0) -> list[DecisionMade]:
    return [
        DecisionMade(time=NOW + i, decision=decision(NOW + i)) for i in range(start, start + count)
    ]


@contextmanager
def opened(directory: Path, **options: object) -> Iterator[tuple[ComplianceLog, list[str]]]:
    log = ComplianceLog(directory, render, "sim", **options)  # type: ignore[arg-type]
    notes = log.open()
    try:
        yield log, notes
    finally:
        log.close()


def file_report(directory: Path, name: str = DECISIONS) -> FileReport:
    return next(file for file in verify(directory).files if file.name == name)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("logs") / "compliance"
    with opened(directory) as (log, _):
        for event in decisions(LINES):
            log.write([event])
    return directory


@pytest.fixture
def directory(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "compliance"))


def test_each_event_goes_to_its_file(log: ComplianceLog) -> None:
    assert log.open() == []
    log.write(one_of_each())
    log.close()
    lines = {stem: (log.directory / f"{stem}.jsonl").read_text().splitlines() for stem in STEMS}
    assert {stem: len(found) for stem, found in lines.items()} == dict.fromkeys(STEMS, 1)
    entry = json.loads(lines["ai_trading_log"][0])
    assert list(entry)[:2] == ["seq", "time"]
    assert entry["time"] == "2023-11-14T22:13:20.123Z"
    assert entry["gates"][0]["inputs"] == {"quantity": "1.50"}
    assert (entry["blocked_by"], entry["shadow"], entry["account"]) == ("sizing", False, "sim")
    assert json.loads(lines["safety_violations"][0])["layer"] == 4
    assert json.loads(lines["execution_failures"][0])["state"] == "UNKNOWN"
    trade = json.loads(lines["pnl_tracking"][0])
    assert trade["entry_price"] == "43210.50"
    assert trade["exit_time"] == "2023-11-14T22:14:20.123Z"
    assert verify(log.directory).ok


def test_only_failed_orders_are_failures_and_shadows_are_marked(log: ComplianceLog) -> None:
    log.open()
    log.write([order_changed(state) for state in OrderState])
    log.write([closed(shadow=True)])
    log.write([DecisionMade(time=NOW, decision=decision(shadow=True))])
    log.close()
    failures = (log.directory / "execution_failures.jsonl").read_text().splitlines()
    assert [json.loads(line)["state"] for line in failures] == ["REJECTED", "UNKNOWN"]
    assert json.loads((log.directory / "pnl_tracking.jsonl").read_text())["shadow"] is True
    assert json.loads((log.directory / DECISIONS).read_text())["shadow"] is True


def test_the_chain_is_as_documented(directory: Path) -> None:
    previous = "0" * 64
    for number, line in enumerate((directory / DECISIONS).read_bytes().splitlines(), 1):
        record = json.loads(line)
        assert (record["seq"], record["prev"]) == (number, previous)
        unsealed = line.replace(b',"hash":"%s"' % record["hash"].encode(), b"")
        assert sha256(unsealed).hexdigest() == record["hash"]
        previous = sha256(line).hexdigest()
    report = file_report(directory)
    assert (report.lines, report.ok, report.first_bad_line) == (LINES, True, None)


def test_reopening_continues_the_chain(directory: Path) -> None:
    with opened(directory) as (log, notes):
        assert notes == []
        log.write(decisions(3, LINES))
    assert file_report(directory).lines == LINES + 3
    assert verify(directory).ok


@settings(deadline=None, max_examples=300)
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
@example(where=0.0, change=1)
@example(where=1 - 1e-9, change=1)  # the last newline
def test_any_changed_byte_is_found(written: Path, where: float, change: int) -> None:
    path = written / DECISIONS
    data = path.read_bytes()
    at = int(where * len(data))
    changed = bytearray(data)
    changed[at] ^= change
    try:
        path.write_bytes(changed)
        found = file_report(written)
    finally:
        path.write_bytes(data)
    assert not found.ok
    assert found.first_bad_line in (data.count(b"\n", 0, at) + 1, data.count(b"\n", 0, at) + 2)


@pytest.mark.parametrize("kind", ["seq", "time", "gates", "prev", "hash", "brace", "newline"])
def test_a_changed_byte_of_every_kind_is_found(directory: Path, kind: str) -> None:
    path = directory / DECISIONS
    data = path.read_bytes()
    start = data.index(b"\n") + 1  # the second line
    marks = {"seq": b'"seq":2', "time": b"2023", "gates": b"pass", "prev": b'"prev":"'}
    if kind in marks:
        at = data.index(marks[kind], start) + len(marks[kind]) - 1
    else:
        end = data.index(b"\n", start)
        at = end - {"hash": 10, "brace": 1, "newline": 0}[kind]
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    found = file_report(directory)
    assert (found.ok, found.first_bad_line) == (False, 2)


@pytest.mark.parametrize(
    "gone", [[0], [0, 1], [5], [4, 5, 6], [LINES - 1], [9, 10, 11], [*range(LINES)]]
)
def test_deleted_lines_are_found(directory: Path, gone: list[int]) -> None:
    path = directory / DECISIONS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for i, line in enumerate(lines) if i not in gone))
    found = file_report(directory)
    assert (found.ok, found.first_bad_line) == (False, gone[0] + 1)
    assert "missing" in found.detail


def test_a_deleted_file_is_found(directory: Path) -> None:
    (directory / DECISIONS).unlink()
    assert "lines 1 to 12 are missing" in file_report(directory).detail


@pytest.mark.parametrize("content", [None, b"", b"rubbish\n"])
def test_a_lost_head_record_is_found(directory: Path, content: bytes | None) -> None:
    head = directory / "ai_trading_log.head"
    if content is None:
        head.unlink()
    else:
        head.write_bytes(content)
    found = file_report(directory)
    assert not found.ok
    assert "head record" in found.detail


@pytest.mark.parametrize(("one", "other"), [(0, 1), (4, 5), (2, 9), (LINES - 2, LINES - 1)])
def test_swapped_lines_are_found(directory: Path, one: int, other: int) -> None:
    path = directory / DECISIONS
    lines = path.read_bytes().splitlines(keepends=True)
    lines[one], lines[other] = lines[other], lines[one]
    path.write_bytes(b"".join(lines))
    found = file_report(directory)
    assert (found.ok, found.first_bad_line) == (False, one + 1)


def test_a_repeated_or_forged_line_is_found(directory: Path) -> None:
    path = directory / DECISIONS
    data = path.read_bytes()
    path.write_bytes(data + data.splitlines(keepends=True)[-1])
    assert file_report(directory).first_bad_line == LINES + 1
    # Rewritten from some line on with hashes that agree, but not with the head record.
    other = directory.parent / "forged"
    with opened(other) as (log, _):
        log.write([replace(event, time=NOW - 1) for event in decisions(LINES)])
    path.write_bytes((other / DECISIONS).read_bytes())
    found = file_report(directory)
    assert (found.first_bad_line, found.detail) == (
        LINES,
        "the line is not the one the head record names",
    )


def test_lost_lines_stay_visible_after_the_next_start(directory: Path) -> None:
    path = directory / DECISIONS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-3]))
    with opened(directory) as (log, notes):
        assert ["lines 10 to 12 are missing at the end" in note for note in notes] == [True]
        log.write(decisions(2, LINES))
    found = file_report(directory)
    assert (found.ok, found.first_bad_line) == (False, LINES - 2)
    assert "lines 10 to 12 are missing" in found.detail


def test_damage_is_left_alone_and_reported_at_start(directory: Path) -> None:
    path = directory / DECISIONS
    data = path.read_bytes().replace(b"pass", b"PASS", 1)
    path.write_bytes(data)
    with opened(directory) as (log, notes):
        assert any("line 1: the line was edited" in note for note in notes)
        log.write(decisions(1, LINES))
    assert path.read_bytes().startswith(data)
    assert file_report(directory).first_bad_line == 1


@pytest.mark.parametrize(
    "torn", [b'{"seq":13,"time":"20', b"\0" * 4096, b"\xff", b"{}x\n", b"\0\n"]
)
def test_a_torn_last_line_is_moved_aside(directory: Path, torn: bytes) -> None:
    path = directory / DECISIONS
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert not verify(directory).ok
    with opened(directory) as (log, notes):
        assert len(notes) == 1
        assert f"torn last line ({len(torn)} bytes)" in notes[0]
        log.write(decisions(1, LINES))
    (aside,) = directory.glob("*.torn-*")
    assert aside.name.startswith("ai_trading_log.jsonl.torn-")
    assert aside.read_bytes() == torn
    assert path.read_bytes().startswith(whole)
    assert verify(directory).ok
    assert file_report(directory).lines == LINES + 1


def test_a_cut_line_that_was_whole_stays_visible(directory: Path) -> None:
    path = directory / DECISIONS
    path.write_bytes(path.read_bytes()[:-40])
    assert file_report(directory).first_bad_line == LINES
    with opened(directory) as (log, notes):
        assert len(notes) == 2
        log.write(decisions(1, LINES))
    found = file_report(directory)
    assert (found.ok, found.first_bad_line) == (False, LINES)


def test_an_edited_last_line_is_not_taken_for_a_torn_one(directory: Path) -> None:
    path = directory / DECISIONS
    data = path.read_bytes()[:-2] + b"!\n"
    path.write_bytes(data)
    with opened(directory) as (log, notes):
        assert any("line 12: the line was edited" in note for note in notes)
        log.write(decisions(1, LINES))
    assert path.read_bytes().startswith(data)
    assert not list(directory.glob("*.torn-*"))
    assert file_report(directory).first_bad_line == LINES


def test_lines_newer_than_the_head_are_kept(directory: Path) -> None:
    head = directory / "ai_trading_log.head"
    before = head.read_bytes()
    with opened(directory) as (log, _):
        log.write(decisions(2, LINES))
    head.write_bytes(before)
    assert verify(directory).ok
    with opened(directory) as (_, notes):
        assert ["2 line(s) newer than the head record" in note for note in notes] == [True]
    assert head.read_bytes() != before
    assert verify(directory).ok


def test_rotation_keeps_the_chain(tmp_path: Path) -> None:
    directory = tmp_path / "compliance"
    for start in (0, 20):
        with opened(directory, max_bytes=4_000) as (log, notes):
            assert notes == []
            for event in decisions(20, start):
                log.write([event])
    files = [file for file in verify(directory).files if file.name.startswith("ai_trading")]
    assert len(files) > 3
    assert [file.name for file in files[:2]] == [
        "ai_trading_log-000001.jsonl",
        "ai_trading_log-000002.jsonl",
    ]
    assert files[-1].name == DECISIONS
    assert all(file.ok for file in files)
    assert sum(file.lines for file in files) == 40
    assert all((directory / file.name).stat().st_size <= 4_000 for file in files)
    (directory / files[1].name).unlink()
    bad = [file for file in verify(directory).files if not file.ok]
    assert [(file.name, file.first_bad_line) for file in bad] == [(files[2].name, 1)]


@pytest.mark.parametrize("step", ["fdatasync", "rename", "open"])
def test_a_rotation_that_fails_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(tmp_path, max_bytes=2_000) as (log, _):
        log.write(decisions(4))
        with monkeypatch.context() as patch:
            if step == "fdatasync":
                patch.setattr(chainlog, "_fdatasync", refuse)
            else:
                patch.setattr(chainlog.os, step, refuse)
            with pytest.raises(RecordError, match="the disk is full"):
                log.write(decisions(4, 4))
        assert sum(file.lines for file in verify(tmp_path).files) == 4
        log.write(decisions(4, 4))
    found = verify(tmp_path)
    assert found.ok
    assert sum(file.lines for file in found.files) == 8


def test_a_crash_in_the_middle_of_a_rotation(tmp_path: Path) -> None:
    directory = tmp_path / "compliance"
    with opened(directory) as (log, _):
        log.write(decisions(5))
    (directory / DECISIONS).rename(directory / "ai_trading_log-000001.jsonl")
    assert verify(directory).ok
    with opened(directory) as (log, notes):
        assert notes == []
        log.write(decisions(1, 5))
    assert verify(directory).ok


def test_verify_while_lines_are_written_and_rotated(tmp_path: Path) -> None:
    done = threading.Event()

    def write() -> None:
        try:
            with opened(tmp_path, max_bytes=20_000) as (log, _):
                for event in decisions(1_500):
                    log.write([event])
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    bad = []
    while not done.is_set():
        bad += [file for file in verify(tmp_path).files if not file.ok]
    writer.join()
    assert bad == []
    assert sum(file.lines for file in verify(tmp_path).files) == 1_500


def test_verify_changes_nothing(directory: Path) -> None:
    path = directory / DECISIONS
    path.write_bytes(path.read_bytes() + b"torn")
    before = {item.name: item.read_bytes() for item in directory.iterdir()}
    assert not verify(directory).ok
    assert {item.name: item.read_bytes() for item in directory.iterdir()} == before


def test_verify_of_an_empty_place(tmp_path: Path) -> None:
    found = verify(tmp_path / "nothing").as_dict()
    assert found["ok"] is True
    assert [file["name"] for file in found["files"]] == [f"{stem}.jsonl" for stem in STEMS]
    assert set(found["files"][0]) == {"name", "lines", "ok", "first_bad_line", "detail"}


def test_one_writer_at_a_time(directory: Path) -> None:
    with opened(directory):
        second = ComplianceLog(directory, render, "sim")
        with pytest.raises(RecordError, match="another process"):
            second.open()
        assert verify(directory).ok


def test_closed_log_says_so(directory: Path) -> None:
    with opened(directory) as (log, _):
        pass
    log.close()
    with pytest.raises(RecordError, match="closed"):
        log.write(decisions(1))


def test_a_trace_json_cannot_hold_is_an_error_and_leaves_no_line(tmp_path: Path) -> None:
    log = ComplianceLog(tmp_path, lambda decision: {"bad": object()})
    log.open()
    with pytest.raises(RecordError, match="not JSON serializable: object"):
        log.write(decisions(1))
    log.close()
    assert (tmp_path / DECISIONS).read_bytes() == b""


def test_report_counts_and_sums(tmp_path: Path) -> None:
    day = 86_400_000
    with opened(tmp_path) as (log, _):
        log.write([closed("old", NOW - 30 * day)])
        log.write(decisions(2))
        log.write([DecisionMade(time=NOW, decision=decision(proposal=Action.WAIT))])
        log.write([DecisionMade(time=NOW, decision=decision(shadow=True))])
        log.write(
            [DecisionMade(time=NOW, decision=decision(action=Action.ENTER_LONG, blocked_by=""))]
        )
        log.write([OrderDenied(time=NOW, pair=BTC, layer=3, reason="too large")])
        log.write([order_changed(OrderState.REJECTED)])
        log.write([closed("a"), closed("b"), closed("c", shadow=True)])
    found = report(tmp_path, days=7)
    assert found["decisions"] == {"total": 5, "proposals": 4, "entries": 1, "shadow": 1}
    assert found["refusals"] == {"sizing": 3}
    assert found["violations"] == {"total": 1, "by_layer": {"layer 3": 1}}
    assert found["failures"] == {"total": 1, "by_state": {"REJECTED": 1}}
    assert [(d["day"], d["trades"], d["wins"], d["pnl"]) for d in found["pnl"]] == [
        ("2023-11-14", 2, 2, "4.69260")
    ]
    assert found["shadow_pnl"][0]["trades"] == 1
    assert found["unreadable"] == 0
    with (tmp_path / "pnl_tracking.jsonl").open("ab") as file:
        file.write(b'{"time":"2023-11-14T22:14:20.123Z","account":"sim","pnl":"x"}\nrubbish\n')
    assert report(tmp_path, days=7)["unreadable"] == 2
    assert report(tmp_path, days=7, account="other")["decisions"]["total"] == 0
    assert report(tmp_path / "nothing", days=7)["pnl"] == []
