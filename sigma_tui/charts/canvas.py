"""A grid of cells, each a glyph with a role: what a chart is before it gets colours."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import groupby


class Canvas:
    """A mutable grid, ``width`` by ``height`` cells, blank at first.

    A role names what a cell means (``up``, ``stop``, ``axis``); ``a/b`` means role a drawn on
    the colour of role b. What falls outside the grid is dropped.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._glyphs = [[" "] * width for _ in range(height)]
        self._roles = [[""] * width for _ in range(height)]

    @property
    def size(self) -> tuple[int, int]:
        """Return columns and rows."""
        return self.width, self.height

    def put(self, x: int, y: int, glyph: str, role: str) -> None:
        """Set one cell."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._glyphs[y][x] = glyph
            self._roles[y][x] = role

    def put_free(self, x: int, y: int, glyph: str, role: str) -> None:
        """Set one cell if nothing is drawn there yet."""
        if self.is_free(x, y):
            self.put(x, y, glyph, role)

    def text(self, x: int, y: int, text: str, role: str) -> None:
        """Write text to the right, one cell per character."""
        for offset, glyph in enumerate(text):
            self.put(x + offset, y, glyph, role)

    def is_free(self, x: int, y: int) -> bool:
        """Return whether a cell lies on the grid and is blank."""
        return 0 <= x < self.width and 0 <= y < self.height and self._glyphs[y][x] == " "

    def glyph(self, x: int, y: int) -> str:
        """Return a cell's glyph, blank outside the grid."""
        return self._glyphs[y][x] if 0 <= x < self.width and 0 <= y < self.height else " "

    def role(self, x: int, y: int) -> str:
        """Return a cell's role, "" where nothing was drawn."""
        return self._roles[y][x] if 0 <= x < self.width and 0 <= y < self.height else ""

    def runs(self, y: int, painted: Container[str] = ()) -> Iterator[tuple[str, str]]:
        """Yield one row as (text, role), neighbours of one role joined.

        A blank joins what stands before it, which saves a change of colour, unless that role
        is one of ``painted`` (or ``a/b``): those colour the cell behind the glyph.
        """
        roles = list(self._roles[y])
        for x in range(1, self.width):
            before = roles[x - 1]
            if not roles[x] and before not in painted and "/" not in before:
                roles[x] = before
        cells = zip(self._glyphs[y], roles, strict=True)
        for role, group in groupby(cells, key=lambda cell: cell[1]):
            yield "".join(glyph for glyph, _ in group), role

    def changes(self, before: Canvas) -> Iterator[tuple[int, int, int]]:
        """Yield (y, first x, last x) of each row that differs from a canvas of the same size."""
        for y in range(self.height):
            if (self._glyphs[y], self._roles[y]) == (before._glyphs[y], before._roles[y]):
                continue
            differ = [
                x
                for x in range(self.width)
                if self._glyphs[y][x] != before._glyphs[y][x]
                or self._roles[y][x] != before._roles[y][x]
            ]
            yield y, differ[0], differ[-1]

    def as_text(self) -> str:
        """Return the picture as plain text, rows without trailing blanks."""
        return "\n".join("".join(row).rstrip() for row in self._glyphs)
