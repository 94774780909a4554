"""Positions and their orders against a venue that refuses, loses replies and acts by itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from engine.clock import MarketClock
from engine.execution.desk import STOP_EVIDENCE_MS, STOP_EVIDENCE_STEP_MS
from engine.execution.exits import Exit, StopMove
from engine.model.events import (
    FundingPaid,
    Noticed,
    OrderChanged,
    OrderFilled,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    Severity,
)
from engine.model.orders import ExitReason, OrderKind, OrderState
from engine.model.signal import Side
from engine.venues.port import Fatal, FundingPayment, Retryable, UnknownOutcome
from tests.engine.scripted import BTC, ETH, LOST, REFUSED, START, Bench

STOP, TARGET, EXIT, ENTRY = OrderKind.STOP, OrderKind.TARGET, OrderKind.EXIT, OrderKind.ENTRY
BETTER = StopMove(D(99), True, False, "trail")
LEAVE = Exit(ExitReason.TIME_LIMIT, D(2), "too long")


async def test_an_entry_rests_stop_and_target_for_what_was_filled() -> None:
    bench = Bench()
    assert await bench.enter()
    position = bench.book.positions[BTC]
    assert (position.quantity, position.stop_order_id is not None) == (D(2), True)
    stop, target = (bench.venue.resting(kind)[0] for kind in (STOP, TARGET))
    assert (stop.quantity, stop.trigger_price) == (D(2), D(98))
    assert (target.quantity, target.trigger_price) == (D(2), D(104))
    assert [name for name, _ in bench.venue.calls] == ["leverage", "entry", "stop", "target"]


async def test_the_position_is_recorded_before_its_stop_is_sent() -> None:
    bench = Bench()
    recorded_first = []
    submit = bench.venue.submit

    async def watched(order):  # type: ignore[no-untyped-def]
        if order.client_order_id.endswith("-e"):
            recorded_first.append(order.client_order_id in bench.recorder.intents)
        else:
            recorded_first.append(any(type(e) is PositionOpened for e in bench.recorder.events))
        return await submit(order)

    bench.venue.submit = watched  # type: ignore[method-assign]
    await bench.enter()
    assert recorded_first == [True, True, True]


async def test_a_refused_entry_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append(REFUSED)
    assert not await bench.enter()
    assert not bench.book.positions
    assert not bench.venue.resting(STOP)
    assert not bench.desk.blocked
    [told] = await bench.events(OrderChanged)
    assert told.state is OrderState.REJECTED
    assert bench.observer.results == [False]


@pytest.mark.parametrize("error", [REFUSED, LOST, Retryable(100, "busy"), Fatal("wrong key")])
async def test_an_entry_whose_leverage_is_not_confirmed_does_not_leave(error: Exception) -> None:
    bench = Bench()
    bench.venue.leverage_error = error
    assert not await bench.enter()
    assert not bench.venue.sent
    assert not bench.recorder.intents
    [told] = await bench.events(OrderChanged)
    assert told.state is OrderState.REJECTED
    assert "leverage" in told.detail
    assert not bench.desk.blocked


async def test_a_fatal_refusal_is_told_to_a_person_and_the_engine_lives() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append(Fatal("wrong key"))
    assert not await bench.enter()
    [notice] = await bench.events(Noticed)
    assert notice.severity is Severity.CRITICAL


async def test_a_partial_entry_gets_protection_of_its_size() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append(D("0.7"))
    assert await bench.enter()
    assert bench.book.positions[BTC].quantity == D("0.7")
    assert [r.quantity for r in bench.venue.resting(STOP) + bench.venue.resting(TARGET)] == [
        D("0.7"),
        D("0.7"),
    ]


# Stops that do not rest


async def test_a_stop_refused_once_is_retried() -> None:
    bench = Bench()
    bench.venue.script[STOP].append(REFUSED)
    await bench.enter()
    assert len(bench.venue.resting(STOP)) == 1
    assert len(set(bench.sent(STOP))) == 2
    assert bench.book.positions[BTC].stop_order_id == bench.sent(STOP)[1]


@pytest.mark.parametrize("clock", [None, MarketClock(START)])
async def test_a_position_whose_stop_is_refused_is_closed_with_an_alarm(
    clock: MarketClock | None,
) -> None:
    bench = Bench(clock)
    bench.venue.script[STOP].extend([REFUSED] * 100)
    await bench.enter()
    assert not bench.book.positions
    assert not bench.venue.held
    [trade] = bench.trades
    assert trade.exit_reason is ExitReason.PROTECTION_FAILED
    notices = await bench.events(Noticed)
    assert [n.severity for n in notices] == [Severity.CRITICAL]
    waited = bench.clock.now() - START
    assert waited <= 5_500
    assert bench.sent(TARGET) == []


async def test_a_market_beyond_the_stop_is_left_at_once() -> None:
    bench = Bench()
    bench.venue.marks[BTC] = D(97)
    bench.venue.script[STOP].extend([REFUSED] * 100)
    await bench.enter()
    assert not bench.book.positions
    assert len(bench.sent(STOP)) == 1


async def test_a_naked_position_that_cannot_be_closed_stays_and_is_tried_again() -> None:
    bench = Bench()
    bench.venue.script[STOP].extend([REFUSED] * 100)
    bench.venue.script[EXIT].append(REFUSED)
    await bench.enter()
    assert bench.book.positions[BTC].stop_order_id is None
    await bench.book.protect(BTC)
    assert not bench.book.positions
    assert not bench.venue.held


async def test_a_stop_that_fires_at_once_ends_the_position() -> None:
    bench = Bench()
    submit = bench.venue.submit

    async def at_once(order):  # type: ignore[no-untyped-def]
        report = await submit(order)
        if report.kind is STOP:
            bench.venue.trigger(order.client_order_id)
            return bench.venue.orders[order.client_order_id]
        return report

    bench.venue.submit = at_once  # type: ignore[method-assign]
    await bench.enter()
    await bench.book.settle()  # the same fill comes once more
    assert not bench.book.positions
    assert [t.exit_reason for t in bench.trades] == [ExitReason.STOP_LOSS]
    assert bench.sent(TARGET) == []


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.REJECTED])
@pytest.mark.parametrize("kind", [STOP, TARGET])
async def test_protection_the_venue_takes_away_is_placed_again(
    kind: OrderKind, state: OrderState
) -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.lose(bench.sent(kind)[0], state)
    await bench.book.settle()
    assert len(bench.venue.resting(STOP)) == len(bench.venue.resting(TARGET)) == 1
    position = bench.book.positions[BTC]
    assert position.stop_order_id == bench.sent(STOP)[-1]
    assert position.target_order_id == bench.sent(TARGET)[-1]
    told = [e for e in await bench.events(OrderChanged) if e.state is state]
    assert [e.client_order_id for e in told] == [bench.sent(kind)[0]]


# Unknown outcomes


async def test_a_lost_entry_reply_is_looked_up_and_never_sent_again() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append("lost")
    assert await bench.enter()
    assert bench.sent(ENTRY) == ["sgp-BTC-1-e"]
    assert bench.book.positions[BTC].stop_order_id is not None
    assert not bench.desk.blocked
    states = [e.state for e in await bench.events(OrderChanged) if e.kind is ENTRY]
    assert states == [OrderState.UNKNOWN, OrderState.FILLED]


async def test_an_entry_unknown_for_long_blocks_its_pair_and_is_adopted_when_found() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append("lost")
    bench.venue.hidden.add("sgp-BTC-1-e")
    assert not await bench.enter()
    assert bench.desk.blocked == {BTC}  # the venue denies the order but holds a position
    await bench.book.settle()
    assert bench.desk.blocked == {BTC}
    bench.venue.hidden.clear()
    await bench.book.settle()
    assert not bench.desk.blocked
    assert bench.sent(ENTRY) == ["sgp-BTC-1-e"]
    position = bench.book.positions[BTC]
    assert position.quantity == D(2)
    assert position.confidence == 0.62
    assert position.stop_order_id is not None
    assert len(await bench.events(PositionOpened)) == 1


async def test_an_unknown_entry_stays_unknown_while_the_venue_does_not_answer() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append(LOST)
    bench.venue.find_errors.extend([Retryable(100, "down")] * 12)
    assert not await bench.enter()
    assert bench.desk.blocked == {BTC}
    await bench.book.settle()
    assert bench.desk.blocked == {BTC}
    await bench.book.settle()  # the venue answers: no such order, no position
    assert not bench.desk.blocked
    assert bench.sent(ENTRY) == ["sgp-BTC-1-e"]
    states = [e.state for e in await bench.events(OrderChanged)]
    assert states == [OrderState.UNKNOWN, OrderState.REJECTED]


async def test_an_order_denied_for_ten_seconds_is_not_executed() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append(LOST)
    assert not await bench.enter()
    assert bench.clock.now() - START >= 10_000
    assert not bench.desk.blocked


async def test_a_late_entry_fill_after_an_unknown_outcome_opens_the_position() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append(LOST)
    bench.venue.find_errors.extend([Retryable(100, "down")] * 100)
    await bench.enter()
    bench.venue.queue.append(bench.venue.fill("sgp-BTC-1-e", BTC, ENTRY, D(2), buy=True))
    await bench.book.settle()
    assert bench.book.positions[BTC].quantity == D(2)
    assert [r.quantity for r in bench.venue.resting(STOP)] == [D(2)]


async def test_a_stop_of_unknown_outcome_is_not_sent_twice() -> None:
    bench = Bench()
    bench.venue.script[STOP].append("lost")
    bench.venue.find_errors.extend([Retryable(100, "down")] * 100)
    bench.venue.script[EXIT].append(REFUSED)
    await bench.enter()
    await bench.book.protect(BTC)
    assert len(bench.sent(STOP)) == 1
    assert not bench.book.positions  # it could not be known to be safe
    bench.venue.find_errors.clear()
    await bench.book.settle()
    assert not bench.venue.resting(STOP)  # found after all, and not needed any more


ASKED = STOP_EVIDENCE_MS // STOP_EVIDENCE_STEP_MS + 1  # how often a stop is asked for


async def test_a_stop_found_late_guards_the_position_that_could_not_be_closed() -> None:
    bench = Bench()
    bench.venue.script[STOP].append("lost")
    bench.venue.find_errors.extend([Retryable(100, "down")] * ASKED)
    bench.venue.script[EXIT].append(REFUSED)
    await bench.enter()
    assert bench.book.positions[BTC].stop_order_id is None
    await bench.book.settle()
    assert bench.book.positions[BTC].stop_order_id == bench.sent(STOP)[0]
    assert len(bench.sent(STOP)) == 1


async def test_an_exit_of_unknown_outcome_is_not_sent_again() -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.script[EXIT].append("lost")
    bench.venue.find_errors.extend([Retryable(100, "down")] * 12)
    assert not await bench.book.leave(BTC, LEAVE)
    assert not await bench.book.leave(BTC, LEAVE)
    assert len(bench.sent(EXIT)) == 1
    await bench.book.settle()
    assert BTC in bench.book.positions
    await bench.book.settle()
    assert not bench.book.positions
    assert [t.exit_reason for t in bench.trades] == [ExitReason.TIME_LIMIT]
    assert not bench.venue.resting(STOP) + bench.venue.resting(TARGET)


async def test_an_exit_that_never_happened_is_decided_anew() -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.script[EXIT].append(LOST)
    assert not await bench.book.leave(BTC, LEAVE)
    assert await bench.book.leave(BTC, LEAVE)
    assert not bench.book.positions
    assert len(set(bench.sent(EXIT))) == 2


# Moving the stop


async def test_a_better_stop_rests_before_the_old_one_goes() -> None:
    bench = Bench()
    await bench.enter()
    old = bench.sent(STOP)[0]
    bench.venue.calls.clear()
    await bench.book.move_stop(BTC, BETTER)
    new = bench.sent(STOP)[0]
    assert bench.venue.calls == [("stop", new), ("cancel", old)]
    position = bench.book.positions[BTC]
    assert (position.stop_order_id, position.stop_price, position.trailing) == (new, D(99), True)
    assert len(bench.venue.resting(STOP)) == 1


@pytest.mark.parametrize("error", [REFUSED, LOST, Retryable(10, "busy"), Fatal("key")])
async def test_a_better_stop_that_does_not_rest_leaves_the_old_one(error: Exception) -> None:
    bench = Bench()
    await bench.enter()
    old = bench.book.positions[BTC].stop_order_id
    bench.venue.script[STOP].append(error)
    await bench.book.move_stop(BTC, BETTER)
    position = bench.book.positions[BTC]
    assert (position.stop_order_id, position.stop_price) == (old, D(98))
    assert [r.client_order_id for r in bench.venue.resting(STOP)] == [old]
    await bench.book.move_stop(BTC, BETTER)
    assert bench.book.positions[BTC].stop_price == D(99)


@pytest.mark.parametrize("error", [LOST, Retryable(10, "busy"), Fatal("key")])
async def test_an_old_stop_that_cannot_be_cancelled_is_cancelled_later(error: Exception) -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.cancel_errors.append(error)
    await bench.book.move_stop(BTC, BETTER)
    assert len(bench.venue.resting(STOP)) == 2
    assert bench.book.positions[BTC].stop_price == D(99)
    await bench.book.settle()
    [left] = bench.venue.resting(STOP)
    assert left.client_order_id == bench.book.positions[BTC].stop_order_id


async def test_an_old_stop_that_fires_meanwhile_closes_the_position_once() -> None:
    bench = Bench()
    await bench.enter()
    old = bench.sent(STOP)[0]
    bench.venue.cancel_errors.append(REFUSED)  # it is gone: it has filled
    bench.venue.trigger(old)
    await bench.book.move_stop(BTC, BETTER)
    await bench.book.settle()
    assert not bench.book.positions
    assert len(bench.trades) == 1


# Leaving


async def test_a_refused_exit_keeps_the_position_and_its_stop() -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.script[EXIT].append(REFUSED)
    assert not await bench.book.leave(BTC, LEAVE)
    assert bench.book.positions[BTC].stop_order_id is not None
    assert len(bench.venue.resting(STOP)) == 1
    assert await bench.book.leave(BTC, LEAVE)
    assert not bench.book.positions
    assert not bench.venue.resting(STOP) + bench.venue.resting(TARGET)


async def test_what_a_partial_exit_leaves_has_protection_of_its_size_throughout() -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.calls.clear()
    half = Exit(ExitReason.PARTIAL_TARGET, D(1), "half")
    assert await bench.book.leave(BTC, half)
    position = bench.book.positions[BTC]
    assert (position.quantity, position.partial_taken) == (D(1), True)
    assert [r.quantity for r in bench.venue.resting(STOP) + bench.venue.resting(TARGET)] == [
        D(1),
        D(1),
    ]
    order = [name for name, _ in bench.venue.calls]
    assert order == ["exit", "stop", "target", "cancel", "cancel"]
    bench.venue.script[EXIT].append(D("0.4"))  # a later exit fills in part
    await bench.book.leave(BTC, replace_quantity(LEAVE, D(1)))
    position = bench.book.positions[BTC]
    assert (position.quantity, position.partial_taken) == (D("0.6"), True)


def replace_quantity(decided: Exit, quantity: D) -> Exit:
    return decided._replace(quantity=quantity)


async def test_closing_all_goes_on_past_the_one_that_fails() -> None:
    bench = Bench()
    await bench.enter()
    await bench.enter(
        client_order_id="sgp-ETH-1-e",
        pair=ETH,
        reference_price=D(50),
        stop_price=D(49),
        target_price=D(52),
    )
    bench.venue.script[EXIT].append(REFUSED)
    assert await bench.book.close_all(ExitReason.FLATTEN, "now") == [BTC]
    assert await bench.book.close_all(ExitReason.FLATTEN, "now") == []


# What happens by itself


async def test_a_repeated_fill_counts_once() -> None:
    bench = Bench()
    await bench.enter()
    fill = bench.venue.trigger(bench.sent(STOP)[0])
    bench.venue.queue.extend([fill, fill])
    await bench.book.settle()
    bench.venue.queue.append(fill)
    await bench.book.settle()
    assert len(bench.trades) == 1
    assert len(await bench.events(OrderFilled)) == 2  # entry and stop
    assert len(await bench.events(PositionClosed)) == 1
    assert not [n for n in await bench.events(Noticed)]


async def test_the_records_learn_how_every_order_ended() -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.trigger(bench.sent(STOP)[0])
    bench.venue.lose(bench.sent(TARGET)[0])
    await bench.book.settle()
    last = {e.client_order_id: e.state for e in await bench.events(OrderChanged)}
    assert all(state.final for state in last.values())
    assert len(last) == 3


async def test_a_fill_without_a_position_is_an_alarm_and_changes_nothing() -> None:
    bench = Bench()
    bench.venue.queue.append(bench.venue.fill("who-knows", BTC, EXIT, D(1), buy=False))
    await bench.book.settle()
    assert not bench.book.positions
    [notice] = await bench.events(Noticed)
    assert notice.severity is Severity.CRITICAL
    assert len(await bench.events(OrderFilled)) == 1


async def test_an_entry_that_fills_further_gets_larger_protection() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append(D(1))
    await bench.enter()
    bench.venue.queue.append(bench.venue.fill("sgp-BTC-1-e", BTC, ENTRY, D(1), buy=True))
    await bench.book.settle()
    assert bench.book.positions[BTC].quantity == D(2)
    assert [r.quantity for r in bench.venue.resting(STOP) + bench.venue.resting(TARGET)] == [
        D(2),
        D(2),
    ]


async def test_a_stop_smaller_than_its_position_leaves_no_naked_rest() -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.trigger(bench.sent(STOP)[0], D("1.5"))
    await bench.book.settle()
    assert bench.book.positions[BTC].quantity == D("0.5")
    assert D("0.5") in [r.quantity for r in bench.venue.resting(STOP)]


async def test_a_flipping_fill_closes_the_position_and_raises_the_alarm() -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.queue.append(
        bench.venue.fill("by-hand", BTC, EXIT, D(3), buy=False, reason=ExitReason.EXTERNAL)
    )
    await bench.book.settle()
    assert not bench.book.positions
    assert bench.trades[0].quantity == D(2)
    assert [n.severity for n in await bench.events(Noticed)] == [Severity.CRITICAL]


async def test_funding_is_part_of_the_position_and_durable_with_it() -> None:
    bench = Bench()
    await bench.enter()
    bench.venue.queue.append(FundingPayment(BTC, START, D("0.25"), D("0.0001")))
    await bench.book.settle()
    assert len(await bench.events(FundingPaid)) == 1
    changed = (await bench.events(PositionChanged))[-1].position
    assert changed.funding == D("0.25")
    bench.venue.trigger(bench.sent(STOP)[0])
    await bench.book.settle()
    [trade] = bench.trades
    assert trade.pnl == -D("0.25") - trade.fees


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ({"trailing": True}, ExitReason.TRAILING_STOP),
        ({"breakeven": True}, ExitReason.BREAKEVEN),
        ({}, ExitReason.STOP_LOSS),
    ],
)
async def test_a_fired_stop_is_named_by_the_rule_that_placed_it(
    marks: dict[str, bool], reason: ExitReason
) -> None:
    bench = Bench()
    await bench.enter()
    bench.book.positions[BTC] = replace(bench.book.positions[BTC], **marks)
    bench.venue.trigger(bench.sent(STOP)[0])
    await bench.book.settle()
    assert bench.trades[0].exit_reason is reason


# Records that fail


async def test_an_entry_without_a_durable_intent_does_not_leave() -> None:
    bench = Bench()
    bench.recorder.fail_intents = True
    assert not await bench.enter()
    assert not bench.venue.sent
    assert bench.journal.failing


async def test_exits_leave_although_their_intents_cannot_be_recorded() -> None:
    bench = Bench()
    await bench.enter()
    bench.recorder.fail_intents = True
    assert await bench.book.leave(BTC, LEAVE)
    assert not bench.venue.held
    assert bench.journal.failing
    assert [n.severity for n in await bench.events(Noticed)] == [Severity.WARNING]


async def test_client_order_ids_never_repeat_within_a_moment() -> None:
    bench = Bench(MarketClock(START))
    await bench.enter()
    for step in range(1, 40):
        move = StopMove(D(98) + D(step) / 100, True, False, "trail")
        await bench.book.move_stop(BTC, move)
    ids = [name for call, name in bench.venue.calls if call in ("stop", "target")]
    assert len(set(ids)) == len(ids) == 41
    assert max(map(len, ids)) <= 36


async def test_a_short_position_is_mirrored() -> None:
    bench = Bench()
    await bench.enter(side=Side.SHORT, stop_price=D(102), target_price=D(96))
    assert bench.venue.resting(STOP)[0].trigger_price == D(102)
    bench.venue.marks[BTC] = D(97)
    await bench.book.leave(BTC, LEAVE)
    assert bench.trades[0].pnl == D(6) - bench.trades[0].fees


async def test_the_evidence_survives_an_error_that_says_unknown_again() -> None:
    bench = Bench()
    bench.venue.script[ENTRY].append("lost")
    bench.venue.find_errors.append(UnknownOutcome("reset again"))
    assert await bench.enter()
