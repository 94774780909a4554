"""An app on a fake link, at a fixed time, in the default dark theme."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from textual.pilot import Pilot

from sigma_tui.app import SigmaApp
from sigma_tui.screens.leave import Departure
from tests.cockpit.fake_link import FakeLink
from tests.cockpit.sample import NOW, snapshot

CockpitPilot: TypeAlias = Pilot[Departure]
Cockpit: TypeAlias = Callable[..., AbstractAsyncContextManager[tuple[SigmaApp, CockpitPilot]]]


@pytest.fixture(scope="session")
def picture() -> Any:
    """Return the sample snapshot; frozen, so that tests may share it."""
    return snapshot()


@pytest.fixture
def link(picture: Any) -> FakeLink:
    """Return a link that shows the sample."""
    return FakeLink(picture)


@pytest.fixture
def cockpit(link: FakeLink) -> Cockpit:
    """Return a context manager that runs the app and waits for its first drawing."""

    @asynccontextmanager
    async def run(
        size: tuple[int, int] = (80, 24), **options: Any
    ) -> AsyncIterator[tuple[SigmaApp, CockpitPilot]]:
        options.setdefault("theme", "sigma-dark")
        toasts = options.pop("toasts", False)
        app = SigmaApp(link, wall=lambda: NOW, **options)
        async with app.run_test(size=size, notifications=toasts) as pilot:
            await settled(pilot)
            yield app, pilot

    return run


async def settled(pilot: CockpitPilot) -> None:
    """Wait until layout, resize messages and one tick are through."""
    await pilot.pause()
    app = pilot.app
    assert isinstance(app, SigmaApp)
    app.tick()
    await pilot.pause()


def text_of(app: SigmaApp) -> str:
    """Return the whole screen as plain text, one line a row."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    assert len(lines) == height
    return "\n".join(strip.text.ljust(width) for strip in lines)
