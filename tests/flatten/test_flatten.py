"""Flatten against a venue that fails in every way, asked and believed alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.flatten import ROUNDS, flatten, make_safe
from engine.ledger.port import RecordError
from engine.model.events import ExitDecided, Noticed, PositionClosed, PositionOpened, Severity
from engine.model.market import Pair
from engine.model.orders import ApprovedOrder, ExitReason, OrderKind, OrderState, ReduceOrder
from engine.model.signal import Side
from engine.strategy import Strategy
from engine.venues.port import OrderReport, Retryable, UnknownOutcome, VenuePosition
from tests.engine.scripted import BTC, ETH, Bench, decision
from tests.flatten.faults import PAIRS, SOL, Rig


async def opened(seed: int = 1) -> Rig:
    rig = Rig(seed)
    await rig.open_three()
    return rig


def nothing_left(rig: Bench) -> bool:
    resting = [r for r in rig.venue.orders.values() if not r.state.final]
    return not rig.venue.held and not resting


async def test_it_closes_everything_and_sees_that_it_is_so() -> None:
    rig = await opened()
    found = await flatten(rig.book, rig.clock, "enough")
    assert found.flat
    assert (found.closed, found.rounds, found.left) == (3, 1, ())
    assert nothing_left(rig)
    assert not rig.book.positions
    closed = await rig.events(PositionClosed)
    assert {event.trade.exit_reason for event in closed} == {ExitReason.FLATTEN}
    assert len(rig.trades) == 3


async def test_stops_guard_until_the_position_is_gone() -> None:
    """No cancel is asked of the venue before that pair's market exit has been sent."""
    rig = await opened()
    rig.venue.calls.clear()
    await flatten(rig.book, rig.clock, "x")
    for pair in PAIRS:
        about = [call for call, name in rig.venue.calls if f"-{pair.base}-" in name]
        assert about.index(str(OrderKind.EXIT)) < about.index("cancel")


async def test_every_order_of_it_can_only_reduce() -> None:
    rig = await opened()
    before = len(rig.venue.sent)
    await flatten(rig.book, rig.clock, "x")
    assert all(isinstance(order, ReduceOrder) for order in rig.venue.sent[before:])


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_it_succeeds_where_one_request_in_three_is_answered(seed: int) -> None:
    async def run() -> None:
        rig = await opened(seed)
        rig.patchy.patchy = True
        started, asked = rig.clock.now(), rig.patchy.requests
        for _ in range(3):  # what a person would do: again
            found = await flatten(rig.book, rig.clock, "x")
            if found.flat:
                break
        assert found.flat
        assert nothing_left(rig)
        assert not rig.book.positions
        assert len(rig.trades) == 3, "each position became one trade"
        assert rig.patchy.requests - asked < 2_000
        assert rig.clock.now() > started, "retries were paced"

    asyncio.run(run())


async def test_a_venue_that_never_answers_is_given_up_on_in_bounded_rounds() -> None:
    rig = await opened()
    rig.patchy.patchy, rig.patchy.one_in = True, 10**9
    found = await flatten(rig.book, rig.clock, "x")
    assert not found.flat
    assert found.rounds == ROUNDS
    assert "not flat" in found.detail
    rig.patchy.patchy = False
    again = await flatten(rig.book, rig.clock, "x")
    assert again.flat
    assert nothing_left(rig)


async def test_records_that_cannot_be_written_stop_nothing() -> None:
    rig = await opened()
    rig.recorder.fail_intents = True
    rig.recorder.fail_records = RecordError("the file is read-only")
    found = await flatten(rig.book, rig.clock, "x")
    assert found.flat
    assert nothing_left(rig)
    assert rig.journal.failing
    await rig.journal.flush()
    assert [e for e in rig.told if isinstance(e, Noticed) and "not recorded" in e.detail]


async def test_an_entry_approved_but_not_sent_does_not_leave_any_more() -> None:
    rig = await opened()
    rig.desk.entries_held = "entries halted by flatten"
    order = rig.late_entry()
    sent = len(rig.venue.sent)
    assert await rig.book.enter(order, decision(order.pair), Strategy(), D(10_000)) is False
    assert len(rig.venue.sent) == sent
    assert rig.desk.entering == set()
    assert not rig.book._tickets


class SlowEntry(Bench):
    """A venue that takes an entry and holds its answer back."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.taken = asyncio.Event()
        submit = self.venue.submit

        async def slow(order: ApprovedOrder | ReduceOrder) -> OrderReport:
            if isinstance(order, ApprovedOrder):
                self.taken.set()
                await self.go.wait()
            return await submit(order)

        self.venue.submit = slow  # type: ignore[method-assign]


async def test_it_is_not_flat_while_an_entry_is_on_its_way() -> None:
    """The entry fills at the venue while flatten already works: it is closed as well."""
    rig = SlowEntry()
    entering = asyncio.create_task(rig.enter())
    await rig.taken.wait()
    rig.desk.entries_held = "entries halted by flatten"
    flattening = asyncio.create_task(flatten(rig.book, rig.clock, "x"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not flattening.done(), "the venue shows nothing yet, but the entry may still fill"
    rig.go.set()
    await entering
    found = await flattening
    assert found.flat
    assert nothing_left(rig)
    assert not rig.book.positions


async def test_an_entry_of_unknown_outcome_is_waited_for_then_closed() -> None:
    rig = Bench()
    rig.venue.script[OrderKind.ENTRY].append("lost")
    rig.venue.find_errors.extend([Retryable(500, "no answer")] * 3)
    rig.desk.entries_held = ""
    task = asyncio.create_task(rig.enter())
    await asyncio.sleep(0)
    rig.desk.entries_held = "entries halted by flatten"
    found = await flatten(rig.book, rig.clock, "x")
    await task
    assert found.flat
    assert nothing_left(rig)
    assert len(rig.trades) == 1


async def test_an_entry_the_venue_denies_is_not_believed_gone_at_once() -> None:
    """It fills late: after the first "no such order", before ten seconds have passed."""
    rig = Bench()
    rig.desk.entries_held = ""
    rig.venue.script[OrderKind.ENTRY].append("lost")
    rig.venue.hidden.add("sgp-BTC-1-e")
    held = rig.venue.held
    rig.venue.held = {}
    order_task = asyncio.create_task(rig.enter())
    await asyncio.sleep(0)
    rig.desk.entries_held = "entries halted by flatten"
    flattening = asyncio.create_task(flatten(rig.book, rig.clock, "x"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert not flattening.done()
    rig.venue.held = held or {BTC: (Side.LONG, D(2))}
    rig.venue.hidden.clear()
    await order_task
    found = await flattening
    assert found.flat
    assert not rig.venue.held


async def test_a_position_nobody_knows_is_taken_over_and_closed() -> None:
    rig = Bench()
    rig.venue.held[ETH] = (Side.SHORT, D("1.5"))
    found = await flatten(rig.book, rig.clock, "x")
    assert found.flat
    assert found.closed == 1
    assert not rig.venue.held
    (opened_event,) = await rig.events(PositionOpened)
    assert opened_event.position.strategy == "adopted"
    assert any(
        e.level is Severity.CRITICAL and "in no record" in e.detail
        for e in await rig.events(Noticed)
    )


async def test_a_larger_position_than_the_book_knows_is_closed_whole() -> None:
    rig = Bench()
    await rig.enter()
    rig.venue.held[BTC] = (Side.LONG, D(5))
    found = await flatten(rig.book, rig.clock, "x")
    assert found.flat
    assert not rig.venue.held


async def test_a_stop_that_fired_unheard_is_learnt_not_fought() -> None:
    rig = await opened()
    stop = rig.venue.resting(OrderKind.STOP)[0]
    rig.venue.trigger(stop.client_order_id)
    rig.venue.queue.clear()  # the venue's message was lost
    found = await flatten(rig.book, rig.clock, "x")
    assert found.flat
    assert not rig.book.positions
    reasons = sorted(trade.exit_reason for trade in rig.trades)
    assert reasons == [ExitReason.FLATTEN, ExitReason.FLATTEN, ExitReason.STOP_LOSS]


async def test_a_stop_that_fires_meanwhile_makes_no_second_trade() -> None:
    rig = await opened()
    stop = next(r for r in rig.venue.resting(OrderKind.STOP) if r.pair == BTC)
    rig.venue.trigger(stop.client_order_id)
    found = await flatten(rig.book, rig.clock, "x")
    assert found.flat
    assert len(rig.trades) == 3


async def test_orders_without_a_position_are_cancelled() -> None:
    rig = Bench()
    await rig.enter()
    rig.venue.orders["stray"] = OrderReport(
        "stray", ETH, OrderKind.STOP, OrderState.ACKNOWLEDGED, D(1), D(0), D(40)
    )
    found = await flatten(rig.book, rig.clock, "x")
    assert found.flat
    assert nothing_left(rig)


async def test_nothing_open_is_flat_at_once() -> None:
    rig = Bench()
    found = await flatten(rig.book, rig.clock, "x")
    assert (found.flat, found.closed, found.rounds) == (True, 0, 1)
    assert await rig.events(ExitDecided) == []


# Making safe


async def test_positions_with_their_stops_are_safe_and_left_alone() -> None:
    rig = await opened()
    before = list(rig.venue.calls)
    assert await make_safe(rig.book, rig.clock, "SHUTDOWN") == ()
    assert rig.venue.calls == before
    assert len(rig.venue.held) == 3


async def test_a_stop_missing_at_the_venue_is_rested_anew() -> None:
    rig = await opened()
    gone = next(r for r in rig.venue.resting(OrderKind.STOP) if r.pair == SOL)
    del rig.venue.orders[gone.client_order_id]  # nobody was told
    assert await make_safe(rig.book, rig.clock, "SHUTDOWN") == ()
    assert SOL in {r.pair for r in rig.venue.resting(OrderKind.STOP)}
    assert len(rig.venue.held) == 3


async def test_a_stop_that_covers_only_a_part_is_not_enough() -> None:
    rig = Bench()
    await rig.enter()
    rig.venue.held[BTC] = (Side.LONG, D(3))
    assert await make_safe(rig.book, rig.clock, "SHUTDOWN") == ()
    assert not rig.venue.held or rig.venue.resting(OrderKind.STOP)[0].quantity >= 3


async def test_where_no_stop_can_rest_the_position_is_closed() -> None:
    rig = await opened()
    for report in rig.venue.resting(OrderKind.STOP):
        del rig.venue.orders[report.client_order_id]
    rig.venue.script[OrderKind.STOP].extend([UnknownOutcome("no answer")] * 200)
    assert await make_safe(rig.book, rig.clock, "SHUTDOWN") == ()
    covered = {r.pair for r in rig.venue.resting(OrderKind.STOP)}
    assert set(rig.venue.held) <= covered


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_safety_is_reached_where_one_request_in_three_is_answered(seed: int) -> None:
    async def run() -> None:
        rig = await opened(seed)
        for report in rig.venue.resting(OrderKind.STOP)[:2]:
            del rig.venue.orders[report.client_order_id]
        rig.patchy.patchy = True
        for _ in range(3):
            left = await make_safe(rig.book, rig.clock, "SHUTDOWN")
            if not left:
                break
        assert left == ()
        for pair, (_, quantity) in rig.venue.held.items():
            stops = [r for r in rig.venue.resting(OrderKind.STOP) if r.pair == pair]
            assert sum(r.quantity for r in stops) >= quantity

    asyncio.run(run())


async def test_the_venues_silence_is_no_safety() -> None:
    rig = await opened()
    rig.patchy.patchy, rig.patchy.one_in = True, 10**9
    assert await make_safe(rig.book, rig.clock, "SHUTDOWN") == tuple(sorted(PAIRS))


async def test_no_answer_about_orders_is_not_taken_for_none() -> None:
    rig = await opened()
    answers: list[Sequence[OrderReport]] = []

    async def silent(pair: Pair | None = None) -> Sequence[OrderReport]:
        if len(answers) < 3:
            answers.append([])
            raise Retryable(500, "no answer")
        return await type(rig.venue).open_orders(rig.venue, pair)

    rig.venue.open_orders = silent  # type: ignore[method-assign]
    found = await flatten(rig.book, rig.clock, "x")
    assert found.flat
    assert found.rounds == 2
    assert found.unanswered == 3


@pytest.mark.parametrize("quantity", [D("0.7"), D(1)])
async def test_what_is_filled_in_part_is_closed_in_further_rounds(quantity: D) -> None:
    rig = Bench()
    await rig.enter()
    rig.venue.script[OrderKind.EXIT].append(quantity)
    found = await flatten(rig.book, rig.clock, "x")
    assert found.flat
    assert found.rounds == 2
    assert isinstance(rig.trades[0].quantity, D)
    assert await rig.venue.positions() == list[VenuePosition]()
