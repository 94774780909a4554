"""A crash is an event and a restart, later each time; repeated it is a HALT; none is silent."""

from __future__ import annotations

import asyncio

import pytest

from engine import supervisor as module
from engine.supervisor import REPEATED, Supervisor


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Wait for nothing, and note how long the waits were."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(module.asyncio, "sleep", noted)
    return waits


async def test_a_crash_is_reported_and_the_task_restarted_later_each_time(
    quick: list[float],
) -> None:
    told: list[tuple[str, str, bool]] = []
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs <= 6:
            raise ValueError(f"number {runs}")

    watched = Supervisor(lambda *what: told.append(what))
    await watched.run("market", work)
    assert [sentence for _, sentence, _ in told] == [
        f"task market crashed: ValueError: number {n}" for n in range(1, 7)
    ]
    assert [repeated for *_, repeated in told] == [n >= REPEATED for n in range(1, 7)]
    assert quick == [0.2, 1.0, 5.0, 15.0, 15.0, 15.0]
    assert watched.overview() == (("market", "done", 6),)


async def test_crashes_long_ago_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    told: list[bool] = []
    runs = 0

    async def work() -> None:
        nonlocal runs, now
        runs += 1
        now += 400.0
        if runs < 10:
            raise ValueError

    await Supervisor(lambda name, sentence, repeated: told.append(repeated)).run("x", work)
    assert told == [False] * 9


async def test_a_cancellation_is_never_swallowed() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    watched = Supervisor(lambda *what: None)
    task = asyncio.create_task(watched.run("pulse", work))
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watched.overview() == (("pulse", "cancelled", 0),)


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STOP_AGAIN_S", 0.01)
    swallowed = []

    async def stubborn() -> None:
        while len(swallowed) < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(1)
        await asyncio.Event().wait()

    async def meek() -> None:
        await asyncio.Event().wait()

    watched = Supervisor(lambda *what: None)
    names = {"stubborn": stubborn, "meek": meek}
    tasks = [asyncio.create_task(watched.run(name, work)) for name, work in names.items()]
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    await asyncio.wait_for(watched.stop(tasks), 20)
    assert all(task.cancelled() for task in tasks)
    assert len(swallowed) == 2


async def test_a_report_that_fails_does_not_end_the_task() -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("first")

    def broken(*what: object) -> None:
        raise RuntimeError("nobody listens")

    watched = Supervisor(broken)
    await watched.run("market", work)
    assert (runs, watched.overview()) == (2, (("market", "done", 1),))
