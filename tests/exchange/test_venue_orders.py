"""Orders on the exchange venue: the whole life of each kind, on both exchanges."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from engine.model.orders import ExitReason, Fill, OrderKind, OrderState
from engine.model.signal import Side
from engine.venues.port import Fatal, NotExecuted, OrderReport, Refusal
from tests.exchange.live import BTC, ETH, drained, eventually, live, position_of, streaming

BOTH = pytest.mark.parametrize("exchange", ["binance", "weex"])


@BOTH
@pytest.mark.parametrize("side", [Side.LONG, Side.SHORT])
async def test_entry_stop_target_and_exit(exchange: str, side: Side) -> None:
    async with live(exchange) as desk:
        venue = desk.venue
        await venue.set_leverage(BTC, 10)
        await venue.set_leverage(BTC, 10)  # already set is success
        entry = desk.entry(side)
        report = await venue.submit(entry)
        assert report.state is OrderState.FILLED
        assert report.filled == sum(fill.quantity for fill in report.fills) == Decimal("0.01")
        assert report.fills[0].buy is (side is Side.LONG)
        assert report.fills[0].reference_price == entry.reference_price

        position = position_of(entry, report)
        far, near = ("0.99", "1.02") if side is Side.LONG else ("1.01", "0.98")
        stop, target = desk.stop(position, far), desk.target(position, near)
        assert (await venue.submit(stop)).state is OrderState.ACKNOWLEDGED
        assert (await venue.submit(target)).state is OrderState.ACKNOWLEDGED
        resting = {order.client_order_id: order for order in await venue.open_orders()}
        assert resting[stop.client_order_id].kind is OrderKind.STOP
        assert resting[stop.client_order_id].trigger_price == stop.trigger_price
        assert resting[target.client_order_id].kind is OrderKind.TARGET
        held = await venue.positions()
        assert [(p.pair, p.side, p.quantity) for p in held] == [(BTC, side, Decimal("0.01"))]

        cancelled = await venue.cancel(BTC, target.client_order_id)
        assert cancelled.state is OrderState.CANCELLED
        found = await venue.find(BTC, stop.client_order_id)
        assert found is not None
        assert found.state is OrderState.ACKNOWLEDGED
        assert await venue.find(BTC, "sgb-BTC-never-e") is None
        assert await venue.find(BTC, "sgb-BTC-never-s1") is None

        out = await venue.submit(desk.close(position))
        assert out.state is OrderState.FILLED
        assert out.fills[0].reason is ExitReason.TIME_LIMIT
        assert await venue.positions() == []
        truth = desk.server.ledger()
        told = [*report.fills, *out.fills]
        assert sum(fill.fee for fill in told) == truth.fees
        account = await venue.account()
        assert account.balance == truth.balance


@BOTH
async def test_a_fired_stop_is_told_once_with_its_fill(exchange: str) -> None:
    async with live(exchange) as desk, streaming(desk, stream=exchange == "binance"):
        position = await desk.position()
        stop = desk.stop(position)
        await desk.venue.submit(stop)
        await asyncio.sleep(0.1)
        desk.venue.drain()
        desk.move("0.985")
        events = await drained(desk.venue, 2)
        fill, report = events
        assert isinstance(fill, Fill)
        assert fill.client_order_id == stop.client_order_id
        assert fill.reason is ExitReason.STOP_LOSS
        assert fill.reference_price == stop.trigger_price
        assert isinstance(report, OrderReport)
        assert report.state is OrderState.FILLED
        found = await desk.venue.find(BTC, stop.client_order_id)
        assert found is not None
        assert [f.fill_id for f in found.fills] == [fill.fill_id]


async def test_a_stop_that_is_refused_when_it_fires_is_told_as_rejected() -> None:
    async with live() as desk, streaming(desk):
        position = await desk.position()
        stop = desk.stop(position)
        await desk.venue.submit(stop)
        desk.venue.drain()
        desk.server.faults.add("reject_trigger")
        desk.move("0.985")

        def rejected() -> bool:
            return any(
                isinstance(e, OrderReport) and e.state is OrderState.REJECTED
                for e in desk.venue.drain()
            )

        await eventually(rejected)
        assert len(await desk.venue.positions()) == 1  # naked: the book has to protect it


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (-2019, Refusal.INSUFFICIENT_MARGIN),
        (-2022, Refusal.REDUCE_ONLY),
        (-4164, Refusal.MIN_NOTIONAL),
        (-2021, Refusal.WOULD_TRIGGER),
        (-1111, Refusal.PRECISION),
        (-2027, Refusal.LEVERAGE),
    ],
)
async def test_refusals_have_their_reason(code: int, refusal: Refusal) -> None:
    async with live() as desk:
        desk.server.faults.add("error", method="POST", path="/order", code=code)
        with pytest.raises(NotExecuted) as refused:
            await desk.venue.submit(desk.entry())
        assert refused.value.refusal is refusal
        assert desk.fills == []


async def test_a_stop_beyond_the_market_would_trigger() -> None:
    async with live() as desk:
        position = await desk.position()
        with pytest.raises(NotExecuted) as refused:
            await desk.venue.submit(desk.stop(position, "1.01"))
        assert refused.value.refusal is Refusal.WOULD_TRIGGER


async def test_partial_fill() -> None:
    async with live() as desk:
        desk.server.faults.add("partial_fill", fraction=0.5)
        report = await desk.venue.submit(desk.entry(quantity="0.02"))
        assert report.state is OrderState.CANCELLED
        assert report.filled == sum(f.quantity for f in report.fills) == Decimal("0.01")


async def test_the_rest_of_a_partial_fill_comes_by_drain() -> None:
    async with live() as desk, streaming(desk):
        desk.server.faults.add("partial_fill", fraction=0.5, rest="later")
        report = await desk.venue.submit(desk.entry(quantity="0.02"))
        assert not report.state.final
        assert report.filled == Decimal("0.01")
        desk.move("1.0001")
        seen: dict[str, Fill] = {fill.fill_id: fill for fill in report.fills}

        def whole() -> bool:
            fills = [event for event in desk.venue.drain() if isinstance(event, Fill)]
            seen.update({fill.fill_id: fill for fill in fills})
            return sum(fill.quantity for fill in seen.values()) == Decimal("0.02")

        await eventually(whole)


async def test_hedge_mode_is_refused_with_instructions() -> None:
    async with live() as desk:
        desk.server.world.account.hedged = True
        with pytest.raises(Fatal, match="one-way mode"):
            await desk.session.dialect.check_modes()


async def test_leverage_above_the_bracket_says_what_to_do() -> None:
    async with live() as desk:
        with pytest.raises(NotExecuted, match="DEFAULT_LEVERAGE") as refused:
            await desk.venue.set_leverage(ETH, 999)
        assert refused.value.refusal is Refusal.LEVERAGE


async def test_cancelling_what_has_fired_returns_how_it_ended() -> None:
    async with live() as desk:
        position = await desk.position()
        stop = desk.stop(position)
        await desk.venue.submit(stop)
        desk.move("0.985")
        report = await desk.venue.cancel(BTC, stop.client_order_id)
        assert report.state is OrderState.FILLED
        assert report.filled == position.quantity
        with pytest.raises(NotExecuted):
            await desk.venue.cancel(BTC, "sgb-BTC-never-s1")


async def test_an_external_order_is_told_with_its_side_of_our_book() -> None:
    async with live() as desk, streaming(desk):
        position = await desk.position()
        desk.venue.held = lambda pair: position.quantity if pair == BTC else Decimal(0)
        await asyncio.sleep(0.1)
        desk.venue.drain()
        await desk.session.trading.create_order(str(BTC), "market", "sell", 0.004)
        events = await drained(desk.venue, 1)
        assert isinstance(events[0], Fill)
        assert (events[0].kind, events[0].reason) == (OrderKind.EXIT, ExitReason.EXTERNAL)
        await desk.session.trading.create_order(str(BTC), "market", "buy", 0.002)
        events = await drained(desk.venue, 1)
        assert isinstance(events[0], Fill)
        assert (events[0].kind, events[0].reason) == (OrderKind.ENTRY, None)


async def test_liquidation_is_noticed() -> None:
    async with live() as desk, streaming(desk):
        await desk.venue.set_leverage(BTC, 20)
        position = await desk.position(quantity="0.1")
        desk.venue.held = lambda pair: position.quantity
        await asyncio.sleep(0.1)
        desk.venue.drain()
        desk.move("0.9")
        fill, report = (await drained(desk.venue, 2))[:2]
        assert isinstance(fill, Fill)
        assert fill.reason is ExitReason.LIQUIDATION
        assert isinstance(report, OrderReport)
        assert "liquidation" in report.detail


async def test_funding_is_told_once() -> None:
    async with live() as desk, streaming(desk) as user:
        await desk.position()
        await asyncio.sleep(0.1)
        desk.venue.drain()
        world = desk.server.world
        world.keeper.pay_funding(world.clock.now())
        events = await drained(desk.venue, 1)
        expected = -world.account.incomes[-1].amount
        assert events[0].amount == expected  # type: ignore[union-attr]
        user._funding_due = 0.0
        await user.poll()
        assert list(desk.venue.drain()) == []
