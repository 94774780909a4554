"""A live session against the loopback exchange, with orders to send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from engine.execution.accounting import open_position
from engine.model.market import Pair
from engine.model.orders import (
    ApprovedOrder,
    ExitReason,
    OrderKind,
    Position,
    ReduceOrder,
    seal_for_safety_checker,
)
from engine.model.signal import Regime, Side
from engine.venues.exchange.client import Keys
from engine.venues.exchange.session import Session, SessionConfig
from engine.venues.exchange.userdata import UserData
from engine.venues.exchange.venue import ExchangeVenue
from engine.venues.port import OrderReport, VenueEvent
from tests.exchange_server import ExchangeServer

BTC = Pair("BTC/USDT:USDT")
ETH = Pair("ETH/USDT:USDT")
KEYS = Keys("test-key", "test-secret", "test-pass")


@dataclass
class Calls:
    """Hears of every call."""

    calls: list[tuple[str, float, bool]] = field(default_factory=list)
    offsets: list[float] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)

    def called(self, endpoint: str, ms: float, ok: bool) -> None:
        self.calls.append((endpoint, ms, ok))

    def weight(self, used: int, limit: int) -> None:
        self.weights.append(used)

    def clock(self, offset_ms: float, round_trip_ms: float) -> None:
        self.offsets.append(offset_ms)


@dataclass
class Live:
    """A venue on a server, and short ways to trade on it."""

    server: ExchangeServer
    session: Session
    venue: ExchangeVenue
    calls: Calls
    number: int = 0

    def mark(self, pair: Pair = BTC) -> Decimal:
        return self.server.world.prices.quotes[f"{pair.base}USDT"].mark

    def next_id(self) -> int:
        self.number += 1
        return self.number

    def entry(self, side: Side = Side.LONG, quantity: str = "0.01", tag: str = "") -> ApprovedOrder:
        mark = self.mark()
        name = tag or f"t{self.next_id()}"
        return ApprovedOrder(
            f"sgb-BTC-{name}-e",
            BTC,
            side,
            Decimal(quantity),
            mark,
            mark * Decimal("0.99"),
            mark * Decimal("1.02"),
            10,
            seal_for_safety_checker(),
        )

    async def position(self, side: Side = Side.LONG, quantity: str = "0.01") -> Position:
        order = self.entry(side, quantity)
        report = await self.venue.submit(order)
        return position_of(order, report)

    def stop(self, position: Position, factor: str = "0.99") -> ReduceOrder:
        price = self.session.instruments[BTC].round_price(self.mark() * Decimal(factor))
        return ReduceOrder.stop(position, f"{position.id}-s{self.next_id()}", price)

    def target(self, position: Position, factor: str = "1.02") -> ReduceOrder:
        price = self.session.instruments[BTC].round_price(self.mark() * Decimal(factor))
        return ReduceOrder.target(position, f"{position.id}-t{self.next_id()}", price)

    def close(self, position: Position, quantity: Decimal | None = None) -> ReduceOrder:
        return ReduceOrder.exit_at_market(
            position,
            f"{position.id}-x{self.next_id()}",
            quantity or position.quantity,
            ExitReason.TIME_LIMIT,
        )

    def move(self, factor: str) -> None:
        price = self.session.instruments[BTC].round_price(self.mark() * Decimal(factor))
        self.server.set_price("BTCUSDT", price)

    @property
    def fills(self) -> list[dict[str, Any]]:
        return self.server.ledger().fills


def position_of(order: ApprovedOrder, report: OrderReport) -> Position:
    return open_position(
        order,
        report.fills,
        position_id=order.client_order_id.removesuffix("-e"),
        regime=Regime.RANGE,
        confidence=0.5,
        strategy="test",
        strategy_version=1,
        entry_equity=Decimal(10_000),
    )


@asynccontextmanager
async def live(
    exchange: str = "binance", *, mode: str = "live", keys: Keys = KEYS, **options: Any
) -> AsyncIterator[Live]:
    """Open a session on a fresh server."""
    options.setdefault("history_days", 3)
    async with ExchangeServer(seed=7, **options) as server:
        calls = Calls()
        config = SessionConfig(exchange, mode, (BTC, ETH), keys, server.url)  # type: ignore[arg-type]
        session = Session(config, calls)
        try:
            await session.open()
            quotes = server.world.prices.quotes
            venue = session.venue(lambda pair: quotes[f"{pair.base}USDT"].mark)
            yield Live(server, session, venue, calls)
            await venue.close()
        finally:
            await session.close()


@asynccontextmanager
async def streaming(live: Live, *, stream: bool = True) -> AsyncIterator[UserData]:
    """Run stream and polling of a session."""
    user = live.session.user_data(live.venue, live.session.now() - 1_000)
    tasks = [asyncio.create_task(user.follow())]
    if stream:
        tasks.append(asyncio.create_task(user.stream()))
        await eventually(lambda: any(c.listen_key for c in live.server.streams.connections))
    try:
        yield user
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def eventually(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Wait until a condition holds and return its value."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found:
                return found
            await asyncio.sleep(0.02)


async def drained(venue: ExchangeVenue, count: int, seconds: float = 15.0) -> list[VenueEvent]:
    """Collect what the venue tells until there are ``count`` events."""
    events: list[VenueEvent] = []

    def enough() -> bool:
        events.extend(venue.drain())
        return len(events) >= count

    await eventually(enough, seconds)
    return events


__all__ = ["BTC", "ETH", "KEYS", "Calls", "Live", "OrderKind", "drained", "eventually", "live"]
