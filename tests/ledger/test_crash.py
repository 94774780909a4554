"""A recorder killed while it writes: what it had confirmed is there, the rest is consistent."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.ledger.audit import verify
from engine.ledger.chain import chain_files
from engine.ledger.compliance import ComplianceLog
from engine.ledger.recorder import DurableRecorder
from engine.ledger.store import Ledger
from tests.conftest import ROOT
from tests.ledger.factory import render

CHILD = """
import asyncio, sys
from pathlib import Path
from engine.ledger.compliance import ComplianceLog
from engine.ledger.recorder import DurableRecorder
from engine.ledger.store import Ledger
from engine.model.events import DecisionMade, OrderFilled, PositionClosed, PositionOpened
from tests.ledger.factory import *

async def main(home):
    ledger = await Ledger.open(home / "sigma.db", "sim")
    log = ComplianceLog(home / "compliance", render, "sim", max_bytes=20_000)
    log.open()
    recorder = DurableRecorder(ledger, log)
    for i in range(1_000_000):
        time = NOW + i
        await recorder.intend(entry_order(f"e{i}"), time)
        await recorder.record([
            DecisionMade(time=time, decision=decision(time)),
            OrderFilled(time=time, fill=fill(f"f{i}")),
            PositionOpened(time=time, position=position(id=f"p{i}", shadow=False)),
        ])
        await recorder.record([
            PositionClosed(
                time=time,
                position_id=f"p{i}",
                trade=trade(f"t{i}", entry_time=time, exit_time=time),
                detail="",
            )
        ])
        print(i, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("confirmed", [1, 7, 25])
def test_killed_while_writing(tmp_path: Path, confirmed: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        newest = -1
        while newest < confirmed:
            newest = int(child.stdout.readline())
        time.sleep(0.0007 * confirmed)  # die at another point of the work each time
    finally:
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
    newest = max([newest, *(int(item) for item in rest if item.isdigit())])
    asyncio.run(_inspect(tmp_path, newest))


async def _inspect(home: Path, newest: int) -> None:
    logs = home / "compliance"
    with (logs / "pnl_tracking.jsonl").open("ab") as file:
        file.write(b'{"seq":99999,"time":"2023')  # and the last write was torn
    assert not verify(logs).ok
    ledger = await Ledger.open(home / "sigma.db", "sim")
    log = ComplianceLog(logs, render, "sim", max_bytes=20_000)
    notes = log.open()
    try:
        assert any("torn last line" in note for note in notes)
        added = await DurableRecorder(ledger, log).recover()
        assert len(added) <= 1
        assert await ledger.check() == []
        trades = [trade.id for trade in await ledger.closed_trades()]
        assert trades[: newest + 1] == [f"t{i}" for i in range(newest + 1)]
        assert len(trades) <= newest + 2
        intents = await ledger.unresolved_intents()
        assert len(trades) <= len(intents) <= len(trades) + 1
        assert (await ledger.counts())["fills"] >= len(trades)
    finally:
        log.close()
        await ledger.close()
    assert verify(logs).ok
    files = chain_files(logs, "pnl_tracking")
    lines = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    assert [line["id"] for line in lines] == trades
