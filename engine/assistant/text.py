"""Text from outside is data: what of it may reach the terminal, and how much."""

from __future__ import annotations

import re
import unicodedata

MAX_ANSWER = 60_000  # characters of one answer that are kept
CUT = "…"
_AUTOLINK = re.compile(r"<(?=[a-z][a-z0-9+.-]{1,20}:)", re.IGNORECASE)
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_RUNS = re.compile(r"\n{4,}")
_MARKS_KEPT = 2  # combining marks on one character


def clean(text: str, limit: int = MAX_ANSWER) -> str:
    """Return a text that cannot steer a terminal: no controls, no hidden direction, bounded.

    Line breaks stay; tabs become spaces. The result has at most ``limit`` characters.
    """
    text = text[: limit * 4]  # so that cleaning a huge text costs no more than keeping one
    text = printable(_ESCAPE.sub("", text))
    text = _RUNS.sub("\n\n\n", text)
    return text if len(text) <= limit else text[: max(0, limit - 1)] + CUT


def printable(text: str) -> str:
    """Return a text without control, format and private characters, piece by piece safe.

    Works on any split of a stream: it looks at no more than one character and the marks on it.
    """
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for char in text.replace("\r\n", "\n"):
        if char in "\n\t":
            kept.append("\n" if char == "\n" else "    ")
            continue
        kind = unicodedata.category(char)
        if kind[0] == "Z":  # every kind of space is one space, every line end one line end
            kept.append(" " if kind == "Zs" else "\n")
        elif kind[0] == "C":  # control, format (bidi, zero width), surrogate, private, unassigned
            continue
        elif kind in ("Mn", "Me"):
            marks += 1
            if marks > _MARKS_KEPT:
                continue
            kept.append(char)
        else:
            marks = 0
            kept.append(char)
    return "".join(kept)


def one_line(text: str, limit: int) -> str:
    """Return a text as one clean line of at most ``limit`` characters."""
    line = " ".join(clean(text, limit * 4).split())
    return line if len(line) <= limit else line[: max(0, limit - 1)] + CUT


def inert_markdown(text: str, limit: int = MAX_ANSWER) -> str:
    """Return clean Markdown whose links and images are plain text: nothing to click or load.

    A link needs its brackets side by side, so one space between them takes its meaning away.
    """
    text = clean(text, limit).replace("](", "] (").replace("]:", "] :").replace("][", "] [")
    return _AUTOLINK.sub("", text)[:limit]


def escape_markdown(text: str, limit: int = 200) -> str:
    """Return one line of outside text in which no character means anything to Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", one_line(text, limit))
