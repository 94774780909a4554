"""View 1: the cockpit itself, laid out by the room there is."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult
from textual.geometry import Region, Size
from textual.layout import Layout

from engine.model.market import Pair
from sigma_tui.layout import SLOTS, PlanLayout, framed, plan
from sigma_tui.screens.view import View
from sigma_tui.widgets.breaker import BreakerPanel
from sigma_tui.widgets.chart import ChartPanel
from sigma_tui.widgets.events import EventsPanel
from sigma_tui.widgets.expectancy import ExpectancyPanel
from sigma_tui.widgets.market import MarketPanel
from sigma_tui.widgets.panel import Panel
from sigma_tui.widgets.positions import PositionsPanel
from sigma_tui.widgets.regime import RegimePanel
from sigma_tui.widgets.signals import SignalsPanel


class CockpitView(View):
    """Eight panels; where not all fit, one slot shows them in turn and any can be zoomed."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.slot = SLOTS[0]
        self.zoom = ""
        self._plan = PlanLayout(self._regions)

    @property
    def layout(self) -> Layout:
        """Return the layout that follows the plan."""
        return self._plan

    def _regions(self, size: Size) -> Mapping[str, Region]:
        return plan(size.width, size.height, self.slot, self.zoom)

    def compose(self) -> ComposeResult:
        """Hold every panel, in the order the Tab key goes."""
        yield MarketPanel(id="market")
        yield PositionsPanel(id="positions")
        yield ChartPanel(id="chart")
        yield RegimePanel(id="regime")
        yield BreakerPanel(id="breaker")
        yield ExpectancyPanel(id="expectancy")
        yield SignalsPanel(id="signals")
        yield EventsPanel(id="events")

    def on_resize(self, event: events.Resize) -> None:
        """Hide what has no room."""
        self.lay_out()

    def lay_out(self) -> None:
        """Hide the panels without a region; the others find theirs in the layout."""
        if not self.size:
            return
        regions = self._regions(self.size)
        self.set_class(not framed(*self.size), "-bare")
        for panel in self.query(Panel):
            panel.display = panel.id in regions

    def next_slot(self) -> None:
        """Show the next panel in the slot."""
        self.slot = SLOTS[(SLOTS.index(self.slot) + 1) % len(SLOTS)]
        self.lay_out()

    def toggle_zoom(self, panel: Panel | None) -> None:
        """Give a panel everything, or lay out as before."""
        self.zoom = "" if self.zoom or panel is None else panel.id or ""
        self.lay_out()

    def select(self, pair: Pair) -> None:
        """Draw what depends on the selected pair."""
        for kind in (ChartPanel, RegimePanel):
            self.query_one(kind).redraw()
        self.query_one(MarketPanel).table.point_at(str(pair))

    def focus_first(self) -> None:
        """Begin in the market table."""
        self.query_one(MarketPanel).table.focus(scroll_visible=False)
