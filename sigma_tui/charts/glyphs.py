"""The two glyph sets of the charts: single-cell Unicode, and plain ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Box(NamedTuple):
    """The outline of a wide hollow body; wicks leave it at ``foot`` and ``head``."""

    top_left: str
    edge: str
    top_right: str
    side: str
    bottom_left: str
    bottom_right: str
    foot: str
    head: str
    flat: str


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Every glyph a chart draws with; all are one cell wide.

    ``fine``, ``dots`` and ``eighths`` run from top to bottom or from empty to full and stand
    for fractions of a cell.
    """

    body: str = "█"
    body_top: str = "▀"
    body_bottom: str = "▄"
    hollow: str = "▯"
    wick: str = "│"
    wick_top: str = "╵"
    wick_bottom: str = "╷"
    box: Box = field(default_factory=lambda: Box(*"┌─┐│└┘┬┴═"))
    fine: str = "⎺⎻─⎼⎽"
    dots: str = "˙·."
    eighths: str = "▁▂▃▄▅▆▇█"
    axis: str = "│"
    tick: str = "├"
    last: str = "◂"
    cursor: str = "┊"
    up: str = "▲"
    down: str = "▼"
    above: str = "↑"
    below: str = "↓"
    forming: str = "◦"
    lines: Mapping[str, str] = field(
        default_factory=lambda: {"entry": "─", "stop": "╌", "target": "┄", "trail": "┈"}
    )


UNICODE = Glyphs()
ASCII = Glyphs(
    body="#",
    body_top="#",
    body_bottom="#",
    hollow="O",
    wick="|",
    wick_top="'",
    wick_bottom=",",
    box=Box(*"+-+|++++="),
    fine="---__",
    dots="'..",
    eighths=".:-=+*%#",
    axis="|",
    tick="+",
    last="<",
    cursor=":",
    up="^",
    down="v",
    above="^",
    below="v",
    forming="~",
    lines={"entry": "-", "stop": "=", "target": "-", "trail": "."},
)
