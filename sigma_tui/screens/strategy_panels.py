"""The panels of the strategies view: the versions, a comparison, a trial."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.app import ComposeResult

from engine.model.snapshot import Snapshot
from engine.strategies.diff import differences
from engine.strategies.fields import flat, meaning
from engine.strategies.store import BUILT_IN, Kept
from engine.strategies.what_if import WhatIf
from sigma_tui.columns import Col
from sigma_tui.widgets.fast_table import FastTable
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel

if TYPE_CHECKING:
    from sigma_tui.screens.strategies import StrategiesScreen

_VERSIONS = (
    Col("mark", "", 1),
    Col("name", "strategy", 10, flex=True),
    Col("version", "v", 3, right=True),
    Col("created", "saved", 10, rank=1),
)
_COMPARISON = (
    Col("name", "parameter", 28),
    Col("active", "active", 9, rank=1, right=True),
    Col("chosen", "this one", 9, right=True),
    Col("words", "what it does", 24, rank=2, flex=True),
)
_IDENTITY = ("name", "version", "schema_version", "description")


@dataclass
class Trial:
    """A trial under way (``share`` done) or over (``found``)."""

    title: str
    share: float = 0.0
    found: WhatIf | None = None


class _Panel(Panel):
    @property
    def room(self) -> StrategiesScreen:
        """Return the view this is part of."""
        return cast("StrategiesScreen", self.query_ancestor("StrategiesScreen"))


class VersionsPanel(_Panel):
    """Every version; the active one is marked."""

    title = "Strategies"
    waiting = ""  # what is being waited for

    def compose(self) -> ComposeResult:
        """Hold the table."""
        self.table = FastTable(_VERSIONS, id="versions-table", empty="reading ...")
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row a version, what nobody saved yet first."""
        room, look = self.room, self.look
        if self.same(room.kept, room.draft, snapshot.strategy, self.waiting):
            return
        rows = [(f"{item.name} v{item.version}", self._row(item)) for item in room.kept]
        if room.draft is not None:
            cells = [("*", "warn"), (room.draft.name, "strong"), ("-", "muted"), ("not", "warn")]
            rows.insert(0, ("draft", [look.say(cell) for cell in cells]))
        self.table.set_rows(rows)
        keys = "u apply  d draft  w save" if room.draft is not None else "u apply  d draft"
        self.note(look.say((self.waiting or keys, "accent" if self.waiting else "muted")))

    def _row(self, item: Kept) -> list[Text]:
        dot = self.look.glyphs.dot if item.active else ""
        role = "wrong" if item.problem else "strong" if item.active else "text"
        day = time.strftime("%Y-%m-%d", time.gmtime(item.created / 1000)) if item.created else ""
        cells = [(dot, "gain"), (item.name, role), (f"{item.version}", "text")]
        return [self.look.say(cell) for cell in (*cells, (day or "built in", "muted"))]


class ComparisonPanel(_Panel):
    """The chosen version against the active one: what differs first, then the rest."""

    title = "Parameters"

    def compose(self) -> ComposeResult:
        """Hold what it is for and the table."""
        self.head = Lines(id="comparison-head")
        self.table = FastTable(_COMPARISON, id="strategy-table")
        yield self.head
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row a parameter."""
        active, chosen = snapshot.active or BUILT_IN, self.room.chosen
        if self.same(active, chosen):
            return
        changed = differences(active, chosen)
        found = {item.path: item for item in changed if item.path not in _IDENTITY}
        mine = f"{chosen.name} v{chosen.version}"
        theirs = f"{active.name} v{active.version}"
        self.retitle(
            f"{theirs}: it decides now" if chosen == active else f"{mine} against {theirs} (active)"
        )
        self.head.set_lines([self.look.say((chosen.description, "muted"))])
        before = flat(active)
        rows: list[tuple[str, list[Text]]] = []
        for path, value in flat(chosen).items():
            if path in _IDENTITY:
                continue
            item = found.get(path)
            if item is None:
                cells = [(path, "muted"), ("", "muted"), (shown(value), "text")]
                rows.append((path, self._cells(*cells, (meaning(path).words, "muted"))))
            else:
                words = item.effect or item.words
                cells = [(path, "strong"), (shown(before[path]), "muted"), (shown(value), "warn")]
                rows.append((path, self._cells(*cells, (words, "text"))))
        rows.sort(key=lambda row: row[0] not in found)
        self.table.set_rows(rows)
        count = len(found)
        differ = "1 parameter differs" if count == 1 else f"{count or 'no'} parameters differ"
        self.note(self.look.say((differ, "muted")))

    def _cells(self, *cells: tuple[str, str]) -> list[Text]:
        return [self.look.say(cell) for cell in cells]


class TrialPanel(_Panel):
    """What a version would have done on the stored candles."""

    title = "Trial on stored candles"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines(id="trial-lines")
        yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw progress or result."""
        room, look = self.room, self.look
        trial = room.trial
        state = (trial.title, trial.share, trial.found) if trial is not None else None
        if self.same(state, room.running):
            return
        if trial is None:
            words = "b tries the chosen version on stored candles, in a process of its own."
            self.lines.set_lines([look.say((words, "muted"))])
        elif trial.found is None:
            bar = look.bar(trial.share, max(10, min(60, self.lines.size.width - 20)))
            bar.append(f" {trial.share:4.0%}", look.style("text"))
            self.lines.set_lines([look.say((trial.title, "strong")), bar])
        else:
            self.lines.set_lines(self._result(trial.title, trial.found))
        self.note(look.say(("b stops it" if room.running else "b back-test", "muted")))

    def _result(self, title: str, found: WhatIf) -> list[Text]:
        look = self.look
        cut = "  stopped before the end" if found.interrupted else ""
        days = (found.end - found.start) / 86_400_000
        net = "gain" if found.net_pnl > 0 else "loss" if found.net_pnl < 0 else "text"

        def figure(value: float | None, form: str) -> str:
            return "unknown" if value is None else format(value, form)

        return [
            look.say(
                (title, "strong"),
                (f"  {found.candles:,} candles, {days:.1f} days", "muted"),
                (cut, "warn"),
            ),
            look.say(
                ("net ", "muted"),
                (f"{found.net_pnl:+,.2f}", net),
                ("  balance ", "muted"),
                (f"{found.final_balance:,.2f}", "text"),
                ("  fees ", "muted"),
                (f"{found.fees:,.2f}", "text"),
                ("  drawdown ", "muted"),
                (f"{found.max_drawdown:.1%}", "text"),
            ),
            look.say(
                ("trades ", "muted"),
                (f"{found.trades}", "text"),
                (f" of {found.proposals} proposals  win rate ", "muted"),
                (figure(found.win_rate, ".0%"), "text"),
                ("  profit factor ", "muted"),
                (figure(found.profit_factor, ".2f"), "text"),
                ("  expectancy ", "muted"),
                (figure(found.expectancy, "+.2f"), "text"),
            ),
            look.say(("What it earned there says little about what it will earn.", "muted")),
        ]


def shown(value: object) -> str:
    """Return a parameter's value in words."""
    if isinstance(value, list):
        return ",".join(str(item).partition("/")[0] for item in value) or "all"
    return f"{value:g}" if isinstance(value, float) else str(value)
