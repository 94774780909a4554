"""The chart widget: keys, thrift, throttling, and what a switch of pair resets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.geometry import Region

from engine.model.snapshot import PairHistory
from sigma_tui.charts.candles import CandleChart
from sigma_tui.glyphs import ASCII
from sigma_tui.look import Look
from sigma_tui.theme import builtin_themes
from tests.cockpit_views.sample import BTC, ETH, PERIOD, START, Host, history, levels_of, now_of

SIZE = (100, 30)


class Counting(CandleChart):
    """Counts the refreshes that ask the terminal for rows."""

    least_interval = 0.0

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.refreshed: list[tuple[Region, ...]] = []

    def refresh(self, *regions: Region, **options: bool) -> CandleChart:
        self.refreshed.append(regions)
        return super().refresh(*regions, **options)


def show(chart: CandleChart, shown: PairHistory, late: int = 0) -> None:
    chart.show(shown, BTC, levels_of(shown), now_of(shown) + late)


def axis_times(chart: CandleChart) -> str:
    return chart.picture_text.splitlines()[-1]


async def test_it_draws_what_it_is_given() -> None:
    chart = CandleChart(id="chart")
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.pause()
        text = chart.picture_text
        assert text.startswith("BTC 5m")
        for word in ("entry", "stop", "target", "trail", "vol", "UTC"):
            assert word in text


async def test_the_unchanged_emits_nothing() -> None:
    chart, shown = Counting(), history()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, shown)
        await pilot.pause()
        chart.refreshed.clear()
        for _ in range(5):
            show(chart, shown)
            show(chart, replace(shown))
        await pilot.pause()
        assert chart.refreshed == []


async def test_a_moved_level_repaints_only_its_rows() -> None:
    chart, shown = Counting(), history()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, shown)
        await pilot.pause()
        chart.refreshed.clear()
        moved = [(name, price * 1.0006 if name == "entry" else price, kind)
                 for name, price, kind in levels_of(shown)]  # fmt: skip
        chart.show(shown, BTC, moved, now_of(shown))
        await pilot.pause()
        rows = {region.y for regions in chart.refreshed for region in regions}
        assert 1 <= len(rows) <= 4


async def test_new_data_wait_for_the_interval_and_keys_do_not() -> None:
    chart = CandleChart()
    chart.least_interval = 1_000.0  # type: ignore[misc]
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history(100))
        await pilot.pause()
        before = chart.picture_text
        show(chart, history(101))
        await pilot.pause()
        assert chart.picture_text == before
        await pilot.press("plus")
        assert chart.picture_text != before


async def test_zoom_makes_bars_wider() -> None:
    chart = CandleChart()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.press("plus")
        assert "███" in chart.picture_text
        wide = chart.picture_text
        await pilot.press("minus", "minus")
        assert chart.picture_text != wide
        narrow = chart.picture_text
        await pilot.press("minus")
        assert chart.picture_text == narrow


async def test_pan_end_and_home() -> None:
    chart = CandleChart()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.pause()
        newest = axis_times(chart)
        await pilot.press("left", "left")
        assert axis_times(chart) != newest
        await pilot.press("home")
        assert "00:30" in axis_times(chart)
        oldest = axis_times(chart)
        await pilot.press("left")
        assert axis_times(chart) == oldest
        await pilot.press("end")
        assert axis_times(chart) == newest


async def test_a_view_that_looks_back_stands_still_while_candles_arrive() -> None:
    chart = Counting()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history(150))
        await pilot.press("left", "left", "left")
        before = axis_times(chart)
        show(chart, history(151))
        await pilot.pause()
        assert axis_times(chart) == before


async def test_the_cursor_moves_and_the_view_follows() -> None:
    chart, shown = CandleChart(), history()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, shown)
        await pilot.press("less_than_sign")
        reading = chart.picture_text.splitlines()[0]
        assert f"C {shown.candles[-1].close:,.1f}" in reading
        await pilot.press("less_than_sign", "less_than_sign", "greater_than_sign")
        assert f"C {shown.candles[-2].close:,.1f}" in chart.picture_text.splitlines()[0]
        for _ in range(80):
            chart.action_cursor(-1)
        await pilot.press("shift+left", "greater_than_sign")
        reading = chart.picture_text.splitlines()[0]
        assert f"C {shown.candles[-82].close:,.1f}" in reading
        assert "┊" in chart.picture_text
        await pilot.press("escape")
        assert "┊" not in chart.picture_text


async def test_timeframes_go_round() -> None:
    chart = CandleChart()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        seen = []
        for _ in range(3):
            await pilot.press("m")
            seen.append(chart.timeframe)
        assert seen == ["15m", "1h", "5m"]
        await pilot.press("m")
        reading = chart.picture_text.splitlines()[0]
        assert "BTC 15m" in reading
        assert "forming" in reading


async def test_another_pair_starts_at_its_newest_candle() -> None:
    chart = CandleChart()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.press("left", "less_than_sign")
        shown = history(120, price=2_500.0)
        chart.show(shown, ETH, [], now_of(shown))
        await pilot.pause()
        reading = chart.picture_text.splitlines()[0]
        assert "ETH 5m" in reading
        assert f"C {shown.candles[-1].close:,.2f}" in reading
        assert "┊" not in chart.picture_text


async def test_old_data_are_called_stale_and_stay() -> None:
    chart = Counting()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.pause()
        assert "STALE" not in chart.picture_text
        show(chart, history(), late=3 * PERIOD)
        await pilot.pause()
        assert "STALE 15 min" in chart.picture_text
        assert "entry" in chart.picture_text


async def test_no_candles_yet() -> None:
    chart = CandleChart()
    async with Host(chart).run_test(size=SIZE) as pilot:
        chart.show(history(0), BTC, [], START)
        await pilot.pause()
        assert chart.picture_text.strip() == "waiting for candles"
        for key in ("plus", "left", "end", "home", "less_than_sign", "m", "b", "escape"):
            await pilot.press(key)
        show(chart, history(1))
        await pilot.press("left", "less_than_sign", "m")
        assert "BTC" in chart.picture_text


async def test_without_colour_rising_bars_are_hollow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    chart = CandleChart()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.pause()
        assert "▯" in chart.picture_text
        await pilot.press("b")
        assert "▯" not in chart.picture_text


async def test_ascii_is_ascii() -> None:
    for chart, plain in ((CandleChart(ascii=True), False), (CandleChart(), True)):
        async with Host(chart, ascii=plain).run_test(size=SIZE) as pilot:
            show(chart, history())
            await pilot.press("less_than_sign", "plus")
            assert chart.picture_text.isascii()
            assert "O" in chart.picture_text


async def test_a_resize_is_drawn_when_it_has_settled() -> None:
    chart = CandleChart()
    chart.settle = 0.01  # type: ignore[misc]
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.pause()
        await pilot.resize_terminal(70, 16)
        await pilot.pause(0.1)
        lines = chart.picture_text.splitlines()
        assert len(lines) == 16
        assert max(map(len, lines)) <= 70


async def test_a_hidden_chart_draws_nothing_and_catches_up() -> None:
    chart = Counting()
    async with Host(chart).run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.pause()
        chart.display = False
        await pilot.pause()
        before = chart.picture_text
        shown = history(120, price=99.0)
        chart.show(shown, ETH, [], now_of(shown))
        await pilot.pause()
        assert chart.picture_text == before
        chart.display = True
        await pilot.pause()
        assert "ETH 5m" in chart.picture_text


async def test_a_new_theme_recolours_the_chart() -> None:
    chart = CandleChart()
    host = Host(chart)
    async with host.run_test(size=SIZE) as pilot:
        show(chart, history())
        await pilot.pause()
        before = [strip for y in range(30) for strip in [chart.render_line(y)]]
        light = builtin_themes()["sigma-light"]
        host.register_theme(light.textual)
        host.look = Look(light.palette, ASCII)
        host.theme = "sigma-light"
        await pilot.pause()
        after = [chart.render_line(y) for y in range(30)]
        assert before != after
        assert chart.picture_text.isascii()
