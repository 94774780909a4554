"""Lines of text for the explain screen: wrapping, headings, ladders and columns. Pure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from rich.text import Text

from sigma_tui.look import Look, column


def wrap(text: str, width: int) -> list[str]:
    """Return text in lines of at most ``width`` cells, at least one line."""
    return textwrap.wrap(text, max(8, width), break_on_hyphens=False) or [""]


def hanging(look: Look, head: Text, text: str, width: int, role: str) -> list[Text]:
    """Return a head followed by text that wraps beside it, or below it where that is narrow."""
    room = width - head.cell_len
    if room < min(24, len(text)):
        return [head, *indented(look, text, width, role, 2)]
    first, *rest = wrap(text, room)
    blank = " " * head.cell_len
    return [
        Text.assemble(head, look.say((first, role)), no_wrap=True, end=""),
        *(look.say(blank, (line, role)) for line in rest),
    ]


def indented(look: Look, text: str, width: int, role: str, indent: int) -> list[Text]:
    """Return wrapped text, every line moved to the right by ``indent`` cells."""
    return [look.say(" " * indent, (line, role)) for line in wrap(text, width - indent)]


def heading(look: Look, title: str, note: str, width: int) -> list[Text]:
    """Return a section's title with a rule to the right, its note below where it needs room."""
    rule = look.glyphs.rule
    title_line = look.say((title, "bold strong"), " ")
    if note and title_line.cell_len + len(note) + 3 <= width:
        title_line.append_text(look.say((note, "muted"), " "))
        note = ""
    title_line.append(rule * max(0, width - title_line.cell_len), look.style("faint"))
    return [title_line, *(indented(look, note, width, "muted", 0) if note else [])]


def rung(
    look: Look, sign: str, name: str, value: str, note: str, width: int, role: str = "text"
) -> list[Text]:
    """Return one step of a calculation: sign, name, value flush right, and what it means."""
    head = look.say(
        (f"{sign} ", "accent"), (f"{name:<15}", "muted" if role == "text" else role),
        (f"{value:>12}", role), "  ",
    )  # fmt: skip
    return hanging(look, head, note, width, "muted") if note else [head]


def columns(left: Sequence[Text], right: Sequence[Text], width: int, look: Look) -> list[Text]:
    """Return two lists of lines side by side; the left column is ``width`` cells wide."""
    line = look.say("  ", (look.glyphs.line, "faint"), " ")
    count = max(len(left), len(right))
    blank = Text("")
    return [
        Text.assemble(
            column(left[i] if i < len(left) else blank, width),
            line,
            right[i] if i < len(right) else blank,
            no_wrap=True,
            end="",
        )
        for i in range(count)
    ]


def value_text(value: object) -> str:
    """Return any input of a gate as a person reads it; nothing is lost but digits."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return ", ".join(f"{words(str(key))} {value_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(value_text(item) for item in value) or "none"
    return str(value) or "none"


def number(value: float) -> str:
    """Return a number with four significant digits, grouped, never in exponent form."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or abs(value) < 1e-8:
        return "0"
    places = min(8, max(0, 3 - math.floor(math.log10(abs(value)))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def words(name: str) -> str:
    """Return a field name as words."""
    return name.replace("_", " ")
