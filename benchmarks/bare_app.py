"""A Textual app with as many widgets as the cockpit's first screen, and nothing behind them."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import Grid, Horizontal, Vertical
from textual.widgets import ContentSwitcher, DataTable, Static

TABLES = ("Market", "Positions", "Signals")
PANELS = ("Chart", "Regime", "Breaker", "Expectancy", "Events")


class BareApp(App[None]):
    """Three tables and five panels between a status strip, a side pane and a key bar."""

    CSS = """
    Grid { grid-size: 3; }
    DataTable, .panel { border: round white; height: 1fr; }
    #strip, #keys { height: 1; }
    #pane { width: 30; border: round white; }
    """

    def compose(self) -> ComposeResult:
        yield Static("strip", id="strip")
        with Horizontal():
            with ContentSwitcher(initial="cockpit"), Grid(id="cockpit"):
                for name in TABLES:
                    table: DataTable[str] = DataTable(id=name.lower())
                    table.border_title = name
                    yield table
                for name in PANELS:
                    panel = Static(name, classes="panel")
                    panel.border_title = name
                    yield panel
            with Vertical(id="pane"):
                yield Static("pane")
        yield Static("keys", id="keys")

    def on_mount(self) -> None:
        for name in TABLES:
            self.query_one(f"#{name.lower()}", DataTable).add_columns("pair", "price", "state")


if __name__ == "__main__":
    BareApp().run()
