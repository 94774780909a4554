"""Durable first; when records fail, everybody still hears, and the backlog is written in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from engine.clock import MarketClock
from engine.execution.journal import Journal
from engine.ledger.port import RecordError
from engine.model.commands import Level
from engine.model.events import Event, Noticed, Severity
from engine.protection.breaker import CircuitBreaker
from engine.protection.watch import Watch
from tests.engine.scripted import START, Bench, MemoryRecorder


def notice(text: str) -> Noticed:
    return Noticed(time=START, level=Severity.INFO, topic="t", detail=text)


def texts(events: Sequence[Event]) -> list[str]:
    return [event.detail for event in events if isinstance(event, Noticed)]


async def test_events_are_recorded_before_they_are_told() -> None:
    recorder = MemoryRecorder()
    known: list[int] = []
    journal = Journal(recorder, lambda events: known.append(len(recorder.events)))
    journal.extend([notice("a"), notice("b")])
    await journal.flush()
    await journal.flush()
    assert known == [2]
    assert not journal.pending


@pytest.mark.parametrize("error", [RecordError("full"), TypeError("cannot be encoded")])
async def test_a_failure_is_told_at_once_and_written_first_later(error: Exception) -> None:
    recorder = MemoryRecorder()
    told: list[Event] = []
    journal = Journal(recorder, told.extend)
    recorder.fail_records = error
    for text in "abc":
        journal.emit(notice(text))
        await journal.flush()
        assert texts(told)[-1] == text
        assert journal.failing
        assert journal.pending
    assert not recorder.events
    recorder.fail_records = None
    journal.emit(notice("d"))
    await journal.flush()
    assert texts(recorder.events) == ["a", "b", "c", "d"]
    assert texts(told) == ["a", "b", "c", "d"]
    assert not journal.failing
    assert not journal.pending


async def test_a_backlog_alone_is_written_without_being_told_again() -> None:
    recorder = MemoryRecorder()
    told: list[Event] = []
    journal = Journal(recorder, told.extend)
    recorder.fail_records = RecordError("full")
    journal.emit(notice("a"))
    await journal.flush()
    recorder.fail_records = None
    await journal.flush()
    assert texts(recorder.events) == texts(told) == ["a"]


async def test_a_cancelled_flush_lets_the_cancellation_through() -> None:
    class Slow(MemoryRecorder):
        async def record(self, events: Sequence[Event]) -> None:
            await asyncio.sleep(60)

    journal = Journal(Slow(), lambda events: None)
    journal.emit(notice("a"))
    task = asyncio.create_task(journal.flush())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_failing_records_halt_entries_at_the_next_decision() -> None:
    bench = Bench()
    bench.recorder.fail_records = RecordError("full")
    bench.journal.emit(notice("a"))
    await bench.journal.flush()
    watch = Watch(CircuitBreaker(), MarketClock(START), 300_000)
    account = await bench.venue.account()
    watch.decision_pass(START, account, 0, bench.journal.failing)
    assert watch.level is Level.HALT
