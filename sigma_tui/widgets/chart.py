"""The chart panel: candles of the selected pair with its position's levels."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from engine.model.snapshot import Snapshot
from sigma_tui.charts.candles import CandleChart
from sigma_tui.widgets.panel import Panel


class ChartPanel(Panel):
    """The chart limits itself to one drawing a second: it is the dearest thing on the wire."""

    title = "Chart"

    def compose(self) -> ComposeResult:
        """Hold the chart."""
        self.chart = CandleChart(id="chart-canvas")
        yield self.chart

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the selected pair."""
        pair = self.cockpit.selected
        history = snapshot.history.get(pair) if pair is not None else None
        if pair is None or history is None:
            return
        self.retitle(f"Chart {pair.base}")
        self.chart.show(history, pair, levels(snapshot, pair), snapshot.time)
        last = history.candles[-1].time if history.candles else snapshot.time
        late_since = last + snapshot.candle_period_ms
        self.note_age(snapshot, late_since, snapshot.candle_period_ms)


def levels(snapshot: Snapshot, pair: str) -> Sequence[tuple[str, float, str]]:
    """Return (label, price, kind) of entry, stop and target of the position in a pair."""
    view = next(
        (v for v in (*snapshot.positions, *snapshot.shadow_positions) if v.pair == pair), None
    )
    if view is None:
        return ()
    stop_kind = "trail" if view.trailing else "stop"
    return (
        ("entry", view.entry, "entry"),
        (stop_kind, view.stop, stop_kind),
        ("target", view.target, "target"),
    )
