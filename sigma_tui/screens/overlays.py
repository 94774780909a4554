"""Overlays: every key on one page, and the theme picker with its preview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from sigma_tui.actions import Action, Needs, grouped, key_name
from sigma_tui.look import Look
from sigma_tui.theme import LoadedTheme
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.prompt import Prompt

_LOCAL: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Chart", (
        ("+ -", "zoom"), ("Left Right", "pan"), ("< >", "cursor with reading"),
        ("m", "timeframe"), ("b", "hollow bodies"), ("End", "newest"),
    )),
    ("Explain", (
        ("Left Right", "earlier and later decision"), ("[ ]", "pair before and after"),
        ("i", "every input"), ("Up Down", "scroll"),
    )),
    ("Strategies", (
        ("u", "apply it (asks)"), ("d", "draft one with the assistant"),
        ("b", "back-test, or stop it"), ("w", "save the draft"),
    )),
    ("Assistant", (
        ("Enter", "send"), ("Ctrl+j", "new line"), ("Up Down", "earlier questions"),
        *((key_name(key.replace("page", "Page")), does) for key, (_, does) in Prompt.KEYS.items()),
        ("Esc", "back to the panels"),
    )),
)  # fmt: skip


class HelpOverlay(ModalScreen[None]):
    """Every key, from the action table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "dismiss", "Close")
    ]

    def __init__(self, table: Sequence[Action], look: Look) -> None:
        super().__init__()
        self._table, self._look = table, look

    def compose(self) -> ComposeResult:
        """Write the table."""
        with VerticalScroll(classes="dialog tall") as box:
            box.border_title = "Keys"
            box.border_subtitle = "Esc closes"
            self.lines = Lines()
            yield self.lines

    def on_resize(self) -> None:
        """Write the lines for the room there is."""
        self.call_after_refresh(lambda: self.lines.set_lines(self._lines(self.lines.size.width)))

    def _lines(self, width: int) -> list[Text]:
        say = self._look.say
        lines: list[Text] = []
        for group, actions in grouped(self._table):
            lines += [Text("")] if lines else []
            lines.append(say((group, "bold accent")))
            for action in actions:
                keys = " ".join(key_name(key) for key in action.keys)
                lines.append(say((f"  {keys:<12}", "bold text"), (action.help, "text")))
                if action.needs is Needs.NOTHING:
                    continue
                asks = f"({action.needs.value})"
                if lines[-1].cell_len + len(asks) + 1 <= width:
                    lines[-1].append_text(say((f" {asks}", "muted")))
                else:
                    lines.append(say((f"{'':<14}{asks}", "muted")))
        for group, keys_of in _LOCAL:
            lines += [Text(""), say((f"{group}, where focused", "bold accent"))]
            lines += [say((f"  {key:<12}", "bold text"), (does, "text")) for key, does in keys_of]
        return lines


class ThemePicker(ModalScreen[str | None]):
    """Moving previews, Enter keeps, Escape goes back to what was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,t", "back", "Back")]

    def __init__(self, themes: Sequence[LoadedTheme], current: str) -> None:
        super().__init__()
        self._themes, self._before = themes, current

    def compose(self) -> ComposeResult:
        """List the themes."""
        with Vertical(classes="dialog narrow") as box:
            box.border_title = "Theme"
            box.border_subtitle = "Enter keeps, Esc goes back"
            yield OptionList(
                *(Option(Text(f"{t.title}  ({t.name})"), id=t.name) for t in self._themes)
            )

    def on_mount(self) -> None:
        """Begin on the theme in force."""
        names = [theme.name for theme in self._themes]
        self.query_one(OptionList).highlighted = (
            names.index(self._before) if self._before in names else 0
        )

    @on(OptionList.OptionHighlighted)
    def _preview(self, event: OptionList.OptionHighlighted) -> None:
        if event.option.id:
            self.app.theme = event.option.id

    @on(OptionList.OptionSelected)
    def _keep(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_back(self) -> None:
        """Restore the theme of before."""
        self.app.theme = self._before
        self.dismiss(None)
