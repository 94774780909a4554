"""The host: a thread around an engine, to be called from anywhere at any time."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.host import KEPT_EVENTS, EngineHost
from engine.model.commands import Outcome, Source, StartTrading, StopTrading
from engine.model.events import EngineStateChanged, Event
from engine.model.snapshot import Snapshot
from engine.options import RunOptions
from tests.engine.live import UNPACED, SmallEngine, settings

START = StartTrading(source=Source.KEY)


def host_of(home: Path, **options: Any) -> EngineHost:
    values = {"speed": 600.0, "seed": 3, **options}

    def build(
        publish: Callable[[Snapshot], None], tell: Callable[[Sequence[Event]], None]
    ) -> Engine:
        return SmallEngine(settings(), RunOptions(home=home, **values), publish=publish, tell=tell)

    return EngineHost(build)


def shown(host: EngineHost) -> Snapshot:
    end = time.monotonic() + 30
    while host.snapshot() is None:
        assert time.monotonic() < end
        assert host.alive(), host.error
        time.sleep(0.01)
    snapshot = host.snapshot()
    assert snapshot is not None
    return snapshot


def test_a_life_from_start_to_end(tmp_path: Path) -> None:
    host = host_of(tmp_path)
    assert host.alive()
    assert host.fate() == ""
    with pytest.raises(RuntimeError, match="no engine is running"):
        host.send(START).result(0)
    host.start()
    host.start()
    first = shown(host)
    assert host.send(START).result(30).outcome is Outcome.DONE
    assert host.send(StopTrading(source=Source.KEY)).result(30).outcome is Outcome.DONE
    seen = host.events(0)
    assert [seq for seq, _ in seen] == list(range(1, len(seen) + 1))
    assert host.events(seen[-1][0]) == [] or host.events(seen[-1][0])[0][0] == seen[-1][0] + 1
    thread = threading.Thread(target=host.end, args=("that will do",))
    thread.start()
    thread.join()
    assert host.join(30)
    assert not host.alive()
    assert (host.fate(), host.error, host.summary["why"]) == (
        "that will do",
        None,
        "that will do",
    )
    last = host.snapshot()
    assert last is not None
    assert last.state == "ended"
    assert last.seq > first.seq
    with pytest.raises(RuntimeError, match="no engine is running"):
        host.send(START).result(0)
    host.end("again")
    assert host.fate() == "that will do"


def test_an_end_before_the_start_is_kept(tmp_path: Path) -> None:
    host = host_of(tmp_path)
    host.end("changed my mind")
    host.start()
    assert host.join(30)
    assert host.fate() == "changed my mind"


def test_an_end_from_a_signal_handler(tmp_path: Path) -> None:
    host = host_of(tmp_path)
    host.start()
    shown(host)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: host.end("signal"))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert host.join(30)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert host.fate() == "signal"


def test_commands_that_meet_the_end_are_answered(tmp_path: Path) -> None:
    host = host_of(tmp_path, speed=UNPACED)
    host.start()
    shown(host)
    futures = [host.send(START) for _ in range(20)]
    host.end("now")
    futures += [host.send(START) for _ in range(20)]
    assert host.join(30)
    for future in futures:
        error = future.exception(5)
        assert isinstance(error, RuntimeError) or future.result().outcome in (
            Outcome.DONE,
            Outcome.FAILED,
        )


@pytest.mark.parametrize("error", [ValueError("no such market"), SystemExit(3)])
def test_an_engine_that_cannot_be_built_has_a_fate(error: BaseException) -> None:
    def build(*ignored: object) -> Engine:
        raise error

    host = EngineHost(build)
    host.start()
    assert host.join(30)
    assert host.error is error
    assert host.fate() == str(error)
    assert not host.alive()


def test_an_engine_that_cannot_begin_has_a_fate_and_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    before = threading.active_count()
    host = host_of(tmp_path)
    host.start()
    assert host.join(30)
    assert "cannot be written" in host.fate()
    host._thread.join(5)
    assert threading.active_count() == before


def test_events_are_bounded() -> None:
    host = EngineHost(lambda *ignored: None)  # type: ignore[arg-type, return-value]
    event = EngineStateChanged(time=0, state="running", detail="x")
    host._tell([event] * (KEPT_EVENTS + 500))
    kept = host.events(0)
    assert len(kept) == KEPT_EVENTS
    assert kept[0][0] == 501
    assert kept[-1][0] == KEPT_EVENTS + 500


def test_no_command_reaches_an_engine_that_is_being_built(tmp_path: Path) -> None:
    building, go = threading.Event(), threading.Event()

    def build(*ignored: object) -> Engine:
        building.set()
        go.wait(10)
        raise ValueError("enough")

    host = EngineHost(build)
    host.start()
    assert building.wait(10)
    future = host.send(START)
    go.set()
    assert host.join(30)
    with pytest.raises(RuntimeError):
        future.result(5)


async def test_a_result_can_be_awaited(tmp_path: Path) -> None:
    host = host_of(tmp_path)
    host.start()
    await asyncio.to_thread(shown, host)
    result = await asyncio.wait_for(asyncio.wrap_future(host.send(START)), 30)
    assert result.outcome is Outcome.DONE
    host.end("done")
    assert await asyncio.to_thread(host.join, 30)
