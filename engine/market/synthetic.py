"""The embedded market: endless, seeded, and the same at any instant whenever it is started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from types import MappingProxyType

import numpy as np

from engine.market.price_model import HOUR_MS, TICK_MS, Hour, PriceModel
from engine.model.market import Candle, MarketStep, Pair

_PART = 60  # bars made ready at a time, so that an event loop is not held up
_NOTHING: Mapping[Pair, Candle] = MappingProxyType({})


class SyntheticMarket:
    """Simulate correlated pairs for ever from ``start_ms`` (ms UTC) on.

    Prices depend on seed, pair and instant alone: a market started later continues an earlier
    one. Decision candles aggregate exactly from the bars. Raises ``ValueError`` unless
    ``bar_ms`` is a multiple of 5 s that divides ``candle_ms``, and that one divides an hour.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        seed: int,
        start_ms: int,
        candle_ms: int = 300_000,
        bar_ms: int = TICK_MS,
        history_candles: int = 3_000,
    ) -> None:
        if not pairs or len(set(pairs)) != len(pairs):
            raise ValueError("name at least one pair, and none twice")
        if bar_ms < TICK_MS or bar_ms % TICK_MS:
            raise ValueError(f"bar_ms={bar_ms} is not a multiple of {TICK_MS} ms")
        if candle_ms < bar_ms or candle_ms % bar_ms or HOUR_MS % candle_ms:
            raise ValueError(
                f"candle_ms={candle_ms} is not a multiple of bar_ms={bar_ms} that divides an hour"
            )
        if history_candles < 0:
            raise ValueError(f"history_candles={history_candles} is below 0")
        self.pairs: tuple[Pair, ...] = tuple(pairs)
        self.candle_ms = candle_ms
        self.bar_ms = bar_ms
        self.end: int | None = None
        self._start = start_ms
        self._history = history_candles
        self._model = PriceModel(self.pairs, seed)

    def history(self) -> Mapping[Pair, Sequence[Candle]]:
        """Return the last ``history_candles`` decision candles closed by ``start_ms``."""
        last = self._start // self.candle_ms * self.candle_ms
        first = last - self._history * self.candle_ms
        hours = range(first // HOUR_MS, -(-last // HOUR_MS))
        skipped = (first - hours.start * HOUR_MS) // self.candle_ms
        candles: dict[Pair, list[Candle]] = {pair: [] for pair in self.pairs}
        for hour in hours:
            columns = _Columns(self._model.hour(hour), hour * HOUR_MS, self.candle_ms)
            for pair, column in zip(self.pairs, columns.candles(0, len(columns)), strict=True):
                candles[pair] += column
        chosen = slice(skipped, skipped + self._history)
        return {pair: column[chosen] for pair, column in candles.items()}

    def steps(self) -> Iterator[MarketStep]:
        """Iterate over the bars that close after ``start_ms``, for ever."""
        hour, rest = divmod(self._start, HOUR_MS)
        first = rest // self.bar_ms  # bars of that hour already closed
        while True:
            yield from self._hour_steps(hour, first)
            hour, first = hour + 1, 0

    def _hour_steps(self, hour: int, first: int) -> Iterator[MarketStep]:
        start, pairs, candle_ms = hour * HOUR_MS, self.pairs, self.candle_ms
        ticks = self._model.hour(hour)
        bars = _Columns(ticks, start, self.bar_ms)
        candles = _Columns(ticks, start, candle_ms).candles(0, HOUR_MS // candle_ms)
        time = start + first * self.bar_ms
        for begin in range(first, len(bars), _PART):
            for row in zip(*bars.candles(begin, begin + _PART), strict=True):
                time += self.bar_ms
                closed = _NOTHING
                if time % candle_ms == 0:
                    place = (time - start) // candle_ms - 1
                    closed = {
                        pair: column[place] for pair, column in zip(pairs, candles, strict=True)
                    }
                yield MarketStep(time, dict(zip(pairs, row, strict=True)), closed)


class _Columns:
    """An hour in candles of one timeframe: a column of each figure for each pair."""

    def __init__(self, hour: Hour, start: int, candle_ms: int) -> None:
        shape = (len(hour.open), -1, candle_ms // TICK_MS)
        self._times = range(start, start + HOUR_MS, candle_ms)
        self._figures = np.stack(
            [
                hour.open.reshape(shape)[..., 0],
                hour.high.reshape(shape).max(axis=2),
                hour.low.reshape(shape).min(axis=2),
                hour.close.reshape(shape)[..., -1],
                hour.volume.reshape(shape).cumsum(axis=2)[..., -1],
            ],
            axis=1,
        )

    def __len__(self) -> int:
        return len(self._times)

    def candles(self, first: int, last: int) -> list[list[Candle]]:
        """Return a list of candles for each pair, of plain Python numbers."""
        times = self._times[first:last]
        return [
            list(map(tuple.__new__, repeat(Candle), zip(times, *figures, strict=True)))
            for figures in self._figures[..., first:last].tolist()
        ]
