"""Market data as it comes: mark prices and forming candles, by websocket with REST behind it.

A websocket may stall without closing. Every channel has a watchdog: when nothing was heard for
some seconds the sockets are closed and opened anew, and marks are asked for by REST meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.model.market import Candle, Pair
from engine.venues.exchange.dialect import Dialect, FormingCandle, MarkFacts

SILENCE_S = {"marks": 10.0, "candles": 60.0}
FALLBACK_S = 5.0
RECONNECT_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Window:
    """The marks of one pair since the last step."""

    open: float
    high: float
    low: float
    close: float

    def add(self, price: float) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price


class MarketFeed:
    """Last marks and forming candles of some pairs. Run ``tasks``; read from the same loop.

    ``now`` is the time in ms. ``silence`` overrides after how many seconds without a message a
    channel counts as stalled.
    """

    def __init__(
        self,
        dialect: Dialect,
        client: Any,
        pairs: Sequence[Pair],
        timeframe: str,
        now: Callable[[], int],
        silence: Mapping[str, float] | None = None,
    ) -> None:
        self.reconnects = 0
        self.forming: dict[Pair, Candle] = {}
        self._dialect = dialect
        self._client = client
        self._pairs = tuple(pairs)
        self._wanted = frozenset(pairs)
        self._timeframe = timeframe
        self._now = now
        self._silence = {**SILENCE_S, **(silence or {})}
        self._marks: dict[Pair, Decimal] = {}
        self._marked: dict[Pair, int] = {}
        self._windows: dict[Pair, _Window] = {}
        self._heard = {"marks": now(), "candles": now()}
        client.listener = self.hear

    # Reading

    def mark(self, pair: Pair) -> Decimal | None:
        """Return the last mark price, None before the first."""
        return self._marks.get(pair)

    def age_ms(self, pair: Pair) -> int | None:
        """Return how old the last mark price is, None before the first (ms)."""
        marked = self._marked.get(pair)
        return None if marked is None else self._now() - marked

    def take_bars(self, start: int) -> dict[Pair, Candle]:
        """Return the marks since the last call as bars beginning at ``start``, without volume."""
        windows, self._windows = self._windows, {}
        return {
            pair: Candle(start, window.open, window.high, window.low, window.close, 0.0)
            for pair, window in windows.items()
        }

    # Hearing

    def hear(self, client: Any, message: Any) -> None:
        """Take in one raw message of a websocket."""
        for event in self._dialect.market_event(message):
            if event.pair not in self._wanted:
                continue
            if isinstance(event, MarkFacts):
                self._heard["marks"] = self._now()
                self.see_mark(event.pair, event.price)
            elif isinstance(event, FormingCandle):
                self._heard["candles"] = self._now()
                before = self.forming.get(event.pair)
                if before is None or event.candle.time >= before.time:
                    self.forming[event.pair] = event.candle

    def see_mark(self, pair: Pair, price: Decimal) -> None:
        """Take in a mark price; one that is not finite and positive is ignored."""
        if not price.is_finite() or price <= 0:
            return
        self._marks[pair] = price
        self._marked[pair] = self._now()
        value = float(price)
        window = self._windows.get(pair)
        if window is None:
            self._windows[pair] = _Window(value, value, value, value)
        else:
            window.add(value)

    # Tasks

    def tasks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Return what has to run for as long as the feed is wanted, by name."""
        return {
            "marks": self._watch_marks,
            "candles": self._watch_candles,
            "marks by REST": self._fall_back,
        }

    async def ask_marks(self) -> None:
        """Ask for every mark price once, by REST."""
        for pair, price in (await self._dialect.marks()).items():
            if pair in self._wanted:
                self.see_mark(pair, price)

    async def _watch_marks(self) -> None:
        await self._watch("marks", lambda: self._dialect.watch_marks(self._pairs))

    async def _watch_candles(self) -> None:
        await self._watch(
            "candles", lambda: self._dialect.watch_candles(self._pairs, self._timeframe)
        )

    async def _watch(self, channel: str, watch: Callable[[], Awaitable[None]]) -> None:
        """Keep a channel open for ever; begin anew, later each time, when it fails or stalls."""
        failures = 0
        while True:
            self._heard[channel] = self._now()
            why = await self._until_silent(channel, watch)
            failures = 0 if why == "silent" else failures + 1
            self.reconnects += 1
            _log.info("market stream %s: %s; beginning anew", channel, why)
            await hang_up(self._client)
            await asyncio.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])

    async def _until_silent(self, channel: str, watch: Callable[[], Awaitable[None]]) -> str:
        """Watch a channel until it fails or nothing is heard for too long; return why it ended."""
        limit = self._silence[channel] * 1000
        while True:
            waiting = asyncio.ensure_future(watch())
            try:
                while not waiting.done():
                    await asyncio.wait([waiting], timeout=min(1.0, limit / 2000))
                    if self._now() - self._heard[channel] > limit:
                        return "silent"
                await waiting
            except Exception as error:  # noqa: BLE001 - whatever it was: begin anew
                return type(error).__name__
            finally:
                waiting.cancel()

    async def _fall_back(self) -> None:
        """Ask for marks by REST while the stream is silent, for ever."""
        while True:
            await asyncio.sleep(FALLBACK_S)
            if self._now() - self._heard["marks"] < FALLBACK_S * 1000:
                continue
            try:
                await self.ask_marks()
            except Exception as error:  # noqa: BLE001 - asked again in a few seconds
                _log.info("marks by REST: %s", type(error).__name__)


async def hang_up(client: Any) -> None:
    """Close every websocket of a ccxt client, without a word to those who wait on them."""
    sockets = list((client.clients or {}).values())
    client.clients = {}
    for socket in sockets:
        for future in list(socket.futures.values()):
            future.cancel()
        await socket.close()
