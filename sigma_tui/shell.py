"""The shell: themes, keys and the frame that stays while views change. No engine in here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from rich.console import RenderableType
from textual import events
from textual._compositor import ChopsUpdate
from textual.app import App, ComposeResult, SystemCommand
from textual.containers import Container
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Static

from sigma_tui import theme as themes
from sigma_tui.actions import ACTIONS, apply_keymap
from sigma_tui.glyphs import ASCII, UNICODE, PlainFilter
from sigma_tui.look import Look
from sigma_tui.screens.cockpit import CockpitView
from sigma_tui.screens.leave import Departure
from sigma_tui.screens.overlays import HelpOverlay, ThemePicker
from sigma_tui.screens.registry import VIEWS
from sigma_tui.screens.view import View
from sigma_tui.thrift import SpanUpdate
from sigma_tui.widgets.chat import ChatPane
from sigma_tui.widgets.key_bar import KeyBar
from sigma_tui.widgets.panel import Panel
from sigma_tui.widgets.prompt import Prompt
from sigma_tui.widgets.status_strip import StatusStrip

SMALLEST = (60, 15)
CHAT_BESIDE_FROM = 150
NARROW_BELOW = (96, 28)


class Shell(App[Departure]):
    """Everything of the app that needs no engine."""

    TITLE = "Sigma"
    CSS_PATH = "sigma.tcss"

    def __init__(
        self,
        *,
        theme: str | None,
        ascii: bool,
        keymap: Mapping[str, str] | None,
        theme_dir: Path | None,
    ) -> None:
        """Raise ``KeymapError`` or ``ThemeError`` for a bad key map or an unknown theme."""
        colourless = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if colourless else None)
        if colourless:
            os.environ["NO_COLOR"] = "1"  # Textual takes it away; a second run needs it again
        self.strip = StatusStrip(id="strip")
        self.table = apply_keymap(ACTIONS, keymap or {})
        for action in self.table:
            for key in action.keys:
                self.bind(key, action.call, description=action.label, show=False)
        self._glyphs = ASCII if ascii else UNICODE
        extra, self.theme_problems = themes.user_themes(theme_dir)
        self.loaded = {**themes.builtin_themes(), **extra}
        for item in self.loaded.values():
            self.register_theme(item.textual)
        self.theme = self._choose(theme)
        self.look = Look(self.loaded[self.theme].palette, self._glyphs)

    def _choose(self, wanted: str | None) -> str:
        if wanted is not None and wanted not in self.loaded:
            known = ", ".join(sorted(self.loaded))
            raise themes.ThemeError(f"there is no theme {wanted!r}; there are {known}")
        plain = self.no_color or self.console.color_system in (None, "standard")
        return wanted or (themes.ANSI_THEME if plain else themes.DEFAULT_THEME)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Let nothing but ASCII out where that was asked."""
        filters = super().get_line_filters()
        return [*filters, PlainFilter()] if self._glyphs is ASCII else filters

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send partial updates span by span."""
        thrifty = SpanUpdate.of(renderable) if type(renderable) is ChopsUpdate else renderable
        super()._display(screen, thrifty)

    def compose(self) -> ComposeResult:
        """Strip, views beside the assistant, keys; and one sentence for tiny terminals."""
        yield self.strip
        with Container(id="body"):
            with ContentSwitcher(id="views", initial="view-cockpit"):
                yield CockpitView(id="view-cockpit")
            yield ChatPane(id="chat")
        yield KeyBar(id="keys")
        wide, high = SMALLEST
        yield Static(f"Sigma needs {wide}x{high} cells; make the terminal larger.", id="tiny")

    def on_mount(self) -> None:
        """Dress the frame."""
        self.set_class(self._glyphs is ASCII, "-ascii")
        self.theme_changed_signal.subscribe(self, lambda _: self._restyle())
        self.view.focus_first()

    def on_resize(self, event: events.Resize) -> None:
        """Choose what fits."""
        width, height = event.size
        base = self.screen_stack[0]
        base.set_class(width < SMALLEST[0] or height < SMALLEST[1], "-tiny")
        base.set_class(width < NARROW_BELOW[0] or height < NARROW_BELOW[1], "-narrow")
        base.set_class(width >= CHAT_BESIDE_FROM, "-beside")
        self.call_after_refresh(self._write_keys)

    @property
    def view(self) -> View:
        """Return the view in sight."""
        switcher = self.screen_stack[0].query_one("#views", ContentSwitcher)
        return cast(View, switcher.visible_content)

    def redraw(self) -> None:
        """Draw everything in sight anew at the next tick."""
        for panel in self.screen_stack[0].query(Panel):
            panel.redraw()

    def _restyle(self) -> None:
        self.look = Look(self.loaded[self.theme].palette, self._glyphs)
        self.redraw()
        self.screen_stack[0].query_one(ChatPane).dress()
        self._write_keys()

    def _write_keys(self) -> None:
        bar = self.screen_stack[0].query_one(KeyBar)
        names = "".join(f"{n} {v}  " for n, v in enumerate(VIEWS, 1))
        bar.write(self.table, self.look, names if self.size.width >= 150 else "1-6 screens")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Fill the palette from the action table."""
        for action in self.table:
            if action.id != "command_palette":
                words = f"{action.help} ({action.shown_key})"
                run = partial(self.call_next, self.run_action, action.call)
                yield SystemCommand(action.label, words, run)

    def action_theme(self) -> None:
        """Choose a theme."""
        self.push_screen(ThemePicker(list(self.loaded.values()), self.theme))

    def action_help(self) -> None:
        """Show every key."""
        self.push_screen(HelpOverlay(self.table, self.look))

    def action_chat(self) -> None:
        """Show the assistant and type to it, or hide it."""
        chat = self.screen_stack[0].query_one(ChatPane)
        chat.toggle_class("-open")
        if chat.has_class("-open"):
            chat.prompt.focus()
            chat.opened()
        else:
            self.view.focus_first()

    def on_prompt_left(self, message: Prompt.Left) -> None:
        """Return from the assistant to the panels."""
        self.view.focus_first()
