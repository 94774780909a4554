"""Reconciliation: what differs is found, repaired or disputed; repeating it changes nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import WallClock
from engine.execution.book import Book
from engine.execution.desk import OrderDesk
from engine.execution.journal import Journal
from engine.execution.reconcile import Fault, Reconciler, compare
from engine.model.commands import Level
from engine.model.events import Event, Noticed, PositionClosed
from engine.model.market import Pair
from engine.model.orders import (
    ApprovedOrder,
    ClosedTrade,
    ExitReason,
    OrderKind,
    OrderState,
    Position,
    ReduceOrder,
)
from engine.model.signal import Regime, Side
from engine.protection.breaker import CircuitBreaker
from engine.venues.port import OrderReport, VenuePosition
from tests.exchange.live import BTC, ETH, Live, live

PAIRS = (BTC, ETH, Pair("SOL/USDT:USDT"))


class Remembered:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def intend(
        self, order: ApprovedOrder | ReduceOrder, time: int, *, shadow: bool = False
    ) -> None:
        pass

    async def record(self, events: Sequence[Event]) -> None:
        self.events.extend(events)


@dataclass
class Bench:
    """A book on the loopback exchange with a reconciler."""

    desk: Live
    book: Book
    reconciler: Reconciler
    breaker: CircuitBreaker
    recorder: Remembered
    trades: list[ClosedTrade] = field(default_factory=list)

    async def run(self) -> list[str]:
        notes = await self.reconciler.run(self.desk.session.now())
        await self.book.desk.journal.flush()
        return notes

    async def open(self, quantity: str = "0.01") -> Position:
        """Open and protect a position as the book would have it."""
        position = await self.desk.position(quantity=quantity)
        self.book.positions[BTC] = position
        for name in position.client_order_ids:
            report = await self.desk.venue.find(BTC, name)
            assert report is not None
            self.book.remember_fills(report.fills)
        await self.book.protect(BTC)
        await self.run()
        return self.book.positions[BTC]

    async def truth(self) -> tuple[object, ...]:
        """Return what book and venue hold."""
        orders = await self.desk.venue.open_orders()
        held = await self.desk.venue.positions()
        return (
            dict(self.book.positions),
            sorted(order.client_order_id for order in orders),
            [(p.pair, p.side, p.quantity) for p in held],
            self.breaker.level,
            dict(self.reconciler.disputed),
        )

    async def settled(self) -> None:
        """Hold that reconciling once more changes nothing."""
        before = await self.truth()
        assert await self.run() == []
        assert await self.truth() == before


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with live() as desk:
        recorder, clock, breaker = Remembered(), WallClock(), CircuitBreaker()
        journal = Journal(recorder, lambda events: None)
        book = Book(OrderDesk(desk.venue, journal, clock, None, shadow=False), journal, clock)
        desk.venue.held = lambda pair: (
            book.positions[pair].quantity * book.positions[pair].side.sign
            if pair in book.positions
            else Decimal(0)
        )
        user = desk.session.user_data(desk.venue, desk.session.now() - 1_000)
        made = Bench(desk, book, Reconciler(book, breaker, user.poll), breaker, recorder)
        book.on_trade = made.trades.append
        yield made


async def test_nothing_to_do() -> None:
    async with bench() as it:
        await it.open()
        assert it.breaker.level is Level.CLOSED
        await it.settled()


async def test_a_stop_cancelled_by_hand_is_rested_anew() -> None:
    async with bench() as it:
        position = await it.open()
        await it.desk.session.trading.cancel_order(
            "", str(BTC), {"trigger": True, "clientOrderId": position.stop_order_id}
        )
        await it.run()
        now = it.book.positions[BTC]
        resting = {order.client_order_id for order in await it.desk.venue.open_orders()}
        assert {now.stop_order_id, now.target_order_id} == resting
        await it.settled()


async def test_orphans_of_ours_are_swept_and_others_left_alone() -> None:
    async with bench() as it:
        position = await it.open()
        orphan = it.desk.stop(position, "0.97")
        await it.desk.venue.submit(orphan)
        foreign = {"stopLossPrice": 50_000, "reduceOnly": True, "clientOrderId": "by-hand"}
        await it.desk.session.trading.create_order(str(BTC), "market", "sell", 0.01, None, foreign)
        notes = await it.run()
        assert any(orphan.client_order_id in note for note in notes)
        resting = {order.client_order_id for order in await it.desk.venue.open_orders()}
        assert resting == {position.stop_order_id, position.target_order_id, "by-hand"}
        await it.settled()


async def test_a_part_closed_by_hand_corrects_the_book() -> None:
    async with bench() as it:
        await it.open()
        await it.desk.session.trading.create_order(str(BTC), "market", "sell", 0.004)
        await it.run()
        assert it.book.positions[BTC].quantity == Decimal("0.006")
        assert it.breaker.level is Level.CLOSED
        await it.settled()


async def test_guards_follow_a_part_closed_by_hand() -> None:
    async with bench() as it:
        await it.open()
        await it.desk.session.trading.create_order(str(BTC), "market", "sell", 0.004)
        await it.run()
        orders = await it.desk.venue.open_orders()
        assert [order.quantity for order in orders] == [Decimal("0.006")] * 2
        await it.settled()


async def test_a_position_closed_by_hand_is_booked_from_its_fills() -> None:
    async with bench() as it:
        await it.open()
        await it.desk.session.trading.create_order(str(BTC), "market", "sell", 0.01)
        await it.run()
        assert it.book.positions == {}
        [trade] = it.trades
        assert trade.exit_reason is ExitReason.EXTERNAL
        truth = it.desk.server.ledger()
        assert trade.pnl == truth.balance - truth.initial
        assert await it.desk.venue.open_orders() == []
        await it.settled()


async def test_an_unknown_position_is_disputed_until_it_is_adopted() -> None:
    async with bench() as it:
        await it.run()
        trading = it.desk.session.trading
        await trading.create_order(str(BTC), "market", "sell", 0.01)
        await it.run()
        assert "venue short 0.01" in it.reconciler.disputed[BTC]
        assert it.breaker.level is Level.HALT
        assert it.book.positions == {}
        await it.settled()
        said = await it.reconciler.adopt(BTC, it.desk.session.now())
        assert "adopted short 0.01" in said
        assert it.reconciler.disputed == {}
        position = it.book.positions[BTC]
        resting = {order.client_order_id for order in await it.desk.venue.open_orders()}
        assert resting == {position.stop_order_id, position.target_order_id}
        await it.settled()


async def test_a_position_only_the_book_has_is_disputed_and_written_off_when_adopted() -> None:
    async with bench() as it:
        position = await it.open()
        ghost = replace(
            position, pair=ETH, id="sgb-ETH-ghost", stop_order_id="x", target_order_id="y"
        )
        it.book.positions[ETH] = ghost
        await it.run()
        assert ETH in it.reconciler.disputed
        await it.reconciler.adopt(ETH, it.desk.session.now())
        await it.book.desk.journal.flush()
        assert ETH not in it.book.positions
        closed = [e for e in it.recorder.events if isinstance(e, PositionClosed)]
        assert closed[0].trade.client_order_ids[-1].startswith("estimate-")
        assert it.reconciler.disputed == {}


async def test_a_venue_that_does_not_answer_changes_nothing() -> None:
    async with bench() as it:
        await it.open()
        before = await it.truth()
        it.desk.server.faults.add("body", path="/positionRisk", shape="truncated")
        notes = await it.run()
        assert any("not reconciled" in note for note in notes)
        assert await it.truth() == before
        told = [e for e in it.recorder.events if isinstance(e, Noticed)]
        assert any(event.topic == "reconciliation" for event in told)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_done_by_hand_it_converges(seed: int) -> None:
    chance = random.Random(seed)
    async with bench() as it:
        await it.open("0.02")
        trading = it.desk.session.trading
        for _ in range(6):
            resting = [o.client_order_id for o in await it.desk.venue.open_orders()]
            act = chance.choice(("sell", "cancel", "orphan", "price"))
            if act == "sell" and BTC in it.book.positions:
                await trading.create_order(
                    str(BTC), "market", "sell", 0.004, None, {"reduceOnly": True}
                )
            elif act == "cancel" and resting:
                name = chance.choice(resting)
                await trading.cancel_order("", str(BTC), {"trigger": True, "clientOrderId": name})
            elif act == "orphan" and BTC in it.book.positions:
                await it.desk.venue.submit(it.desk.stop(it.book.positions[BTC], "0.95"))
            elif act == "price":
                it.desk.move(chance.choice(("0.997", "1.004")))
            await it.run()
            await it.settled()
        truth = it.desk.server.ledger()
        if not it.book.positions:
            assert sum(t.pnl for t in it.trades) == truth.balance - truth.initial


# The pure comparison


def _position(
    pair: Pair, side: Side, quantity: int, stop: str | None, target: str | None
) -> Position:
    return Position(
        id=f"sgb-{pair.base}-1", pair=pair, side=side, quantity=Decimal(quantity),
        initial_quantity=Decimal(quantity), entry_price=Decimal(100), opened=0,
        stop_price=Decimal(90), target_price=Decimal(120), risk_per_unit=Decimal(10), leverage=10,
        regime=Regime.RANGE, confidence=0.5, strategy="t", strategy_version=1,
        entry_equity=Decimal(1000), thesis=(), best_price=Decimal(100), client_order_ids=(),
        stop_order_id=stop, target_order_id=target,
    )  # fmt: skip


def _resting(pair: Pair, name: str, kind: OrderKind, quantity: int = 1) -> OrderReport:
    state = OrderState.ACKNOWLEDGED
    return OrderReport(name, pair, kind, state, Decimal(quantity), Decimal(0), Decimal(90))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[Pair, Position], list[VenuePosition], list[OrderReport]]:
    ours: dict[Pair, Position] = {}
    held: list[VenuePosition] = []
    orders: list[OrderReport] = []
    for pair in PAIRS:
        side = draw(st.sampled_from(Side))
        if draw(st.booleans()):
            names = (f"sg-{pair.base}-s1", f"sg-{pair.base}-t1")
            ours[pair] = _position(pair, side, draw(st.integers(1, 3)), *names)
        if draw(st.booleans()):
            quantity, price = Decimal(draw(st.integers(1, 3))), Decimal(100)
            held.append(VenuePosition(pair, side, quantity, price, price, None))
        for kind, letter in ((OrderKind.STOP, "s"), (OrderKind.TARGET, "t")):
            for number in draw(st.sets(st.integers(1, 2))):
                name = f"sg-{pair.base}-{letter}{number}"
                orders.append(_resting(pair, name, kind, draw(st.integers(1, 3))))
    return ours, held, orders


@given(worlds(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=150)
def test_comparing_ignores_order_and_repetition(
    world: tuple[dict[Pair, Position], list[VenuePosition], list[OrderReport]],
    chance: random.Random,
) -> None:
    ours, held, orders = world
    first = compare(ours, held, orders)
    shuffled = [*orders, *orders]
    chance.shuffle(shuffled)
    again = compare(dict(reversed(ours.items())), reversed(held), shuffled)
    assert set(first) == set(again)


@given(worlds())
@settings(deadline=None, max_examples=150)
def test_what_is_found_and_repaired_is_found_no_more(
    world: tuple[dict[Pair, Position], list[VenuePosition], list[OrderReport]],
) -> None:
    ours, held, orders = world
    for finding in compare(ours, held, orders):
        if finding.fault is Fault.ORPHAN:
            orders = [o for o in orders if o.client_order_id != finding.client_order_id]
        elif finding.fault is not Fault.POSITION:  # both guards rest anew, with the right size
            position = ours[finding.pair]
            guards = (position.stop_order_id, position.target_order_id)
            orders = [o for o in orders if o.client_order_id not in guards]
            for name, kind in zip(guards, (OrderKind.STOP, OrderKind.TARGET), strict=True):
                assert name is not None
                orders.append(_resting(finding.pair, name, kind, int(position.quantity)))
    left = compare(ours, held, orders)
    assert all(finding.fault is Fault.POSITION for finding in left)
    differing = {
        pair
        for pair in PAIRS
        if (pair in ours) != any(p.pair == pair for p in held)
        or any(
            p.pair == pair and (p.side, p.quantity) != (ours[pair].side, ours[pair].quantity)
            for p in held
            if pair in ours
        )
    }
    assert {finding.pair for finding in left} == differing


def test_orders_of_unknown_outcome_are_neither_missing_nor_orphans() -> None:
    position = _position(BTC, Side.LONG, 1, "sg-BTC-s1", None)
    venue = [VenuePosition(BTC, Side.LONG, Decimal(1), Decimal(100), Decimal(100), None)]
    assert compare({BTC: position}, venue, [], frozenset({"sg-BTC-s1"})) == []
    orphan = _resting(BTC, "sg-BTC-s9", OrderKind.STOP)
    found = compare({BTC: position}, venue, [orphan], frozenset({"sg-BTC-s1", "sg-BTC-s9"}))
    assert found == []


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("http", {"status": 500}),
        ("reset", {"when": "before"}),
        ("reset", {"when": "mid"}),
        ("error", {"code": -1008}),
        ("error", {"code": -2021}),
    ],
)
async def test_a_stop_that_cannot_be_placed_at_first_rests_in_time(
    kind: str, options: dict[str, object]
) -> None:
    async with bench() as it:
        it.desk.server.faults.add(kind, method="POST", path="/algoOrder", **options)
        position = await it.open()
        assert position.stop_order_id is not None
        assert it.desk.server.ledger().longest_unprotected_ms < 5_000
        assert it.trades == []


async def test_a_position_that_no_stop_can_guard_is_closed() -> None:
    async with bench() as it:
        it.desk.server.faults.add("error", method="POST", path="/algoOrder", code=-2021, count=None)
        position = await it.desk.position()
        it.book.positions[BTC] = position
        await it.book.protect(BTC)
        assert it.book.positions == {}
        [trade] = it.trades
        assert trade.exit_reason is ExitReason.PROTECTION_FAILED
        assert it.desk.server.ledger().longest_unprotected_ms < 6_500
