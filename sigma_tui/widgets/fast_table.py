"""FastTable: a DataTable that repaints the cells that changed and keeps its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from rich.segment import Segment
from rich.text import Text
from textual import events
from textual._two_way_dict import TwoWayDict
from textual.coordinate import Coordinate
from textual.strip import Strip
from textual.widgets import DataTable
from textual.widgets._data_table import ColumnKey, RowKey
from textual.widgets._data_table import Row as _Row

from sigma_tui.columns import Col, fit
from sigma_tui.look import column


TableRow: TypeAlias = tuple[str, Sequence[Text]]


class FastTable(DataTable[Text]):
    """A table fed with whole rows; it finds out itself what changed.

    Rows are known by their key: cursor, scroll position and focus survive rows that come, go
    and change places. With ``follow``, a cursor left on the first row stays on the first row.
    """

    def __init__(
        self,
        columns: Sequence[Col],
        *,
        id: str | None = None,
        follow: bool = False,
        empty: str = "",
        header: bool = True,
    ) -> None:
        super().__init__(
            id=id,
            cursor_type="row",
            show_header=header,
            cell_padding=0,
            cursor_foreground_priority="renderable",
            cursor_background_priority="css",
        )
        self.cols = tuple(columns)
        self.empty = empty
        self._follow = follow
        self._picked: tuple[tuple[int, int], ...] = ()  # (index into cols, width)
        self._given: tuple[TableRow, ...] = ()

    @property
    def cursor_key(self) -> str | None:
        """Return the key of the row under the cursor."""
        row = self.cursor_row
        return self._given[row][0] if 0 <= row < len(self._given) else None

    def set_rows(self, rows: Sequence[TableRow]) -> None:
        """Show these rows, each with one text per column, in this order."""
        before, self._given = self._given, tuple(rows)
        if not self._picked:
            return
        if [key for key, _ in before] == [key for key, _ in rows] and len(self.rows) == len(rows):
            self._repaint_cells()
        else:
            self._replace(before)

    def point_at(self, key: str) -> None:
        """Move the cursor to a row by its key, if it is there."""
        for index, (row_key, _) in enumerate(self._given):
            if row_key == key and index != self.cursor_row:
                self.move_cursor(row=index, animate=False)

    def relabel(self, columns: Sequence[Col]) -> None:
        """Change labels of the same columns (a sort mark moved)."""
        self.cols = tuple(columns)
        self._picked = ()
        self._fit()

    def on_resize(self, event: events.Resize) -> None:
        """Choose the columns that fit the new width."""
        self._fit()

    def _fit(self) -> None:
        picked = fit(self.cols, self.size.width)
        if picked == self._picked or not self.size.width:
            return
        key = self.cursor_key
        self._picked = picked
        self.clear(columns=True)
        for index, width in picked:
            col = self.cols[index]
            label = column(Text(col.label), min(width, col.width), col.right)
            self.add_column(column(label, width), width=width, key=col.key)
        self._replace(())
        if key is not None:
            self.point_at(key)

    def _cells(self, row: TableRow) -> dict[ColumnKey, Text]:
        cells = {}
        for (index, width), key in zip(self._picked, self.columns, strict=True):
            col = self.cols[index]
            own = width if col.flex else col.width
            cells[key] = column(column(row[1][index], own, col.right), width)
        return cells

    def _repaint_cells(self) -> None:
        changed: list[Coordinate] = []
        for y, row in enumerate(self._given):
            data = self._data[self._row_locations.get_key(y) or RowKey(row[0])]
            for x, (key, text) in enumerate(self._cells(row).items()):
                if data[key] != text:
                    data[key] = text
                    changed.append(Coordinate(y, x))
        if changed:
            self._update_count += 1
            for coordinate in changed:
                self.refresh_coordinate(coordinate)

    def _replace(self, before: Sequence[TableRow]) -> None:
        """Take over other rows or another order, with the cursor on the row it was on."""
        cursor, top = self.cursor_row, self.scroll_y
        key = before[cursor][0] if 0 <= cursor < len(before) else None
        keys = [RowKey(key) for key, _ in self._given]
        self.rows = {row_key: _Row(row_key, 1) for row_key in keys}
        self._data = {
            row_key: self._cells(row) for row_key, row in zip(keys, self._given, strict=True)
        }
        self._row_locations = TwoWayDict({row_key: y for y, row_key in enumerate(keys)})
        self._update_count += 1
        self._require_update_dimensions = True
        new = next((y for y, (row, _) in enumerate(self._given) if row == key), cursor)
        if self._follow and cursor <= 0 and top == 0:
            new = 0
        self._update_dimensions(())
        with self.prevent(DataTable.RowHighlighted):
            self.move_cursor(row=new, animate=False, scroll=False)
        if top > 0 and new != cursor:
            self.scroll_to(y=top + new - cursor, animate=False, force=True)
        self.refresh()
        self.check_idle()

    def render_line(self, y: int) -> Strip:
        """Return one line; an empty table says why it is empty."""
        if not self.rows and self.empty and y == int(self.show_header):
            style = self.rich_style + self.get_component_rich_style("datatable--header")
            text = [Segment(self.empty, style.without_color + self.rich_style)]
            return Strip(text).adjust_cell_length(self.size.width, self.rich_style)
        if y >= len(self.rows) + int(self.show_header):
            return Strip.blank(self.size.width, self.rich_style)
        return super().render_line(y)
