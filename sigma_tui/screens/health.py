"""View 6: the engine's own pulse."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal

from engine.model.snapshot import Snapshot
from sigma_tui import figures
from sigma_tui.columns import Col
from sigma_tui.look import column
from sigma_tui.screens.view import View
from sigma_tui.widgets.events import EventsPanel
from sigma_tui.widgets.fast_table import FastTable
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel

_ENDPOINTS = (
    Col("name", "endpoint", 18, flex=True),
    Col("calls", "calls", 7, right=True),
    Col("errors", "errors", 6, right=True),
    Col("p50", "p50", 7, right=True),
    Col("p95", "p95", 7, right=True),
    Col("worst", "worst", 7, rank=1, right=True),
)
_TASKS = (
    Col("name", "task", 16, flex=True),
    Col("state", "state", 10),
    Col("restarts", "restarts", 8, right=True),
)
_LATE_TICK_MS = 250
_TROUBLE = ("failed", "crashed", "restarting", "dead")


class EndpointsPanel(Panel):
    """Latency and errors of every endpoint of the exchange."""

    title = "Exchange endpoints"

    def compose(self) -> ComposeResult:
        """Hold the table."""
        self.table = FastTable(_ENDPOINTS, id="endpoints-table", empty="no call yet")
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row an endpoint."""
        say = self.look.say
        rows = []
        for item in snapshot.health.endpoints:
            cells: list[Text] = [
                say((item.name, "text")),
                say((f"{item.calls:,}", "text")),
                say((f"{item.errors:,}", "warn" if item.errors else "muted")),
                say((figures.latency(item.p50), "text")),
                say((figures.latency(item.p95), "warn" if item.p95 > 500 else "text")),
                say((figures.latency(item.worst), "muted")),
            ]
            rows.append((item.name, cells))
        self.table.set_rows(rows)
        offset = snapshot.health.clock_offset_ms
        role = "warn" if abs(offset) > 500 else "muted"
        health = snapshot.health
        weight = f"  weight {health.weight_used:,}/{health.weight_limit:,}"
        heavy = health.weight_used > 0.6 * health.weight_limit
        words = [(f"clock offset {offset:+.0f} ms", role)]
        if health.weight_limit:
            words.append((weight, "warn" if heavy else "muted"))
        self.note(say(*words))


class TasksPanel(Panel):
    """The engine's tasks and how often each was restarted."""

    title = "Tasks"

    def compose(self) -> ComposeResult:
        """Hold the table."""
        self.table = FastTable(_TASKS, id="tasks-table", empty="no task")
        yield self.table

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one row a task."""
        say = self.look.say
        self.table.set_rows(
            [
                (name, [
                    say((name, "text")),
                    say((state, "warn" if state in _TROUBLE else "gain")),
                    say((str(restarts), "warn" if restarts else "muted")),
                ])
                for name, state, restarts in snapshot.health.tasks
            ]
        )  # fmt: skip


class PulsePanel(Panel):
    """Memory, queues, tick lateness and records."""

    title = "Pulse and records"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw one figure a line."""
        health = snapshot.health
        late = "warn" if health.tick_gap_max_ms > _LATE_TICK_MS else "text"
        sound = "gain" if health.audit.lower().startswith(("ok", "intact")) else "warn"
        figures_of = (
            ("memory", figures.size(health.memory), "text"),
            ("screen queue", f"{health.queue_depth} waiting", "text"),
            ("tick p99", figures.latency(health.tick_gap_p99_ms), "text"),
            ("worst tick", figures.latency(health.tick_gap_max_ms), late),
            ("last cycle", figures.latency(snapshot.last_cycle_ms), "text"),
            ("database", figures.size(health.database_size), "text"),
            ("logs", figures.size(health.log_size), "text"),
            ("audit chain", health.audit, sound),
            ("unread", str(snapshot.unread), "accent" if snapshot.unread else "text"),
        )
        say = self.look.say
        self.lines.set_lines(
            [
                Text.assemble(column(say((name, "muted")), 13), say((value, role)))
                for name, value, role in figures_of
            ]
        )


class HealthScreen(View):
    """Endpoints, tasks, pulse, and everything that was notified."""

    def compose(self) -> ComposeResult:
        """Two columns above the history of notifications."""
        with Horizontal(id="health-top"):
            yield EndpointsPanel(id="endpoints")
            yield PulsePanel(id="pulse")
            yield TasksPanel(id="tasks")
        yield EventsPanel(id="history")
