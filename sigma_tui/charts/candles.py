"""The candle chart widget: keys, view state and thrifty redrawing around the pure picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from engine.model.market import Pair
from engine.model.snapshot import PairHistory
from sigma_tui.charts import glyphs, picture
from sigma_tui.charts.bars import Bar, base_period, make_bars, period_name, periods
from sigma_tui.charts.canvas import Canvas
from sigma_tui.charts.colours import PAINTED, look_of, role_style
from sigma_tui.charts.plot import ZOOMS, Level
from sigma_tui.charts.scale import Range
from sigma_tui.glyphs import ASCII
from sigma_tui.look import Look

_AHEAD = 5  # bars kept free for new candles: the picture moves by these, not by one
_EMPTY = PairHistory((), (), (), (), (), ())


class CandleChart(Widget, can_focus=True):
    """Candles of one pair with the engine's lines, the position's levels and a reading.

    New data are drawn at most once in ``least_interval`` seconds and ``settle`` seconds after
    the last resize; keys act at once. Only cells that differ are sent to the terminal.
    """

    DEFAULT_CSS = """
    CandleChart { height: 1fr; width: 1fr; min-height: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(1)", "Zoom in", key_display="+", id="chart.zoom_in"),
        Binding("minus", "zoom(-1)", "Zoom out", key_display="-", id="chart.zoom_out"),
        Binding("left", "pan(1)", "Earlier", id="chart.earlier"),
        Binding("right", "pan(-1)", "Later", id="chart.later"),
        Binding("home", "oldest", "Oldest", show=False, id="chart.oldest"),
        Binding("end", "newest", "Newest", id="chart.newest"),
        Binding(
            "less_than_sign,shift+left",
            "cursor(-1)",
            "Cursor back",
            key_display="<",
            id="chart.cursor_back",
        ),
        Binding(
            "greater_than_sign,shift+right",
            "cursor(1)",
            "Cursor on",
            key_display=">",
            id="chart.cursor_on",
        ),
        Binding("escape", "cursor_off", "No cursor", show=False, id="chart.cursor_off"),
        Binding("m", "timeframe", "Timeframe", id="chart.timeframe"),
        Binding("b", "bodies", "Hollow bodies", show=False, id="chart.bodies"),
    ]

    least_interval: ClassVar[float] = 1.0
    settle: ClassVar[float] = 0.15

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        ascii: bool | None = None,
        hollow: bool | None = None,
    ) -> None:
        """``ascii`` None: as the app's look says; ``hollow`` None: without colour or Unicode."""
        super().__init__(id=id, classes=classes)
        self._ascii = ascii
        self._hollow = hollow
        self._history, self._pair, self._now = _EMPTY, Pair(""), 0
        self._levels: tuple[Level, ...] = ()
        self._bars: tuple[Bar, ...] = ()
        self._base = self._period = 0
        self._zoom, self._back, self._ahead = 1, 0, _AHEAD
        self._cursor: int | None = None
        self._scale: Range | None = None
        self._shown = 0
        self._canvas: Canvas | None = None
        self._colours: tuple[Look, Style] = (Look(), Style.null())
        self._strips: list[Strip] = []
        self._drawn_at = float("-inf")
        self._timer: Timer | None = None
        self._resizing: Timer | None = None

    # -- what the cockpit calls ------------------------------------------------------------

    def show(
        self,
        history: PairHistory,
        pair: Pair,
        levels: Sequence[tuple[str, float, str]],
        now: int,
    ) -> None:
        """Show a pair's candles and its levels (label, price in quote currency, kind).

        ``kind`` is one of entry, stop, target, trail; ``now`` is the engine's clock, ms UTC.
        Drawing what is already on the screen costs nothing.
        """
        switched = pair != self._pair
        if switched:
            self._reset()
        forming = bool(self._bars) and self._bars[-1].forming
        news = switched or forming or history is not self._history
        self._history, self._pair, self._now = history, pair, now
        self._levels = tuple(Level(*level) for level in levels)
        if news:
            self._rebuild()
        if switched:
            self._redraw()
        else:
            self._redraw_soon()

    @property
    def timeframe(self) -> str:
        """Return the timeframe shown, e.g. ``5m``."""
        return period_name(self._period)

    @property
    def picture_text(self) -> str:
        """Return what is on the screen as plain text."""
        return "\n".join(strip.text.rstrip() for strip in self._strips)

    # -- keys ------------------------------------------------------------------------------

    def action_zoom(self, by: int) -> None:
        """Make bars wider or narrower."""
        self._zoom = min(len(ZOOMS) - 1, max(0, self._zoom + by))
        self._scale = None
        self._redraw()

    def action_pan(self, direction: int) -> None:
        """Move the view by an eighth of its bars, positive = earlier."""
        self._move_view(direction * max(1, self._shown // 8))

    def action_oldest(self) -> None:
        """Jump to the oldest candles."""
        self._move_view(len(self._bars))

    def action_newest(self) -> None:
        """Jump to the newest candle and follow it."""
        self._back, self._cursor = 0, None
        self._redraw()

    def action_cursor(self, by: int) -> None:
        """Move the cursor by one bar; the view follows it."""
        if not self._bars:
            return
        index = self._cursor_index()
        last = len(self._bars) - 1
        index = last - self._back if index is None else min(last, max(0, index + by))
        self._cursor = self._bars[index].time
        oldest_shown = len(self._bars) - self._back - self._shown
        if index < oldest_shown:
            self._back += oldest_shown - index
        self._back = min(self._back, last - index)
        self._redraw()

    def action_cursor_off(self) -> None:
        """Take the cursor away."""
        self._cursor = None
        self._redraw()

    def action_timeframe(self) -> None:
        """Switch to the next timeframe."""
        if not self._base:
            return
        choices = periods(self._base)
        self._period = choices[(choices.index(self._period) + 1) % len(choices)]
        self._reset()
        self._rebuild()
        self._redraw()

    def action_bodies(self) -> None:
        """Draw rising bars hollow or filled."""
        self._hollow = not self._is_hollow()
        self._redraw()

    def _move_view(self, by: int) -> None:
        furthest = max(0, len(self._bars) - max(1, self._shown))
        self._back = min(furthest, max(0, self._back + by))
        self._redraw()

    def _cursor_index(self) -> int | None:
        return next((i for i, bar in enumerate(self._bars) if bar.time == self._cursor), None)

    # -- data to bars ----------------------------------------------------------------------

    def _rebuild(self) -> None:
        """Aggregate anew; a view that looks back keeps looking at the same bars."""
        base = base_period(self._history.candles)
        if base != self._base:
            self._base = base
            self._period = self._period if self._period in periods(base) else base
        before = self._bars[-1].time if self._bars else None
        self._bars = make_bars(self._history, self._base, self._period, self._now)
        new = sum(bar.time > before for bar in self._bars) if before is not None else 0
        if self._back:
            self._back = min(self._back + new, max(0, len(self._bars) - 1))
        elif new:
            self._ahead = self._ahead - new if self._ahead >= new else _AHEAD

    def _reset(self) -> None:
        """Forget what belongs to another pair or timeframe."""
        self._back, self._ahead, self._cursor, self._scale, self._bars = 0, _AHEAD, None, None, ()

    def _view(self) -> picture.View:
        return picture.View(
            name=self._pair.base,
            period=self._period,
            base=self._base,
            zoom=self._zoom,
            back=self._back,
            ahead=0 if self._back else self._ahead,
            cursor=self._cursor,
            hollow=self._is_hollow(),
            note=self._note(),
        )

    def _is_hollow(self) -> bool:
        plain = self.app.no_color or self._is_ascii()
        return plain if self._hollow is None else self._hollow

    def _is_ascii(self) -> bool:
        return look_of(self.app).glyphs == ASCII if self._ascii is None else self._ascii

    def _note(self) -> str:
        """Return the warning that the newest closed candle is older than two periods."""
        if not self._history.candles:
            return ""
        age = self._now - (self._history.candles[-1].time + self._base)
        return f"STALE {age // 60_000} min" if age > 2 * self._base else ""

    # -- drawing ---------------------------------------------------------------------------

    def _redraw_soon(self) -> None:
        if self._resizing is not None or self._timer is not None:
            return
        wait = self.least_interval - (time.monotonic() - self._drawn_at)
        if wait <= 0:
            self._redraw()
        else:
            self._timer = self.set_timer(wait, self._redraw)

    def _redraw(self) -> None:
        """Draw, and send only the cells that differ from what is on the screen."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if not self.is_mounted or not self.size or not self.is_on_screen:
            return
        look, style = look_of(self.app), self.rich_style
        before, canvas = self._canvas, self._draw()
        same_colours = (look, style) == self._colours
        if before is None or not same_colours or before.size != canvas.size:
            changed = [Region(0, 0, *canvas.size)]
        else:
            changed = [Region(x, y, last - x + 1, 1) for y, x, last in canvas.changes(before)]
        if not changed:
            return
        self._canvas, self._colours = canvas, (look, style)
        self._strips = [self._strip(canvas, y) for y in range(canvas.height)]
        self.refresh(*changed)
        self._drawn_at = time.monotonic()

    def _draw(self) -> Canvas:
        canvas, self._scale, self._shown = picture.draw(
            self._bars,
            self._levels,
            self._view(),
            (self.size.width, self.size.height),
            self._scale,
            glyphs.ASCII if self._is_ascii() else glyphs.UNICODE,
        )
        return canvas

    def _strip(self, canvas: Canvas, y: int) -> Strip:
        look, base = self._colours
        segments = [
            Segment(text, base + role_style(look, role)) for text, role in canvas.runs(y, PAINTED)
        ]
        return Strip(segments, canvas.width)

    def render_line(self, y: int) -> Strip:
        """Return one row of the picture as last drawn."""
        if y < len(self._strips):
            return self._strips[y].adjust_cell_length(self.size.width, self.rich_style)
        return Strip.blank(self.size.width, self.rich_style)

    def on_resize(self) -> None:
        """Draw at once the first time, later when the size has settled."""
        if not self._strips:
            self._redraw()
            return
        if self._resizing is not None:
            self._resizing.stop()
        self._resizing = self.set_timer(self.settle, self._resized)

    def _resized(self) -> None:
        self._resizing = None
        self._redraw()

    def on_show(self) -> None:
        """Catch up with what arrived while hidden."""
        self._redraw()

    def notify_style_update(self) -> None:
        """Take the colours of a new theme."""
        super().notify_style_update()
        if self._strips:
            self._redraw()
