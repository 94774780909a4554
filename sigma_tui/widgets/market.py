"""The market table: every pair, what the layers think of it and what was decided."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import DataTable

from engine.model.market import Pair
from engine.model.snapshot import PairView, Snapshot
from sigma_tui import figures
from sigma_tui.columns import Col
from sigma_tui.look import beside
from sigma_tui.widgets.fast_table import FastTable
from sigma_tui.widgets.panel import Panel

_HALF = 5  # cells of the score bar on either side
_FULL = 0.5  # the score that fills a side: full confidence

COLUMNS = (
    Col("pair", "pair", 5),
    Col("price", "    price", 13),
    Col("change", "24 h", 9, rank=3, right=True),
    Col("score", "V1", 5, rank=1, right=True),
    Col("bar", "short|long", 10, rank=5),
    Col("confirm", "V2", 4, rank=6, right=True),
    Col("confidence", "conf", 4, rank=2, right=True),
    Col("regime", "regime", 8),
    Col("htf", "15m 1h", 6, rank=7),
    Col("verdict", "verdict", 16, flex=True),
    Col("age", "age", 5, rank=1, right=True),
)


class MarketPanel(Panel):
    """Eight pairs at a glance; the cursor chooses the pair the other panels show."""

    title = "Market"

    class Chosen(Message):
        """The cursor came to a pair; ``explain`` when Enter was pressed on it."""

        def __init__(self, pair: Pair, explain: bool = False) -> None:
            super().__init__()
            self.pair = pair
            self.explain = explain

    def compose(self) -> ComposeResult:
        """Hold the table."""
        self.table = FastTable(COLUMNS, id="market-table", empty="waiting for prices")
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row a pair."""
        now = self.cockpit.feed.now()
        self.table.set_rows(
            [(str(view.pair), self._row(view, snapshot, now)) for view in snapshot.market]
        )
        newest = max((view.updated for view in snapshot.market), default=snapshot.time)
        self.note_age(snapshot, newest, snapshot.candle_period_ms)
        period = figures.span(snapshot.candle_period_ms)
        self.note(self.look.say((f"{period} candles", "muted")))

    def _row(self, view: PairView, snapshot: Snapshot, now: int) -> list[Text]:
        look = self.look
        warm = view.candles > 0 and view.decided > 0
        return [
            look.say((view.pair.base, "strong")),
            look.say((figures.aligned(figures.price(view.price), 7, 5), "text")),
            look.change(view.change, figures.signed_percent(view.change)),
            look.say((figures.signed(view.score), look.palette.signed(view.score))),
            look.score_bar(view.score / _FULL, _HALF),
            look.say((f"{view.confirmation * 100:.0f}%" if warm else "-", "text")),
            look.say((f"{view.confidence:.2f}", "text")),
            look.regime(view.regime),
            beside(look.trend(view.htf_15m), look.trend(view.htf_1h), gap="   "),
            look.say((view.verdict, look.action(view.action))),
            self._age(now - view.updated, snapshot.candle_period_ms),
        ]

    def _age(self, late: int, period: int) -> Text:
        if late > 2 * period:
            return self.look.say(("STALE", "bold warn"))
        return self.look.say((figures.span(late), "muted"))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Pass the chosen pair on."""
        event.stop()
        self._choose(explain=False)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Ask to explain the chosen pair."""
        event.stop()
        self._choose(explain=True)

    def _choose(self, explain: bool) -> None:
        key = self.table.cursor_key
        if key is not None:
            self.post_message(self.Chosen(Pair(key), explain))
