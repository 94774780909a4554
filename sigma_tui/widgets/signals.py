"""Signals: the newest decisions with their verdict and first reason."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import DataTable

from engine.model.decision import Decision
from engine.model.market import Pair
from engine.model.signal import Action
from engine.model.snapshot import Snapshot
from sigma_tui import figures
from sigma_tui.columns import Col
from sigma_tui.widgets.fast_table import FastTable
from sigma_tui.widgets.market import MarketPanel
from sigma_tui.widgets.panel import Panel

COLUMNS = (
    Col("time", "time", 5, rank=2),
    Col("pair", "pair", 4),
    Col("action", "action", 7),
    Col("confidence", "conf", 4, rank=1, right=True),
    Col("reason", "reason", 16, flex=True),
)
_WORD = {Action.ENTER_LONG: "LONG", Action.ENTER_SHORT: "SHORT", Action.WAIT: "WAIT"}


class SignalsPanel(Panel):
    """One line a decision, newest first; Enter explains the pair."""

    title = "Signals"

    def compose(self) -> ComposeResult:
        """Hold the table."""
        self.table = FastTable(COLUMNS, id="signals-table", follow=True, empty="no decision yet")
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the newest decisions."""
        self.table.set_rows(
            [(f"{item.pair}@{item.time}", self._row(item)) for item in snapshot.decisions]
        )
        newest = snapshot.decisions[0].time if snapshot.decisions else snapshot.time
        proposed = sum(item.proposal is not Action.WAIT for item in snapshot.decisions)
        self.note_age(snapshot, newest, snapshot.candle_period_ms)
        self.note(self.look.say((f"{proposed} of {len(snapshot.decisions)} proposed", "muted")))

    def _row(self, item: Decision) -> list[Text]:
        look = self.look
        word = _WORD[item.action]
        role = look.action(item.action)
        if item.shadow:
            word, role = "shadow", "info"
        elif item.action is Action.WAIT and item.proposal is not Action.WAIT:
            word, role = "blocked", "warn"
        reason = f"{item.blocked_by}: {item.reason}" if item.blocked_by else item.reason
        return [
            look.say((figures.minute(item.time), "muted")),
            look.say((item.pair.base, "strong")),
            look.say((word, role)),
            look.say((f"{item.confidence:.2f}", "text")),
            look.say((reason, "text")),
        ]

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Explain the pair of the chosen line."""
        event.stop()
        if (key := self.table.cursor_key) is not None:
            self.post_message(MarketPanel.Chosen(Pair(key.rpartition("@")[0]), explain=True))
