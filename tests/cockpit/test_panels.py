"""Panels: failures stay inside, age is honest, brackets are text, the end of an engine is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.model.commands import Level
from engine.model.snapshot import Snapshot
from sigma_tui.feed import SILENT_MS, Feed
from sigma_tui.widgets.breaker import BreakerPanel
from sigma_tui.widgets.market import MarketPanel
from sigma_tui.widgets.panel import Panel
from tests.cockpit.conftest import Cockpit, settled, text_of
from tests.cockpit.fake_link import FakeLink
from tests.cockpit.sample import NOW, PERIOD, breaker, market, snapshot


async def test_a_failing_panel_says_so_and_recovers(
    cockpit: Cockpit, link: FakeLink, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cockpit() as (app, pilot):

        def broken(self: Panel, shown: Snapshot) -> None:
            raise ValueError("no [such] thing")

        with monkeypatch.context() as patch:
            patch.setattr(BreakerPanel, "draw", broken)
            link.current = replace(picture, seq=2)
            await settled(pilot)
            shown = text_of(app)
            assert "panel failed: ValueError: no [such] thing" in shown
            assert "104,512.4" in shown
        link.current = replace(picture, seq=3)
        await settled(pilot)
        assert "panel failed" not in text_of(app)
        assert "THROTTLE" in text_of(app)


async def test_every_panel_of_every_view_is_guarded(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    """A picture with nothing in it where something should be never ends the app."""
    nothing = replace(
        picture, breaker=None, expectancy=None, risk=None, monitor=None, health=None,
        market=None, positions=None, decisions=None, trades=None, events=None, history=None,
        strategy=None,
    )  # fmt: skip
    async with cockpit() as (app, pilot):
        for seq, key in enumerate("123456"):
            await pilot.press(key)
            link.current = replace(nothing, seq=10 + 2 * seq)
            await settled(pilot)
            assert app.is_running
            assert "panel failed" in text_of(app), key
            link.current = replace(picture, seq=11 + 2 * seq)
            await settled(pilot)
            assert "panel failed" not in text_of(app), key


async def test_an_empty_engine_is_shown_calmly(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(
        picture, positions=(), shadow_positions=(), decisions=(), trades=(), events=(), unread=0,
        state="stopped", equity=0.0, day_pnl=0.0, last_cycle=0,
    )  # fmt: skip
    async with cockpit() as (app, pilot):
        for key in "3461":
            await pilot.press(key)
            await settled(pilot)
            assert "panel failed" not in text_of(app)
        shown = text_of(app)
        assert "no open position" in shown
        assert "STOPPED" in shown


async def test_before_the_first_picture_it_says_what_it_waits_for(
    cockpit: Cockpit, link: FakeLink
) -> None:
    link.current = None
    async with cockpit() as (app, _):
        assert "SIGMA waiting for the engine" in text_of(app).splitlines()[0]


async def test_old_prices_are_called_stale_and_stay(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    async with cockpit() as (app, pilot):
        assert "STALE" not in text_of(app)
        later = NOW + 2 * PERIOD + 60_000
        link.current = replace(picture, seq=2, time=later, wall_time=NOW)
        await settled(pilot)
        lines = text_of(app).splitlines()
        assert "data STALE 11m" in lines[1]
        assert sum("STALE" in line and "104,512.4" in line for line in lines) == 1
        assert "Market  STALE 11m" in lines[2]


async def test_one_stale_pair_is_marked_alone(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    rows = list(market())
    rows[2] = replace(rows[2], updated=NOW - 2 * PERIOD - 1_000)
    link.current = replace(picture, market=tuple(rows))
    async with cockpit() as (app, _):
        stale = [line for line in text_of(app).splitlines() if "STALE" in line]
        assert len(stale) == 1
        assert "SOL" in stale[0]


def test_silence_is_told_in_steps_and_carries_the_clock_on() -> None:
    wall = [NOW]
    link = FakeLink(snapshot(speed=2.0))
    feed = Feed(link, lambda: wall[0])
    assert not feed.read()
    wall[0] += SILENT_MS - 1
    assert not feed.read()
    assert feed.now() == NOW
    wall[0] += 2_501
    assert feed.read()
    assert feed.silence == 10_000
    assert feed.now() == NOW + 20_000
    assert not feed.read()
    link.ending = "the host went away"
    assert feed.read()
    assert (feed.ended, feed.silence) == ("the host went away", 0)


def test_an_engine_that_has_not_begun_has_not_ended() -> None:
    class Unborn(FakeLink):
        born = False

        def alive(self) -> bool:
            return self.born

    link = Unborn()
    feed = Feed(link, lambda: NOW)
    assert not feed.read()
    assert feed.ended == ""
    link.born = True
    assert not feed.read()
    link.born = False
    assert feed.read()
    assert feed.ended == "the engine ended"


async def test_the_end_of_the_engine_is_told_and_the_last_values_stay(
    cockpit: Cockpit, link: FakeLink
) -> None:
    async with cockpit(size=(120, 40), toasts=True) as (app, pilot):
        link.ending = "ledger could not be written [disk full]"
        await settled(pilot)
        shown = text_of(app)
        assert "ENDED" in shown.splitlines()[0]
        assert "[disk full]" in shown
        assert "104,512.4" in shown
        assert app.return_value is None


async def test_the_ladder_marks_the_level_in_words_and_sign(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    async with cockpit() as (app, pilot):
        for seq, level in enumerate(Level, 2):
            link.current = replace(picture, seq=seq, breaker=replace(breaker(), level=level))
            await settled(pilot)
            shown = text_of(app)
            assert f"breaker {level.value}" in shown
            assert f"▶{level.value} " in shown


async def test_a_missing_stop_is_a_word(cockpit: Cockpit) -> None:
    async with cockpit() as (app, _):
        line = next(line for line in text_of(app).splitlines() if "MISSING" in line)
        assert "SOL" in line


async def test_selection_follows_the_pair_not_the_row(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("down", "down")
        await pilot.pause()
        assert app.selected is not None
        assert app.selected.base == "SOL"
        link.current = replace(picture, seq=2, market=tuple(reversed(picture.market)))
        await settled(pilot)
        assert app.query_one(MarketPanel).table.cursor_key == str(app.selected)
        assert app.selected.base == "SOL"
        assert "SOL RANGE" in text_of(app).splitlines()[0]
