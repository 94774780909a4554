"""Live candles and marks against the loopback exchange, with streams that stall and lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from engine.market.exchange import LiveMarket, sound
from engine.model.market import Candle, MarketStep
from engine.venues.exchange.client import Keys
from engine.venues.exchange.feed import MarketFeed
from tests.exchange.live import BTC, ETH, Live, eventually, live

MINUTE = 60_000


class Hands:
    """A clock that tests move; the server's own clock moves along."""

    def __init__(self, desk: Live) -> None:
        self.clock = desk.server.world.clock

    def now(self) -> int:
        return self.clock.now()

    def to(self, time: int) -> None:
        self.clock.offset_ms += time - self.now()


@asynccontextmanager
async def market(
    exchange: str = "binance", *, cycle_ms: int = 5_000, silence: dict[str, float] | None = None
) -> AsyncIterator[tuple[Live, MarketFeed, LiveMarket, Hands, list[str]]]:
    async with live(exchange, mode="paper", keys=Keys()) as desk:
        hands, notices = Hands(desk), list[str]()
        feed = MarketFeed(
            desk.session.dialect, desk.session.data, (BTC, ETH), "1m", hands.now, silence
        )
        source = LiveMarket(
            desk.session.dialect,
            feed,
            (BTC, ETH),
            "1m",
            hands.now,
            cycle_ms=cycle_ms,
            notice=notices.append,
        )
        await source.load(600)
        await feed.ask_marks()
        yield desk, feed, source, hands, notices


async def closing(source: LiveMarket, hands: Hands) -> MarketStep:
    """Move to just before the next close and return the step that carries it."""
    steps = source.steps()
    task = asyncio.ensure_future(anext(steps))
    await asyncio.sleep(0)
    hands.to((hands.now() // MINUTE + 1) * MINUTE + 600)
    step = await asyncio.wait_for(task, 20)
    while not step.closed:
        step = await asyncio.wait_for(anext(steps), 20)
    return step


@pytest.mark.parametrize("exchange", ["binance", "weex"])
async def test_history_ends_before_now_without_a_gap(exchange: str) -> None:
    async with market(exchange) as (_, _, source, hands, _):
        for candles in source.history().values():
            assert len(candles) >= 599
            times = [candle.time for candle in candles]
            assert times == list(range(times[0], times[0] + MINUTE * len(times), MINUTE))
            assert times[-1] + MINUTE <= hands.now() < times[-1] + 2 * MINUTE
            assert all(map(sound, candles))


async def test_more_history_than_a_page() -> None:
    async with market() as (_, _, source, _, _):
        await source.load(2_000)
        for candles in source.history().values():
            times = [candle.time for candle in candles]
            assert times == list(range(times[0], times[0] + MINUTE * len(times), MINUTE))
            assert len(candles) >= 1_999


async def test_a_close_is_a_step_at_its_own_instant() -> None:
    async with market(cycle_ms=60_000) as (_, _, source, hands, notices):
        before = source.history()[BTC][-1].time
        step = await closing(source, hands)
        assert step.time % MINUTE == 0
        assert set(step.closed) == {BTC, ETH}
        candle = step.closed[BTC]
        assert candle.time == step.time - MINUTE > before
        assert source.take_missed().keys() <= {BTC, ETH}
        assert notices == [] or "filled in" in notices[0]


async def test_steps_come_in_order_with_bars_that_do_not_overlap() -> None:
    async with market(cycle_ms=200) as (desk, feed, source, _, _):
        seen: list[MarketStep] = []
        async for step in source.steps():
            seen.append(step)
            desk.move("1.001")
            await feed.ask_marks()
            if len(seen) == 5:
                break
        times = [step.time for step in seen]
        assert times == sorted(set(times))
        bars = [(step.bars[BTC].time, step.time) for step in seen if BTC in step.bars]
        assert len(bars) >= 4
        assert all(end <= start for (_, end), (start, _) in pairwise(bars))
        assert all(step.bars[BTC].volume >= 0 for step in seen if BTC in step.bars)


async def test_a_candle_that_is_not_a_number_is_asked_for_again() -> None:
    async with market(cycle_ms=60_000) as (desk, _, source, hands, notices):
        desk.server.faults.add("candles", shape="nan", symbol="BTCUSDT")
        step = await closing(source, hands)
        assert all(map(sound, step.closed.values()))
        assert BTC in step.closed
        assert any("not a number" in text for text in notices)


async def test_a_stale_candle_feed_is_late_and_then_caught_up() -> None:
    async with market(cycle_ms=60_000) as (desk, _, source, hands, notices):
        fault = desk.server.faults.add(
            "candles", shape="stale", candles=2, symbol="BTCUSDT", count=None
        )
        step = await closing(source, hands)
        assert ETH in step.closed
        assert BTC not in step.closed
        assert any("no closed candle yet of BTC" in text for text in notices)
        desk.server.faults.remove(fault)
        late = await source._late()
        assert BTC in late


async def test_a_gap_after_an_outage_is_filled_for_the_indicators_alone() -> None:
    async with market(cycle_ms=60_000) as (_, _, source, hands, notices):
        last = source.history()[BTC][-1].time
        hands.to(hands.now() + 20 * MINUTE)
        step = await closing(source, hands)
        missed = source.take_missed()[BTC]
        assert missed[0].time == last + MINUTE
        assert missed[-1].time == step.closed[BTC].time - MINUTE
        assert len(missed) == (step.closed[BTC].time - last) // MINUTE - 1
        assert any("filled in" in text for text in notices)
        assert source.take_missed() == {}


async def test_a_revised_candle_is_noticed() -> None:
    async with market(cycle_ms=60_000) as (desk, _, source, hands, notices):
        last = source.history()[BTC][-1]
        desk.server.world.prices.revise("BTCUSDT", last.time, last.close * 1.01)
        await closing(source, hands)
        assert source.revised == 1
        assert any("revised" in text for text in notices)


# Streams


@asynccontextmanager
async def running(feed: MarketFeed) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(work()) for work in feed.tasks().values()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("exchange", ["binance", "weex"])
async def test_marks_and_forming_candles_are_streamed(exchange: str) -> None:
    async with market(exchange) as (desk, feed, _, _, _), running(feed):
        await eventually(lambda: BTC in feed.forming and ETH in feed.forming)
        desk.move("1.01")
        await eventually(lambda: feed.mark(BTC) == desk.mark())
        assert (feed.age_ms(BTC) or 0) < 2_000


async def test_a_silent_stream_is_opened_anew() -> None:
    silence = {"marks": 0.6, "candles": 60.0}
    async with market(silence=silence) as (desk, feed, _, _, _), running(feed):
        await eventually(lambda: BTC in feed.forming)
        desk.server.streams.stalled = "market"
        await eventually(lambda: feed.reconnects >= 1)
        desk.server.streams.stalled = None
        desk.move("1.01")
        await eventually(lambda: feed.mark(BTC) == desk.mark())


async def test_a_dropped_stream_comes_back() -> None:
    async with market() as (desk, feed, _, _, _), running(feed):
        await eventually(lambda: BTC in feed.forming)
        desk.server.streams.drop()
        desk.move("1.02")
        await eventually(lambda: feed.mark(BTC) == desk.mark())
        assert feed.reconnects >= 1


def test_sound_candles() -> None:
    good = Candle(0, 1.0, 2.0, 0.5, 1.5, 3.0)
    assert sound(good)
    for broken in (
        good._replace(close=float("nan")),
        good._replace(volume=float("inf")),
        good._replace(low=0.0),
        good._replace(high=1.2),
        good._replace(volume=-1.0),
    ):
        assert not sound(broken)
