"""View 2: why a trade happened or did not."""

from __future__ import annotations

from textual.app import ComposeResult

from engine.model.market import Pair
from engine.model.snapshot import Snapshot
from sigma_tui.screens.explain import ExplainView
from sigma_tui.screens.view import View
from sigma_tui.widgets.panel import Panel


class ExplainPanel(Panel):
    """Frame of the explanation."""

    title = "Explain"

    def compose(self) -> ComposeResult:
        """Hold the explanation."""
        self.body = ExplainView(id="explain-view")
        yield self.body

    def draw(self, snapshot: Snapshot) -> None:
        """Explain the selected pair."""
        if self.cockpit.selected is not None and self.body.pair is None:
            self.body.select(self.cockpit.selected)
        self.body.show(snapshot)
        newest = max((item.time for item in snapshot.decisions[:20]), default=snapshot.time)
        self.note_age(snapshot, newest, snapshot.candle_period_ms)


class ExplainScreen(View):
    """The decision trace of one pair."""

    def compose(self) -> ComposeResult:
        """Hold one panel."""
        yield ExplainPanel(id="explain-panel")

    def select(self, pair: Pair) -> None:
        """Explain another pair."""
        panel = self.query_one(ExplainPanel)
        panel.body.select(pair)
        panel.redraw()
