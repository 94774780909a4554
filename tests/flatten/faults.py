"""A venue that answers only now and then, over the scripted one; and a rig of three positions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal as D
from typing import Any

from engine.clock import MarketClock
from engine.model.market import Pair
from engine.model.orders import ApprovedOrder, OrderKind, ReduceOrder
from engine.venues.port import (
    NotExecuted,
    OrderReport,
    Refusal,
    Retryable,
    UnknownOutcome,
    VenuePosition,
)
from tests.engine.scripted import BTC, ETH, START, Bench, ScriptedVenue, entry
from tests.risk.builders import INSTRUMENTS

SOL = list(INSTRUMENTS)[2]
PAIRS = (BTC, ETH, SOL)


class PatchyVenue(ScriptedVenue):
    """Answers one request in ``one_in``; an unanswered write was executed half of the time.

    Reduces only what is there."""

    def __init__(self, seed: int = 1, one_in: int = 3) -> None:
        super().__init__()
        self.one_in = one_in
        self.requests = 0
        self.patchy = False
        self._dice = random.Random(seed)

    def _answers(self) -> bool:
        self.requests += 1
        return not self.patchy or self._dice.randrange(self.one_in) == 0

    async def positions(self) -> Sequence[VenuePosition]:
        if not self._answers():
            raise Retryable(500, "no answer")
        return await super().positions()

    async def open_orders(self, pair: Pair | None = None) -> Sequence[OrderReport]:
        if not self._answers():
            raise Retryable(500, "no answer")
        return await super().open_orders(pair)

    async def submit(self, order: ApprovedOrder | ReduceOrder) -> OrderReport:
        if self._answers():
            return await self._accept(order)
        if self._dice.random() < 0.5:
            with suppress(NotExecuted):
                await self._accept(order)
        raise UnknownOutcome("no answer")

    async def _accept(self, order: ApprovedOrder | ReduceOrder) -> OrderReport:
        """Execute an order; one that reduces only what is there."""
        if isinstance(order, ReduceOrder) and order.pair not in self.held:
            raise NotExecuted(Refusal.REDUCE_ONLY, "nothing to reduce")
        return await super().submit(order)

    async def cancel(self, pair: Pair, client_order_id: str) -> OrderReport:
        if self._answers():
            return await super().cancel(pair, client_order_id)
        if self._dice.random() < 0.5:
            await super().cancel(pair, client_order_id)
        raise UnknownOutcome("no answer")

    async def find(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        if not self._answers():
            raise Retryable(500, "no answer")
        return await super().find(pair, client_order_id)


class SharedClock(MarketClock):
    """A clock whose sleeps pass side by side, the shortest first, without waiting."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self._due: list[int] = []

    async def sleep(self, ms: int) -> None:
        due = self.now() + ms
        self._due.append(due)
        while self.now() < due:
            for _ in range(8):  # whoever is awake goes first
                await asyncio.sleep(0)
            if due == min(self._due):
                self.set(max(due, self.now()))
        self._due.remove(due)


class Rig(Bench):
    """A book with three protected positions over a patchy venue."""

    def __init__(self, seed: int = 1, **options: Any) -> None:
        super().__init__(**{"clock": SharedClock(START), **options})
        self.patchy = PatchyVenue(seed)
        self.patchy.marks[SOL] = D(20)
        self.venue = self.patchy
        self.desk.venue = self.patchy

    async def open_three(self) -> None:
        """Open them while the venue still answers."""
        for number, pair in enumerate(PAIRS, 1):
            mark = self.venue.marks[pair]
            await self.enter(
                client_order_id=f"sgp-{pair.base}-{number}-e",
                pair=pair,
                reference_price=mark,
                stop_price=mark * D("0.98"),
                target_price=mark * D("1.04"),
            )
        assert len(self.book.positions) == 3
        assert len(self.venue.resting(OrderKind.STOP)) == 3

    def late_entry(self, pair: Pair = BTC) -> ApprovedOrder:
        """Return one more approved entry."""
        return entry(f"sgp-{pair.base}-99-e", pair=pair)
