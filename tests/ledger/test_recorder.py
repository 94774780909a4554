"""The recorder: durable before it returns, in order, and honest about storage trouble."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.ledger import chainlog
from engine.ledger.audit import STEMS, verify
from engine.ledger.compliance import ComplianceLog
from engine.ledger.errors import LedgerError
from engine.ledger.port import RecordError
from engine.ledger.recorder import DurableRecorder
from engine.ledger.schema import connect
from engine.ledger.store import Ledger
from engine.model.events import DecisionMade
from tests.conftest import ROOT
from tests.ledger.factory import NOW, closed, decision, entry_order, one_of_each, trade


@pytest.fixture
async def recorder(ledger: Ledger, log: ComplianceLog) -> AsyncIterator[DurableRecorder]:
    log.open()
    yield DurableRecorder(ledger, log)
    log.close()


def lines(log: ComplianceLog, stem: str) -> list[dict]:
    return [
        json.loads(line) for line in (log.directory / f"{stem}.jsonl").read_bytes().splitlines()
    ]


async def test_everything_is_recorded(
    recorder: DurableRecorder, ledger: Ledger, log: ComplianceLog
) -> None:
    await recorder.intend(entry_order(), NOW)
    await recorder.record(one_of_each())
    await recorder.record([])
    assert await ledger.closed_trades() == [trade()]
    assert len(await ledger.unresolved_intents()) == 1
    assert verify(log.directory).ok
    assert len(lines(log, "pnl_tracking")) == 1


async def test_trades_are_forced_to_disk_and_decisions_are_not(
    recorder: DurableRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(chainlog, "_fdatasync", synced.append)
    await recorder.record([DecisionMade(time=NOW, decision=decision())])
    assert synced == []
    await recorder.record([closed()])
    assert len(synced) == 2  # the pending decision and the trade


async def test_order_holds_under_concurrency(recorder: DurableRecorder, log: ComplianceLog) -> None:
    def group(i: int) -> list:
        both = [DecisionMade(time=NOW + i, decision=decision(NOW + i))]
        return [*both, closed(f"t{i}", NOW + i)] if i % 3 == 0 else both

    await asyncio.gather(*(recorder.record(group(i)) for i in range(30)))
    times = [line["time"] for line in lines(log, "ai_trading_log")]
    assert times == sorted(times)
    assert len(times) == 30
    assert [line["id"] for line in lines(log, "pnl_tracking")] == [f"t{i}" for i in range(0, 30, 3)]


async def test_cancelled_record_still_reaches_both(
    recorder: DurableRecorder, ledger: Ledger, log: ComplianceLog
) -> None:
    task = asyncio.create_task(recorder.record([closed()]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ledger.closed_trades() == [trade()]
    assert [line["id"] for line in lines(log, "pnl_tracking")] == ["t1"]


async def test_recover_adds_what_the_log_lacks(
    recorder: DurableRecorder, ledger: Ledger, log: ComplianceLog
) -> None:
    await recorder.record([closed("t1"), closed("t1", shadow=True)])
    await ledger.write([closed("t2"), closed("t3", shadow=True)])  # as if killed in between
    notes = await recorder.recover()
    assert [note.rpartition(" ")[2] for note in notes] == ["t2", "t3"]
    assert await recorder.recover() == []
    assert [line["id"] for line in lines(log, "pnl_tracking")] == ["t1", "t1", "t2", "t3"]


async def test_a_full_disk_leaves_no_half_line(
    recorder: DurableRecorder, log: ComplianceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await recorder.record([closed("t1")])
    real = os.write

    def half_then_full(descriptor: int, data: memoryview) -> int:
        if len(data) < 50:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(chainlog.os, "write", half_then_full)
        with pytest.raises(RecordError, match="the disk is full"):
            await recorder.record([closed("t2")])
    await recorder.record([closed("t3")])
    assert [line["id"] for line in lines(log, "pnl_tracking")] == ["t1", "t3"]
    assert verify(log.directory).ok


async def test_trying_again_doubles_nothing(
    recorder: DurableRecorder,
    ledger: Ledger,
    log: ComplianceLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    first, later = one_of_each(), [closed("t2")]
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(chainlog, "_fdatasync", full)
            with pytest.raises(RecordError, match="the disk is full"):
                await recorder.record(first)
        assert all(lines(log, stem) == [] for stem in STEMS)
    await recorder.record([*first, *later])
    assert [len(lines(log, stem)) for stem in STEMS] == [1, 1, 1, 2]
    assert [event.kind for event in await ledger.compliance_events()].count("Noticed") == 1
    assert await ledger.closed_trades() == [trade(), trade("t2")]
    assert verify(log.directory).ok


async def test_one_file_that_fails_takes_the_others_back(
    recorder: DurableRecorder, log: ComplianceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await recorder.record(one_of_each())
    real = os.write

    def refuse_trades(descriptor: int, data: memoryview) -> int:
        if b'"exit_reason"' in bytes(data):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return real(descriptor, data)

    again = [DecisionMade(time=NOW + 1, decision=decision(NOW + 1)), closed("t2")]
    with monkeypatch.context() as patch:
        patch.setattr(chainlog.os, "write", refuse_trades)
        with pytest.raises(RecordError, match="quota"):
            await recorder.record(again)
    assert [len(lines(log, stem)) for stem in STEMS] == [1, 1, 1, 1]
    await recorder.record(again)
    assert [len(lines(log, stem)) for stem in STEMS] == [2, 1, 1, 2]
    assert verify(log.directory).ok


async def test_state_is_committed_with_the_events(ledger: Ledger, log: ComplianceLog) -> None:
    log.open()
    recorder = DurableRecorder(ledger, log, lambda: {"resume": {"clock": NOW}})
    await recorder.record([DecisionMade(time=NOW, decision=decision())])
    assert await ledger.get_state("resume") is None
    await recorder.record([closed()])
    assert await ledger.get_state("resume") == {"clock": NOW}
    log.close()


async def test_a_half_line_that_cannot_be_undone_closes_the_log(
    recorder: DurableRecorder, log: ComplianceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    calls = iter([0])

    def half_then_broken(descriptor: int, data: memoryview) -> int:
        if next(calls, None) is None:
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, data[:30])

    def broken(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(chainlog.os, "write", half_then_broken)
        patch.setattr(chainlog.os, "ftruncate", broken)
        with pytest.raises(RecordError, match="the disk failed"):
            await recorder.record([closed("t2")])
    with pytest.raises(RecordError, match="closed"):
        await recorder.record([closed("t3")])
    log.close()
    assert ["torn" in note for note in log.open()] == [True]
    assert verify(log.directory).ok


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from engine.ledger.port import RecordError
from engine.ledger.store import Ledger
from tests.ledger.factory import *

async def main(home):
    ledger = await Ledger.open(home / "sigma.db", "sim")
    await ledger.write([closed("before")])
    size = max(path.stat().st_size for path in home.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
    written = 0
    try:
        for written in range(10_000):
            await ledger.write([closed(f"t{written}")])
        print("never refused")
    except RecordError as error:
        print(written, error)
    kept = {trade.id for trade in await ledger.closed_trades()}
    assert kept == {"before", *(f"t{i}" for i in range(written))}, sorted(kept)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await ledger.write([closed("after")])
    assert len(await ledger.closed_trades()) == written + 2
    assert await ledger.check() == []
    await ledger.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def run_limited(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file_that_may_not_grow_refuses_and_recovers(tmp_path: Path) -> None:
    said = run_limited(LIMITED, str(tmp_path))
    assert "sigma.db" in said
    assert "the disk" in said


FULL_DISK = """
import asyncio, sys
from pathlib import Path
from engine.ledger.port import RecordError
from engine.ledger.compliance import ComplianceLog
from engine.ledger.recorder import DurableRecorder
from engine.ledger.store import Ledger
from engine.ledger.audit import STEMS, verify
from tests.ledger.factory import *

async def main(home):
    ledger = await Ledger.open(home / "sigma.db", "sim")
    log = ComplianceLog(home / "compliance", render, "sim")
    log.open()
    recorder = DurableRecorder(ledger, log)
    filler = (home / "filler").open("wb", buffering=0)
    written = 0
    try:
        while True:
            filler.write(bytes(4096))
    except OSError:
        pass
    try:
        while True:
            await recorder.record([closed(f"t{written}")])
            written += 1
    except RecordError as error:
        print(error)
    filler.close()
    (home / "filler").unlink()
    await recorder.record([closed("after")])
    await recorder.recover()
    kept = [trade.id for trade in await ledger.closed_trades()]
    assert set(kept) >= {"after", *(f"t{i}" for i in range(written))}
    assert await ledger.check() == []
    log.close()
    await ledger.close()
    assert verify(home / "compliance").ok

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_truly_full_disk(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        assert "the disk is full" in run_limited(FULL_DISK, str(tmp_path))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


async def test_a_directory_replaced_by_a_file(tmp_path: Path, log: ComplianceLog) -> None:
    (tmp_path / "home").write_text("not a directory")
    with pytest.raises(LedgerError, match="home"):
        await Ledger.open(tmp_path / "home" / "sigma.db", "sim")
    log.directory.write_text("not a directory")
    with pytest.raises(RecordError, match="compliance"):
        log.open()


async def test_a_locked_database_is_an_error_not_a_hang(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger._connection.execute("PRAGMA busy_timeout = 50")
    other = connect(ledger.path)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(RecordError, match="another program holds a lock"):
            await ledger.write([closed()])
        assert await ledger.closed_trades() == []
    finally:
        other.execute("ROLLBACK")
        other.close()
    await ledger.write([closed()])
    assert await ledger.closed_trades() == [trade()]


async def test_a_read_only_database_is_an_error(ledger: Ledger) -> None:
    await ledger._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(RecordError, match="read-only"):
        await ledger.intend(entry_order(), NOW)


def test_file_descriptors_do_not_grow(log: ComplianceLog) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        log.open()
        log.close()
    assert len(os.listdir("/proc/self/fd")) == before
