"""Pictures: every view at three sizes, as text that a person without colours can read, and as SVG.

A wanted change is taken over with ``pytest tests/cockpit --snapshot-update``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from sigma_tui.app import SigmaApp
from tests.cockpit.conftest import Cockpit, settled, text_of
from tests.cockpit.fake_link import FakeLink
from tests.cockpit.sample import NOW

SIZES = [(80, 24), (120, 40), (200, 60)]


def lines_of(app: SigmaApp) -> str:
    return "\n".join(line.rstrip() for line in text_of(app).splitlines())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_views_as_text(
    cockpit: Cockpit, snapshot: SnapshotAssertion, size: tuple[int, int]
) -> None:
    async with cockpit(size=size) as (app, pilot):
        for key in "34561":
            await pilot.press(key)
            await settled(pilot)
            await pilot.pause(0.05)
            assert lines_of(app) == snapshot(name=app.view.id)


@pytest.mark.parametrize(
    "keys", ["o", "F", "q", "question_mark", "t", "slash"],
    ids=["override", "flatten", "quit", "help", "theme", "chat"],
)  # fmt: skip
async def test_dialogs_as_text(cockpit: Cockpit, snapshot: SnapshotAssertion, keys: str) -> None:
    async with cockpit(size=(80, 24)) as (app, pilot):
        await pilot.press(keys)
        await pilot.pause(0.05)
        assert lines_of(app) == snapshot


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((80, 24), {"theme": "sigma-dark"}),
        ((120, 40), {"theme": "sigma-dark"}),
        ((200, 60), {"theme": "sigma-light"}),
        ((80, 24), {"theme": "sigma-ansi", "ascii": True}),
    ],
    ids=["narrow", "default", "wide-light", "narrow-ansi-ascii"],
)
def test_the_cockpit_as_picture(
    snap_compare: Callable[..., bool],
    link: FakeLink,
    size: tuple[int, int],
    options: dict[str, Any],
) -> None:
    async def wait(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pilot.pause(0.05)

    app = SigmaApp(link, wall=lambda: NOW, **options)
    assert snap_compare(app, terminal_size=size, run_before=wait)
