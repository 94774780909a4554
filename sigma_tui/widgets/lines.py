"""Lines: text that repaints only the cells that changed, and never asks for a layout."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

_BRIDGE = 6  # equal cells between two changes that are cheaper to repaint than to skip


class Lines(Widget):
    """Show a list of lines, one row each, cut at the right edge.

    Rewriting a line costs the bytes of the cells that differ, nothing when none does.
    """

    DEFAULT_CSS = "Lines { height: auto; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Text, ...] = ()
        self._strips: tuple[Strip, ...] = ()

    @property
    def plain(self) -> str:
        """Return what is written, without styles."""
        return "\n".join(line.plain for line in self._lines)

    def set_lines(self, lines: Sequence[Text]) -> None:
        """Show other lines; repaint what differs."""
        new = tuple(lines)
        if new == self._lines:
            return
        old_lines, old_strips = self._lines, self._strips
        fixed = self.styles.height is not None and not self.styles.height.is_auto
        self._lines = new
        self._strips = tuple(self._strip(line) for line in new)
        if len(new) != len(old_lines) and not fixed:
            self.refresh(layout=True)
            return
        dirty: list[Region] = []
        for y, (before, after) in enumerate(zip_longest(old_strips, self._strips)):
            dirty += [Region(x, y, width, 1) for x, width in _changes(before, after)]
        if dirty:
            self.refresh(*dirty)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return one row a line."""
        return len(self._lines)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Return the width of the longest line."""
        return max((line.cell_len for line in self._lines), default=0)

    def render_line(self, y: int) -> Strip:
        """Return row ``y`` on this widget's background."""
        width, base = self.size.width, self.rich_style
        if y >= len(self._strips):
            return Strip.blank(width, base)
        return self._strips[y].apply_style(base).adjust_cell_length(width, base)

    def _strip(self, line: Text) -> Strip:
        return Strip(list(line.render(self.app.console, end="")))

    def notify_style_update(self) -> None:
        """Repaint as a whole when styles change."""
        super().notify_style_update()
        self.refresh()


def _changes(before: Strip | None, after: Strip | None) -> list[tuple[int, int]]:
    """Return (first cell, width) of each run of cells in which two strips differ."""
    old, new = _cells(before), _cells(after)
    runs: list[tuple[int, int]] = []
    for x, (left, right) in enumerate(zip_longest(old, new, fillvalue=(" ", None))):
        if left == right:
            continue
        if runs and x - sum(runs[-1]) <= _BRIDGE:
            runs[-1] = (runs[-1][0], x + 1 - runs[-1][0])
        else:
            runs.append((x, 1))
    return runs


def _cells(strip: Strip | None) -> list[tuple[str, Style | None]]:
    if strip is None:
        return []
    cells: list[tuple[str, Style | None]] = []
    for text, style, _ in strip:
        for character in text:
            width = Segment(character).cell_length
            cells += [(character, style)] * max(1, width) if width else []
    return cells
