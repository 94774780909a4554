"""Candles as columns: one pair's series, and the set of series a run works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.model.market import Candle, Pair

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows: TypeAlias = slice | Ints


class CandleDataError(ValueError):
    """Candle data cannot be used; one line says what, where and what is allowed."""


def iso(ms: int) -> str:
    """Return ms since epoch as ISO 8601 UTC with milliseconds (years 1970 to 9999)."""
    if not 0 <= ms < 253_402_300_800_000:
        return f"{ms} ms"
    seconds, rest = divmod(ms, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


@dataclass(frozen=True, slots=True, eq=False)
class CandleSeries:
    """One pair's candles of one timeframe, oldest first, strictly increasing in time.

    ``time`` holds open times (ms UTC); prices in quote, volume in base currency. Times lie on
    the timeframe's grid; gaps are possible.
    """

    pair: Pair
    timeframe_ms: int
    time: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.time)

    @property
    def start(self) -> int:
        """Return the open time of the first candle (ms). The series must not be empty."""
        return int(self.time[0])

    @property
    def end(self) -> int:
        """Return the close time of the last candle (ms). The series must not be empty."""
        return int(self.time[-1]) + self.timeframe_ms

    def candles(self, first: int = 0, last: int | None = None) -> list[Candle]:
        """Return the rows ``first`` to before ``last`` as candles of plain Python numbers."""
        part = slice(first, last)
        columns = (self.time, self.open, self.high, self.low, self.close, self.volume)
        rows = zip(*(column[part].tolist() for column in columns), strict=True)
        # Candle(*row) for every row, at half its price: replays are made of this.
        return list(map(tuple.__new__, repeat(Candle), rows))

    def slice(self, start_ms: int | None, end_ms: int | None) -> CandleSeries:
        """Return the candles that open in [start_ms, end_ms); None leaves that side open."""
        first = 0 if start_ms is None else int(np.searchsorted(self.time, start_ms))
        last = len(self) if end_ms is None else int(np.searchsorted(self.time, end_ms))
        return self.rows(slice(first, max(first, last)))

    def rows(self, chosen: Rows) -> CandleSeries:
        """Return the chosen rows, a slice or increasing row numbers, as a series."""
        return CandleSeries(
            self.pair,
            self.timeframe_ms,
            self.time[chosen],
            self.open[chosen],
            self.high[chosen],
            self.low[chosen],
            self.close[chosen],
            self.volume[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class CandleSet:
    """The recorded candles of a run: decision candles per pair, finer ones where they exist.

    The order of ``series`` is the order of the pairs everywhere. ``detail`` holds, for the
    pairs that have one, the finest series below the decision timeframe; it may cover less.
    ``notes`` say in a sentence each what a reader of results should know of the data.
    """

    timeframe: str
    timeframe_ms: int
    series: Mapping[Pair, CandleSeries]
    detail: Mapping[Pair, CandleSeries]
    notes: tuple[str, ...] = ()

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Return the pairs in order."""
        return tuple(self.series)

    @property
    def start(self) -> int:
        """Return the open time of the earliest decision candle (ms)."""
        return min(series.start for series in self.series.values())

    @property
    def end(self) -> int:
        """Return the close time of the latest decision candle (ms)."""
        return max(series.end for series in self.series.values())

    def __len__(self) -> int:
        """Return the number of decision candles over all pairs."""
        return sum(len(series) for series in self.series.values())
