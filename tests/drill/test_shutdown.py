"""SHUTDOWN and restarts in a whole engine: safe first, then ended; back only by acknowledgement."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.model.commands import (
    Command,
    CommandResult,
    Level,
    Outcome,
    Override,
    Recover,
    Source,
    StartTrading,
    Trip,
)
from engine.model.events import BreakerChanged, PositionOpened
from engine.protection.breaker import CircuitBreaker
from tests.engine.live import BEGIN, HOUR, Run, SmallEngine

KEY = Source.KEY
Play = Callable[[Any], Awaitable[None]]


class PlayedEngine(SmallEngine):
    """An engine that plays a scene beside its own work."""

    async def _live(self) -> None:
        scene = asyncio.create_task(self._scene())
        try:
            await super()._live()
        finally:
            scene.cancel()

    async def _scene(self) -> None:
        await self.play(self)
        if self.ends:
            self.end("the scene is over")

    play: Play
    ends = True


async def position(engine: SmallEngine) -> None:
    while not engine.trader.book.positions:  # noqa: ASYNC110 - the scene watches from outside
        await asyncio.sleep(0)


def played(home: Path, play: Play, *, ends: bool = True, **options: Any) -> Run:
    run = Run(home, engine=PlayedEngine, until=BEGIN + 400 * HOUR, **options)
    run.engine.play = play  # type: ignore[attr-defined]
    run.engine.ends = ends  # type: ignore[attr-defined]
    run.summary = run.go()  # type: ignore[attr-defined]
    return run


def shut_down(home: Path) -> Run:
    async def play(engine: Any) -> None:
        await position(engine)
        result = await engine.command(Trip(source=KEY, level=Level.SHUTDOWN, reason="drill"))
        assert result.outcome is Outcome.DONE

    return played(home, play, ends=False)


def test_shutdown_makes_positions_safe_then_ends_the_engine(tmp_path: Path) -> None:
    run = shut_down(tmp_path)
    assert "SHUTDOWN" in run.summary["why"]  # type: ignore[attr-defined]
    held = run.engine.trader.book.positions
    assert held
    orders = asyncio.run(_open_orders(run))
    stops = {order.pair for order in orders if order.kind == "stop"}
    assert set(held) <= stops


async def _open_orders(run: Run) -> Any:
    return await run.engine.trader.book.desk.venue.open_orders()


def test_a_stop_missing_at_the_venue_is_rested_before_the_engine_ends(tmp_path: Path) -> None:
    rested: list[str] = []

    async def play(engine: Any) -> None:
        await position(engine)
        async with engine._busy:
            book = engine.trader.book
            pair, held = next(iter(book.positions.items()))
            assert held.stop_order_id
            await book.desk.venue.cancel(pair, held.stop_order_id)  # behind the book's back
            rested.append(str(pair))
        await engine.command(Trip(source=KEY, level=Level.SHUTDOWN, reason="drill"))

    run = played(tmp_path, play, ends=False)
    still_held = {str(pair) for pair in run.engine.trader.book.positions}
    stops = {str(o.pair) for o in asyncio.run(_open_orders(run)) if o.kind == "stop"}
    assert still_held <= stops
    assert rested


def test_only_a_restart_with_an_acknowledgement_clears_shutdown(tmp_path: Path) -> None:
    shut_down(tmp_path)
    answers: dict[str, CommandResult] = {}

    async def play(engine: Any) -> None:
        for name, command in (
            ("start", StartTrading(source=KEY)),
            ("recover", Recover(source=KEY, reason="please")),
            ("override", Override(source=KEY, level=Level.CLOSED, seconds=60, reason="please")),
        ):
            answers[name] = await engine.command(command)
        answers["acknowledged"] = await engine.command(StartTrading(source=KEY, acknowledge=True))

    run = played(tmp_path, play)
    assert {name: a.outcome.value for name, a in answers.items()} == {
        "start": "refused",
        "recover": "refused",
        "override": "refused",
        "acknowledged": "done",
    }
    first = run.snapshots[0]
    assert first.state == "shutdown"
    assert "SHUTDOWN" in first.acknowledge
    assert run.snapshots[-1].acknowledge == ""
    assert run.summary["why"] == "the scene is over"  # type: ignore[attr-defined]
    assert run.engine.trader.watch.level is Level.CLOSED


def test_a_restart_without_it_takes_no_entry(tmp_path: Path) -> None:
    left = shut_down(tmp_path).engine.clock.now()
    run = Run(tmp_path, until=left + 6 * HOUR)  # with --start, which is refused
    run.go()
    assert not [e for e in run.of(PositionOpened) if not e.position.shadow]
    assert run.engine.trader.watch.level is Level.SHUTDOWN


def doctor(home: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the stored state by hand."""
    with sqlite3.connect(home / "sigma.db") as database:
        (value,) = database.execute("SELECT value FROM state WHERE key = 'resume'").fetchone()
        state = orjson.loads(value)
        change(state)
        database.execute(
            "UPDATE state SET value = ? WHERE key = 'resume'", (orjson.dumps(state).decode(),)
        )


def halted(home: Path) -> Run:
    async def play(engine: Any) -> None:
        await engine.command(Trip(source=KEY, level=Level.HALT, reason="drill"))

    return played(home, play)


def test_a_start_comes_back_at_the_level_it_left(tmp_path: Path) -> None:
    halted(tmp_path)
    run = Run(tmp_path, until=BEGIN + 12 * HOUR)
    run.go()
    assert run.snapshots[0].breaker.level is Level.HALT
    assert not [e for e in run.of(PositionOpened) if not e.position.shadow]


def test_after_an_unclean_stop_nothing_is_traded_until_it_is_acknowledged(tmp_path: Path) -> None:
    played(tmp_path, position)
    doctor(tmp_path, lambda state: state.update(clean=False))
    answers: list[CommandResult] = []

    async def play(engine: Any) -> None:
        commands: list[Command] = [
            StartTrading(source=KEY),
            StartTrading(source=KEY, acknowledge=True),
        ]
        answers.extend([await engine.command(command) for command in commands])

    run = played(tmp_path, play, start=False)
    assert "not stop cleanly" in run.snapshots[0].acknowledge
    assert [answer.outcome.value for answer in answers] == ["refused", "done"]
    assert "look at the positions" in answers[0].detail
    assert run.snapshots[-1].acknowledge == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["breaker"].update(level="CLOSED"),
        lambda state: state["breaker"].update(latch=None),
        lambda state: state["breaker"].update(digest="0" * 64),
        lambda state: state.update(breaker="torn"),
        lambda state: state["breaker"].pop("ladders"),
    ],
)
def test_a_breaker_row_edited_by_hand_loosens_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    halted(tmp_path)
    doctor(tmp_path, change)
    run = Run(tmp_path, until=BEGIN + 6 * HOUR)
    run.go()
    breaker = run.snapshots[0].breaker
    assert breaker.level is Level.HALT
    assert any("cannot be trusted" in view.text for view in run.snapshots[-1].events)
    assert not [e for e in run.of(PositionOpened) if not e.position.shadow]


def test_an_expired_override_is_over_and_told(tmp_path: Path) -> None:
    async def play(engine: Any) -> None:
        await engine.command(Trip(source=KEY, level=Level.HALT, reason="drill"))
        pinned = await engine.command(
            Override(source=KEY, level=Level.ALERT, seconds=600, reason="watching it")
        )
        assert pinned.outcome is Outcome.DONE
        assert engine.trader.watch.level is Level.ALERT
        while engine.trader.watch.level is not Level.HALT:  # noqa: ASYNC110
            await asyncio.sleep(0)

    run = played(tmp_path, play)
    assert any("override to ALERT has ended" in e.detail for e in run.of(BreakerChanged))


def test_an_override_without_a_reason_is_refused(tmp_path: Path) -> None:
    answers: list[CommandResult] = []

    async def play(engine: Any) -> None:
        for reason in ("", "   "):
            command = Override(source=KEY, level=Level.ALERT, seconds=60, reason=reason)
            answers.append(await engine.command(command))
        answers.append(await engine.command(Recover(source=KEY)))

    halted(tmp_path)
    run = played(tmp_path, play)
    assert [answer.outcome for answer in answers] == [Outcome.REFUSED] * 3
    assert all("reason" in answer.detail for answer in answers)
    assert run.engine.trader.watch.level is Level.HALT


def test_the_breaker_still_reads_its_own_record() -> None:
    """The record these tests forge is the one the engine writes."""
    breaker = CircuitBreaker()
    again, notes = CircuitBreaker.restored(breaker.state(), 0, True)
    assert notes == []
    assert again.level is Level.CLOSED
