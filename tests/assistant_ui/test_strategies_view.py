"""The strategies view: versions, what differs, trying, drafting, saving and applying."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding

from engine.home import Home
from engine.ledger.store import Ledger
from engine.model.commands import ApplyStrategy, Source
from engine.strategies.store import StrategyStore
from engine.strategies.what_if import WhatIf, WhatIfError
from engine.strategy import Strategy
from sigma_tui.actions import ACTIONS
from sigma_tui.app import SigmaApp
from sigma_tui.assistance import Assistance
from sigma_tui.screens.strategies import StrategiesScreen
from sigma_tui.strategy_room import StrategyRoom
from tests.assistant_ui.conftest import Cockpit, finished, scripted, settings
from tests.cli import candle_files
from tests.cockpit.conftest import CockpitPilot, settled, text_of
from tests.cockpit.fake_link import FakeLink

CALM = Strategy(name="calm", description="Less of it.", stop_atr=2.5)
FOUND = WhatIf(
    strategy="calm v1", start=0, end=5 * 86_400_000, candles=2_880, proposals=20, entries=7,
    trades=7, win_rate=0.4286, expectancy=0.7, profit_factor=None, sharpe=1.0, max_drawdown=0.013,
    net_pnl=-4.92, fees=68.34, final_balance=9_995.08, fingerprint="x", elapsed_s=1.0,
    interrupted=True,
)  # fmt: skip


@pytest.fixture
async def saved(home: Home) -> Home:
    """Return a home with two versions of a strategy."""
    ledger = await Ledger.open(home.database, "paper")
    store = StrategyStore(ledger)
    await store.save(CALM, 1_700_000_000_000)
    await store.save(replace(CALM, stop_atr=3.0), 1_700_000_000_000)
    await ledger.close()
    return home


async def visited(pilot: CockpitPilot, *keys: str) -> StrategiesScreen:
    await pilot.press("5")
    await finished(pilot)
    await pilot.press(*keys)
    await finished(pilot)
    await settled(pilot)
    return pilot.app.query_one(StrategiesScreen)


def warned(app: SigmaApp) -> list[str]:
    return [toast.message for toast in app._notifications]


async def test_versions_and_what_differs(cockpit: Cockpit, link: FakeLink, saved: Home) -> None:
    assistance = Assistance(link.snapshot, home=saved)
    async with cockpit(assistance) as (app, pilot):
        await visited(pilot)
        shown = text_of(app)
        assert "default v1: it decides now" in shown
        assert "2023-11-14" in shown
        await visited(pilot, "down", "down")
        shown = text_of(app)
        assert "calm v2 against default v1 (active)" in shown
        assert "1 parameter differs" in shown
        row = next(line for line in shown.splitlines() if "stop_atr" in line)
        assert "1.5" in row
        assert "3  wider stops" in row


@pytest.mark.parametrize("mode", ["SIMULATED", "LIVE"])
async def test_apply_says_what_becomes_of_positions(
    cockpit: Cockpit, link: FakeLink, picture: Any, saved: Home, mode: str
) -> None:
    link.current = replace(picture, mode=mode)
    async with cockpit(Assistance(link.snapshot, home=saved)) as (app, pilot):
        await visited(pilot, "down", "u")
        shown = text_of(app)
        assert "Decide by calm v1 instead of default v1" in shown
        assert "The strategy that opened a position goes on guarding it" in shown
        await pilot.press("enter")
        assert not app.screen.is_modal
        assert link.sent == []
        await pilot.press("u", *(["y"] if mode == "SIMULATED" else [*"APPLY", "enter"]))
        await finished(pilot)
        assert link.sent == [ApplyStrategy(source=Source.KEY, name="calm", version=1)]


async def test_the_active_one_need_not_be_applied(
    cockpit: Cockpit, link: FakeLink, saved: Home
) -> None:
    async with cockpit(Assistance(link.snapshot, home=saved)) as (app, pilot):
        await visited(pilot, "u")
        assert not app.screen.is_modal
        assert warned(app)[-1] == "default v1 decides already."


async def test_the_assistant_drafts_one(cockpit: Cockpit, link: FakeLink, saved: Home) -> None:
    answer = json.dumps({"name": "wide", "description": "Room.", "target_r": 4})
    async with cockpit(scripted(link, answer, home=saved)) as (app, pilot):
        await visited(pilot, "d", *"wide", "enter")
        shown = text_of(app)
        assert "wide v1 against default v1 (active)" in shown
        assert "rarer, larger wins" in shown
        view = await visited(pilot, "w")
        assert view.draft is None
        assert warned(app)[-1] == "Saved as wide v1; u applies it."
        assert ("wide", 1) in [(item.name, item.version) for item in view.kept]
        await pilot.press("w")
        assert warned(app)[-1].startswith("There is no unsaved draft")
        assert link.sent == []


async def test_a_draft_is_saved_before_it_is_applied(
    cockpit: Cockpit, link: FakeLink, saved: Home
) -> None:
    answer = json.dumps({"name": "wide", "target_r": 4})
    async with cockpit(scripted(link, answer, home=saved)) as (app, pilot):
        await visited(pilot, "d", *"wide", "enter")
        await pilot.press("u")
        assert "wide (not saved yet)" in text_of(app)
        await pilot.press("y")
        await finished(pilot)
        assert link.sent == [ApplyStrategy(source=Source.KEY, name="wide", version=1)]


async def test_what_fails_is_told(cockpit: Cockpit, link: FakeLink, saved: Home) -> None:
    async with cockpit(Assistance(link.snapshot, home=saved)) as (app, pilot):
        await visited(pilot, "d", *"wide", "enter")
        assert "Add GEMINI_API_KEY" in warned(app)[-1]
        await visited(pilot, "b")
        assert warned(app)[-1].startswith("no stored candles to try it on: put candle files into")
        await pilot.press("d", "enter")
        assert not app.screen.is_modal


async def test_a_trial_shows_progress_and_can_be_stopped(
    cockpit: Cockpit, link: FakeLink, saved: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def try_out(
        self: StrategyRoom, strategy: Strategy, progress: Callable[[float], None], stop: Any
    ) -> WhatIf:
        assert strategy == replace(CALM, version=1)
        progress(0.37)
        begun.set()
        await stop.wait()
        return FOUND

    monkeypatch.setattr(StrategyRoom, "try_out", try_out)
    async with cockpit(Assistance(link.snapshot, home=saved)) as (app, pilot):
        await visited(pilot, "down")
        await pilot.press("b")
        await begun.wait()
        await settled(pilot)
        assert "37%" in text_of(app)
        assert "b stops it" in text_of(app)
        await pilot.press("b")
        await finished(pilot)
        await settled(pilot)
        shown = text_of(app)
        for fact in ("stopped before the end", "net -4.92", "trades 7 of 20", "factor unknown"):
            assert fact in shown


async def test_the_room_tries_a_strategy_in_a_process_of_its_own(
    home: Home, link: FakeLink, tmp_path: Path
) -> None:
    data = candle_files.write_market(tmp_path / "data", 700)
    made = settings(warmup_candles=500)
    assistance = Assistance(link.snapshot, settings=made, home=home, data=data)
    room = assistance.open_strategies()
    shares: list[float] = []
    found = await room.try_out(CALM, shares.append, asyncio.Event())
    assert found.candles == 1_400
    assert shares[-1] > 0.5
    with pytest.raises(WhatIfError, match="no stored candles"):
        await (
            Assistance(link.snapshot, home=home)
            .open_strategies()
            .try_out(CALM, shares.append, asyncio.Event())
        )


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (200, 60)])
async def test_figures_are_whole_at_every_size(
    cockpit: Cockpit, link: FakeLink, saved: Home, size: tuple[int, int]
) -> None:
    async with cockpit(Assistance(link.snapshot, home=saved), size) as (app, pilot):
        await visited(pilot, "down")
        row = next(line for line in text_of(app).splitlines() if "stop_atr" in line)
        assert "2.5" in row


def test_the_views_keys_mean_nothing_else() -> None:
    taken = {key for action in ACTIONS for key in action.keys}
    mine = {binding.key for binding in StrategiesScreen.BINDINGS if isinstance(binding, Binding)}
    assert mine == {"u", "d", "b", "w"}
    assert not mine & taken
