"""Recorded candles as a market: all pairs on one clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, cast

import numpy as np

from engine.market.aggregate import complete_groups
from engine.market.series import CandleSeries, CandleSet, Ints
from engine.model.market import Candle, MarketStep, Pair

_CHUNK = 64  # instants made ready at a time; larger chunks wake the garbage collector
_NOTHING: Mapping[Pair, Candle] = MappingProxyType({})

_Row = Mapping[Pair, Candle]


class _Track(NamedTuple):
    """Candles of one pair and timeframe with their close times (ms)."""

    series: CandleSeries
    closes: Ints


class RecordedMarket:
    """Replay a candle set. A step's time is the instant at which its bars and candles close.

    Bars are the detail candles where all those inside a decision candle exist, otherwise the
    decision candle itself at its close. There is no history: the first candles are steps.
    """

    def __init__(self, candle_set: CandleSet) -> None:
        series, detail = candle_set.series, candle_set.detail
        self.series: Mapping[Pair, CandleSeries] = series
        self.pairs: tuple[Pair, ...] = candle_set.pairs
        self.candle_ms: int = candle_set.timeframe_ms
        self.bar_ms: int = min([self.candle_ms, *(fine.timeframe_ms for fine in detail.values())])
        self.end: int | None = candle_set.end
        self._closed = [[_track(series[pair])] for pair in self.pairs]
        self._bars = [
            _bar_tracks(series[pair], detail[pair]) if pair in detail else tracks
            for pair, tracks in zip(self.pairs, self._closed, strict=True)
        ]
        self._coarse_only = not detail

    def history(self) -> Mapping[Pair, Sequence[Candle]]:
        """Return no candles: a recording begins with its first candle."""
        return {pair: () for pair in self.pairs}

    def steps(self) -> Iterator[MarketStep]:
        """Iterate over the recording, a step for every instant at which a bar closes."""
        clock = np.unique(np.concatenate([t.closes for tracks in self._bars for t in tracks]))
        for start in range(0, len(clock), _CHUNK):
            instants = clock[start : start + _CHUNK]
            bars = self._rows(self._bars, instants)
            closed = bars if self._coarse_only else self._rows(self._closed, instants)
            yield from map(MarketStep, instants.tolist(), bars, closed)

    def _rows(self, tracks: Sequence[Sequence[_Track]], instants: Ints) -> list[_Row]:
        """Return what closes at each instant, by pair in order."""
        pairs = self.pairs
        columns = [_column(each, instants) for each in tracks]
        rows = zip(*(column for column, _ in columns), strict=True)
        if all(full for _, full in columns):
            complete = cast("Iterator[tuple[Candle, ...]]", rows)
            return [dict(zip(pairs, row, strict=True)) for row in complete]
        return [
            {pair: candle for pair, candle in zip(pairs, row, strict=True) if candle is not None}
            or _NOTHING
            for row in rows
        ]


def _track(series: CandleSeries) -> _Track:
    return _Track(series, series.time + series.timeframe_ms)


def _bar_tracks(series: CandleSeries, detail: CandleSeries) -> list[_Track]:
    """Split a pair's time between detail, where it covers whole candles, and the candles."""
    count = series.timeframe_ms // detail.timeframe_ms
    first = complete_groups(detail, series.timeframe_ms)
    covering = np.isin(detail.time[first], series.time)
    parts = first[covering, None] + np.arange(count)
    covered = np.isin(series.time, detail.time[first])
    return [_track(detail.rows(parts.ravel())), _track(series.rows(np.flatnonzero(~covered)))]


def _column(tracks: Sequence[_Track], instants: Ints) -> tuple[list[Candle | None], bool]:
    """Return the candle that closes at each instant, None where none does; and if all do."""
    column: list[Candle | None] = [None] * len(instants)
    filled = 0
    for series, closes in tracks:
        first, last = np.searchsorted(closes, [instants[0], instants[-1] + 1]).tolist()
        candles = series.candles(first, last)
        filled += len(candles)
        if len(candles) == len(instants):
            column = list(candles)
        else:
            places = np.searchsorted(instants, closes[first:last]).tolist()
            for place, candle in zip(places, candles, strict=True):
                column[place] = candle
    return column, filled == len(instants)
