"""Dialogs: nothing that cannot be taken back happens on one key, and Enter at once cancels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from engine.model.commands import Level
from sigma_tui.look import Look, beside
from sigma_tui.widgets.lines import Lines

MAX_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Given:
    """What was entered into a dialog."""

    reason: str = ""
    level: Level = Level.HALT
    minutes: int = 0
    instant: int = 0  # ms UTC


class Dialog(ModalScreen[Given | None]):
    """Base: a title, words, fields, then Cancel (focused) and the deed.

    A ``word`` must be typed before the deed is done; without one ``y`` does it as well.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("y", "yes", "Yes", show=False),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, words: Sequence[str], deed: str, word: str = "") -> None:
        super().__init__()
        self._heading, self._words, self._deed, self._word = title, words, deed, word

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._heading
            box.border_subtitle = self._hint()
            for line in self._words:
                yield Static(line, markup=False, classes="words")
            yield from self.fields()
            if self._word:
                yield Static(f"Type {self._word} to go on:", markup=False, classes="field")
                yield Input(id="word", select_on_focus=False)
            yield Static("", markup=False, id="problem")
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button(self._deed, id="deed")

    def fields(self) -> Iterable[Widget]:
        """Yield what is to be filled in."""
        return ()

    def _hint(self) -> str:
        plain = type(self) is Dialog and not self._word
        return f"y {self._deed.lower()}   Enter or Esc cancels" if plain else "Esc cancels"

    def on_mount(self) -> None:
        """Begin where Enter does nothing."""
        first = self.query(Input)
        (first.first() if first else self.query_one("#cancel")).focus()

    def action_cancel(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    def action_yes(self) -> None:
        """Do it, where no field is to be filled in."""
        if not self.query(Input):
            self._try()

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#deed")
    def _pressed(self) -> None:
        self._try()

    @on(Input.Submitted)
    def _entered(self) -> None:
        if not any(box.value.strip() for box in self.query(Input)):
            self.dismiss(None)
        else:
            self._try()

    def _try(self) -> None:
        given, problem = self.read()
        if not problem and self._word:
            typed = self.query_one("#word", Input).value.strip()
            problem = "" if typed == self._word else f"type {self._word} exactly to go on"
        if problem:
            self.query_one("#problem", Static).update(problem)
        else:
            self.dismiss(given)

    def read(self) -> tuple[Given, str]:
        """Return what was entered and what is wrong with it, if anything."""
        return Given(), ""


class ReasonDialog(Dialog):
    """Asks why."""

    def fields(self) -> Iterable[Widget]:
        """Ask for a reason."""
        yield Static("Reason:", markup=False, classes="field")
        yield Input(id="reason", placeholder="why, for the audit log")

    def read(self) -> tuple[Given, str]:
        """Demand a reason."""
        reason = self.query_one("#reason", Input).value.strip()
        return Given(reason=reason), "" if reason else "give a reason"


class TimeDialog(Dialog):
    """Asks for an instant after ``now`` (ms UTC)."""

    def __init__(self, title: str, words: Sequence[str], deed: str, *, now: int) -> None:
        super().__init__(title, words, deed)
        self._now = now

    def fields(self) -> Iterable[Widget]:
        """Ask for the instant; an hour ahead is the example."""
        ahead = datetime.fromtimestamp(self._now / 1000 + 3_600, UTC)
        yield Static("Date and time, UTC:", markup=False, classes="field")
        yield Input(id="instant", placeholder=f"for example {ahead:%Y-%m-%d %H:%M}")

    def read(self) -> tuple[Given, str]:
        """Demand an instant that is still to come."""
        text = self.query_one("#instant", Input).value.strip()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return Given(), "write it as 2025-06-01 12:00"
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        instant = round(moment.timestamp() * 1000)
        given = Given(instant=instant)
        return given, "" if instant > self._now else "time only goes forward: give a later instant"


class LevelPicker(Lines, can_focus=True):
    """One line of levels; the arrows move the mark."""

    LEVELS = (Level.CLOSED, Level.ALERT, Level.THROTTLE, Level.HALT)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "move(-1)", show=False),
        Binding("right,down", "move(1)", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.level = Level.HALT

    def on_mount(self) -> None:
        """Write the line."""
        self.action_move(0)

    def action_move(self, by: int) -> None:
        """Move the mark."""
        place = self.LEVELS.index(self.level) + by
        self.level = self.LEVELS[min(len(self.LEVELS) - 1, max(0, place))]
        look = getattr(self.app, "look", None) or Look()
        marks = [
            look.say((f"{look.glyphs.dot} {level.value}", "bold strong"))
            if level is self.level
            else look.say((f"{look.glyphs.ring} {level.value}", "muted"))
            for level in self.LEVELS
        ]
        self.set_lines([beside(*marks, gap="   ")])


class OverrideDialog(Dialog):
    """Asks for level, minutes and reason."""

    def fields(self) -> Iterable[Widget]:
        """Ask for all three."""
        yield Static("Level (exits stay allowed at every one):", markup=False, classes="field")
        yield LevelPicker(id="level")
        yield Static("Minutes:", markup=False, classes="field")
        yield Input(id="minutes", placeholder=f"1 to {MAX_MINUTES}", restrict=r"[0-9]*")
        yield Static("Reason:", markup=False, classes="field")
        yield Input(id="reason", placeholder="why, for the audit log")

    def read(self) -> tuple[Given, str]:
        """Demand minutes in range and a reason."""
        level = self.query_one(LevelPicker).level
        minutes = int(self.query_one("#minutes", Input).value or 0)
        reason = self.query_one("#reason", Input).value.strip()
        given = Given(reason, level, minutes)
        if not 1 <= minutes <= MAX_MINUTES:
            return given, f"give the minutes as 1 to {MAX_MINUTES}"
        return given, "" if reason else "give a reason"
