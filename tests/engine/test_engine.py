"""The engine as a whole: beginning, crashes, commands, ending; nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from engine.home import HomeBusy, HomeLock
from engine.ledger.port import RecordError
from engine.ledger.recorder import DurableRecorder
from engine.market.files import CandleDataError
from engine.model.commands import (
    Flatten,
    Level,
    Outcome,
    Shutdown,
    Source,
)
from engine.model.events import (
    BreakerChanged,
    CommandHandled,
    DecisionMade,
    Noticed,
    PositionOpened,
    RunFinished,
    Severity,
)
from tests.engine.live import BEGIN, HOUR, Run

KEY = Source.KEY


def put(run: Run, command: Any) -> asyncio.Future[Any]:
    """Queue a command from within the engine's own loop."""
    future = asyncio.get_running_loop().create_future()
    run.engine._commands.put_nowait((command, future))
    return future


def test_a_run_leaves_nothing_open_and_no_task_behind(tmp_path: Path) -> None:
    threads = set(threading.enumerate())

    async def main() -> None:
        run = Run(tmp_path, until=BEGIN + 8 * HOUR)
        await run.engine.run()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left
        [finished] = run.of(RunFinished)
        assert finished.summary == run.engine.summary
        assert finished is run.events[-1]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main(), debug=True)
        gc.collect()
    assert set(threading.enumerate()) == threads
    assert not (tmp_path / "engine.sock").exists()
    assert (tmp_path / "engine.lock").read_text() == ""


@pytest.mark.parametrize("fault", ["data", "pairs", "busy", "database"])
def test_a_beginning_that_fails_leaves_nothing_open(tmp_path: Path, fault: str) -> None:
    threads = set(threading.enumerate())
    lock = HomeLock(Run(tmp_path).engine.home)
    options: dict[str, Any] = {}
    expected: type[Exception] = CandleDataError
    if fault == "data":
        options["data"] = tmp_path / "nowhere"
    elif fault == "pairs":
        (tmp_path / "data").mkdir()
        options["data"] = tmp_path / "data"
    elif fault == "busy":
        lock.acquire({"pid": 1})
        expected = HomeBusy
    else:
        (tmp_path / "sigma.db").write_bytes(b"not a database" * 100)
        expected = RecordError
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(expected) as caught:
            Run(tmp_path, **options).go()
        assert "\n" not in str(caught.value)
        gc.collect()
    lock.release()
    assert set(threading.enumerate()) == threads
    if fault in ("data", "pairs"):
        assert not (tmp_path / "sigma.db").exists(), "nothing half-written"
    if fault != "database":
        Run(tmp_path, until=BEGIN).go()  # the home is as good as new


def test_flatten_wins_against_entries_that_are_due(tmp_path: Path) -> None:
    run = Run(tmp_path, until=BEGIN + 16 * HOUR)
    futures: list[asyncio.Future[Any]] = []

    def hear(events: Any) -> None:
        if not futures and any(type(e) is PositionOpened for e in events):
            futures.append(put(run, Flatten(source=KEY, reason="enough")))

    run._hear = hear
    run.go()
    kinds = [type(e) for e in run.events]
    done = next(
        i
        for i, e in enumerate(run.events)
        if isinstance(e, CommandHandled) and isinstance(e.command, Flatten)
    )
    assert futures[0].result().outcome is Outcome.DONE
    assert not [e for e in run.events[done:] if type(e) is PositionOpened and not e.position.shadow]
    assert kinds[done:].count(DecisionMade) > 200
    assert not run.engine.trader.book.positions
    halted = next(i for i, e in enumerate(run.events) if isinstance(e, BreakerChanged))
    closed = [
        i for i, e in enumerate(run.events) if type(e).__name__ == "ExitDecided" and i > halted
    ]
    assert halted < done
    assert all(halted < i for i in closed)


def test_shutdown_with_flatten_answers_its_sender_and_ends(tmp_path: Path) -> None:
    run = Run(tmp_path)
    futures: list[asyncio.Future[Any]] = []

    def hear(events: Any) -> None:
        if not futures and any(type(e) is PositionOpened for e in events):
            futures.append(put(run, Shutdown(source=KEY, flatten=True, reason="bye")))

    run._hear = hear
    summary = run.go()
    assert futures[0].result().outcome is Outcome.DONE
    assert (summary["why"], summary["open_positions"]) == ("bye", 0)
    assert summary["balance"] == summary["equity"]


def test_a_task_that_crashes_is_told_restarted_and_halts_when_it_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.supervisor.BACKOFF_S", (0.001,))
    run = Run(tmp_path, until=BEGIN + 2 * HOUR)
    crashes: list[int] = []

    def hear(events: Any) -> None:
        if not crashes:
            trader = run.engine.trader
            healthy = trader.scanner.see_prices

            def broken(*args: Any) -> None:
                if len(crashes) < 5:
                    crashes.append(1)
                    raise RuntimeError("a bad price")
                healthy(*args)

            trader.scanner.see_prices = broken  # type: ignore[method-assign]

    run._hear = hear
    run.go()
    notices = [n for n in run.of(Noticed) if "crashed" in n.detail]
    assert len(notices) == 5
    assert {n.severity for n in notices} == {Severity.CRITICAL}
    changes = run.of(BreakerChanged)
    assert changes[0].after is Level.HALT
    assert "market" in changes[0].detail
    assert run.of(DecisionMade), "the market goes on"


def test_records_that_fail_halt_entries_while_the_engine_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, until=BEGIN + 4 * HOUR)
    record = DurableRecorder.record
    failed: list[int] = []

    async def failing(self: Any, events: Any) -> None:
        now = run.engine.clock.now()
        if BEGIN + HOUR < now < BEGIN + 2 * HOUR:
            failed.append(len(events))
            raise RecordError("the disk is full")
        await record(self, events)

    monkeypatch.setattr(DurableRecorder, "record", failing)
    run.go()
    assert failed
    [halt, *later] = run.of(BreakerChanged)
    assert (halt.before, halt.after) == (Level.CLOSED, Level.HALT)
    assert later[-1].after is Level.CLOSED, "it cools down once records can be written"
    told = {(d.decision.pair, d.decision.time) for d in run.of(DecisionMade)}
    log = (run.engine.home.compliance / "ai_trading_log.jsonl").read_text().splitlines()
    assert len(log) == len(told), "the backlog was written, every line once"


def test_a_snapshot_is_shown_while_nothing_happens(tmp_path: Path) -> None:
    run = Run(tmp_path, speed=0.001, duration_s=0.9)
    run.go()
    assert len(run.snapshots) >= 3
    assert [s.seq for s in run.snapshots] == sorted({s.seq for s in run.snapshots})


@pytest.fixture(autouse=True)
def no_log_handler_left() -> Any:
    """Close the log that an engine leaves open for whoever comes after it."""
    yield
    for handler in [h for h in logging.getLogger().handlers if type(h).__name__ == "LogFile"]:
        logging.getLogger().removeHandler(handler)
        handler.close()
