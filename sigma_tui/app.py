"""The app: reads the newest snapshot, shows it in panels, and turns keys into commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from textual import on
from textual.widgets import ContentSwitcher

from engine.model.commands import Command, Shutdown, Source
from engine.model.market import Pair
from engine.model.snapshot import Snapshot
from sigma_tui.assistance import Assistance
from sigma_tui.desk import CommandDesk, Report
from sigma_tui.drafting import Drafts
from sigma_tui.feed import Feed
from sigma_tui.link import Link
from sigma_tui.screens.leave import Departure, LeaveDialog
from sigma_tui.screens.registry import make_view
from sigma_tui.shell import Shell
from sigma_tui.verbs import Verbs
from sigma_tui.widgets.events import EventsPanel
from sigma_tui.widgets.market import MarketPanel
from sigma_tui.widgets.panel import Panel

TICK_S = 0.25
_TOAST = {"info": "information", "warning": "warning"}


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class SigmaApp(Shell):
    """The cockpit. Its result says how it was left; the engine belongs to whoever runs it.

    ``mouse`` is for whoever calls ``run(mouse=app.mouse)``; ``theme_dir`` holds the user's
    themes; ``assistance`` opens the chat and the strategies; ``wall`` is the wall clock in ms UTC.
    """

    def __init__(
        self,
        link: Link,
        *,
        theme: str | None = None,
        ascii: bool = False,
        mouse: bool = True,
        keymap: Mapping[str, str] | None = None,
        theme_dir: Path | None = None,
        assistance: Assistance | None = None,
        wall: Callable[[], int] = _wall_ms,
    ) -> None:
        """Raise ``KeymapError`` or ``ThemeError`` for a bad key map or an unknown theme."""
        super().__init__(theme=theme, ascii=ascii, keymap=keymap, theme_dir=theme_dir)
        self.link, self.mouse, self.feed = link, mouse, Feed(link, wall)
        self.desk, self.verbs, self.drafts = CommandDesk(link), Verbs(self), Drafts(self)
        self.assistance = assistance or Assistance(link.snapshot)
        self.selected: Pair | None = None
        self._leaving: Departure | None = None

    def on_mount(self) -> None:
        """Paint first; read the engine afterwards."""
        super().on_mount()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.tick()
        self.set_interval(TICK_S, self.tick)
        for problem in self.theme_problems:
            self.notify(problem, severity="warning", timeout=10, markup=False)

    # -- the engine's picture --------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot | None:
        """Return the newest picture."""
        return self.feed.snapshot

    def tick(self) -> None:
        """Take the newest picture and draw what is in sight and differs."""
        if not self.strip.is_attached:
            return  # the screen is being taken down
        if self.feed.read():
            self.redraw()
            self._heed_end()
        for report in self.desk.poll(self.feed.now()):
            self.tell(report)
        if self.snapshot is not None:
            if self.selected is None and self.snapshot.market:
                self.selected = self.snapshot.market[0].pair
            self.strip.show(self.snapshot)
            self.view.show(self.snapshot)
        elif self.feed.ended or self.feed.cut:
            self.strip.wait(self.feed.ended or self.feed.cut)

    def _heed_end(self) -> None:
        if self.feed.ended and self._leaving is not None:
            self.exit(self._leaving)
        elif self.feed.ended:
            words = self.feed.ended
            self.notify(words, title="Engine ended", severity="error", timeout=20, markup=False)
        elif self.feed.cut and self.snapshot is not None:
            words = self.feed.cut
            self.notify(words, title="No connection", severity="warning", timeout=20, markup=False)

    @on(MarketPanel.Chosen)
    async def _chosen(self, message: MarketPanel.Chosen) -> None:
        if message.pair != self.selected:
            self.selected = message.pair
            self.strip.redraw()
            self.view.select(message.pair)
            self.tick()
        if message.explain:
            await self.action_screen("explain")

    # -- commands --------------------------------------------------------------------------

    def command(self, command: Command, label: str) -> None:
        """Send a command and say so."""
        self.tell(self.desk.send(command, label, self.feed.now()))

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

    def action_verb(self, name: str) -> None:
        """Do what an engine key does."""
        getattr(self.verbs, name)()

    async def action_screen(self, name: str) -> None:
        """Show a view; mount it at its first visit."""
        switcher = self.screen_stack[0].query_one("#views", ContentSwitcher)
        if not switcher.query(f"#view-{name}"):
            await switcher.add_content(make_view(name))
        switcher.current = f"view-{name}"
        if self.selected is not None:
            self.view.select(self.selected)
        self.view.focus_first()
        self.tick()

    async def action_explain(self) -> None:
        """Explain the selected pair."""
        await self.action_screen("explain")

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
