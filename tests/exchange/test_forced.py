"""What the exchange does to a position by itself, seen by a whole engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.events import Event, Noticed, OrderChanged
from engine.model.orders import ExitReason
from engine.venues.port import NotExecuted, Refusal
from tests.exchange.live import BTC, Live, eventually
from tests.exchange.running import Running, exchange, running
from tests.exchange_server import ExchangeServer


@asynccontextmanager
async def holding(home: Path) -> AsyncIterator[tuple[ExchangeServer, Running]]:
    """Run an engine that has taken over 0.02 BTC, guarded."""
    async with exchange() as server, running(home, server.url) as run:
        server.world.external_order("BTCUSDT", "BUY", Decimal("0.02"))
        await run.reconcile()
        async with run.engine._busy:
            await run.reconciler.adopt(BTC, run.engine.clock.now())
            await run.engine.trader.journal.flush()
        yield server, run
        assert run.engine.trader.disputed == {}


def told(events: list[Event], words: str) -> bool:
    return any(
        words in event.detail for event in events if isinstance(event, Noticed | OrderChanged)
    )


async def test_deleveraged_in_part_the_rest_stays_guarded(tmp_path: Path) -> None:
    async with holding(tmp_path) as (server, run):
        book = run.engine.trader.book
        for left in ("0.015", "0.010"):
            server.world.deleverage("BTCUSDT", Decimal("0.005"))
            size = Decimal(left)
            await eventually(lambda size=size: book.positions[BTC].quantity == size)
        await run.reconcile()
        orders = await run.stage.venue.open_orders()
        assert [order.quantity for order in orders] == [Decimal("0.01")] * 2
        ended = [e for e in run.events if isinstance(e, OrderChanged) and "auto-delev" in e.detail]
        assert len(ended) == 2


async def test_deleveraged_whole_the_trade_is_closed_once(tmp_path: Path) -> None:
    async with holding(tmp_path) as (server, run):
        server.world.deleverage("BTCUSDT")
        await eventually(lambda: BTC not in run.engine.trader.book.positions)
        await run.reconcile()
        [trade] = await run.engine.ledger.closed_trades()
        assert trade.exit_reason is ExitReason.EXTERNAL
        assert server.world.exchange.books.open_algos() == []
        assert told(run.events, "auto-deleveraging by the exchange")


async def test_liquidated_the_trade_is_closed_as_such(tmp_path: Path) -> None:
    async with holding(tmp_path) as (server, run):
        server.world.liquidate("BTCUSDT")
        await eventually(lambda: BTC not in run.engine.trader.book.positions)
        await run.reconcile()
        [trade] = await run.engine.ledger.closed_trades()
        assert trade.exit_reason is ExitReason.LIQUIDATION
        assert server.world.exchange.books.open_algos() == []


async def test_delisted_nothing_opens_and_exits_go_on(tmp_path: Path) -> None:
    async with holding(tmp_path) as (server, run):
        server.world.set_listed("BTCUSDT", False)
        desk = Live(server, run.stage._session, run.stage.venue, None)  # type: ignore[arg-type]
        with pytest.raises(NotExecuted) as refused:
            await run.stage.venue.submit(desk.entry())
        assert refused.value.refusal is Refusal.UNKNOWN_SYMBOL
        position = run.engine.trader.book.positions[BTC]
        server.set_price("BTCUSDT", position.stop_price)
        await eventually(lambda: BTC not in run.engine.trader.book.positions)
        assert server.ledger().positions == []


async def test_settled_the_trade_is_closed_and_nothing_rests(tmp_path: Path) -> None:
    async with holding(tmp_path) as (server, run):
        server.world.keeper.settle("BTCUSDT")
        await eventually(lambda: BTC not in run.engine.trader.book.positions)
        await run.reconcile()
        [trade] = await run.engine.ledger.closed_trades()
        assert trade.exit_reason is ExitReason.EXTERNAL
        assert server.world.exchange.books.open_algos() == []
        assert told(run.events, "by the exchange")
