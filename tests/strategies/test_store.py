"""Versions, the active one, the way back, and what differs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.ledger.store import Ledger
from engine.model.snapshot import Snapshot
from engine.strategies.applying import consequences
from engine.strategies.diff import differences, sentences
from engine.strategies.store import BUILT_IN, StrategyStore
from engine.strategies.validation import StrategyError
from engine.strategy import CategoryWeights, Strategy
from tests.cockpit.sample import snapshot

MINE = Strategy(name="mine", stop_atr=2.0)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(tmp_path / "sigma.db", "paper")
    yield opened
    await opened.close()


@pytest.fixture
def store(ledger: Ledger) -> StrategyStore:
    return StrategyStore(ledger)


async def test_the_built_in_one_is_there_from_the_start(store: StrategyStore) -> None:
    (only,) = await store.list()
    assert (only.name, only.version, only.active) == ("default", 1, True)
    assert await store.active() == (BUILT_IN, "")
    assert await store.get("default") == BUILT_IN
    with pytest.raises(StrategyError, match="built in"):
        await store.save(Strategy(stop_atr=3), 1)


async def test_versions_are_immutable_and_count_up(store: StrategyStore) -> None:
    one = await store.save(replace(MINE, version=77), 1)
    assert one.version == 1
    assert await store.save(MINE, 2) == one  # nothing new to keep
    two = await store.save(replace(MINE, stop_atr=2.5), 3)
    assert two.version == 2
    back = await store.save(MINE, 4)
    assert back.version == 3  # the newest version says something else
    assert await store.get("mine", 1) == one
    assert await store.get("mine") == back
    assert [(k.name, k.version) for k in await store.list()][1:] == [
        ("mine", 1),
        ("mine", 2),
        ("mine", 3),
    ]


async def test_unknown_names_and_versions_say_what_there_is(store: StrategyStore) -> None:
    await store.save(MINE, 1)
    with pytest.raises(StrategyError, match="there are: default, mine"):
        await store.get("yours")
    with pytest.raises(StrategyError, match="mine has no version 9; there are: 1"):
        await store.get("mine", 9)


async def test_apply_and_roll_back(store: StrategyStore) -> None:
    one = await store.save(MINE, 1)
    two = await store.save(replace(MINE, target_r=3), 2)
    assert await store.activate("mine", 1) == one
    assert await store.activate("mine") == two
    assert await store.activate("mine") == two  # again changes nothing
    assert (await store.active())[0] == two
    assert [k.version for k in await store.list() if k.active] == [2]
    assert await store.rollback() == one
    assert await store.rollback() == BUILT_IN
    with pytest.raises(StrategyError, match="no earlier strategy"):
        await store.rollback()
    assert (await store.active())[0] == BUILT_IN


async def test_the_way_back_is_bounded(store: StrategyStore) -> None:
    await store.save(MINE, 1)
    for _ in range(30):
        await store.activate("mine")
        await store.activate("default")
    for _ in range(20):
        await store.rollback()
    with pytest.raises(StrategyError, match="no earlier strategy"):
        await store.rollback()


async def test_a_damaged_version_is_listed_and_never_traded(
    store: StrategyStore, ledger: Ledger
) -> None:
    await ledger.save_strategy("bent", 1, '{"name": "bent", "stop_atr": 99}', 1)
    await ledger.save_strategy("liar", 1, '{"name": "default"}', 1)
    await ledger.put_state("strategy", {"now": ["bent", 1], "before": []})
    found = {k.name: k for k in await store.list()}
    assert "stop_atr = 99" in found["bent"].problem
    assert "names another strategy" in found["liar"].problem
    strategy, warning = await store.active()
    assert strategy == BUILT_IN
    assert "cannot be used" in warning
    with pytest.raises(StrategyError, match="stop_atr"):
        await store.activate("bent")


@pytest.mark.parametrize("junk", [None, 7, "x", {"now": "x"}, {"now": [1]}, {"before": []}])
async def test_a_damaged_pointer_means_the_built_in(
    store: StrategyStore, ledger: Ledger, junk: object
) -> None:
    await ledger.put_state("strategy", junk)
    assert await store.active() == (BUILT_IN, "")


def test_differences_in_words() -> None:
    changed = Strategy(
        name="careful",
        pairs=("BTC", "ETH"),
        stop_atr=2.0,
        v2_min_supporting=4,
        weights=CategoryWeights(momentum=0.15, mean_reversion=0.30),
    )
    lines = sentences(Strategy(), changed)
    assert "pairs all -> BTC,ETH (pairs it may enter; empty = every allowed pair)" in lines
    assert any(line.startswith("stop_atr 1.5 -> 2 ") and "wider stops" in line for line in lines)
    assert any(line.startswith("v2_min_supporting 3 -> 4 ") for line in lines)
    assert len(differences(Strategy(), changed)) == 5
    assert differences(changed, replace(changed, name="x", version=4)) == ()
    assert sentences(changed, changed) == ["same parameters as careful v1"]


def test_what_becomes_of_open_positions() -> None:
    picture: Snapshot = snapshot()
    said = " ".join(consequences(picture))
    assert picture.positions[0].pair.base in said
    assert "stop and target" in said
    empty = snapshot(positions=(), shadow_positions=())
    assert consequences(empty) == ("Nothing is open; it decides from the next closed candle on.",)
