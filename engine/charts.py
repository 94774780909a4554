"""Charts: candles with their overlays, closed ones cached, the forming one on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import TypeVar

from engine.model.decision import Decision
from engine.model.market import Candle, Pair
from engine.model.signal import Indicators
from engine.model.snapshot import PairHistory
from engine.scanner import PairState

T = TypeVar("T")
_EMPTY = PairHistory((), (), (), (), (), ())


class ChartBook:
    """The chart of every pair. A chart is built anew only when something in it changed."""

    def __init__(self, candle_ms: int) -> None:
        self._candle_ms = candle_ms
        self._forming: dict[Pair, Candle] = {}
        self._closed: dict[Pair, tuple[int, PairHistory]] = {}
        self._shown: dict[Pair, tuple[int, Candle | None, PairHistory]] = {}

    def see_bars(self, bars: Mapping[Pair, Candle]) -> None:
        """Grow the forming candle of every pair by its newest bar."""
        for pair, bar in bars.items():
            opened = bar.time - bar.time % self._candle_ms
            forming = self._forming.get(pair)
            if forming is None or forming.time != opened:
                self._forming[pair] = bar._replace(time=opened)
                continue
            self._forming[pair] = Candle(
                opened,
                forming.open,
                max(forming.high, bar.high),
                min(forming.low, bar.low),
                bar.close,
                forming.volume + bar.volume,
            )

    def chart(self, pair: Pair, state: PairState, decisions: Iterable[Decision]) -> PairHistory:
        """Return a pair's chart: its closed candles and the one that is forming."""
        forming = self._forming.get(pair)
        if forming is not None and forming.time < state.decided:
            forming = None
        shown = self._shown.get(pair)
        if shown is not None and shown[0] == state.decided and shown[1] == forming:
            return shown[2]
        closed = self._closed.get(pair)
        if closed is None or closed[0] != state.decided:
            closed = (state.decided, self._grown(closed, state.chart, decisions))
            self._closed[pair] = closed
        chart = closed[1]
        if forming is not None and chart.candles:
            chart = PairHistory(
                (*chart.candles, forming),
                (*chart.ema20, chart.ema20[-1]),
                (*chart.ema50, chart.ema50[-1]),
                (*chart.bb_upper, chart.bb_upper[-1]),
                (*chart.bb_lower, chart.bb_lower[-1]),
                chart.decisions,
            )
        self._shown[pair] = (state.decided, forming, chart)
        return chart

    def _grown(
        self,
        closed: tuple[int, PairHistory] | None,
        seen: Sequence[Indicators],
        decisions: Iterable[Decision],
    ) -> PairHistory:
        """Return the chart of the candles seen: what was shown, and only what is new built."""
        since, old = closed or (0, _EMPTY)
        rows = tuple(takewhile(lambda i: i.time > since, reversed(seen)))[::-1]
        surplus = len(old.candles) + len(rows) - len(seen)

        def grown(column: tuple[T, ...], new: Iterable[T]) -> tuple[T, ...]:
            return (*column[surplus:], *new)

        return PairHistory(
            candles=grown(
                old.candles,
                (
                    Candle(i.time - self._candle_ms, i.open, i.high, i.low, i.close, i.volume)
                    for i in rows
                ),
            ),
            ema20=grown(old.ema20, (i.ema20 for i in rows)),
            ema50=grown(old.ema50, (i.ema50 for i in rows)),
            bb_upper=grown(old.bb_upper, (i.bb_upper for i in rows)),
            bb_lower=grown(old.bb_lower, (i.bb_lower for i in rows)),
            decisions=tuple(decisions),
        )
