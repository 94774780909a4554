"""Stops, targets, gaps and liquidation inside bars."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.execution.accounting import gross_profit
from engine.model.orders import ExitReason, OrderKind, OrderState
from engine.model.signal import Side
from tests.venues.paper import Paper, fills, now, reports

LONG, SHORT = Side.LONG, Side.SHORT


def opened(side: Side, *, leverage: int = 10) -> Paper:
    """Open 0.1 BTC at 50,000 with a stop 1,000 against and a target 2,000 towards."""
    paper = Paper()
    paper.flat(50_000)
    paper.enter(side, "0.1", leverage=leverage)
    paper.stop(Decimal(50_000 - 1_000 * side.sign))
    paper.target(Decimal(50_000 + 2_000 * side.sign))
    return paper


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_nothing_happens_inside_the_levels(side: Side) -> None:
    paper = opened(side)
    assert paper.bar(50_000, 50_900, 49_100, 50_000) == []
    assert len(now(paper.venue.open_orders())) == 2


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_stop_fills_at_its_trigger_made_worse_and_takes_the_target_along(side: Side) -> None:
    paper = opened(side)
    edge = 50_000 - 1_000 * side.sign
    events = paper.bar(50_000, max(50_000, edge), min(50_000, edge), 50_000)
    (fill,) = fills(events)
    assert (fill.kind, fill.reason) == (OrderKind.STOP, ExitReason.STOP_LOSS)
    assert fill.reference_price == edge
    assert 0 < fill.slippage < 0.001
    assert fill.buy is (side is SHORT)
    stop, target = reports(events)
    assert (stop.state, stop.fills) == (OrderState.FILLED, (fill,))
    assert (target.kind, target.state) == (OrderKind.TARGET, OrderState.CANCELLED)
    assert now(paper.venue.positions()) == []
    assert paper.trades[0].exit_reason is ExitReason.STOP_LOSS


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_stop_gapped_through_fills_at_the_open(side: Side) -> None:
    paper = opened(side)
    at = 50_000 - 2_000 * side.sign
    (fill,) = fills(paper.bar(at, at + 10, at - 10, at))
    assert fill.reference_price == 50_000 - 1_000 * side.sign
    worse = (at - float(fill.price)) * side.sign
    assert 0 < worse < 50  # a little beyond the open, far beyond the trigger


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_target_fills_at_its_trigger_or_at_a_better_open(side: Side) -> None:
    target = 50_000 + 2_000 * side.sign
    paper = opened(side)
    (fill,) = fills(paper.bar(50_000, max(50_000, target), min(50_000, target), 50_000))
    assert (fill.kind, fill.reason) == (OrderKind.TARGET, ExitReason.TAKE_PROFIT)
    assert 0 < (target - float(fill.price)) * side.sign < 50

    gapped = opened(side)
    beyond = target + 500 * side.sign
    (fill,) = fills(gapped.bar(beyond, beyond, beyond, beyond))
    assert 0 < (beyond - float(fill.price)) * side.sign < 50
    assert fill.slippage < 0


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_the_stop_comes_first_where_a_bar_reaches_both(side: Side) -> None:
    paper = opened(side)
    events = paper.bar(50_000, 53_000, 47_000, 50_000)
    assert [fill.kind for fill in fills(events)] == [OrderKind.STOP]


def test_the_nearer_of_two_stops_fires_and_the_other_is_cancelled() -> None:
    paper = opened(LONG)
    paper.stop("49500")
    events = paper.bar(50_000, 50_000, 40_000, 41_000)
    (fill,) = fills(events)
    assert fill.reference_price == Decimal(49_500)
    assert [r.state for r in reports(events)].count(OrderState.CANCELLED) == 2


def test_a_stop_for_a_part_leaves_the_rest_to_the_next_level() -> None:
    paper = Paper()
    paper.flat(50_000)
    paper.enter(LONG, "0.1")
    paper.leave("0.05")
    paper.stop("49000")  # for 0.05
    paper.enter(LONG, "0.05")
    paper.stop("48000")  # for 0.1, of which 0.05 will be left
    first, second = fills(paper.bar(50_000, 50_000, 47_500, 47_500))
    assert (first.quantity, second.quantity) == (Decimal("0.05"), Decimal("0.05"))
    assert first.price > second.price
    assert paper.balance == paper.expected_balance


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_liquidation_takes_the_margin_and_no_more(side: Side) -> None:
    paper = Paper(minutes=5)
    paper.flat(50_000)
    (entry,) = paper.enter(side, "0.1", leverage=20).fills
    before = paper.balance + entry.fee
    margin = before - entry.fee - now(paper.venue.account()).available
    (view,) = now(paper.venue.positions())
    assert view.liquidation_price is not None
    assert (view.entry_price - view.liquidation_price) * side.sign > 0
    edge = 50_000 * (1 - 0.06 * side.sign)
    events = paper.bar(50_000, max(50_000, edge), min(50_000, edge), 50_000)
    (fill,) = fills(events)
    assert fill.reason is ExitReason.LIQUIDATION
    assert fill.price == view.liquidation_price
    assert fill.fee > 0
    assert paper.balance == before - entry.fee - margin
    assert paper.trades[0].exit_reason is ExitReason.LIQUIDATION
    assert paper.balance == paper.expected_balance


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_the_liquidation_price_is_where_margin_meets_maintenance(side: Side) -> None:
    paper = Paper()
    paper.flat(50_000)
    paper.enter(side, "0.1", leverage=20)
    (view,) = now(paper.venue.positions())
    assert view.liquidation_price is not None
    margin = view.quantity * view.entry_price / 20
    left = margin + gross_profit(side, view.entry_price, view.liquidation_price, view.quantity)
    maintenance = view.quantity * view.liquidation_price * Decimal("0.004")
    assert abs(left - maintenance) < view.quantity * Decimal("0.2")  # within a tick or two


def test_a_stop_before_the_liquidation_price_saves_the_rest_of_the_margin() -> None:
    paper = opened(LONG, leverage=20)
    events = paper.bar(50_000, 50_000, 40_000, 41_000)
    assert [fill.reason for fill in fills(events)] == [ExitReason.STOP_LOSS]


def test_liquidation_comes_before_a_stop_beyond_it() -> None:
    paper = Paper()
    paper.flat(50_000)
    paper.enter(LONG, "0.1", leverage=20)
    paper.stop("46000")
    events = paper.bar(50_000, 50_000, 45_000, 45_000)
    assert [fill.reason for fill in fills(events)] == [ExitReason.LIQUIDATION]
    assert reports(events)[-1].state is OrderState.CANCELLED


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_gap_beyond_stop_and_bankruptcy_costs_no_more_than_margin_and_fee(side: Side) -> None:
    paper = opened(side, leverage=20)
    equity_at_risk = paper.balance - now(paper.venue.account()).available
    before = paper.balance
    gap = 50_000 * (1 - 0.3 * side.sign)
    (fill,) = fills(paper.bar(gap, gap, gap, gap))
    assert fill.reason is ExitReason.STOP_LOSS  # nearest to where price came from
    assert before - paper.balance - fill.fee <= equity_at_risk
    assert before - paper.balance > equity_at_risk * Decimal("0.99")


def test_a_bar_with_broken_prices_is_passed_over() -> None:
    paper = opened(LONG)
    assert paper.bar(float("nan"), 60_000, 40_000, 50_000) == []
    assert paper.bar(50_000, 60_000, -1, 50_000) == []
    assert paper.venue.mark_price(paper.pair) == 50_000
    assert fills(paper.bar(50_000, 50_000, 48_000, 48_000))


def test_unleveraged_longs_cannot_be_liquidated() -> None:
    paper = Paper()
    paper.flat(50_000)
    paper.enter(LONG, "0.1", leverage=1)
    (view,) = now(paper.venue.positions())
    assert view.liquidation_price is None
    assert paper.bar(50_000, 50_000, 100, 100) == []
