"""View 3: closed trades and what they add up to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from engine.model.orders import ClosedTrade
from engine.model.snapshot import Snapshot
from sigma_tui import figures
from sigma_tui.columns import Col
from sigma_tui.look import REGIME_NAMES
from sigma_tui.screens.view import View
from sigma_tui.widgets.fast_table import FastTable
from sigma_tui.widgets.panel import Panel
from sigma_tui.widgets.performance import (
    BreakdownPanel,
    DrawdownPanel,
    EquityPanel,
    FiguresPanel,
)

COLUMNS = (
    Col("exit", "closed", 11),
    Col("pair", "pair", 5),
    Col("side", "side", 7, rank=1),
    Col("pnl", "PnL", 11, right=True),
    Col("r", "R", 6, right=True),
    Col("reason", "exit", 16),
    Col("held", "held", 6, rank=2, right=True),
    Col("entry", "    entry", 13, rank=4),
    Col("price", "  exit at", 13, rank=5),
    Col("quantity", "quantity", 9, rank=6, right=True),
    Col("costs", "costs", 8, rank=7, right=True),
    Col("regime", "regime", 9, rank=3),
    Col("confidence", "conf", 5, rank=8, right=True),
    Col("strategy", "strategy", 12, rank=9),
)
_KEYS: dict[str, Callable[[ClosedTrade], Any]] = {
    "exit": lambda t: t.exit_time,
    "pair": lambda t: t.pair,
    "side": lambda t: t.side,
    "pnl": lambda t: t.pnl,
    "r": lambda t: t.r_multiple,
    "reason": lambda t: t.exit_reason,
    "held": lambda t: t.exit_time - t.entry_time,
    "entry": lambda t: t.entry_price,
    "price": lambda t: t.exit_price,
    "quantity": lambda t: t.quantity,
    "costs": lambda t: t.fees + t.funding,
    "regime": lambda t: t.regime,
    "confidence": lambda t: t.confidence,
    "strategy": lambda t: t.strategy,
}


class FilterBox(Input):
    """Where the filter word is typed; Escape leaves and clears it."""

    BINDINGS = [Binding("escape", "leave", "Leave", show=False)]  # noqa: RUF012 - Textual's way

    def action_leave(self) -> None:
        """Clear the filter and hide the box."""
        self.value = ""
        self.display = False
        self.screen.query_one("#trades-table").focus()


class TradesPanel(Panel):
    """Closed trades: sort by any column, show only those that contain a word."""

    title = "Closed trades"
    sort_by = "exit"
    descending = True

    def compose(self) -> ComposeResult:
        """Hold the filter box and the table."""
        self.box = FilterBox(placeholder="show only trades that contain ...", id="trades-filter")
        self.box.display = False
        self.table = FastTable(COLUMNS, id="trades-table", empty="no trade closed yet")
        yield self.box
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row a trade."""
        if self.same(snapshot.trades, self.sort_by, self.descending, self.box.value):
            return
        wanted = [trade for trade in snapshot.trades if self._wanted(trade)]
        wanted.sort(key=_KEYS[self.sort_by], reverse=self.descending)
        self.table.set_rows([(trade.id, self._row(trade)) for trade in wanted])
        shown = f"{len(wanted)} of {len(snapshot.trades)}"
        word = f"  with {self.box.value!r}" if self.box.value else ""
        self.note(self.look.say((f"{shown}{word}  , sort  . reverse  f filter", "muted")))

    def on_mount(self) -> None:
        """Mark the column sorted by."""
        super().on_mount()
        self._mark()

    def next_sort(self) -> None:
        """Sort by the next column."""
        names = list(_KEYS)
        self.sort_by = names[(names.index(self.sort_by) + 1) % len(names)]
        self._mark()
        self.redraw()

    def reverse_sort(self) -> None:
        """Turn the order round."""
        self.descending = not self.descending
        self._mark()
        self.redraw()

    def open_filter(self) -> None:
        """Show the filter box and type into it."""
        self.box.display = True
        self.box.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        event.stop()
        self.redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go back to the table, keeping the filter."""
        event.stop()
        self.table.focus()

    def on_data_table_header_selected(self, event: FastTable.HeaderSelected) -> None:
        """Sort by the column clicked; a second click reverses."""
        event.stop()
        key = str(event.column_key.value)
        self.descending = not self.descending if key == self.sort_by else True
        self.sort_by = key
        self._mark()
        self.redraw()

    def _mark(self) -> None:
        arrow = self.look.glyphs.down if self.descending else self.look.glyphs.up
        self.table.relabel(
            [replace(c, label=f"{c.label}{arrow}" if c.key == self.sort_by else c.label)
             for c in COLUMNS]
        )  # fmt: skip

    def _wanted(self, trade: ClosedTrade) -> bool:
        word = self.box.value.strip().lower()
        if not word:
            return True
        text = " ".join(
            (trade.pair.base, trade.side, trade.exit_reason, REGIME_NAMES[trade.regime],
             trade.strategy, "shadow" if trade.shadow else "real",
             "win" if trade.pnl > 0 else "loss")
        )  # fmt: skip
        return word in text.lower().replace("_", " ")

    def _row(self, trade: ClosedTrade) -> list[Text]:
        look = self.look
        pnl, r = float(trade.pnl), trade.r_multiple
        side = f"{look.arrow(trade.side.sign)} {trade.side.value.upper()}"
        return [
            look.say((figures.stamp(trade.exit_time), "muted")),
            look.say((trade.pair.base, "faint" if trade.shadow else "strong")),
            look.say(("shadow" if trade.shadow else side, "faint" if trade.shadow else "text")),
            look.change(pnl, figures.signed(pnl)),
            look.say((figures.signed(r), look.palette.signed(r))),
            look.say((trade.exit_reason.value.replace("_", " "), "text")),
            look.say((figures.span(trade.exit_time - trade.entry_time), "text")),
            look.say((_price(float(trade.entry_price)), "text")),
            look.say((_price(float(trade.exit_price)), "text")),
            look.say((f"{trade.quantity.normalize():f}", "text")),
            look.say((figures.money(float(trade.fees + trade.funding)), "muted")),
            look.regime(trade.regime),
            look.say((f"{trade.confidence:.2f}", "muted")),
            look.say((f"{trade.strategy} v{trade.strategy_version}", "muted")),
        ]


class TradesScreen(View):
    """The table above, curves and figures below."""

    def compose(self) -> ComposeResult:
        """Table and figures, then two curves and the breakdown."""
        with Horizontal(id="trades-top"):
            yield TradesPanel(id="trades-panel")
            yield FiguresPanel(id="figures")
        with Horizontal(id="trades-bottom"):
            with Vertical(id="curves"):
                yield EquityPanel(id="equity")
                yield DrawdownPanel(id="drawdown")
            yield BreakdownPanel(id="breakdown")

    def sort_table(self) -> None:
        """Sort the trades by the next column."""
        self.query_one(TradesPanel).next_sort()

    def reverse_table(self) -> None:
        """Reverse the order of the trades."""
        self.query_one(TradesPanel).reverse_sort()

    def filter_table(self) -> None:
        """Type a word the trades must contain."""
        self.query_one(TradesPanel).open_filter()


def _price(value: float) -> str:
    return figures.aligned(figures.price(value), 7, 5)
