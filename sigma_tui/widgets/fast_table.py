"""FastTable: a DataTable that repaints the cells that changed and keeps its place.

It feeds and draws itself, and leaves cursor, scrolling, keys and mouse to Textual. For that it
reads private names of Textual 8.2.8 (pinned); ``tests/cockpit/test_fast_table.py`` guards them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual._two_way_dict import TwoWayDict
from textual.coordinate import Coordinate
from textual.strip import Strip
from textual.widgets import DataTable
from textual.widgets._data_table import ColumnKey, RowKey
from textual.widgets._data_table import Row as _Row

from sigma_tui.columns import Col, Fitted, cell_of, fit

TableRow: TypeAlias = tuple[str, Sequence[Text]]
_HEADER = -1


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
        super().__init__(id=id, cursor_type="row", show_header=header, cell_padding=0)
        self.cols = tuple(columns)
        self.empty = empty
        self._follow = follow
        self._picked: tuple[Fitted, ...] = ()
        self._given: tuple[TableRow, ...] = ()
        self._strips: dict[int, Strip] = {}  # by row index, the header's included

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
        if [key for key, _ in before] == [key for key, _ in rows]:
            self._repaint_cells(before)
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

    # -- rows in ---------------------------------------------------------------------------

    def _fit(self) -> None:
        width = self.scrollable_content_region.width
        picked = fit(self.cols, width)
        if picked == self._picked or not width:
            return
        key = self.cursor_key
        self._picked = picked
        self.clear(columns=True)
        for part in picked:
            col = self.cols[part.place]
            self.add_column(cell_of(col, Text(col.label), part), width=part.full, key=col.key)
        self._replace(())
        if key is not None:
            self.point_at(key)

    def _cells(self, row: TableRow) -> dict[ColumnKey, Text]:
        return {
            key: cell_of(self.cols[part.place], row[1][part.place], part)
            for part, key in zip(self._picked, self.columns, strict=True)
        }

    def _repaint_cells(self, before: Sequence[TableRow]) -> None:
        for y, (row, old) in enumerate(zip(self._given, before, strict=True)):
            if row[1] == old[1]:
                continue
            data = self._data[RowKey(row[0])]
            for x, (key, text) in enumerate(self._cells(row).items()):
                if data[key] != text:
                    data[key] = text
                    self._strips.pop(y, None)
                    self.refresh_coordinate(Coordinate(y, x))

    def _replace(self, before: Sequence[TableRow]) -> None:
        """Take over other rows or another order, with the cursor on the row it was on."""
        cursor, top = self.cursor_row, self.scroll_y
        key = before[cursor][0] if 0 <= cursor < len(before) else None
        old, kept = dict(before), self._data
        self._data = {}
        for row in self._given:
            row_key = RowKey(row[0])
            same = old.get(row[0]) == row[1]
            self._data[row_key] = kept[row_key] if same else self._cells(row)
        self.rows = {row_key: _Row(row_key, 1) for row_key in self._data}
        self._row_locations = TwoWayDict({row_key: y for y, row_key in enumerate(self._data)})
        self._update_count += 1
        self._strips.clear()
        self._update_dimensions(())
        self._keep_place(key, cursor, int(top))
        self.refresh()

    def _keep_place(self, key: str | None, cursor: int, top: int) -> None:
        new = next((y for y, (row, _) in enumerate(self._given) if row == key), cursor)
        if self._follow and cursor <= 0 and top == 0:
            new = 0
        with self.prevent(DataTable.RowHighlighted):
            self.move_cursor(row=new, animate=False, scroll=False)
        if top > 0 and new != cursor:
            self.scroll_to(y=top + new - cursor, animate=False, force=True)

    # -- lines out -------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Return one line; an empty table says why it is empty."""
        width, base = self.size.width, self.rich_style
        head = int(self.show_header)
        if not self._picked:
            return Strip.blank(width, base)
        if y < head:
            style = base + self.get_component_rich_style("datatable--header")
            return self._strip(_HEADER).apply_style(style).adjust_cell_length(width, style)
        row = y - head + self.scroll_offset.y
        if row < len(self._given):
            return self._row_line(row, width, base)
        words = self.empty if not self._given and y == head else ""
        return Strip([Segment(words, base)]).adjust_cell_length(width, base)

    def _row_line(self, row: int, width: int, base: Style) -> Strip:
        style = base + Style.from_meta({"row": row, "column": 0})
        strip = self._strip(row)
        if self.show_cursor and row == self.cursor_row:
            cursor = self.get_component_rich_style("datatable--cursor")
            style += cursor
            if self.app.native_ansi_color:  # sixteen colours: one readable pair for the line
                only = Style(color=cursor.color, bgcolor=cursor.bgcolor)
                strip = Strip(Segment.apply_style(strip, post_style=only), strip.cell_length)
        elif self._show_hover_cursor and row == self.hover_row:
            style += self.get_component_rich_style("datatable--hover")
        return strip.apply_style(style).adjust_cell_length(width, style)

    def _strip(self, row: int) -> Strip:
        strip = self._strips.get(row)
        if strip is None:
            strip = self._strips[row] = Strip.join(self._cell_strips(row))
        return strip

    def _cell_strips(self, row: int) -> list[Strip]:
        console = self.app.console
        if row == _HEADER:
            return [
                Strip(list(column.label.render(console, end=""))).apply_meta(
                    {"row": _HEADER, "column": index}
                )
                for index, column in enumerate(self.ordered_columns)
            ]
        cells = self._data[RowKey(self._given[row][0])].values()
        return [Strip(list(text.render(console, end=""))) for text in cells]
