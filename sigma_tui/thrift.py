"""Thrift on the wire: send the changed cells of a line, not the line up to them.

Textual 8.2.8 writes a partial update from the left edge of the widget to the changed cells.
This writes only the cells of the span. It reads names that are private to Textual, which is
why that version is pinned and ``tests/cockpit/test_wire.py`` guards it.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate


class SpanUpdate(ChopsUpdate):
    """A partial update that keeps to its spans."""

    @classmethod
    def of(cls, update: ChopsUpdate) -> SpanUpdate:
        """Return the same update, thriftier."""
        return cls(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """Return the escape sequences of the spans."""
        parts: list[str] = []
        for y, left, right in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                start, stop = max(x, left), min(end, right)
                if strip is not None and start < stop:
                    parts.append(Control.move_to(start, y).segment.text)
                    parts.append(strip.crop(start - x, stop - x).render(console))
        return "".join(parts)
