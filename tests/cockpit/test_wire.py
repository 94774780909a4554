"""What goes over the wire: nothing while nothing changes, a few hundred bytes for a cell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from sigma_tui.app import SigmaApp
from tests.cockpit.conftest import Cockpit, CockpitPilot, settled
from tests.cockpit.fake_link import FakeLink


class Wire:
    """Counts what the app writes."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def take(self) -> int:
        size = sum(len(text.encode()) for text in self.written)
        self.written.clear()
        return size


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Make the headless driver write like a terminal's, into a list."""
    wire = Wire()
    monkeypatch.setattr(HeadlessDriver, "is_headless", property(lambda self: False))
    monkeypatch.setattr(HeadlessDriver, "write", lambda self, data: wire.written.append(data))
    return wire


async def calm(pilot: CockpitPilot) -> None:
    await settled(pilot)
    await pilot.pause(0.3)


def body(wire: Wire) -> str:
    """Return what was written without the marks of a synchronised update."""
    text = "".join(wire.written)
    return text.replace("\x1b[?2026h", "").replace("\x1b[?2026l", "")


async def test_an_unchanged_picture_emits_nothing(
    cockpit: Cockpit, link: FakeLink, picture: Any, wire: Wire
) -> None:
    async with cockpit() as (app, pilot):
        await calm(pilot)
        assert wire.take() > 5_000  # the first painting went through this wire
        for seq in range(2, 12):
            link.current = replace(picture, seq=seq)
            app.tick()
            await pilot.pause()
        await pilot.pause(0.3)
        assert body(wire) == ""


async def test_one_changed_price_costs_little(
    cockpit: Cockpit, link: FakeLink, picture: Any, wire: Wire
) -> None:
    async with cockpit() as (app, pilot):
        await calm(pilot)
        wire.take()
        eth = replace(picture.market[1], price=picture.market[1].price + 0.01)
        link.current = replace(picture, seq=2, market=(picture.market[0], eth, *picture.market[2:]))
        app.tick()
        await pilot.pause()
        await pilot.pause(0.1)
        assert 0 < wire.take() <= 400


async def test_the_clock_and_ages_cost_little(
    cockpit: Cockpit, link: FakeLink, picture: Any, wire: Wire
) -> None:
    async with cockpit() as (app, pilot):
        await calm(pilot)
        wire.take()
        later = replace(picture, seq=2, time=picture.time + 1_000, wall_time=picture.wall_time)
        link.current = later
        app.tick()
        await pilot.pause()
        await pilot.pause(0.1)
        assert 0 < wire.take() <= 1_000


async def test_hidden_panels_idle(cockpit: Cockpit, link: FakeLink, picture: Any) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("6")
        await settled(pilot)
        market = app.query_one("#market")
        link.current = replace(picture, seq=9)
        app.tick()
        assert market.drawn_seq != 9  # type: ignore[attr-defined]
        await pilot.press("1")
        await settled(pilot)
        assert market.drawn_seq == 9  # type: ignore[attr-defined]


async def test_memory_of_the_screen_is_bounded(cockpit: Cockpit, link: FakeLink) -> None:
    link.auto = True
    async with cockpit() as (app, pilot):
        assert isinstance(app, SigmaApp)
        for _ in range(300):
            app.verbs.stop()
            list(app.desk.poll(0))
        await pilot.pause()
        assert len(app.desk.journal) == 100
        assert app.desk.waiting == 0
