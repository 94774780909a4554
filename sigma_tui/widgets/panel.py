"""Panel: a framed part of a screen that draws snapshots and contains its own failures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region
from textual.widgets import Static

from engine.model.snapshot import Snapshot
from sigma_tui import figures
from sigma_tui.look import Look

if TYPE_CHECKING:
    from sigma_tui.app import SigmaApp


class Panel(Vertical):
    """Base of every panel: give it a title and a ``draw``.

    ``show`` is what the app calls. It draws each snapshot once, not more often than every
    ``least_interval`` seconds, and an exception in ``draw`` is shown in this panel instead of
    ending the app. The next snapshot that can be drawn brings the panel back.
    """

    title: ClassVar[str] = ""
    least_interval: ClassVar[float] = 0.0

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.failure = Static("", markup=False, classes="failure")
        self.drawn_seq = -1
        self._drawn_at = 0.0
        self._note = Text()
        self._base_title, self._shown_title, self._stale = self.title, "", ""
        self._inputs: tuple[object, ...] = ()

    @property
    def cockpit(self) -> SigmaApp:
        """Return the app."""
        return cast("SigmaApp", self.app)

    @property
    def look(self) -> Look:
        """Return palette and glyphs in force."""
        return self.cockpit.look

    def on_mount(self) -> None:
        """Frame the panel."""
        self.retitle(self.title)
        self.mount(self.failure)

    def on_resize(self) -> None:
        """Draw again: what fits has changed."""
        self.redraw()

    def redraw(self) -> None:
        """Draw the newest snapshot at the next occasion, even if it was drawn before."""
        self.drawn_seq = -1
        self._drawn_at = 0.0
        self._inputs = ()

    def show(self, snapshot: Snapshot) -> None:
        """Draw a snapshot unless it is drawn already or it is too early."""
        now = time.monotonic()
        if snapshot.seq == self.drawn_seq or now - self._drawn_at < self.least_interval:
            return
        self.drawn_seq, self._drawn_at = snapshot.seq, now
        try:
            self.draw(snapshot)
        except Exception as error:  # noqa: BLE001 - contained here by design, shown, never silent
            self.fail(error)
        else:
            self.remove_class("-failed")

    def same(self, *inputs: object) -> bool:
        """Return whether these are what was drawn last, at this size and in this look."""
        now = (*inputs, self.size, self.look)
        if now == self._inputs:
            return True
        self._inputs = now
        return False

    def draw(self, snapshot: Snapshot) -> None:
        """Draw a snapshot. Panels override this."""
        raise NotImplementedError

    def fail(self, error: Exception) -> None:
        """Say in this panel that it failed and why."""
        self.log.error(f"panel {self.title} failed", error)
        self.failure.update(f"panel failed: {type(error).__name__}: {error}")
        self.add_class("-failed")

    def retitle(self, title: str) -> None:
        """Change the title, if it differs. Old data are called so right beside it."""
        self._base_title = title
        shown = f"{title}  {self._stale}".rstrip()
        if shown != self._shown_title:
            self._shown_title = shown
            self.border_title = Content(shown)

    def note(self, text: Text) -> None:
        """Write into the lower border, repainting its end alone, and only if it changed."""
        if text == self._note:
            return
        cells = max(text.cell_len, self._note.cell_len) + 5
        self._note = text
        self._border_subtitle = Content.from_rich_text(text) if text.plain else None
        right = self.outer_size.width - self.gutter.left
        self.refresh(Region(max(-1, right - cells), self.size.height, cells, 1))

    def note_age(self, snapshot: Snapshot, since: int, period: int) -> None:
        """Call this panel's data STALE once they are older than twice their period (ms)."""
        late = self.cockpit.feed.now() - since
        self._stale = f"STALE {figures.span(late)}" if period and late > 2 * period else ""
        self.set_class(bool(self._stale), "-stale")
        self.retitle(self._base_title)
