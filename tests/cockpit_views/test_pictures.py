"""Pictures of both views at two sizes, with fixed data and a fixed trace."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

import engine.trace
from sigma_tui.charts.candles import CandleChart
from sigma_tui.screens.explain import ExplainView
from tests.cockpit_views.sample import (
    BTC,
    PERIOD,
    START,
    Host,
    blocked,
    entry,
    gates_of,
    history,
    levels_of,
    now_of,
    snapshot,
    waiting,
    with_decisions,
)

SIZES = [(80, 24), (120, 40)]
SnapCompare = Callable[..., bool]


@pytest.mark.parametrize("size", SIZES)
def test_chart(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    async def show(pilot: Pilot[None]) -> None:
        shown = history()
        chart = pilot.app.query_one(CandleChart)
        chart.show(shown, BTC, levels_of(shown), now_of(shown))
        await pilot.press("less_than_sign", "less_than_sign", "less_than_sign")

    assert snap_compare(Host(CandleChart()), terminal_size=size, run_before=show)


def test_chart_without_colour(snap_compare: SnapCompare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def show(pilot: Pilot[None]) -> None:
        shown = history()
        chart = pilot.app.query_one(CandleChart)
        chart.show(shown, BTC, levels_of(shown), now_of(shown))
        await pilot.press("plus")

    assert snap_compare(Host(CandleChart()), terminal_size=(80, 24), run_before=show)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("made", [entry, blocked])
def test_explain(
    snap_compare: SnapCompare,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    made: Callable[..., object],
) -> None:
    monkeypatch.setattr(engine.trace, "gates", gates_of)
    decisions = (waiting(time=START), made(time=START + PERIOD))

    async def show(pilot: Pilot[None]) -> None:
        view = pilot.app.query_one(ExplainView)
        view.show(snapshot({BTC: with_decisions(*decisions)}))
        await pilot.pause()

    assert snap_compare(Host(ExplainView()), terminal_size=size, run_before=show)
