"""Performance panels: the figures, the two curves, and where the money came from."""

from __future__ import annotations

from collections.abc import Callable

from rich.color import Color
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual_plotext import PlotextPlot

from engine.model.orders import ClosedTrade
from engine.model.snapshot import Snapshot
from sigma_tui import figures, performance
from sigma_tui.look import REGIME_NAMES, beside, column
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel


class FiguresPanel(Panel):
    """Every figure with its reading in words."""

    title = "Performance"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        with VerticalScroll(can_focus=False):
            yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one figure a line."""
        if self.same(snapshot.trades):
            return
        say = self.look.say
        self.lines.set_lines(
            [
                beside(
                    column(say((item.name, "muted")), 13),
                    column(say((item.value, "strong")), 9, right=True),
                    say((f" {item.reading}", item.role)),
                )
                for item in performance.figures_of(snapshot.trades)
            ]
        )
        shadows = sum(trade.shadow for trade in snapshot.trades)
        self.note(
            say((f"{shadows} shadow trades left out" if shadows else "net of costs", "muted"))
        )


class CurvePanel(Panel):
    """A curve over the closed trades; drawn again only when a trade was closed."""

    def compose(self) -> ComposeResult:
        """Hold the plot."""
        self.plot = PlotextPlot()
        self.plot.theme = "clear"  # the widget's own colours show through
        yield self.plot

    def values(self, curve: list[tuple[int, float]]) -> list[float]:
        """Return the heights of the curve."""
        raise NotImplementedError

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the curve with the time of its first and last trade below."""
        if self.same(snapshot.trades):
            return
        curve = performance.equity_curve(snapshot.trades)
        plt = self.plot.plt
        plt.clear_figure()
        plt.frame(False)
        plt.grid(False, False)
        if len(curve) > 1:
            values = self.values(curve)
            plt.plot(values, marker="braille" if self.look.glyphs.bar_parts else "*",
                     color=self.colour())  # fmt: skip
            ticks = sorted({0, len(curve) // 2, len(curve) - 1})
            plt.xticks([t + 1 for t in ticks], [figures.stamp(curve[t][0]) for t in ticks])
            self.ticks(values)
        self.plot.refresh()
        self.note(self.look.say((f"{max(0, len(curve) - 1)} trades", "muted")))

    def ticks(self, values: list[float]) -> None:
        """Label the heights."""
        low, high = min(values), max(values)
        marks = [low, (low + high) / 2, high]
        self.plot.plt.yticks(marks, [self.label(mark) for mark in marks])

    def label(self, value: float) -> str:
        """Return a height in words."""
        return figures.money(value, 0)

    def colour(self) -> str | int | tuple[int, int, int]:
        """Return the colour of the curve as plotext wants it."""
        palette = self.look.palette
        role = Color.parse(palette.gain if self.rising else palette.loss)
        if role.triplet is not None:
            return role.triplet.red, role.triplet.green, role.triplet.blue
        return "default" if role.number is None else role.number

    rising = True


class EquityPanel(CurvePanel):
    """Closed equity after each trade."""

    title = "Equity"

    def values(self, curve: list[tuple[int, float]]) -> list[float]:
        """Return equity in quote currency."""
        return [equity for _, equity in curve]


class DrawdownPanel(CurvePanel):
    """How far equity stood below its peak."""

    title = "Drawdown"
    rising = False

    def values(self, curve: list[tuple[int, float]]) -> list[float]:
        """Return the falls in percent."""
        return [100 * fall for fall in performance.drawdowns([equity for _, equity in curve])]

    def label(self, value: float) -> str:
        """Return a fall in percent."""
        return f"{value:.1f}%"


_BY: tuple[tuple[str, Callable[[ClosedTrade], str]], ...] = (
    ("by day", lambda t: figures.day(t.exit_time)),
    ("by pair", lambda t: t.pair.base),
    ("by regime", lambda t: REGIME_NAMES[t.regime]),
    ("by exit", lambda t: t.exit_reason.value.replace("_", " ")),
)


class BreakdownPanel(Panel):
    """PnL by day, pair, regime and exit reason, each with a bar."""

    title = "Where it came from"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        with VerticalScroll():
            yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw four groups."""
        if self.same(snapshot.trades, self.lines.size.width):
            return
        width = self.lines.size.width
        lines: list[Text] = []
        for title, key in _BY:
            buckets = performance.breakdown(snapshot.trades, key)
            if title != "by day":
                buckets.sort(key=lambda bucket: -bucket.pnl)
            most = max((abs(bucket.pnl) for bucket in buckets), default=1.0) or 1.0
            lines.append(self.look.say((title, "bold muted")))
            lines += [self._line(bucket, most, width) for bucket in buckets[:12]]
        empty = [self.look.say(("no trade closed yet", "muted"))]
        self.lines.set_lines(lines if len(lines) > len(_BY) else empty)

    def _line(self, bucket: performance.Bucket, most: float, width: int) -> Text:
        look = self.look
        bar = max(4, width - 46)
        role = "gain" if bucket.pnl > 0 else "loss"
        return beside(
            column(look.say((bucket.name, "text")), 16),
            column(look.change(bucket.pnl, figures.signed(bucket.pnl)), 12, right=True),
            column(look.say((f"{bucket.wins}/{bucket.trades} won", "muted")), 11, right=True),
            look.bar(abs(bucket.pnl) / most, bar, role),
        )
