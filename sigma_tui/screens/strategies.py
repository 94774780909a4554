"""View 5: the active strategy, parameter by parameter."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from rich.text import Text
from textual.app import ComposeResult

from engine.model.snapshot import Snapshot
from engine.strategy import Strategy
from sigma_tui.columns import Col
from sigma_tui.screens.view import View
from sigma_tui.widgets.fast_table import FastTable
from sigma_tui.widgets.panel import Panel

_COLUMNS = (
    Col("name", "parameter", 34),
    Col("value", "built-in default", 28, flex=True),
)


class StrategyPanel(Panel):
    """Which strategy trades, and the built-in parameters to compare it with."""

    title = "Strategy"

    def compose(self) -> ComposeResult:
        """Hold the table."""
        self.table = FastTable(_COLUMNS, id="strategy-table")
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row a parameter."""
        if self.same(snapshot.strategy):
            return
        self.retitle(f"Strategy: {snapshot.strategy} trades now")
        self.table.set_rows([(name, self._row(name, value)) for name, value in flat(Strategy())])
        self.note(self.look.say(("sigma strategy show NAME prints any saved strategy", "muted")))

    def _row(self, name: str, value: str) -> list[Text]:
        return [self.look.say((name, "muted")), self.look.say((value, "text"))]


class StrategiesScreen(View):
    """The active strategy."""

    def compose(self) -> ComposeResult:
        """Hold one panel."""
        yield StrategyPanel(id="strategy")


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return a dataclass as (dotted name, value in words), nested ones unfolded."""
    rows: list[tuple[str, str]] = []
    for item in fields(value):
        inner = getattr(value, item.name)
        name = f"{prefix}{item.name}"
        if is_dataclass(inner):
            rows += flat(inner, f"{name}.")
        else:
            rows.append((name, _words(inner)))
    return rows


def _words(value: Any) -> str:
    if value == ():
        return "every allowed pair"
    return f"{value:g}" if isinstance(value, float) else str(value)
