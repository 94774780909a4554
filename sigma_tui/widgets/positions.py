"""The positions table: what is open, what it earns, what protects it and for how long."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult

from engine.model.market import Pair
from engine.model.signal import Side
from engine.model.snapshot import PositionView, Snapshot
from sigma_tui import figures
from sigma_tui.columns import Col
from sigma_tui.look import REGIME_NAMES
from sigma_tui.widgets.fast_table import FastTable
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel

COLUMNS = (
    Col("pair", "pair", 5),
    Col("side", "side", 7),
    Col("quantity", "quantity", 9, rank=5, right=True),
    Col("entry", "    entry", 13, rank=3),
    Col("mark", "     mark", 13, rank=4),
    Col("pnl", "PnL", 11, right=True),
    Col("r", "R", 5, rank=1, right=True),
    Col("stop", "     stop", 13),
    Col("rests", "resting", 7, rank=1),
    Col("target", "   target", 13, rank=6),
    Col("trail", "trail", 5, rank=8),
    Col("age", "age/limit", 9, rank=2, right=True),
    Col("regime", "regime", 18, rank=7),
    Col("risk", "at risk", 8, rank=9, right=True),
    Col("notional", "notional", 10, rank=10, right=True),
)


class PositionsPanel(Panel):
    """Open positions, shadow ones below and marked as such."""

    title = "Positions"

    def compose(self) -> ComposeResult:
        """Hold the table, below a line for each pair in which book and exchange differ."""
        self.disputed = Lines(id="disputed")
        self.disputed.display = False
        yield self.disputed
        self.table = FastTable(COLUMNS, id="positions-table", empty="no open position")
        yield self.table

    @property
    def chosen(self) -> str | None:
        """Return the id of the position under the cursor."""
        return self.table.cursor_key

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row a position."""
        self._draw_disputed(snapshot)
        views = (*snapshot.positions, *snapshot.shadow_positions)
        now = snapshot.time
        self.table.set_rows([(view.id, self._row(view, now)) for view in views])
        total = sum(view.pnl for view in snapshot.positions)
        shadows = len(snapshot.shadow_positions)
        words = [
            (f"{len(snapshot.positions)} open", "muted"),
            ("  ", "muted"),
            (f"{self.look.arrow(total)} {figures.signed(total)}", self.look.palette.signed(total)),
        ]
        if shadows:
            words.append((f"  {shadows} shadow, not real", "muted"))
        self.note(self.look.say(*words))

    def _draw_disputed(self, snapshot: Snapshot) -> None:
        self.disputed.display = bool(snapshot.disputed)
        self.disputed.styles.height = len(snapshot.disputed)
        self.disputed.set_lines(
            [
                self.look.say(
                    (f" {pair.base} disputed: {difference}; a adopts, c closes", "bold wrong")
                )
                for pair, difference in snapshot.disputed
            ]
        )

    def _row(self, view: PositionView, now: int) -> list[Text]:
        look = self.look
        resting = (
            ("shadow", "faint") if view.shadow
            else ("yes", "gain") if view.stop_resting
            else ("MISSING", "bold wrong")
        )  # fmt: skip
        age = figures.span(now - view.opened)
        limit = figures.span(view.limit_minutes * 60_000)
        late = now - view.opened > view.limit_minutes * 60_000
        side = f"{look.arrow(view.side.sign)} {view.side.value.upper()}"
        regime = REGIME_NAMES[view.regime_entry]
        if view.regime_now is not view.regime_entry:
            regime += f" {look.glyphs.to} {REGIME_NAMES[view.regime_now]}"
        return [
            look.say((view.pair.base, "muted" if view.shadow else "strong")),
            look.say((side, "gain" if view.side is Side.LONG else "loss")),
            look.say((view.quantity, "text")),
            look.say((_price(view.entry), "text")),
            look.say((_price(view.mark), "text")),
            look.change(view.pnl, figures.signed(view.pnl)),
            look.say((figures.signed(view.r_multiple), look.palette.signed(view.r_multiple))),
            look.say((_price(view.stop), "text")),
            look.say(resting),
            look.say((_price(view.target), "text" if view.target_resting else "muted")),
            look.say(("armed" if view.trailing else "b/e" if view.breakeven else "-", "text")),
            look.say((age, "warn" if late else "text"), (f"/{limit}", "muted")),
            look.say((regime, "text" if view.regime_now is view.regime_entry else "warn")),
            look.say((figures.money(view.risk), "text")),
            look.say((figures.money(view.notional, 0), "text")),
        ]


def position_of(snapshot: Snapshot, pair: Pair) -> PositionView | None:
    """Return the open position in a pair, if there is one."""
    return next((view for view in snapshot.positions if view.pair == pair), None)


def _price(value: float) -> str:
    return figures.aligned(figures.price(value), 7, 5)
