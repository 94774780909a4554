"""A cockpit whose assistant is a script, or the loopback service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from engine.assistant.history import NoHistory
from engine.assistant.session import ChatSession
from engine.home import Home
from engine.settings import Settings
from engine.strategy import Strategy
from sigma_tui.app import SigmaApp
from sigma_tui.assistance import Assistance
from sigma_tui.widgets.chat import ChatPane
from tests.assistant.scripted import ScriptedModel, conversation
from tests.cockpit.conftest import CockpitPilot, settled
from tests.cockpit.fake_link import FakeLink
from tests.cockpit.sample import snapshot

KEY = "AIzaSyTestKey-not-a-real-one-123456"
KEYS = {"/": "slash", " ": "space", "?": "question_mark", "-": "minus", ".": "full_stop"}

Running: TypeAlias = AbstractAsyncContextManager[tuple[SigmaApp, CockpitPilot]]
Cockpit: TypeAlias = Callable[..., Running]


class Scripted(Assistance):
    """An assistance whose model answers from a script; with a key, as far as it says."""

    def __init__(self, link: FakeLink, model: Any, history: Any = None, **options: Any) -> None:
        super().__init__(link.snapshot, **options)
        self.scripted, self.history, self._link = model, history or NoHistory(), link
        self.opened = 0

    @property
    def key(self) -> str:
        """Return a key."""
        return KEY

    def open_model(self) -> Any:
        """Return the script."""
        return self.scripted

    def open_chat(self) -> ChatSession:
        """Return a conversation with the script."""
        self.opened += 1
        return conversation(self.scripted, self._link.current, self.history)


@pytest.fixture(scope="session")
def picture() -> Any:
    """Return the sample snapshot, of a wall clock that is always now, with its strategy."""
    return replace(snapshot(), active=Strategy())


@pytest.fixture
def link(picture: Any) -> FakeLink:
    """Return a link that shows the sample and carries out every command."""
    return FakeLink(picture, auto=True)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home that is ready."""
    made = Home(tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def cockpit(link: FakeLink) -> Cockpit:
    """Return a context manager that runs the app with an assistance of its own."""

    @asynccontextmanager
    async def run(
        assistance: Assistance, size: tuple[int, int] = (120, 40), **options: Any
    ) -> AsyncIterator[tuple[SigmaApp, CockpitPilot]]:
        app = SigmaApp(link, theme="sigma-dark", assistance=assistance, **options)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            yield app, pilot

    return run


def scripted(link: FakeLink, *answers: Any, **options: Any) -> Scripted:
    """Return an assistance that gives these answers in turn."""
    return Scripted(link, ScriptedModel(*answers), **options)


def settings(url: str = "", **changes: Any) -> Settings:
    """Return settings with a key and the service's address."""
    return Settings(_env_file=None, gemini_api_key=KEY, gemini_url=url, **changes)


async def typed(pilot: CockpitPilot, text: str) -> None:
    """Type a text and press Enter."""
    await pilot.press(*(KEYS.get(sign, sign) for sign in text), "enter")


async def asked(pilot: CockpitPilot, text: str) -> ChatPane:
    """Open the pane if need be, ask, and wait for the answer."""
    app = pilot.app
    pane = app.screen_stack[0].query_one(ChatPane)
    if not pane.has_class("-open"):
        await pilot.press("slash")
    await typed(pilot, text)
    await finished(pilot)
    return pane


async def finished(pilot: CockpitPilot) -> None:
    """Wait until nothing is under way any more."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
