"""It fits: from 60x15 to 250x70 the facts that matter are whole, and nothing overlaps."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.events import Resize
from textual.geometry import Size

from engine.model.commands import Level
from sigma_tui.layout import PANELS, SLOTS, plan
from tests.cockpit.conftest import Cockpit, settled, text_of
from tests.cockpit.fake_link import FakeLink
from tests.cockpit.sample import NOW, PERIOD, breaker

SIZES = [(80, 24), (100, 30), (120, 40), (200, 60), (250, 70)]


async def test_status_facts_are_whole_at_their_longest(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(
        picture, state="shutdown", equity=1_234_567.89, day_pnl=-123_456.78, heat=0.1234,
        data_time=NOW - 3 * PERIOD, breaker=breaker(Level.SHUTDOWN),
    )  # fmt: skip
    async with cockpit(size=(60, 15)) as (app, pilot):
        await pilot.press("6")
        for size in [(60, 15), (72, 20), *SIZES]:
            await pilot.resize_terminal(*size)
            await settled(pilot)
            first, second = text_of(app).splitlines()[:2]
            for fact in ("SIMULATED", "SHUTDOWN", "breaker SHUTDOWN"):
                assert fact in first
            for fact in ("1,234,567.89", "-123,456.78", "data STALE 15m"):
                assert fact in second
            if size[0] >= 80:
                assert "BTC TREND UP" in first
                assert "14:05:33 UTC" in first
                assert "heat 12.3%" in second


async def test_the_cockpit_shows_market_positions_breaker_and_regime(cockpit: Cockpit) -> None:
    facts = ("104,512.4", "0.18934", "TREND DN", "WARM-UP", "+108.01", "MISSING", "▶ALERT")
    async with cockpit(size=(80, 24)) as (app, pilot):
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await settled(pilot)
            await settled(pilot)
            shown = text_of(app)
            lines = shown.splitlines()
            for pair in ("BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "LTC"):
                assert any(pair in line for line in lines[3:13])
            for words in facts:
                assert words in shown, size
            assert "panel failed" not in shown
            assert "? help" in lines[-1]


async def test_too_small_is_one_sentence(cockpit: Cockpit) -> None:
    async with cockpit(size=(59, 24)) as (app, pilot):
        for size in [(59, 24), (80, 14), (20, 5)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            words = " ".join(text_of(app).split())
            assert words == "Sigma needs 60x15 cells; make the terminal larger."
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert "104,512.4" in text_of(app)


async def test_a_hundred_resizes_change_nothing_but_the_size(cockpit: Cockpit) -> None:
    async with cockpit() as (app, pilot):
        for turn in range(100):
            size = Size(40 + turn * 7 % 90, 10 + turn * 5 % 30)
            app.post_message(Resize(size, size))
            if turn % 25 == 0:
                await pilot.pause()
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        await settled(pilot)
        shown = text_of(app)
        assert "104,512.4" in shown
        assert "panel failed" not in shown


@settings(max_examples=300, deadline=None)
@given(st.integers(60, 300), st.integers(12, 100), st.sampled_from(SLOTS))
def test_plans_stay_inside_and_do_not_overlap(width: int, height: int, slot: str) -> None:
    regions = plan(width, height, slot)
    assert set(regions) <= set(PANELS)
    assert "market" in regions
    for region in regions.values():
        assert region.x >= 0
        assert region.y >= 0
        assert region.right <= width
        assert region.bottom <= height
        assert region.area > 0
    for left, right in combinations(regions.values(), 2):
        assert not left.overlaps(right)


@settings(max_examples=60, deadline=None)
@given(st.integers(60, 300), st.integers(12, 100))
def test_every_panel_can_be_reached(width: int, height: int) -> None:
    reached: set[str] = set()
    for slot in SLOTS:
        reached |= set(plan(width, height, slot))
    assert reached == set(PANELS) or height < 20
    for panel in PANELS:
        assert list(plan(width, height, zoom=panel)) == [panel]


def without_chart(shown: str) -> list[str]:
    """Leave out the candles: without colour their bodies are hollow or full instead."""
    lines = shown.splitlines()
    return [line[62:] if 19 < y < 33 else line for y, line in enumerate(lines)]


async def test_without_colour_the_same_facts_stand_in_plain_text(
    cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cockpit() as (app, _):
        coloured = without_chart(text_of(app))
    monkeypatch.setenv("NO_COLOR", "1")
    async with cockpit(theme=None) as (app, _):
        assert app.theme == "sigma-ansi"
        assert os.environ["NO_COLOR"] == "1"
        assert without_chart(text_of(app)) == coloured
        colours = {
            segment.style.color
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if segment.style is not None and segment.style.color is not None
        }
        assert {colour.name for colour in colours} <= {"default"}


async def test_ascii_sends_nothing_but_ascii(cockpit: Cockpit) -> None:
    async with cockpit(ascii=True) as (app, pilot):
        for keys in ("3", "4", "6", "o", "escape q"):
            await pilot.press(*keys.split())
            await settled(pilot)
            shown = text_of(app)
            assert shown.isascii(), [c for c in shown if not c.isascii()]
        await pilot.press("escape", "1")
        await settled(pilot)
        for words in (">ALERT", "^ +123.45", "v -7.31"):
            assert words in text_of(app)
