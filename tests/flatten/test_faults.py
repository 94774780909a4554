"""Flatten in a real engine whose disk, screen or assistant fails; each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.model.commands import Flatten, Outcome, Source, StartTrading
from engine.model.events import PositionOpened
from tests.conftest import ROOT
from tests.engine.live import BEGIN, HOUR, Run
from tests.engine.test_commander import Desk
from tests.flatten.child import FAULTS


def broken(home: Path, fault: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.flatten.child", str(home), fault],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_flatten_succeeds_under_each_fault(tmp_path: Path, fault: str) -> None:
    found = broken(tmp_path, fault)
    assert found["opened"] > 0
    assert found["outcome"] == "done", found["detail"]
    assert (found["left"], found["orders"], found["book"]) == (0, 0, 0)
    assert found["order"][0] == "halt", "entries are halted before the first close"
    assert "exit" in found["order"]
    assert found["level"] == "HALT"
    assert found["closed_to_entries"] == "stopped by flatten"
    if fault in ("full", "readonly"):
        assert found["failing"]
        assert any("not recorded" in sentence for sentence in found["loud"])
    if fault == "full":
        restarted_waits_for_the_operator(tmp_path)


def restarted_waits_for_the_operator(home: Path) -> None:
    """After an end that could not be recorded nothing is traded before somebody looked."""
    run = Run(home, until=BEGIN + 400 * HOUR, start=True, duration_s=2)
    run.go()
    assert not run.of(PositionOpened)
    assert "not stop cleanly" in run.snapshots[-1].acknowledge


def test_a_flatten_that_waits_in_the_queue_halts_entries_already(tmp_path: Path) -> None:
    """Handed in while a step is under way: held before that step could send an entry."""
    run = Run(tmp_path, until=BEGIN + 20 * HOUR)
    held: list[str] = []
    futures: list[Any] = []

    def hear(events: Any) -> None:
        engine = run.engine
        if not futures and any(isinstance(event, PositionOpened) for event in events):
            loop = asyncio.get_running_loop()
            futures.append(loop.create_task(engine.command(Flatten(source=Source.KEY))))
            futures[0].add_done_callback(lambda _: futures.append("done"))
            loop.call_soon(lambda: held.append(engine.trader.book.desk.entries_held))

    run._hear = hear
    run.go()
    assert held == ["entries halted by flatten (flatten)"]
    assert futures[0].result().outcome is Outcome.DONE
    assert not run.engine.trader.book.positions
    assert len(run.of(PositionOpened)) == 1 or all(
        event.position.shadow for event in run.of(PositionOpened)[1:]
    )


async def test_start_lets_entries_go_again() -> None:
    desk = Desk()
    await desk.commander.handle(Flatten(source=Source.KEY, reason="enough"))
    assert desk.trader.book.desk.entries_held
    await desk.commander.handle(StartTrading(source=Source.KEY))
    assert not desk.trader.book.desk.entries_held
    assert desk.trader.watch.gate(0).verdict == "block", "the breaker still waits for recover"
