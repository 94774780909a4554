"""The signs the cockpit draws with: single-cell Unicode, or plain ASCII where that is asked."""

from __future__ import annotations

from dataclasses import dataclass


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
    bar_parts: str  # eighths of a cell, thinnest first; empty when there are none
    track: str
    spark: str  # lowest first


UNICODE = Glyphs(
    up="▲", down="▼", flat="·", dot="●", ring="○", here="▶", line="│", rule="─", ellipsis="…",
    times="×", minus="−", plusminus="±", to="→", bullet="•", bar="█", bar_parts="▏▎▍▌▋▊▉",
    track="░", spark="▁▂▃▄▅▆▇█",
)  # fmt: skip

ASCII = Glyphs(
    up="^", down="v", flat="=", dot="*", ring="o", here=">", line="|", rule="-", ellipsis="~",
    times="x", minus="-", plusminus="+", to=">", bullet="*", bar="#", bar_parts="",
    track=".", spark="_.-=+*%#",
)  # fmt: skip
