"""The regime panel: the selected pair's market state in figures, and a strip for all pairs."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult

from engine.model.snapshot import PairView, Snapshot
from sigma_tui import figures
from sigma_tui.columns import Col, tabulate
from sigma_tui.look import Look, beside, column
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel

_TABLE = (
    Col("pair", "pair", 5),
    Col("regime", "regime", 8),
    Col("confidence", "conf", 4, right=True),
    Col("risk", "risk", 5, right=True),
    Col("adx", "ADX", 4, right=True),
    Col("volatility", "vol", 5, right=True),
    Col("since", "since", 11, rank=1, right=True),
)


class RegimePanel(Panel):
    """What kind of market each pair is in, and how much risk that allows."""

    title = "Regime"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the selected pair, then as much of all pairs as fits."""
        width, height = self.size.width, self.size.height
        if height >= len(snapshot.market) + 1:
            rows = [self._row(view, snapshot.time) for view in snapshot.market]
            self.lines.set_lines(tabulate(_TABLE, rows, width, self.look.style("muted")))
        else:
            chosen = self._chosen(snapshot)
            lines = [self._detail(chosen, snapshot.time)] if chosen else []
            self.lines.set_lines([*lines, *strip(self.look, snapshot.market, width)][:height])
        counts = sum(view.regime.trending for view in snapshot.market)
        self.note(self.look.say((f"{counts} of {len(snapshot.market)} trending", "muted")))

    def _chosen(self, snapshot: Snapshot) -> PairView | None:
        return next((v for v in snapshot.market if v.pair == self.cockpit.selected), None)

    def _detail(self, view: PairView, now: int) -> Text:
        look = self.look
        return beside(
            look.say((view.pair.base, "strong")),
            look.regime(view.regime),
            look.say(
                ("conf ", "muted"),
                (f"{view.regime_confidence:.2f}", "text"),
                (f" {look.glyphs.times}{view.risk_multiplier:.2f}", "text"),
                ("  ADX ", "muted"),
                (f"{view.adx:.0f}", "text"),
                ("  vol ", "muted"),
                (figures.percent(view.volatility, 0), "text"),
                ("  for ", "muted"),
                (figures.span(now - view.regime_since), "text"),
            ),
        )

    def _row(self, view: PairView, now: int) -> list[Text]:
        look = self.look
        chosen = view.pair == self.cockpit.selected
        return [
            look.say((view.pair.base, "bold strong" if chosen else "text")),
            look.regime(view.regime),
            look.say((f"{view.regime_confidence:.2f}", "text")),
            look.say((f"{look.glyphs.times}{view.risk_multiplier:.2f}", "text")),
            look.say((f"{view.adx:.1f}", "text")),
            look.say((figures.percent(view.volatility, 0), "text")),
            look.say(
                (figures.minute(view.regime_since), "text"),
                (f" {figures.span(now - view.regime_since):>5}", "muted"),
            ),
        ]


def strip(look: Look, views: tuple[PairView, ...], width: int) -> list[Text]:
    """Return every pair with its regime, four a line where that fits."""
    cell = 14
    per_line = max(1, min(4, width // cell))
    cells = [
        column(beside(look.say((f"{v.pair.base:<4}", "muted")), look.regime(v.regime)), cell)
        for v in views
    ]
    return [beside(*cells[i : i + per_line], gap="") for i in range(0, len(cells), per_line)]
