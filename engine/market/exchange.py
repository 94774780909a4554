"""A live market: steps in the exchange's time, closed candles read back before they count.

A candle is closed when its end has passed by the *server's* clock (streams do not say so). Then
the last ones are read by REST: what is not there yet, or is not a number, is asked for again. The
step of a close carries the instant of the close, so that the same candle always leads to the same
decision and the same order id. Candles that come too late to decide on, after an outage, are
handed over by ``take_missed`` for the indicators alone.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from engine.ledger.redact import Redactor
from engine.model.market import Candle, MarketStep, Pair, timeframe_ms
from engine.venues.exchange.classify import read_failure
from engine.venues.exchange.dialect import Dialect
from engine.venues.exchange.feed import MarketFeed
from engine.venues.port import Retryable

SETTLE_MS = 700  # a candle is read this long after its end at the earliest
CLOSE_PATIENCE_MS = 4_000  # how long a step waits for all pairs' candles
ASK_AGAIN_MS = 500
TAIL = 4  # candles read at a close: the forming one, the closed one and those before it
STALE_CANDLES = 2
NAP_S = 0.25
_AT_ONCE = 4


class LiveMarket:
    """Candles and marks of an exchange as market steps.

    ``now`` is the exchange's time (ms UTC); steps come every ``cycle_ms`` and at every close.
    ``notice`` hears of gaps, late and revised candles, a sentence each.
    """

    end: int | None = None

    def __init__(
        self,
        dialect: Dialect,
        feed: MarketFeed,
        pairs: Sequence[Pair],
        timeframe: str,
        now: Callable[[], int],
        *,
        cycle_ms: int = 5_000,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.pairs: tuple[Pair, ...] = tuple(pairs)
        self.candle_ms = timeframe_ms(timeframe)
        self.bar_ms = cycle_ms
        self.revised = 0
        self._dialect = dialect
        self._feed = feed
        self._timeframe = timeframe
        self._now = now
        self._notice = notice
        self._history: dict[Pair, list[Candle]] = {}
        self._newest: dict[Pair, Candle] = {}
        self._missed: dict[Pair, list[Candle]] = {}
        self._volumes: dict[Pair, tuple[int, float]] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._redact = Redactor()

    # Beginning

    async def load(self, candles: int) -> None:
        """Read the closed candles before now, at most ``candles`` (or what is sensible) of each.

        Raises ``Retryable`` or ``Fatal``.
        """
        count = min(candles, self._dialect.history)
        loaded = await asyncio.gather(*(self._load(pair, count) for pair in self.pairs))
        self._history = dict(zip(self.pairs, loaded, strict=True))
        for pair, found in self._history.items():
            if found:
                self._newest[pair] = found[-1]

    def history(self) -> Mapping[Pair, Sequence[Candle]]:
        """Return the decision candles closed before the first step, oldest first."""
        return self._history

    async def _load(self, pair: Pair, count: int) -> list[Candle]:
        page = self._dialect.page
        if count <= page:
            return self._closed(await self._ask(pair, None, count))
        newest = self._now() // self.candle_ms * self.candle_ms
        since, found = newest - count * self.candle_ms, list[Candle]()
        while since < newest:
            rows = await self._ask(pair, since, min(page, (newest - since) // self.candle_ms + 1))
            fresh = [row for row in self._closed(rows) if row.time >= since]
            if not fresh:
                break
            found += fresh
            since = fresh[-1].time + self.candle_ms
        return found

    # Steps

    async def steps(self) -> AsyncIterator[MarketStep]:
        """Yield what happens, for ever, in strictly increasing time."""
        last = self._now()
        closed_up_to = last // self.candle_ms * self.candle_ms
        while True:
            boundary = closed_up_to + self.candle_ms
            due = (last // self.bar_ms + 1) * self.bar_ms
            if self._now() >= boundary + SETTLE_MS:
                closed_up_to = self._now() // self.candle_ms * self.candle_ms
                closed = await self._close(closed_up_to)
                time = max(closed_up_to, last + 1)
            elif due >= boundary:
                await self._sleep_until(boundary + SETTLE_MS)
                continue
            else:
                await self._sleep_until(due)
                closed = await self._late() if self._waiting(closed_up_to) else {}
                time = max(min(self._now(), boundary - 1), last + 1)
            yield MarketStep(time, self._bars(last, time), closed)
            last = time

    def take_missed(self) -> Mapping[Pair, Sequence[Candle]]:
        """Return closed candles that came too late to decide on, oldest first, once."""
        missed, self._missed = self._missed, {}
        return missed

    async def _sleep_until(self, due: int) -> None:
        """Wait in short naps: the clock may be set, and the machine may sleep."""
        while (left := due - self._now()) > 0:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(min(left / 1000, NAP_S))

    # Closing

    async def _close(self, boundary: int) -> dict[Pair, Candle]:
        """Read the candle that ends at ``boundary`` of every pair, waiting a little for all."""
        found: dict[Pair, Candle] = {}
        deadline = boundary + CLOSE_PATIENCE_MS
        while True:
            lacking = [pair for pair in self.pairs if pair not in found]
            for pair, candle in zip(
                lacking, await asyncio.gather(*map(self._newly_closed, lacking)), strict=True
            ):
                if candle is not None and candle.time == boundary - self.candle_ms:
                    found[pair] = candle
            if len(found) == len(self.pairs) or self._now() >= deadline:
                break
            await asyncio.sleep(ASK_AGAIN_MS / 1000)
        late = [pair.base for pair in self.pairs if pair not in found]
        if late:
            self._notice(f"no closed candle yet of {', '.join(late)}; asking on")
        return found

    def _waiting(self, closed_up_to: int) -> list[Pair]:
        """Return the pairs whose last closed candle has not been seen yet."""
        newest = closed_up_to - self.candle_ms
        return [
            pair
            for pair in self.pairs
            if pair not in self._newest or self._newest[pair].time < newest
        ]

    async def _late(self) -> dict[Pair, Candle]:
        """Ask once for candles that were late; those not too old are decided on now."""
        now = self._now()
        lacking = self._waiting(now // self.candle_ms * self.candle_ms)
        candles = await asyncio.gather(*map(self._newly_closed, lacking))
        found = {}
        for pair, candle in zip(lacking, candles, strict=True):
            if candle is None:
                continue
            if now - candle.time < (STALE_CANDLES + 1) * self.candle_ms:
                found[pair] = candle
            else:
                self._missed.setdefault(pair, []).append(candle)
        return found

    async def _newly_closed(self, pair: Pair) -> Candle | None:
        """Return a pair's newest closed candle if it is news; older news goes to the missed."""
        try:
            tail = self._closed(await self._ask(pair, None, TAIL))
            tail = await self._without_gap(pair, tail)
        except Retryable:
            return None
        self._compare(pair, tail)
        before = self._newest.get(pair)
        too_old = self._now() - (STALE_CANDLES + 1) * self.candle_ms
        news = [
            candle
            for candle in tail
            if (before is None or candle.time > before.time)
            and (sound(candle) or candle.time > too_old)  # a broken one becomes a gap in the end
        ]
        if not news:
            return None
        if not all(sound(candle) for candle in news):
            self._notice(f"{pair.base}: a closed candle is not a number; asking again")
            news = news[: next(i for i, c in enumerate(news) if not sound(c))]
            if not news:
                return None
        self._newest[pair] = news[-1]
        if len(news) > 1:
            self._missed.setdefault(pair, []).extend(news[:-1])
            self._notice(f"{pair.base}: {len(news) - 1} candles filled in after a gap")
        return news[-1]

    async def _without_gap(self, pair: Pair, tail: list[Candle]) -> list[Candle]:
        """Put what lies between the last candle seen and a tail before it, if anything does."""
        before = self._newest.get(pair)
        if before is None or not tail or tail[0].time <= before.time + self.candle_ms:
            return tail
        since = before.time + self.candle_ms
        limit = min(self._dialect.page, (tail[0].time - since) // self.candle_ms + 1)
        older = self._closed(await self._ask(pair, since, limit))
        return [candle for candle in older if since <= candle.time < tail[0].time] + tail

    def _compare(self, pair: Pair, tail: Sequence[Candle]) -> None:
        """Notice when the exchange has changed the last candle that was seen."""
        before = self._newest.get(pair)
        for candle in tail:
            if before is None or candle.time != before.time or candle == before:
                continue
            if sound(candle):
                self.revised += 1
                self._newest[pair] = candle
                self._notice(
                    f"{pair.base}: the exchange revised its last candle, close "
                    f"{before.close:g} -> {candle.close:g}; indicators keep the first"
                )

    async def _ask(self, pair: Pair, since: int | None, limit: int) -> Sequence[Candle]:
        """Read candles. Raises ``Retryable`` or ``Fatal``."""
        async with self._gate:
            try:
                return await self._dialect.candles(pair, self._timeframe, since, limit)
            except Exception as error:  # noqa: BLE001 - every failure has its type
                raise read_failure(error, self._redact) from None

    def _closed(self, rows: Sequence[Candle]) -> list[Candle]:
        """Return the candles whose end has passed, in order, each once."""
        now = self._now()
        by_time = {row.time: row for row in rows if row.time + self.candle_ms <= now}
        return [by_time[time] for time in sorted(by_time)]

    # Bars

    def _bars(self, start: int, end: int) -> dict[Pair, Candle]:
        """Return the marks since the last step as bars, with the volume traded meanwhile."""
        return {
            pair: bar._replace(volume=self._volume(pair, end - start))
            for pair, bar in self._feed.take_bars(start).items()
        }

    def _volume(self, pair: Pair, span: int) -> float:
        """Return what traded since the last step: streamed, else at the last candle's rate."""
        forming, newest = self._feed.forming.get(pair), self._newest.get(pair)
        opened, volume = self._volumes.get(pair, (0, 0.0))
        if forming is not None and math.isfinite(forming.volume):
            self._volumes[pair] = (forming.time, forming.volume)
            if forming.time == opened and forming.volume >= volume:
                return forming.volume - volume
        return newest.volume * span / self.candle_ms if newest is not None else 0.0


def sound(candle: Candle) -> bool:
    """Return whether a candle's figures are finite, positive and in order."""
    prices = candle[1:5]
    return (
        all(math.isfinite(price) and price > 0 for price in prices)
        and math.isfinite(candle.volume)
        and candle.volume >= 0
        and candle.high >= max(candle.open, candle.close)
        and candle.low <= min(candle.open, candle.close)
    )
