"""Columns: which fit a width, and plain tables made of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def fit(columns: Sequence[Col], width: int) -> tuple[tuple[int, int], ...]:
    """Return (index, width with its gap) of the columns that fit into ``width`` cells.

    The gap between columns is two cells where that costs no column, else one.
    """
    tight = _kept(columns, width, 1)
    gap = 2 if _kept(columns, width, 2) == tight else 1
    spare = max(0, width - sum(columns[i].width + gap for i in tight))
    flexible = [i for i in tight if columns[i].flex]
    share = spare // len(flexible) if flexible else 0
    return tuple((i, columns[i].width + gap + (share if i in flexible else 0)) for i in tight)


def _kept(columns: Sequence[Col], width: int, gap: int) -> list[int]:
    kept = list(range(len(columns)))
    while sum(columns[i].width + gap for i in kept) > width + gap:
        worst = max(kept, key=lambda i: (columns[i].rank, i))
        if columns[worst].rank == 0:
            break
        kept.remove(worst)
    return kept


def tabulate(
    columns: Sequence[Col], rows: Sequence[Sequence[Text]], width: int, head: str
) -> list[Text]:
    """Return a header (in the style ``head``) and the rows as lines that fit ``width``."""
    picked = fit(columns, width)
    labels = [Text(col.label, style=head) for col in columns]
    return [_line(columns, picked, row) for row in (labels, *rows)]


def _line(columns: Sequence[Col], picked: Sequence[tuple[int, int]], cells: Sequence[Text]) -> Text:
    line = Text(no_wrap=True, end="")
    for index, width in picked:
        col = columns[index]
        own = width if col.flex else col.width
        line.append_text(column(column(cells[index], own, col.right), width))
    return line
