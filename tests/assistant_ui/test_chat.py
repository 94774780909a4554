"""The chat pane: streaming, stopping, recalling, copying, staying small, saying what is wrong."""

from __future__ import annotations

import asyncio
import stat
from typing import Any

import pytest

from engine.assistant.errors import Quota
from engine.assistant.port import Message, Role
from engine.home import Home
from sigma_tui.assistance import Assistance
from sigma_tui.widgets import chat
from sigma_tui.widgets.chat import ChatPane
from sigma_tui.widgets.chat_turns import Answer, Remark
from tests.assistant.injection_corpus import MODEL_ANSWERS, OUTSIDE_TEXTS
from tests.assistant.scripted import ScriptedModel
from tests.assistant_ui.conftest import (
    Cockpit,
    Scripted,
    asked,
    finished,
    scripted,
    settings,
    typed,
)
from tests.cockpit.conftest import text_of
from tests.cockpit.fake_link import FakeLink
from tests.gemini_server import server as reply
from tests.gemini_server.server import GeminiServer


async def test_an_answer_with_what_was_sent_and_what_it_cost(
    cockpit: Cockpit, link: FakeLink
) -> None:
    async with cockpit(scripted(link, "SOL was **blocked**.\n\n- by `costs`")) as (app, pilot):
        pane = await asked(pilot, "why not SOL?")
        said = pane.plain.splitlines()
        assert said[0] == "> why not SOL?"
        assert said[1].startswith("sent: ")
        assert said[2:5] == ["SOL was **blocked**.", "", "- by `costs`"]
        assert said[5].startswith("100 + ")
        assert pane.border_title == "Assistant  scripted"
        assert "SOL was blocked." in text_of(app)
        assert pane.prompt.has_focus


async def test_the_loopback_service_streams_into_the_pane(
    cockpit: Cockpit, link: FakeLink, home: Home
) -> None:
    with GeminiServer() as server:
        server.plan(reply.text("All ", "is ", "well."), reply.bad_key(), reply.text("Again."))
        assistance = Assistance(link.snapshot, settings=settings(server.url), home=home)
        async with cockpit(assistance) as (_, pilot):
            pane = await asked(pilot, "how is it?")
            assert "All is well." in pane.plain
            assert "12 + 5 tokens" in pane.plain
            await asked(pilot, "and now?")
            assert pane.plain.endswith("Gemini does not accept the key. Check GEMINI_API_KEY.")
            await pilot.press("ctrl+r")
            await finished(pilot)
            assert "Again." in pane.plain
        assert server.requests[0].key
        assert "how is it?" in server.requests[0].last_text


async def test_nothing_is_opened_before_the_first_look(cockpit: Cockpit, link: FakeLink) -> None:
    assistance = scripted(link, "x")
    async with cockpit(assistance) as (_, pilot):
        assert assistance.opened == 0
        await pilot.press("slash")
        await finished(pilot)
        assert assistance.opened == 1
        await pilot.press("escape", "slash", "slash")
        await finished(pilot)
        assert assistance.opened == 1


async def test_without_a_key_one_line_and_slash_commands(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit(Assistance(link.snapshot)) as (_, pilot):
        await pilot.press("slash")
        await finished(pilot)
        pane = pilot.app.query_one(ChatPane)
        assert pane.plain == chat._NO_KEY
        assert "GEMINI_API_KEY" in pane.plain
        await asked(pilot, "/why BTC")
        assert "**BTC** at" in pane.plain
        assert "no model, 0.0 s" in pane.plain
        await asked(pilot, "/nonsense")
        assert "There is no command" in pane.plain


async def test_stop_keeps_what_came_and_retry_asks_again(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit(scripted(link, None, "Second try.")) as (_, pilot):
        await pilot.press("slash")
        await typed(pilot, "go on")
        pane = pilot.app.query_one(ChatPane)
        async with asyncio.timeout(10):
            while "I begin" not in pane.plain:
                await pilot.pause(0.02)
        assert pane.border_subtitle == chat._BUSY
        await typed(pilot, "another one")
        assert "An answer is under way" in pane.plain
        assert pane.prompt.text == "another one"
        await pilot.press("ctrl+g")
        await finished(pilot)
        assert pane.plain.endswith("Stopped.")
        assert "I begin" in pane.plain
        assert pane.border_subtitle == chat._IDLE
        await pilot.press("ctrl+r")
        await finished(pilot)
        assert "Second try." in pane.plain


async def test_failures_are_a_line_and_the_cockpit_lives(cockpit: Cockpit, link: FakeLink) -> None:
    class Broken(Scripted):
        def open_chat(self) -> Any:
            raise OSError("no [bold]library[/bold]")

    async with cockpit(scripted(link, Quota(17.0))) as (_, pilot):
        pane = await asked(pilot, "x")
        assert pane.plain.endswith("The Gemini quota is used up. Try again in 17 s.")
    async with cockpit(Broken(link, None)) as (app, pilot):
        pane = await asked(pilot, "x")
        assert "The assistant failed: OSError: no [bold]library[/bold]" in pane.plain
        await pilot.press("escape", "2")
        assert app.view.id == "view-explain"


async def test_the_conversation_is_recalled(cockpit: Cockpit, link: FakeLink) -> None:
    class Kept:
        lines = [Message(Role.USER, "before?"), Message(Role.ASSISTANT, "*yes*")]

        async def add(self, time: int, line: Message) -> None:
            self.lines.append(line)

        async def recent(self, limit: int) -> list[Message]:
            return self.lines[-limit:]

    assistance = scripted(link, "now")
    assistance.history = Kept()
    async with cockpit(assistance) as (_, pilot):
        pane = await asked(pilot, "again?")
        assert pane.plain.startswith("> before?\n*yes*\n> again?")
        assert [line.text for line in Kept.lines[2:]] == ["again?", "now"]


async def test_copy_writes_a_private_file(cockpit: Cockpit, link: FakeLink, home: Home) -> None:
    async with cockpit(scripted(link, "the answer", home=home)) as (_, pilot):
        pane = await asked(pilot, "a question")
        await pilot.press("ctrl+o")
        await finished(pilot)
        (file,) = home.root.glob("chat-*.md")
        assert file.read_text() == "**You**\n\na question\n\n**Sigma**\n\nthe answer\n\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert str(file) in pane.plain.splitlines()[-1]


async def test_it_follows_until_scrolled(cockpit: Cockpit, link: FakeLink) -> None:
    long = "\n\n".join(f"line {n}" for n in range(60))
    async with cockpit(scripted(link, long, long, long)) as (_, pilot):
        pane = await asked(pilot, "one")
        await pilot.pause(0.1)
        assert pane.scroll.is_vertical_scroll_end
        await pilot.press("pageup", "pageup")
        await pilot.pause(0.1)
        held = pane.scroll.scroll_y
        assert held < pane.scroll.max_scroll_y
        await asked(pilot, "two")
        await pilot.pause(0.1)
        assert pane.scroll.scroll_y == held
        for _ in range(20):
            await pilot.press("pagedown")
        await asked(pilot, "three")
        await pilot.pause(0.1)
        assert pane.scroll.is_vertical_scroll_end


async def test_the_pane_stays_small(
    cockpit: Cockpit, link: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "KEPT", 12)
    async with cockpit(Assistance(link.snapshot)) as (_, pilot):
        pane = await asked(pilot, "/help")
        for _ in range(8):
            await asked(pilot, "/x")
        assert len(pane.scroll.children) == 12
        assert "/why PAIR" not in pane.plain


async def test_hostile_answers_neither_break_the_pane_nor_send(
    cockpit: Cockpit, link: FakeLink
) -> None:
    texts = [*list(MODEL_ANSWERS.values())[::4], *OUTSIDE_TEXTS.values()]
    model = ScriptedModel(*texts, step=20_000)
    async with cockpit(Scripted(link, model), (80, 24)) as (app, pilot):
        for text in texts:
            pane = await asked(pilot, "x")
            assert "Assistant" in text_of(app), text[:80]
            assert not {"\x1b", "\u202e", "\x9b"} & set(pane.plain + text_of(app)), text[:80]
            assert "The assistant failed" not in pane.plain, text[:80]
            assert not app.screen.is_modal
            assert link.sent == []
        await pilot.press("escape")
        assert not pane.prompt.has_focus


async def test_a_theme_change_dresses_what_was_said(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit(scripted(link, "fine")) as (app, pilot):
        pane = await asked(pilot, "x")
        app.theme = "sigma-light"
        await pilot.pause()
        assert isinstance(pane.scroll.children[0], Remark)
        assert pane.plain.startswith("> x")
        assert pane.query(Answer)


async def test_the_keys_are_in_the_help(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit(Assistance(link.snapshot), (120, 90)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause(0.1)
        assert "Ctrl+g" in text_of(app)
        assert "confirm the newest draft (asks)" in text_of(app)
