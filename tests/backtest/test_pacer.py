"""The pacer: time stands still, steps, runs ahead and changes speed; decisions never differ."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.commander import Commander
from engine.model.commands import Outcome, ReplayAction, ReplayControl, Source
from engine.model.events import CommandHandled, DecisionMade
from engine.pacer import Pacer
from tests.cli import candle_files
from tests.engine.live import Run, settings

MINUTE = 60_000
GRACE_S = 0.05


def control(action: ReplayAction, **values: object) -> ReplayControl:
    return ReplayControl(source=Source.CLI, action=action, **values)  # type: ignore[arg-type]


async def passes(pacer: Pacer, instant: int) -> bool:
    """Return whether an instant comes within a moment."""
    try:
        async with asyncio.timeout(GRACE_S):
            await pacer.wait_for(instant)
    except TimeoutError:
        return False
    return True


async def test_paused_time_moves_by_single_steps_only():
    pacer = Pacer(1e9)
    assert await passes(pacer, 0)
    assert "stands still" in pacer.steer(control(ReplayAction.PAUSE), 0)
    assert pacer.pace == 0.0
    assert not await passes(pacer, MINUTE)
    pacer.steer(control(ReplayAction.STEP), 0)
    pacer.steer(control(ReplayAction.STEP), 0)
    assert await passes(pacer, MINUTE)
    assert await passes(pacer, 2 * MINUTE)
    assert not await passes(pacer, 3 * MINUTE)
    assert "goes on" in pacer.steer(control(ReplayAction.RESUME), 2 * MINUTE)
    assert pacer.pace == 1e9
    assert await passes(pacer, 3 * MINUTE)


async def test_a_step_stops_time_that_was_running():
    pacer = Pacer(1e9)
    pacer.steer(control(ReplayAction.STEP), 0)
    assert await passes(pacer, 0)
    assert not await passes(pacer, MINUTE)


async def test_a_waiting_step_hears_at_once():
    """At real speed the next minute is far; what is asked meanwhile is done without waiting."""
    pacer = Pacer(1.0)
    await pacer.wait_for(0)
    waiting = asyncio.create_task(pacer.wait_for(10 * MINUTE))
    await asyncio.sleep(0)
    assert not waiting.done()
    pacer.steer(control(ReplayAction.JUMP, until=20 * MINUTE), 0)
    await asyncio.wait_for(waiting, 5)
    assert await passes(pacer, 20 * MINUTE)
    assert await passes(pacer, 30 * MINUTE), "the first step after a jump comes at once"
    assert not await passes(pacer, 31 * MINUTE), "and then time passes as before"
    pacer.steer(control(ReplayAction.SPEED, speed=1e9), 0)
    assert await passes(pacer, 31 * MINUTE)
    assert await passes(pacer, 32 * MINUTE)


async def test_a_jump_out_of_a_pause_ends_in_the_pause():
    pacer = Pacer(1.0)
    pacer.steer(control(ReplayAction.PAUSE), 0)
    assert "then time stands still" in pacer.steer(control(ReplayAction.JUMP, until=MINUTE), 0)
    assert pacer.pace == 1.0
    assert await passes(pacer, MINUTE)
    assert not await passes(pacer, MINUTE + 1)
    assert pacer.pace == 0.0


@pytest.mark.parametrize(
    ("action", "values", "words"),
    [
        (ReplayAction.JUMP, {"until": 5 * MINUTE}, "only goes forward"),
        (ReplayAction.JUMP, {"until": MINUTE}, "only goes forward"),
        (ReplayAction.JUMP, {}, "only goes forward"),
        (ReplayAction.SPEED, {}, "above 0"),
        (ReplayAction.SPEED, {"speed": 0.0}, "above 0"),
        (ReplayAction.SPEED, {"speed": -1.0}, "above 0"),
        (ReplayAction.SPEED, {"speed": float("nan")}, "above 0"),
        (ReplayAction.SPEED, {"speed": float("inf")}, "above 0"),
    ],
)
def test_what_cannot_be_is_said(action, values, words):
    with pytest.raises(ValueError, match=words):
        Pacer(2.0).steer(control(action, **values), 5 * MINUTE)


async def test_a_cancelled_wait_ends():
    pacer = Pacer(1.0)
    pacer.steer(control(ReplayAction.PAUSE), 0)
    waiting = asyncio.create_task(pacer.wait_for(0))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# In a whole engine


COUNT = 620


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return candle_files.write_market(tmp_path_factory.mktemp("replay"), COUNT)


class Steered(Run):
    """Pauses, steps, jumps and changes the speed while the replay runs."""

    def __init__(self, home: Path, script: dict[int, list[ReplayControl]], **options: object):
        super().__init__(home, hear=self._steer, **options)  # type: ignore[arg-type]
        self.script = script
        self.results: list[asyncio.Task] = []

    def _steer(self, events: object) -> None:
        passed = (self.engine.clock.now() - candle_files.START) // candle_files.CANDLE_MS
        for at in [at for at in self.script if at <= passed]:
            for command in self.script.pop(at):
                self.results.append(asyncio.ensure_future(self.engine.command(command)))


def test_steering_time_changes_no_decision(recorded, tmp_path):
    chosen = settings(allowed_symbols="BTC,ETH")
    plain = Run(tmp_path / "plain", data=recorded, settings=chosen)
    expected = plain.go()
    at = candle_files.START + 590 * candle_files.CANDLE_MS
    script = {
        20: [control(ReplayAction.PAUSE), control(ReplayAction.STEP), control(ReplayAction.STEP)],
        22: [control(ReplayAction.SPEED, speed=1e8), control(ReplayAction.RESUME)],
        550: [control(ReplayAction.SPEED, speed=0.001), control(ReplayAction.JUMP, until=at)],
        590: [control(ReplayAction.JUMP, until=at - 1), control(ReplayAction.SPEED, speed=1e9)],
    }
    steered = Steered(tmp_path / "steered", script, data=recorded, settings=chosen)
    found = steered.go()
    assert found["why"] == "the recorded market ended"
    assert found["fingerprint"] == expected["fingerprint"]
    assert found["decisions"] == expected["decisions"] == 2 * COUNT
    assert not script
    outcomes = [task.result().outcome for task in steered.results]
    assert outcomes.count(Outcome.REFUSED) == 1, "one jump went back"
    assert outcomes.count(Outcome.DONE) == 8
    handled = [e.command.action for e in steered.of(CommandHandled) if hasattr(e.command, "action")]
    assert len(handled) == 9, "every one is audited"
    assert any(snapshot.speed == 0.0 for snapshot in steered.snapshots)


def test_paused_time_decides_nothing_more(recorded, tmp_path):
    script = {30: [control(ReplayAction.PAUSE)]}
    run = Steered(tmp_path, script, data=recorded, settings=settings(), duration_s=2)
    found = run.go()
    assert "duration" in found["why"]
    assert 30 <= found["decisions"] / 2 < COUNT
    assert len(run.of(DecisionMade)) < 2 * COUNT


async def test_an_exchange_refuses(tmp_path):
    commander = Commander(None, None, lambda why: None)  # type: ignore[arg-type]
    result = await commander._replay(control(ReplayAction.PAUSE))
    assert result.outcome is Outcome.REFUSED
    assert "exchange" in result.detail
