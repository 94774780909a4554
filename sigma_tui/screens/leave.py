"""The quit dialog: what becomes of the engine and of its positions."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from engine.model.snapshot import Snapshot


class Departure(StrEnum):
    """How the screen was left; what the supervisor gets as the app's result."""

    KEEP = "keep"  # the engine goes on without this screen
    STOP = "stop"  # the engine was told to end; stops rest at the exchange
    FLATTEN = "flatten"  # the engine was told to close every position and end
    ENDED = "ended"  # the engine had ended already


class LeaveDialog(ModalScreen[Departure | None]):
    """Cancel is focused, so that Enter at once goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "cancel", "Back"),
        Binding("up,left", "app.focus_previous", show=False),
        Binding("down,right", "app.focus_next", show=False),
    ]

    def __init__(self, snapshot: Snapshot | None, alive: bool, waiting: bool) -> None:
        super().__init__()
        self._snapshot, self._alive, self._waiting = snapshot, alive, waiting

    def compose(self) -> ComposeResult:
        """Ask, with as many words as the mode needs."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Quit"
            for line in self._words():
                yield Static(line, markup=False, classes="words")
            for departure, label in self._choices():
                yield Button(label, id=departure.value, classes="choice")
            yield Button("Cancel: stay here", id="cancel", classes="choice")

    def on_mount(self) -> None:
        """Begin on Cancel."""
        self.query_one("#cancel").focus()

    def _words(self) -> list[str]:
        snapshot = self._snapshot
        if not self._alive:
            return ["The engine has ended."]
        if self._waiting:
            return ["The engine is ending in order. Leaving now does not hurry it."]
        open_now = len(snapshot.positions) if snapshot else 0
        positions = f"{open_now} open position{'s' if open_now != 1 else ''}"
        if snapshot is None or snapshot.mode in ("SIMULATED", "PAPER"):
            return [f"The engine is running on paper with {positions}. No real money is at risk."]
        unprotected = sum(not view.stop_resting for view in snapshot.positions)
        words = [f"{snapshot.mode} on {snapshot.exchange}: {positions}."]
        if unprotected:
            words.append(f"{unprotected} without a stop resting at the exchange!")
        return words

    def _choices(self) -> list[tuple[Departure, str]]:
        if not self._alive:
            return [(Departure.ENDED, "Leave")]
        if self._waiting:
            return [(Departure.KEEP, "Leave now")]
        if self._snapshot is None or self._snapshot.mode in ("SIMULATED", "PAPER"):
            return [
                (Departure.KEEP, "Keep the engine running"),
                (Departure.STOP, "Stop the engine, keep the positions for next time"),
                (Departure.FLATTEN, "Close the positions, then stop the engine"),
            ]
        return [
            (Departure.KEEP, "Keep the engine trading without this screen"),
            (Departure.STOP, "Stop the engine; stops and targets stay at the exchange"),
            (Departure.FLATTEN, "Close every position at market, then stop the engine"),
        ]

    @on(Button.Pressed)
    def _chosen(self, event: Button.Pressed) -> None:
        name = event.button.id or "cancel"
        self.dismiss(None if name == "cancel" else Departure(name))

    def action_cancel(self) -> None:
        """Stay."""
        self.dismiss(None)
