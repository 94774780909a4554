"""The app: reads the newest snapshot, shows it in panels, and turns keys into commands."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

from textual import events, on
from textual.app import App, ComposeResult, SystemCommand
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Static

from engine.model.commands import Command, Shutdown, Source
from engine.model.market import Pair
from engine.model.snapshot import Snapshot
from sigma_tui import theme as themes
from sigma_tui.actions import ACTIONS, apply_keymap
from sigma_tui.desk import CommandDesk, Report
from sigma_tui.glyphs import ASCII, UNICODE
from sigma_tui.link import Link
from sigma_tui.look import Look
from sigma_tui.screens.cockpit import CockpitView
from sigma_tui.screens.leave import Departure, LeaveDialog
from sigma_tui.screens.overlays import HelpOverlay, ThemePicker
from sigma_tui.screens.registry import VIEWS, make_view
from sigma_tui.screens.view import View
from sigma_tui.verbs import Verbs
from sigma_tui.widgets.chat import ChatPane, Prompt
from sigma_tui.widgets.events import EventsPanel
from sigma_tui.widgets.key_bar import KeyBar
from sigma_tui.widgets.market import MarketPanel
from sigma_tui.widgets.panel import Panel
from sigma_tui.widgets.status_strip import StatusStrip

TICK_S = 0.25
SMALLEST = (60, 15)
CHAT_BESIDE_FROM = 150
_SILENT_MS, _SILENCE_STEP_MS = 10_000, 5_000
_TOAST = {"info": "information", "warning": "warning"}


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class SigmaApp(App[Departure]):
    """The cockpit. Its result says how it was left; the engine belongs to whoever runs it."""

    TITLE = "Sigma"
    CSS_PATH = "sigma.tcss"

    def __init__(
        self,
        link: Link,
        *,
        theme: str | None = None,
        ascii: bool = False,
        mouse: bool = True,
        keymap: Mapping[str, str] | None = None,
        theme_dir: Path | None = None,
        wall: Callable[[], int] = _wall_ms,
    ) -> None:
        """Raise ``KeymapError`` or ``ThemeError`` for a bad key map or an unknown theme."""
        colourless = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if colourless else None)
        if colourless:
            os.environ["NO_COLOR"] = "1"  # Textual takes it away; a second run needs it again
        self.link, self.mouse, self.wall = link, mouse, wall
        self.table = apply_keymap(ACTIONS, keymap or {})
        self.desk, self.verbs = CommandDesk(link), Verbs(self)
        self.snapshot: Snapshot | None = None
        self.selected: Pair | None = None
        self.ended, self.silence = "", 0
        self._leaving: Departure | None = None
        self._ascii = ascii
        self._load_themes(theme, theme_dir)
        for action in self.table:
            for key in action.keys:
                self.bind(key, action.call, description=action.label, show=False)

    def _load_themes(self, wanted: str | None, directory: Path | None) -> None:
        extra, self._theme_problems = themes.user_themes(directory)
        self.loaded = {**themes.builtin_themes(), **extra}
        for item in self.loaded.values():
            self.register_theme(item.textual)
        plain = self.no_color or self.console.color_system in (None, "standard")
        name = wanted or (themes.ANSI_THEME if plain else themes.DEFAULT_THEME)
        if name not in self.loaded:
            known = ", ".join(sorted(self.loaded))
            raise themes.ThemeError(f"there is no theme {name!r}; there are {known}")
        self.look = Look()
        self.theme = name

    def compose(self) -> ComposeResult:
        """Strip, views beside the assistant, keys; and one sentence for tiny terminals."""
        yield StatusStrip(id="strip")
        with Container(id="body"):
            with ContentSwitcher(id="views", initial="view-cockpit"):
                yield CockpitView(id="view-cockpit")
            yield ChatPane(id="chat")
        yield KeyBar(id="keys")
        wide, high = SMALLEST
        yield Static(f"Sigma needs {wide}x{high} cells; make the terminal larger.", id="tiny")

    def on_mount(self) -> None:
        """Paint first; read the engine afterwards."""
        self.set_class(self._ascii, "-ascii")
        self._restyle()
        self.theme_changed_signal.subscribe(self, lambda _: self._restyle())
        self.query_one(ChatPane).greet(self.look)
        self.view.focus_first()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.tick()
        self.set_interval(TICK_S, self.tick)
        for problem in self._theme_problems:
            self.notify(problem, severity="warning", timeout=10, markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Choose what fits."""
        width, height = event.size
        self.screen.set_class(width < SMALLEST[0] or height < SMALLEST[1], "-tiny")
        self.screen.set_class(width >= CHAT_BESIDE_FROM, "-beside")
        self.screen.set_class(width < 96 or height < 28, "-narrow")
        self.call_after_refresh(self._write_keys)

    # -- the engine's picture --------------------------------------------------------------

    @property
    def view(self) -> View:
        """Return the view in sight."""
        switcher = self.screen_stack[0].query_one("#views", ContentSwitcher)
        return cast(View, switcher.visible_content)

    def now_in_engine_time(self, snapshot: Snapshot) -> int:
        """Return the engine's clock, carried on while no news comes (ms UTC)."""
        return snapshot.time + int(self.silence * snapshot.speed)

    def tick(self) -> None:
        """Take the newest picture and draw what is in sight and differs."""
        snapshot = self.link.snapshot()
        if snapshot is not None:
            self._take(snapshot)
        for report in self.desk.poll(self._engine_time()):
            self.tell(report)
        ended = "" if self.link.alive() else (self.link.fate() or "the engine ended")
        if ended != self.ended:
            self.ended = ended
            self.redraw()
            if ended and self._leaving is None:
                self.notify(ended, title="Engine ended", severity="error", timeout=20, markup=False)
        if self._leaving is not None and ended:
            self.exit(self._leaving)
        if self.snapshot is not None and len(self.screen_stack) > 0:
            self._strip.show(self.snapshot)
            self.view.show(self.snapshot)

    def _take(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        quiet = self.wall() - snapshot.wall_time
        steps = quiet // _SILENCE_STEP_MS * _SILENCE_STEP_MS
        silence = steps if quiet >= _SILENT_MS and self.link.alive() else 0
        if silence != self.silence:
            self.silence = silence
            self.redraw()
        if self.selected is None and snapshot.market:
            self.selected = snapshot.market[0].pair

    def redraw(self) -> None:
        """Draw everything in sight anew at the next tick."""
        for panel in self.screen_stack[0].query(Panel):
            panel.redraw()

    @property
    def _strip(self) -> StatusStrip:
        return self.screen_stack[0].query_one(StatusStrip)

    def _engine_time(self) -> int:
        return self.snapshot.time if self.snapshot is not None else self.wall()

    def _restyle(self) -> None:
        self.look = Look(self.loaded[self.theme].palette, ASCII if self._ascii else UNICODE)
        self.redraw()
        self._write_keys()

    def _write_keys(self) -> None:
        bar = self.screen_stack[0].query_one(KeyBar)
        names = "".join(f"{n} {v}  " for n, v in enumerate(VIEWS, 1))
        bar.write(self.table, self.look, names if self.size.width >= 140 else "1-6 screens")

    @on(MarketPanel.Chosen)
    async def _chosen(self, message: MarketPanel.Chosen) -> None:
        if message.pair != self.selected:
            self.selected = message.pair
            self._strip.redraw()
            self.view.select(message.pair)
            self.tick()
        if message.explain:
            await self.action_screen("explain")

    # -- commands --------------------------------------------------------------------------

    def command(self, command: Command, label: str) -> None:
        """Send a command and say so."""
        self.tell(self.desk.send(command, label, self._engine_time()))

    def tell(self, report: Report) -> None:
        """Say how far a command came: a toast and a line among the events."""
        severity = _TOAST.get(report.severity, "error")
        self.notify(report.sentence, severity=severity, markup=False)  # type: ignore[arg-type]
        for panel in self.screen_stack[0].query(EventsPanel):
            panel.redraw()
        if self._leaving is not None and report.label == "quit":
            if report.step == "done":
                self.exit(self._leaving)
            elif report.step in ("refused", "failed"):
                self._leaving = None

    def tell_plain(self, sentence: str) -> None:
        """Say something that is no event."""
        self.notify(sentence, markup=False)

    # -- what the action table calls -------------------------------------------------------

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Fill the palette from the action table."""
        for action in self.table:
            if action.id != "command_palette":
                keys = f"{action.help} ({action.shown_key})"
                yield SystemCommand(
                    action.label, keys, lambda a=action: self.call_next(self.run_action, a.call)
                )  # type: ignore[misc]

    def action_verb(self, name: str) -> None:
        """Do what an engine key does."""
        getattr(self.verbs, name)()

    async def action_screen(self, name: str) -> None:
        """Show a view; mount it at its first visit."""
        switcher = self.query_one("#views", ContentSwitcher)
        if not switcher.query(f"#view-{name}"):
            await switcher.add_content(make_view(name), set_current=True)
        switcher.current = f"view-{name}"
        if self.selected is not None:
            self.view.select(self.selected)
        self.view.focus_first()
        self.tick()

    def action_slot(self) -> None:
        """Show the next panel in the cockpit's slot."""
        self.view.next_slot()
        self.call_after_refresh(self.tick)

    def action_zoom(self) -> None:
        """Give the focused panel everything, and back."""
        focused = self.focused
        panels = focused.ancestors_with_self if focused is not None else ()
        self.view.toggle_zoom(next((p for p in panels if isinstance(p, Panel)), None))
        self.call_after_refresh(self.tick)

    def action_table(self, verb: str) -> None:
        """Sort, reverse or filter the trades."""
        getattr(self.view, f"{verb}_table")()
        self.tick()

    def action_chat(self) -> None:
        """Show the assistant and type to it, or hide it."""
        chat = self.query_one(ChatPane)
        chat.toggle_class("-open")
        if chat.has_class("-open"):
            chat.prompt.focus()
        else:
            self.view.focus_first()

    @on(Prompt.Left)
    def _back_from_chat(self) -> None:
        self.view.focus_first()

    def action_theme(self) -> None:
        """Choose a theme."""
        self.push_screen(ThemePicker(list(self.loaded.values()), self.theme))

    def action_help(self) -> None:
        """Show every key."""
        self.push_screen(HelpOverlay(self.table, self.look))

    async def action_quit(self) -> None:
        """Ask what becomes of the engine, then leave."""
        if isinstance(self.screen, LeaveDialog):
            return
        dialog = LeaveDialog(self.snapshot, self.link.alive(), self._leaving is not None)
        self.push_screen(dialog, self._leave)

    def _leave(self, departure: Departure | None) -> None:
        if departure in (Departure.STOP, Departure.FLATTEN):
            self._leaving = departure
            flatten = departure is Departure.FLATTEN
            self.command(Shutdown(source=Source.KEY, flatten=flatten, reason="operator"), "quit")
        elif departure is not None:
            self.exit(departure)
