"""The expectancy panel: what the closed trades say and the risk fraction it leads to."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult

from engine.model.snapshot import Snapshot, WindowView
from sigma_tui import figures
from sigma_tui.columns import Col, tabulate
from sigma_tui.look import beside
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel

COLUMNS = (
    Col("name", "last", 6),
    Col("n", "n", 4, right=True),
    Col("win", "win", 4, right=True),
    Col("interval", "95 %", 7, rank=2),
    Col("payoff", "payoff", 6, rank=3, right=True),
    Col("money", "E[$]", 8, right=True),
    Col("r", "E[R]", 5, rank=4, right=True),
    Col("kelly", "Kelly", 6, rank=1, right=True),
    Col("factor", "PF", 4, rank=5, right=True),
)


class ExpectancyPanel(Panel):
    """Windows 30, 100 and 500, shadow trades apart, method and risk fraction in force."""

    title = "Expectancy"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row a window, the method, and the equity curve where there is room."""
        look, view = self.look, snapshot.expectancy
        width, height = self.size.width, self.size.height
        rows = [self._row(window) for window in view.windows]
        del rows[max(1, height - 2) :]  # the method in force is always seen
        if height > len(rows) + 2:
            rows.append(self._row(view.shadow, "shadow"))
        lines = tabulate(COLUMNS, rows, width, look.style("muted"))
        lines.append(
            look.say(
                ("method ", "muted"), (view.method.replace("_", " "), "accent"),
                ("  risk ", "muted"), (figures.percent(view.risk_fraction, 2), "strong"),
                ("  DEGRADING" if view.degrading else "", "bold warn"),
            )
        )  # fmt: skip
        if height > len(lines):
            curve = [equity for _, equity in view.equity_curve]
            lines.append(
                beside(look.say(("equity", "muted")), look.spark(curve, width - 7, "gain"))
            )
        self.lines.set_lines(lines[:height])
        self.note(look.say(("net of fees and funding", "muted")))

    def _row(self, window: WindowView, name: str = "") -> list[Text]:
        look, some = self.look, figures.optional
        low, high = window.win_rate_low, window.win_rate_high
        interval = "-" if low is None or high is None else f"{low * 100:.0f}-{high * 100:.0f}%"
        gain = window.expectancy or 0.0
        role = look.palette.signed(gain) if window.expectancy is not None else "muted"
        known = window.win_rate
        return [
            look.say((name or window.name, "faint" if name else "strong")),
            look.say((str(window.trades), "text")),
            look.say(("-" if known is None else f"{known * 100:.0f}%", "text")),
            look.say((interval, "muted")),
            look.say((some(window.payoff), "text")),
            look.say(("-" if window.expectancy is None else figures.signed(gain), role)),
            look.say((some(window.expectancy_r, "{:+.2f}"), role)),
            look.say((some(window.kelly, "{:.3f}"), "text")),
            look.say((some(window.profit_factor), "text")),
        ]
