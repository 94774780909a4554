"""View 4: what is at risk, against every limit, and what the strategy monitor says."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from engine.model.snapshot import EventView, PositionView, RiskView, Snapshot
from sigma_tui import figures
from sigma_tui.look import Look, beside, column
from sigma_tui.screens.view import View
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel

_NEAR = 0.8  # of a limit: from here on it is worth a look


class LimitsPanel(Panel):
    """Every limit as a bar: used, allowed, and how much is left."""

    title = "Exposure against limits"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        with VerticalScroll():
            yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw heat and daily loss first, then every exposure limit, fullest first."""
        risk, width = snapshot.risk, self.lines.size.width
        rows = [
            ("heat", risk.heat, snapshot.max_heat),
            ("heat, correlated", risk.adjusted_heat, snapshot.max_heat),
            ("loss in 24 h", risk.day_loss, risk.max_day_loss),
        ]
        fullest = sorted(
            risk.limits, key=lambda item: -(item.used / item.limit if item.limit else 0)
        )
        rows += [(item.name, item.used, item.limit) for item in fullest]
        lines = [limit_line(self.look, *row, width) for row in rows]
        if snapshot.positions:
            lines += [Text(""), self.look.say(("at risk down to the stop", "bold muted"))]
            lines += [self._position(view, snapshot.equity, width) for view in snapshot.positions]
        self.lines.set_lines(lines)
        side = "long" if risk.net_exposure > 0 else "short" if risk.net_exposure < 0 else "even"
        self.note(
            self.look.say((f"net {figures.signed_percent(risk.net_exposure, 0)} {side}", "muted"))
        )

    def _position(self, view: PositionView, equity: float, width: int) -> Text:
        share = view.risk / equity if equity else 0.0
        most = self.cockpit.snapshot.max_heat if self.cockpit.snapshot else 0.06
        name = f"{view.pair.base} {view.side.value}"
        label = 18 if width < 70 else 24
        return beside(
            column(self.look.say((name, "text")), label),
            self.look.bar(share / most if most else 0.0, max(6, width - label - 21)),
            column(self.look.say((figures.money(view.risk), "text")), 8, right=True),
            column(self.look.say((figures.percent(share, 2), "muted")), 6, right=True),
        )


class CorrelationPanel(Panel):
    """Measured correlations: numbers first, shading second."""

    title = "Correlation of 5-minute returns"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the matrix."""
        self.lines.set_lines(heat_map(self.look, snapshot.risk, self.size.width))
        self.note(self.look.say(("boxed from 0.70: one group", "muted")))


class MonitorPanel(Panel):
    """The strategy monitor's last report, in a trader's words."""

    title = "Strategy monitor"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw severity, readings and advice."""
        look, report = self.look, snapshot.monitor
        role = "gain" if report.severity == "healthy" else look.palette.severity(report.severity)
        lines = [look.say((report.severity.upper(), f"bold {role}" if " " not in role else role))]
        lines += [look.say((part, "text")) for part in _wrap(report.advice, self.size.width)]
        lines.append(Text(""))
        for name, value, severity in report.readings:
            healthy = severity in ("", "ok", "healthy")
            word = "ok" if healthy else severity
            lines.append(
                beside(
                    column(look.say((name.replace("_", " "), "muted")), 18),
                    column(look.say((f"{value:.2f}", "text")), 7, right=True),
                    look.say((word, "gain" if healthy else look.palette.severity(severity))),
                )
            )
        self.lines.set_lines(lines)
        self.note(look.say((f"checked {figures.clock(report.checked)}", "muted")))


class ViolationsPanel(Panel):
    """What the safety checker refused: an earlier gate let it through."""

    title = "Safety violations"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        with VerticalScroll():
            yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw refused orders, newest first."""
        look, width = self.look, self.lines.size.width
        lines: list[Text] = []
        for event in (event for event in snapshot.events if is_violation(event)):
            first, *rest = _wrap(event.text, max(20, width - 13))
            lines.append(look.say((f"{figures.stamp(event.time)}  ", "muted"), (first, "warn")))
            lines += [look.say((f"{'':13}{part}", "warn")) for part in rest]
        self.lines.set_lines(lines or [look.say(("none among the recent events", "muted"))])


class RiskScreen(View):
    """Limits, correlations, monitor and violations."""

    def compose(self) -> ComposeResult:
        """Two rows of two; the stylesheet lays them out."""
        yield LimitsPanel(id="limits")
        yield CorrelationPanel(id="correlation")
        yield MonitorPanel(id="monitor")
        yield ViolationsPanel(id="violations")


def is_violation(event: EventView) -> bool:
    """Return whether an event is the safety checker's refusal."""
    return event.kind.replace("_", "").lower() in ("orderdenied", "safetyviolation")


def limit_line(look: Look, name: str, used: float, limit: float, width: int) -> Text:
    """Return a limit as name, bar, used of allowed, and a word when it is near, full or over."""
    share = used / limit if limit else 0.0
    word, role = _standing(share)
    label = 18 if width < 70 else 24
    counted = limit >= 1 and limit == int(limit)
    figure = f"{used:g}" if counted else figures.percent(used)
    allowed = f"{limit:g}" if counted else figures.percent(limit, 0)
    return beside(
        column(look.say((name, "text")), label),
        look.bar(share, max(6, width - label - 21), role),
        column(look.say((figure, "text"), (f" of {allowed}", "muted")), 13, right=True),
        look.say((word, role)),
    )


def _standing(share: float) -> tuple[str, str]:
    if share > 1:
        return "OVER", "bold wrong"
    if share == 1:
        return "full", "warn"
    return ("near", "warn") if share >= _NEAR else ("", "info")


def heat_map(look: Look, risk: RiskView, width: int) -> list[Text]:
    """Return the correlation matrix; high values are bracketed as well as coloured."""
    cell = 7 if width >= 5 + 7 * len(risk.pairs) else 5
    names = [pair.base for pair in risk.pairs]
    head = look.say(("     ", "muted"), *((f"{name:>{cell - 1}} ", "muted") for name in names))
    lines = [head]
    for name, row in zip(names, risk.correlation, strict=True):
        line = look.say((f"{name:<5}", "muted"))
        for other, value in zip(names, row, strict=True):
            line.append_text(_correlation(look, value, other == name, cell))
        lines.append(line)
    return lines


def _correlation(look: Look, value: float, own: bool, cell: int) -> Text:
    if own:
        return look.say((f"{look.glyphs.flat:>{cell - 1}} ", "faint"))
    text = f"{value:.2f}" if cell >= 7 else f"{value:.2f}".replace("0.", ".")
    if value >= 0.7:
        return look.say((f"{f'[{text}]':>{cell}}", "bold warn"))
    role = "text" if value >= 0.4 else "muted"
    return look.say((f"{text:>{cell - 1}} ", role))


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
