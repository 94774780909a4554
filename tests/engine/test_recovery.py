"""What a dead run left: every intent gets an end; nothing is sent or counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

from engine.execution import recovery
from engine.execution.book import Book
from engine.execution.desk import Sent
from engine.execution.exits import Exit
from engine.ledger.rows import Intent
from engine.model.events import OrderChanged
from engine.model.orders import ExitReason, Fill, OrderKind, OrderState
from engine.model.signal import Side
from engine.venues.port import OrderReport, Retryable
from tests.engine.scripted import BTC, START, Bench

STOP, TARGET, EXIT, ENTRY = OrderKind.STOP, OrderKind.TARGET, OrderKind.EXIT, OrderKind.ENTRY


async def nothing_known(client_order_id: str, shadow: bool) -> Sequence[Fill]:
    return ()


def intent(
    client_order_id: str, kind: OrderKind, state: OrderState = OrderState.INTENT, **changes: Any
) -> Intent:
    made = Intent(client_order_id, BTC, kind, Side.LONG, D(2), START, state)
    if kind is ENTRY:
        prices = {"reference_price": D(100), "stop_price": D(98), "target_price": D(104)}
        made = replace(made, **prices, leverage=10)
    return replace(made, **changes)


class Restarted(Bench):
    """A bench whose book was made anew, with the positions its ledger knew."""

    async def forget(self) -> None:
        await self.journal.flush()
        positions = list(self.book.positions.values())
        self.book = Book(self.desk, self.journal, self.clock)
        self.book.on_trade = self.trades.append
        self.book.adopt(positions)
        self.desk.unknown.clear()
        self.told.clear()
        self.venue.calls.clear()

    async def resolve(self, *intents: Intent, known: Any = nothing_known) -> list[str]:
        return await recovery.resolve(self.book, intents, known)


async def test_an_intent_that_never_left_is_over_and_told() -> None:
    bench = Restarted()
    notes = await bench.resolve(intent("sgp-BTC-1-e", ENTRY))
    assert len(notes) == 1
    [told] = await bench.events(OrderChanged)
    assert (told.client_order_id, told.state) == ("sgp-BTC-1-e", OrderState.REJECTED)
    assert not bench.venue.sent
    assert not bench.desk.blocked


async def test_resting_protection_is_as_it_should_be() -> None:
    bench = Restarted()
    await bench.enter()
    await bench.forget()
    acknowledged = OrderState.ACKNOWLEDGED
    notes = await bench.resolve(
        *(intent(bench.book.positions[BTC].stop_order_id or "", STOP, acknowledged),),
        *(intent(bench.book.positions[BTC].target_order_id or "", TARGET, acknowledged),),
    )
    assert notes == []
    assert await bench.events(OrderChanged) == []
    assert bench.venue.sent[3:] == []


async def test_a_stop_that_fired_meanwhile_closes_the_position_once() -> None:
    bench = Restarted()
    await bench.enter()
    stop = bench.sent(STOP)[0]
    bench.venue.trigger(stop)
    await bench.forget()
    notes = await bench.resolve(intent(stop, STOP, OrderState.ACKNOWLEDGED))
    assert len(notes) == 1
    await bench.book.settle()  # the venue reports the same fill once more
    assert not bench.book.positions
    assert len(bench.trades) == 1
    assert not bench.venue.resting(TARGET)


async def test_fills_on_record_are_not_applied_again() -> None:
    bench = Restarted()
    await bench.enter()
    [entered] = bench.venue.orders["sgp-BTC-1-e"].fills
    await bench.forget()

    async def known(client_order_id: str, shadow: bool) -> Sequence[Fill]:
        return [entered]

    await bench.resolve(intent("sgp-BTC-1-e", ENTRY, OrderState.UNKNOWN), known=known)
    assert bench.book.positions[BTC].quantity == D(2)


async def test_a_stop_that_is_gone_leaves_its_position_to_be_guarded_again() -> None:
    bench = Restarted()
    await bench.enter()
    stop = bench.sent(STOP)[0]
    del bench.venue.orders[stop]
    await bench.forget()
    await bench.resolve(intent(stop, STOP, OrderState.ACKNOWLEDGED))
    assert bench.book.positions[BTC].stop_order_id is None
    [told] = await bench.events(OrderChanged)
    assert told.state is OrderState.CANCELLED
    await bench.book.protect(BTC)
    assert len(bench.venue.resting(STOP)) == 1


async def test_a_stop_sent_but_not_on_record_is_adopted_by_its_naked_position() -> None:
    bench = Restarted()
    await bench.enter()
    position = bench.book.positions[BTC]
    bench.book.positions[BTC] = replace(position, stop_order_id=None)
    stop = bench.sent(STOP)[0]
    await bench.forget()
    await bench.resolve(intent(stop, STOP, trigger_price=D(98)))
    assert bench.book.positions[BTC].stop_order_id == stop
    assert bench.sent(STOP) == []


async def test_an_exit_that_was_executed_ends_the_position() -> None:
    bench = Restarted()
    await bench.enter()
    bench.venue.script[EXIT].append("lost")
    bench.venue.find_errors.extend([Retryable(1, "down")] * 100)
    before = bench.book.positions[BTC]
    await bench.book.leave(BTC, Exit(ExitReason.TIME_LIMIT, D(2), "late"))
    name = bench.sent(EXIT)[0]
    assert bench.book.positions == {BTC: before}
    await bench.forget()
    bench.venue.find_errors.clear()
    await bench.resolve(intent(name, EXIT, OrderState.UNKNOWN))
    assert not bench.book.positions
    assert [t.exit_reason for t in bench.trades] == [ExitReason.TIME_LIMIT]
    assert not bench.venue.resting(STOP) + bench.venue.resting(TARGET)


async def test_a_venue_that_does_not_answer_blocks_the_pair_until_it_does() -> None:
    bench = Restarted()
    bench.venue.find_errors.append(Retryable(100, "down"))
    notes = await bench.resolve(intent("sgp-BTC-1-e", ENTRY))
    assert "blocked" in notes[0]
    assert bench.desk.blocked == {BTC}
    bench.clock.set(START + 10_001)
    await bench.book.settle()
    assert not bench.desk.blocked


async def test_intents_of_the_other_book_are_left_alone() -> None:
    bench = Restarted()
    assert await bench.resolve(intent("sgp-BTC-1-e", ENTRY, shadow=True)) == []
    assert bench.venue.calls == []


async def test_differences_are_told_pair_by_pair() -> None:
    bench = Restarted()
    assert await recovery.differences(bench.book) == []
    await bench.enter()
    assert await recovery.differences(bench.book) == []
    bench.venue.held[BTC] = (Side.LONG, D("1.5"))
    assert await recovery.differences(bench.book) == [
        "BTC: the ledger has long 2, the venue long 1.5"
    ]
    bench.venue.held[BTC] = (Side.LONG, D("2.000"))  # the same, written otherwise
    assert await recovery.differences(bench.book) == []
    bench.venue.held.clear()
    assert "the venue nothing" in (await recovery.differences(bench.book))[0]
    bench.book.positions.clear()
    bench.venue.held[BTC] = (Side.SHORT, D(1))
    assert "the ledger has nothing" in (await recovery.differences(bench.book))[0]


async def test_learning_of_a_target_nobody_needs_cancels_it() -> None:
    bench = Restarted()
    await bench.enter()
    surplus = OrderReport("extra-t1", BTC, TARGET, OrderState.ACKNOWLEDGED, D(2), D(0), D(104))
    bench.venue.orders["extra-t1"] = surplus
    await bench.book.learn(Sent("extra-t1", BTC, TARGET, D(2), D(104)), surplus)
    assert ("cancel", "extra-t1") in bench.venue.calls
    assert len(bench.venue.resting(TARGET)) == 1


async def test_an_entry_executed_unheard_becomes_the_position_it_was_meant_to_be() -> None:
    bench = Restarted()
    bench.venue.script[ENTRY].append("lost")
    bench.venue.hidden.add("sgp-BTC-1-e")
    await bench.enter()  # the venue denies it for so long that the first run ends without it
    await bench.forget()
    bench.venue.hidden.clear()
    opener = recovery.Opener("V1+V2", 3, D(5_000))
    await recovery.resolve(bench.book, [intent("sgp-BTC-1-e", ENTRY)], nothing_known, opener)
    position = bench.book.positions[BTC]
    assert (position.id, position.quantity, position.stop_price) == ("sgp-BTC-1", D(2), D(98))
    assert (position.strategy, position.strategy_version) == ("V1+V2", 3)
    assert position.entry_equity == 5_000
    assert not bench.sent(ENTRY), "sent again"
    await bench.book.protect(BTC)
    assert bench.book.positions[BTC].stop_order_id is not None


async def test_a_young_entry_that_the_venue_does_not_know_yet_blocks_its_pair() -> None:
    bench = Restarted()
    bench.clock.set(START + 3_000)
    young = intent("sgp-BTC-1-e", ENTRY)
    await recovery.resolve(bench.book, [young], nothing_known, patience_ms=10_000)
    assert bench.desk.blocked == {BTC}
    await bench.book.settle()
    assert bench.desk.blocked == {BTC}
    bench.clock.set(START + 10_001)
    await bench.book.settle()
    assert not bench.desk.blocked


async def test_a_young_entry_that_arrives_late_becomes_a_guarded_position() -> None:
    bench = Restarted()
    bench.venue.script[ENTRY].append("lost")
    bench.venue.hidden.add("sgp-BTC-1-e")
    await bench.enter()
    await bench.forget()
    young = replace(intent("sgp-BTC-1-e", ENTRY), time=bench.clock.now())
    await recovery.resolve(bench.book, [young], nothing_known, patience_ms=10_000)
    bench.venue.hidden.clear()
    await bench.book.settle()
    assert bench.book.positions[BTC].stop_order_id is not None
    assert not bench.sent(ENTRY)
