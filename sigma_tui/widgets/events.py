"""Events: what happened, newest first, each with its level in words."""

from __future__ import annotations

from textual.app import ComposeResult

from engine.model.snapshot import EventView, Snapshot
from sigma_tui import figures
from sigma_tui.columns import Col
from sigma_tui.widgets.fast_table import FastTable
from sigma_tui.widgets.panel import Panel

COLUMNS = (
    Col("time", "time", 8),
    Col("level", "level", 5),
    Col("kind", "kind", 15, rank=1),
    Col("text", "event", 24, flex=True),
)
_WORD = {"info": "info", "warning": "WARN", "critical": "CRIT", "emergency": "EMERG"}


class EventsPanel(Panel):
    """The engine's events and, among them, how far the operator's commands came."""

    title = "Events"

    def compose(self) -> ComposeResult:
        """Hold the table."""
        self.table = FastTable(COLUMNS, id=f"{self.id}-table", follow=True, empty="nothing yet")
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw engine events and command reports in one list."""
        events = [*self.cockpit.desk.journal, *snapshot.events]
        events.sort(key=lambda event: (-event.time, -abs(event.seq)))
        self.table.set_rows([(str(event.seq), self._row(event)) for event in events])
        loud = sum(event.severity != "info" for event in events)
        self.note(self.look.say((f"{loud} of {len(events)} need a look", "muted")))

    def _row(self, event: EventView):  # type: ignore[no-untyped-def]
        look = self.look
        role = look.palette.severity(event.severity)
        return [
            look.say((figures.clock(event.time), "muted")),
            look.say((_WORD.get(event.severity, event.severity), role)),
            look.say((event.kind.replace("_", " "), "muted")),
            look.say((event.text, "text" if event.severity == "info" else role)),
        ]
