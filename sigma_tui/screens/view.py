"""View: what one number key shows. Mounted at its first visit, hidden afterwards, never again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from textual.containers import Container

from engine.model.market import Pair
from engine.model.snapshot import Snapshot
from sigma_tui.widgets.panel import Panel

if TYPE_CHECKING:
    from sigma_tui.app import SigmaApp


class View(Container):
    """Base of the six views."""

    @property
    def cockpit(self) -> SigmaApp:
        """Return the app."""
        return cast("SigmaApp", self.app)

    def panels(self) -> Iterable[Panel]:
        """Return the panels that can be seen."""
        return (panel for panel in self.query(Panel) if panel.display)

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot in every panel that can be seen."""
        for panel in self.panels():
            panel.show(snapshot)

    def redraw(self) -> None:
        """Draw everything anew at the next occasion."""
        for panel in self.query(Panel):
            panel.redraw()

    def select(self, pair: Pair) -> None:
        """Take note of the selected pair. Views that show one pair override this."""

    def focus_first(self) -> None:
        """Put the focus where work begins."""
        for widget in self.query("FastTable, ExplainView, VerticalScroll"):
            if widget.focusable:
                widget.focus(scroll_visible=False)
                return

    def sort_table(self) -> None:
        """Sort by the next column. Views with a sortable table override this."""

    def reverse_table(self) -> None:
        """Reverse the order. Views with a sortable table override this."""

    def filter_table(self) -> None:
        """Ask for a filter word. Views with a filter override this."""

    def next_slot(self) -> None:
        """Show the next panel in the slot. Views with a slot override this."""

    def toggle_zoom(self, panel: Panel | None) -> None:
        """Give one panel everything. Views that can override this."""
