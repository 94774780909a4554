"""What commands print: JSON for scripts, plain aligned text for people."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

DASH = "-"
_NUMBER = re.compile(r"[+-]?[0-9][0-9,]*(\.[0-9]+)?( %)?$")


def json_object(value: Any) -> None:
    """Print one JSON object, indented; NaN and infinity become null."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    _write(orjson.dumps(value, option=options))


def json_line(value: Any) -> None:
    """Print one JSON object on one line, at once."""
    import orjson

    _write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS))


def line(text: str = "") -> None:
    """Print one line of text."""
    sys.stdout.write(f"{text}\n")


def lines(texts: Iterable[str]) -> None:
    """Print several lines of text."""
    sys.stdout.writelines(f"{text}\n" for text in texts)


def hint(text: str) -> None:
    """Tell the person something that is not part of the answer, on stderr."""
    sys.stderr.write(f"{text}\n")


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return aligned lines: numbers to the right, words to the left, no ruling."""
    cells = [[_cell(value) for value in row] for row in rows]
    columns = list(zip(headers, *cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [bool(cells) and all(_numeric(cell) for cell in column[1:]) for column in columns]

    def render(row: Sequence[str]) -> str:
        parts = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        return "  ".join(parts).rstrip()

    return [render(list(headers)), *(render(row) for row in cells)]


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with a fixed count of decimals, a dash for none."""
    return DASH if value is None or value != value else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction as a percentage, a dash for none."""
    return DASH if value is None or value != value else f"{value * 100:.{digits}f} %"


def minute(iso_time: str | None) -> str:
    """Return an ISO instant as ``2025-06-01 12:05`` (UTC), a dash for none."""
    return DASH if not iso_time else iso_time[:16].replace("T", " ")


def _cell(value: object) -> str:
    return DASH if value is None or value == "" else str(value)


def _numeric(cell: str) -> bool:
    return cell == DASH or _NUMBER.match(cell) is not None


def _write(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
