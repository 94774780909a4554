"""Nothing happens by accident: fresh Enter cancels, live asks for a word, chat takes letters."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any

import pytest
from textual import events
from textual.keys import _character_to_key

from engine.model import commands as c
from sigma_tui.actions import ACTIONS, Needs
from sigma_tui.screens.leave import LeaveDialog
from sigma_tui.widgets.chat import ChatPane
from tests.cockpit.conftest import Cockpit, settled, text_of
from tests.cockpit.fake_link import FakeLink

ASKING = [
    (action.keys[0], action.id)
    for action in ACTIONS
    if action.needs not in (Needs.NOTHING, Needs.LIVE, Needs.CHOICE)
]


@pytest.mark.parametrize("mode", ["SIMULATED", "LIVE"])
async def test_enter_on_a_fresh_confirmation_cancels(
    cockpit: Cockpit, link: FakeLink, picture: Any, mode: str
) -> None:
    link.current = replace(picture, mode=mode)
    async with cockpit() as (app, pilot):
        for key, name in ASKING:
            await pilot.press(key)
            if name == "adopt" or (name, mode) == ("jump", "LIVE"):
                assert not app.screen.is_modal  # nothing is disputed; real time is not steered
                continue
            assert app.screen.is_modal, name
            await pilot.press("enter")
            assert not app.screen.is_modal, name
            assert link.sent == [], name


async def test_live_start_asks(cockpit: Cockpit, link: FakeLink, picture: Any) -> None:
    link.current = replace(picture, mode="LIVE", exchange="binance")
    async with cockpit() as (app, pilot):
        await pilot.press("s")
        assert app.screen.is_modal
        await pilot.press("y")
        await pilot.pause()
        assert link.sent == [c.StartTrading(source=c.Source.KEY)]


@pytest.mark.parametrize(
    ("key", "fill", "word"),
    [("F", [], "FLATTEN"), ("o", ["5", "tab", "z", "tab"], "OVERRIDE")],
)
async def test_live_asks_for_a_typed_word(
    cockpit: Cockpit, link: FakeLink, picture: Any, key: str, fill: list[str], word: str
) -> None:
    link.current = replace(picture, mode="LIVE", exchange="binance")
    async with cockpit() as (app, pilot):
        await pilot.press(key, *fill, *word[:-1], "enter")
        await pilot.pause()
        assert link.sent == []
        assert app.screen.is_modal
        assert f"type {word} exactly" in text_of(app)
        await pilot.press(word[-1], "enter")
        await pilot.pause()
        assert len(link.sent) == 1


async def test_bad_override_is_told_and_not_sent(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (app, pilot):
        for keys, words in (
            ("0", "give the minutes as 1 to 1440"),
            ("9999", "give the minutes as 1 to 1440"),
            ("5", "give a reason"),
        ):
            await pilot.press("o", *keys, "enter")
            await pilot.pause()
            assert words in text_of(app)
            await pilot.press("escape")
        assert link.sent == []


async def test_no_printable_key_in_chat_triggers_anything(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("slash")
        prompt = app.query_one(ChatPane).prompt
        before = (app.view.id, app.theme)
        for sign in string.printable.strip():
            app.post_message(events.Key(_character_to_key(sign), sign))
        await pilot.pause()
        assert prompt.text == string.printable.strip()
        assert prompt.has_focus
        assert link.sent == []
        assert not app.screen.is_modal
        assert (app.view.id, app.theme) == before


async def test_chat_without_a_key_says_so_and_makes_nothing_up(
    cockpit: Cockpit, link: FakeLink
) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("slash", *"why [BTC]?", "ctrl+j", *"now", "enter")
        await app.workers.wait_for_complete()
        pane = app.query_one(ChatPane)
        said = pane.plain.splitlines()
        assert "> why [BTC]?" in said
        assert "> now" in said
        assert said[-1].startswith("No Gemini key is set. Add GEMINI_API_KEY")
        await pilot.press("up")
        assert pane.prompt.text == "why [BTC]?\nnow"
        await pilot.press("escape")
        assert not pane.prompt.has_focus
        assert link.sent == []


async def test_each_command_reports_its_way(cockpit: Cockpit, link: FakeLink) -> None:
    ends = ((c.Outcome.DONE, "done"), (c.Outcome.REFUSED, "refused"), (c.Outcome.FAILED, "failed"))
    async with cockpit(size=(120, 40)) as (app, pilot):
        for outcome, step in ends:
            await pilot.press("x")
            await settled(pilot)
            assert "stop: requested" in text_of(app)
            future = link.futures[-1]
            assert future.set_running_or_notify_cancel()
            await settled(pilot)
            assert "stop: acknowledged" in text_of(app)
            future.set_result(c.CommandResult(outcome, "in so many words [x]"))
            await settled(pilot)
            assert app.desk.journal[0].text == f"stop: {step} - in so many words [x]"
            assert any(f"stop: {step}" in line for line in text_of(app).splitlines())
            assert app.desk.waiting == 0


async def test_a_broken_link_is_a_failed_command(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("x", "x")
        link.futures[0].set_exception(OSError("socket closed"))
        link.futures[1].cancel()
        await settled(pilot)
        texts = [event.text for event in app.desk.journal]
        assert "stop: failed - OSError: socket closed" in texts
        assert "stop: failed - the engine ended before it was carried out" in texts
        link.ending = "killed by signal 9"
        await settled(pilot)
        await pilot.press("x")
        assert app.desk.journal[0].text == "stop: failed - no engine is running"
        assert len(link.sent) == 2


async def test_quit_in_live_says_what_is_open(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(picture, mode="LIVE", exchange="binance")
    async with cockpit() as (app, pilot):
        await pilot.press("q")
        assert isinstance(app.screen, LeaveDialog)
        await settled(pilot)
        shown = text_of(app)
        assert "LIVE on binance: 3 open positions." in shown
        assert "1 without a stop resting at the exchange!" in shown
