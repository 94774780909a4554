"""The fault drill: each scene goes up to its level and comes down again, one level at a time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from engine.model.commands import Level
from engine.protection.drill import SCENES, Scene, drill

HIGHEST = {
    "the venue refuses orders": Level.HALT,
    "a fill slips in a thin market": Level.THROTTLE,
    "the price gaps through a stop": Level.HALT,
    "an open position gets no prices": Level.HALT,
    "the disk is full": Level.HALT,
    "the strategy loses its edge": Level.HALT,
    "the exchange answers slowly": Level.HALT,
    "a memory fault shuts the engine down": Level.SHUTDOWN,
}


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def scenes(said: list[str]) -> dict[str, Scene]:
    return {scene.name: scene for scene in asyncio.run(drill(said.append))}


@pytest.mark.parametrize("name", list(SCENES))
def test_a_scene_reaches_its_level_and_clears(name: str, scenes: dict[str, Scene]) -> None:
    assert scenes[name].highest is HIGHEST[name]
    assert scenes[name].cleared


@pytest.mark.parametrize("name", [n for n in SCENES if "memory" not in n])
def test_it_comes_down_one_level_at_a_time_after_its_cool_downs(
    name: str, scenes: dict[str, Scene]
) -> None:
    moves = [line for line in scenes[name].lines if " -> " in line.text]
    down = [(a, b) for a, b in pairwise(moves) if b.level.rank < a.level.rank]
    assert down
    wait = {Level.HALT: 15 * 60, Level.THROTTLE: 5 * 60, Level.ALERT: 60}
    for before, after in down:
        assert after.level.rank == before.level.rank - 1
        assert after.seconds - before.seconds >= wait[before.level]


def test_exits_work_while_nothing_can_be_recorded(scenes: dict[str, Scene]) -> None:
    told = [line.text for line in scenes["the disk is full"].lines]
    assert "an entry is refused: its intent cannot be recorded" in told
    assert "exits still work: flat: 1 position closed" in told


def test_shutdown_ends_only_with_an_acknowledgement(scenes: dict[str, Scene]) -> None:
    lines = scenes["a memory fault shuts the engine down"].lines
    told = [line.text for line in lines]
    assert any(text.startswith("recover: refused") for text in told)
    assert "the venue shows a working stop for every position; the engine ends" in told
    assert any(text.startswith("start waits:") for text in told)
    assert lines[-1].level is Level.CLOSED


def test_every_line_is_said_as_it_happens(said: list[str], scenes: dict[str, Scene]) -> None:
    spoken = [text for text in said if text.startswith("   ")]
    assert len(spoken) == sum(len(scene.lines) for scene in scenes.values())


def test_the_drill_is_the_same_every_time(scenes: dict[str, Scene]) -> None:
    assert {scene.name: scene for scene in asyncio.run(drill())} == scenes
