"""Entries, exits, refusals, partial fills, lookups and funding of the simulated venue."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.model.market import Candle, MarketStep, Pair
from engine.model.orders import ExitReason, OrderState, ReduceOrder
from engine.model.signal import Side
from engine.venues.fills import CostModel
from engine.venues.instruments import simulated_instruments
from engine.venues.port import FundingPayment, NotExecuted, Refusal, UnknownOutcome
from tests.venues.paper import BTC, ETH, HOUR, MINUTE, START, VOLUME, Paper, entry, now

LONG, SHORT = Side.LONG, Side.SHORT


def ready(**options: Any) -> Paper:
    paper = Paper(**options)
    paper.flat(50_000)
    return paper


def refused(paper: Paper, order: Any) -> Refusal:
    """Submit an order that must be refused; nothing may have changed."""
    before = paper.venue.snapshot()
    with pytest.raises(NotExecuted) as caught:
        now(paper.venue.submit(order))
    assert paper.venue.snapshot() == before
    return caught.value.refusal


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_an_entry_fills_worse_than_the_close_and_pays_the_taker_fee(side: Side) -> None:
    paper = ready()
    report = paper.enter(side, "0.1")
    (fill,) = report.fills
    assert (report.state, report.filled) == (OrderState.FILLED, Decimal("0.1"))
    assert 0 < fill.slippage < 0.0005
    assert fill.price % Decimal("0.1") == 0
    assert fill.fee == fill.price * fill.quantity * Decimal("0.0005")
    assert fill.time == paper.venue.time
    account = now(paper.venue.account())
    assert account.balance == Decimal(100_000) - fill.fee
    assert account.available == account.balance - fill.price * fill.quantity / 10
    assert account.equity < account.balance
    (view,) = now(paper.venue.positions())
    assert (view.side, view.quantity, view.entry_price) == (side, fill.quantity, fill.price)


def test_bigger_orders_fill_worse() -> None:
    prices = [ready(balance="1e9").enter(LONG, size).fills[0].price for size in ("0.1", "10", "90")]
    assert prices == sorted(set(prices))


def test_an_addition_averages_the_entry() -> None:
    paper = ready()
    (one,) = paper.enter(LONG, "0.1").fills
    paper.flat(50_500)
    (two,) = paper.enter(LONG, "0.2").fills
    (view,) = now(paper.venue.positions())
    assert view.entry_price == paper.open.entry_price
    assert abs(view.entry_price * 3 - one.price - 2 * two.price) < Decimal("1e-20")


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        (entry("x", LONG, "0.1", pair=Pair.parse("PEPE")), Refusal.UNKNOWN_SYMBOL),
        (entry("x", LONG, "0.1", pair=ETH), Refusal.OTHER),  # no price yet
        (entry("x", LONG, "0.1005"), Refusal.PRECISION),
        (entry("x", LONG, "0"), Refusal.PRECISION),
        (entry("x", LONG, "-0.1"), Refusal.PRECISION),
        (entry("x", LONG, "0.001"), Refusal.MIN_NOTIONAL),
        (entry("x", LONG, "20.1"), Refusal.INSUFFICIENT_MARGIN),
        (entry("x", LONG, "0.1", leverage=126), Refusal.LEVERAGE),
        (entry("x", LONG, "0.1", leverage=0), Refusal.LEVERAGE),
    ],
)
def test_entries_are_refused_with_a_type(order: Any, refusal: Refusal) -> None:
    assert refused(ready(), order) is refusal


def test_margin_includes_the_fee() -> None:
    # 1 BTC at 10x needs about 5,001 + 25
    assert refused(ready(balance="5020"), entry("x", LONG, "1")) is Refusal.INSUFFICIENT_MARGIN
    assert ready(balance="5040").enter(LONG, "1").filled == 1


def test_margin_in_use_is_not_available_twice() -> None:
    paper = ready(balance="9000")
    paper.enter(LONG, "1")
    assert refused(paper, entry("x", LONG, "1")) is Refusal.INSUFFICIENT_MARGIN


def test_an_entry_against_an_open_position_is_refused() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    assert refused(paper, entry("x", SHORT, "0.1")) is Refusal.OTHER


def test_leverage_is_one_per_position_and_bounded() -> None:
    paper = ready()
    now(paper.venue.set_leverage(BTC, 5))
    assert refused(paper, entry("x", LONG, "0.1", leverage=10)) is Refusal.LEVERAGE
    paper.enter(LONG, "0.1", leverage=5)
    now(paper.venue.set_leverage(BTC, 5))  # already set
    for pair, leverage, refusal in (
        (BTC, 6, Refusal.LEVERAGE),
        (BTC, 126, Refusal.LEVERAGE),
        (BTC, 0, Refusal.LEVERAGE),
        (Pair.parse("PEPE"), 5, Refusal.UNKNOWN_SYMBOL),
    ):
        with pytest.raises(NotExecuted) as caught:
            now(paper.venue.set_leverage(pair, leverage))
        assert caught.value.refusal is refusal


def test_reduce_only_orders_need_a_position_as_large() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    position = paper.open
    larger = replace(position, quantity=Decimal("0.2"))
    other = replace(position, side=SHORT)
    amount = Decimal("0.1")
    for wrong in (
        ReduceOrder.exit_at_market(larger, "x", Decimal("0.2"), ExitReason.OPERATOR),
        ReduceOrder.exit_at_market(other, "x", amount, ExitReason.OPERATOR),
        ReduceOrder.stop(larger, "x", Decimal(49_000)),
        ReduceOrder.target(other, "x", Decimal(49_000)),
    ):
        assert refused(paper, wrong) is Refusal.REDUCE_ONLY
    off_step = ReduceOrder.exit_at_market(position, "x", Decimal("0.0505"), ExitReason.OPERATOR)
    assert refused(paper, off_step) is Refusal.PRECISION
    paper.leave()
    gone = ReduceOrder.exit_at_market(position, "x", amount, ExitReason.OPERATOR)
    assert refused(paper, gone) is Refusal.REDUCE_ONLY


def test_exits_have_no_minimum_notional() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    assert paper.leave("0.001").state is OrderState.FILLED


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_stops_and_targets_that_would_trigger_at_once_are_refused(side: Side) -> None:
    paper = ready()
    paper.enter(side, "0.1")
    for build, price in (
        (ReduceOrder.stop, 50_000),
        (ReduceOrder.stop, 50_000 + side.sign),
        (ReduceOrder.target, 50_000),
        (ReduceOrder.target, 50_000 - side.sign),
    ):
        order = build(paper.open, "x", Decimal(price))
        assert refused(paper, order) is Refusal.WOULD_TRIGGER
    off_tick = ReduceOrder.stop(paper.open, "x", Decimal("49000.05"))
    assert refused(paper, off_tick) is Refusal.PRECISION


def test_resting_orders_are_limited() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    for index in range(10):
        paper.stop(str(49_000 + index))
    assert refused(paper, ReduceOrder.stop(paper.open, "x", Decimal(48_000))) is Refusal.OTHER


def test_a_client_order_id_counts_once_and_can_be_looked_up() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    stop = paper.stop("49000")
    again = ReduceOrder.stop(paper.open, stop.client_order_id, Decimal("49000"))
    for order in (entry("entry-1", LONG, "0.1"), again):
        with pytest.raises(UnknownOutcome):
            now(paper.venue.submit(order))
    found = now(paper.venue.find(BTC, "entry-1"))
    assert found is not None
    assert found.filled == Decimal("0.1")
    assert now(paper.venue.find(BTC, stop.client_order_id)) == stop
    assert now(paper.venue.find(ETH, "entry-1")) is None
    assert now(paper.venue.find(BTC, "never")) is None


def test_cancelling() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    stop = paper.stop("49000")
    cancelled = now(paper.venue.cancel(BTC, stop.client_order_id))
    assert (cancelled.state, cancelled.filled) == (OrderState.CANCELLED, 0)
    assert now(paper.venue.open_orders()) == []
    assert now(paper.venue.cancel(BTC, stop.client_order_id)) == cancelled
    assert now(paper.venue.cancel(BTC, "entry-1")).state is OrderState.FILLED
    with pytest.raises(NotExecuted):
        now(paper.venue.cancel(BTC, "never"))
    assert paper.bar(50_000, 50_000, 48_000, 48_000) == []


def test_an_entry_larger_than_the_market_fills_in_part() -> None:
    paper = Paper(balance="1e9")
    paper.flat(50_000, volume=100)  # in five minutes: 10 % of it is 10
    report = paper.enter(LONG, "25")
    assert (report.state, report.quantity, report.filled) == (OrderState.CANCELLED, 25, 10)
    assert "the rest cancelled" in report.detail
    (view,) = now(paper.venue.positions())
    assert view.quantity == 10


def test_the_margin_of_the_whole_order_is_asked_for() -> None:
    paper = Paper(balance="100000")
    paper.flat(50_000, volume=100)  # carries 10, which the balance would cover
    assert refused(paper, entry("x", LONG, "25")) is Refusal.INSUFFICIENT_MARGIN


@pytest.mark.parametrize(("side", "price"), [(LONG, 50_005), (SHORT, 49_995)])
def test_fills_are_rounded_to_the_worse_tick(side: Side, price: int) -> None:
    coarse = replace(simulated_instruments([BTC])[BTC], tick_size=Decimal(5))
    paper = ready(instrument=coarse)
    assert paper.enter(side, "0.1").fills[0].price == price
    free = CostModel({"large_cap": Decimal(0)}, base_slippage=Decimal(0), impact=0.0)
    assert ready(instrument=coarse, costs=free).enter(side, "0.1").fills[0].price == 50_000


def test_an_entry_is_refused_where_next_to_nothing_trades() -> None:
    for volume in (0.0, 0.01, float("nan")):
        paper = Paper()
        paper.flat(50_000, volume=volume)
        assert refused(paper, entry("x", LONG, "1")) is Refusal.MIN_NOTIONAL


def test_an_exit_fills_whole_whatever_trades() -> None:
    paper = ready(balance="1e9")
    paper.enter(LONG, "90")
    for _ in range(12):
        paper.flat(50_000, volume=0)
    (fill,) = paper.leave().fills
    assert fill.quantity == 90
    assert fill.slippage == pytest.approx(0.01007, abs=1e-5)  # the impact at its maximum


def test_nothing_fills_before_there_is_a_price() -> None:
    paper = Paper()
    assert paper.venue.mark_price(BTC) is None
    assert refused(paper, entry("x", LONG, "0.1")) is Refusal.OTHER
    paper.flat(float("nan"))
    assert paper.venue.mark_price(BTC) is None


def test_time_does_not_run_backwards() -> None:
    paper = ready()
    with pytest.raises(ValueError, match="after one at"):
        paper.venue.advance(MarketStep(paper.time - 1, {}, {}))


def funding_of(paper: Paper) -> list[FundingPayment]:
    return [event for event in paper.events if isinstance(event, FundingPayment)]


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_funding_every_eight_hours(side: Side) -> None:
    paper = Paper(minutes=60)
    paper.flat(50_000)
    paper.enter(side, "0.1")
    for _ in range(24):
        paper.flat(50_000)
    paid = funding_of(paper)
    assert [payment.time for payment in paid] == [START + h * HOUR for h in (8, 16, 24)]
    assert {payment.amount for payment in paid} == {Decimal("0.5") * side.sign}  # 5,000 x 0.01 %
    assert paper.balance == paper.expected_balance


def test_nobody_pays_funding_without_a_position() -> None:
    paper = Paper(minutes=60)
    for _ in range(30):
        paper.flat(50_000)
    assert paper.events == []


def test_a_jump_over_several_funding_times_pays_each_at_the_old_mark() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    paper.time = START + 20 * HOUR
    paper.bar(60_000, 60_000, 60_000, 60_000)
    assert [(p.time, p.amount) for p in funding_of(paper)] == [
        (START + 8 * HOUR, Decimal("0.5")),
        (START + 16 * HOUR, Decimal("0.5")),
    ]


def test_a_bar_across_a_funding_time_pays_after_its_triggers() -> None:
    paper = Paper(minutes=12 * 60)
    paper.flat(50_000)
    paper.enter(LONG, "0.1")
    paper.stop("49000")
    paper.bar(50_000, 50_000, 48_000, 48_000)  # 12:00 to 24:00, stopped within
    assert funding_of(paper) == []


def test_a_step_without_the_pair_still_pays() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    candle = Candle(START, 3_000, 3_000, 3_000, 3_000, 1_000)
    paper.venue.advance(MarketStep(START + 9 * HOUR, {ETH: candle}, {}))
    paper.settle()
    assert [payment.time for payment in funding_of(paper)] == [START + 8 * HOUR]


def test_recorded_rates_win_and_their_stamps_are_floored() -> None:
    rates = {BTC: [(START + 8 * HOUR + 17, Decimal("-0.0002")), (START, Decimal(1))]}
    paper = Paper(minutes=60, funding_rates=rates)
    paper.flat(50_000)
    paper.enter(LONG, "0.1")
    for _ in range(16):
        paper.flat(50_000)
    first, second = funding_of(paper)
    assert (first.rate, first.amount) == (Decimal("-0.0002"), Decimal("-1"))
    assert second.rate == Decimal("0.0001")


def test_moving_a_stop_rests_the_new_one_before_the_old_goes() -> None:
    paper = ready()
    paper.enter(LONG, "0.1")
    old = paper.stop("49000")
    new = paper.stop("49500")
    now(paper.venue.cancel(BTC, old.client_order_id))
    assert [o.client_order_id for o in now(paper.venue.open_orders(BTC))] == [new.client_order_id]
    assert now(paper.venue.open_orders(ETH)) == []


def test_memory_is_bounded() -> None:
    paper = ready()
    for _ in range(200):
        paper.enter(LONG, "0.1")
        paper.leave()
        paper.flat(50_000)
    snapshot = paper.venue.snapshot()
    assert len(snapshot["finished"]) == 128
    assert len(snapshot["recent"][BTC]) == 12


def test_volume_is_normalised_to_minutes() -> None:
    price = 50_000.0
    fine, coarse = Paper(balance="1e9", minutes=1), Paper(balance="1e9", minutes=5)
    for _ in range(5):
        fine.flat(price, volume=VOLUME / price)
    coarse.flat(price, volume=5 * VOLUME / price)
    assert fine.time - START == coarse.time - START == 5 * MINUTE
    assert fine.enter(LONG, "50").fills[0].price == coarse.enter(LONG, "50").fills[0].price
