"""Columns: which fit a width, and plain tables made of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.text import Text

from sigma_tui.look import column


@dataclass(frozen=True, slots=True)
class Col:
    """One column: its least width in cells; ``flex`` takes what is left over.

    Where the table is too narrow, columns with the highest ``rank`` go first; rank 0 stays.
    """

    key: str
    label: str
    width: int
    rank: int = 0
    right: bool = False
    flex: bool = False


class Fitted(NamedTuple):
    """A column that fits: its place among all, the cells of its text, and with the gap after."""

    place: int
    own: int
    full: int


def fit(columns: Sequence[Col], width: int) -> tuple[Fitted, ...]:
    """Return the columns that fit into ``width`` cells, in their order.

    The gap between columns is two cells where that costs no column, else one.
    """
    tight = _kept(columns, width, 1)
    gap = 2 if _kept(columns, width, 2) == tight else 1
    spare = max(0, width - _total(columns, tight, gap))
    flexible = [i for i in tight if columns[i].flex]
    share = spare // len(flexible) if flexible else 0
    fitted = []
    for i in tight:
        own = columns[i].width + (share if columns[i].flex else 0)
        fitted.append(Fitted(i, own, own + (gap if i != tight[-1] else 0)))
    return tuple(fitted)


def tabulate(
    columns: Sequence[Col], rows: Sequence[Sequence[Text]], width: int, head: str
) -> list[Text]:
    """Return a header (in the style ``head``) and the rows as lines that fit ``width``."""
    fitted = fit(columns, width)
    labels = [Text(col.label, style=head) for col in columns]
    return [
        Text("", no_wrap=True, end="").join(
            cell_of(columns[part.place], row[part.place], part) for part in fitted
        )
        for row in (labels, *rows)
    ]


def cell_of(col: Col, text: Text, part: Fitted) -> Text:
    """Return one cell, cut or padded to its column, with the gap behind it."""
    cell = column(text, part.own, col.right)
    cell.pad_right(part.full - part.own)
    return cell


def _kept(columns: Sequence[Col], width: int, gap: int) -> list[int]:
    kept = list(range(len(columns)))
    while _total(columns, kept, gap) > width:
        worst = max(kept, key=lambda i: (columns[i].rank, i))
        if columns[worst].rank == 0:
            break
        kept.remove(worst)
    return kept


def _total(columns: Sequence[Col], kept: Sequence[int], gap: int) -> int:
    return sum(columns[i].width for i in kept) + gap * max(0, len(kept) - 1)
