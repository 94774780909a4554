"""The signs the cockpit draws with: single-cell Unicode, or plain ASCII where that is asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs. Every sign of a field is exactly one cell wide."""

    up: str
    down: str
    flat: str
    dot: str
    ring: str
    here: str
    line: str
    rule: str
    ellipsis: str
    times: str
    minus: str
    plusminus: str
    to: str
    bullet: str
    bar: str
    bar_parts: str  # fractions of a cell, thinnest first; empty when there are none
    track: str
    spark: str  # lowest first


UNICODE = Glyphs(
    up="▲", down="▼", flat="·", dot="●", ring="○", here="▶", line="│", rule="─", ellipsis="…",
    times="×", minus="−", plusminus="±", to="→", bullet="•", bar="━", bar_parts="╸",
    track="─", spark="▁▂▃▄▅▆▇█",
)  # fmt: skip

ASCII = Glyphs(
    up="^", down="v", flat="=", dot="*", ring="o", here=">", line="|", rule="-", ellipsis="~",
    times="x", minus="-", plusminus="+", to=">", bullet="*", bar="=", bar_parts="",
    track="-", spark="_.-=+*%#",
)  # fmt: skip

_PLAIN = str.maketrans(
    "…─━│┃╭╮╰╯┌┐└┘├┤┬┴┼╸╺●○▲▼◀▶←→↑↓×−±·•█▌▐▀▄░▒▓✓✗",
    "~--||+++++++++++++--*o^v<><>^vx-+=*#####.:#+x",
)


class PlainFilter(LineFilter):
    """The net below the ASCII set: whatever a library draws, only ASCII leaves."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with every other character replaced by one of its width."""
        return [
            segment if segment.text.isascii() else Segment(_plain(segment.text), *segment[1:])
            for segment in segments
        ]


@lru_cache(4096)
def _plain(text: str) -> str:
    return "".join(
        char if char.isascii() else "?" * Segment(char).cell_length
        for char in text.translate(_PLAIN)
    )
