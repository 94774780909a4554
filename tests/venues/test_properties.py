"""Properties of the simulated venue on random histories."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.market import Instrument
from engine.model.orders import ExitReason, OrderKind
from engine.model.signal import Side
from engine.venues.fills import CostModel
from engine.venues.instruments import simulated_instruments
from engine.venues.port import NotExecuted
from engine.venues.simulated import SimulatedVenue
from tests.venues.paper import BTC, VOLUME, Paper, now

MOVE = st.integers(-40, 40)  # tenths of a percent
STEP = st.one_of(
    st.tuples(st.just("bar"), MOVE, MOVE, MOVE),
    st.tuples(st.just("bar"), MOVE, MOVE, MOVE),
    st.tuples(st.just("jump"), st.integers(1, 40)),
    st.tuples(st.just("enter"), st.sampled_from(Side), st.integers(1, 400)),
    st.tuples(st.just("enter"), st.sampled_from(Side), st.integers(2, 50)),
    st.tuples(st.just("leave"), st.integers(1, 100)),
    st.tuples(st.just("stop"), st.integers(1, 60)),
    st.tuples(st.just("target"), st.integers(1, 60)),
)
HISTORY = st.lists(STEP, min_size=15, max_size=60)


def play(paper: Paper, history: list[Any], after: Callable[[], None] | None = None) -> None:
    """Act a history out; what the venue refuses is passed over."""
    price = 50_000.0
    paper.flat(price)
    for name, *numbers in history:
        try:
            price = _act(paper, name, numbers, price)
        except NotExecuted:
            assert name != "leave"
        if after is not None:
            after()


def test_real_candles_leave_the_books_true(data_dir: Path) -> None:
    with gzip.open(data_dir / "perp-2025-06" / "BTC-USDT-5m.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    paper = Paper(balance="20000")
    instrument = paper.venue.instruments[BTC]
    for index, row in enumerate(rows):
        paper.time = int(row["timestamp"])
        paper.bar(*(float(row[name]) for name in ("open", "high", "low", "close", "volume")))
        if paper.position is None and index >= 12:
            side = Side.LONG if index % 2 else Side.SHORT
            price = Decimal(row["close"])
            (fill,) = paper.enter(side, "0.2", reference=row["close"]).fills
            assert 0 < fill.slippage < 0.0005
            paper.stop(instrument.round_price(price * (1 - side.sign * Decimal("0.004"))))
            paper.target(instrument.round_price(price * (1 + side.sign * Decimal("0.008"))))
        assert len(now(paper.venue.open_orders())) == (2 if paper.position else 0)
    assert paper.balance == paper.expected_balance
    assert {trade.exit_reason for trade in paper.trades} == {
        ExitReason.STOP_LOSS,
        ExitReason.TAKE_PROFIT,
    }
    for trade in paper.trades:
        gross = -0.2 if trade.exit_reason is ExitReason.STOP_LOSS else 0.4  # R is 2 % of price
        assert gross - 0.15 < trade.r_multiple < gross + 0.05  # costs; gaps help a target


def _act(paper: Paper, name: str, numbers: list[Any], price: float) -> float:
    instrument = paper.venue.instruments[paper.pair]
    position = paper.position
    if name == "bar":
        gap, reach, close = (1 + number / 1000 for number in numbers)
        points = [price * gap, price * gap * reach, price * gap * close]
        paper.bar(points[0], max(points), min(points), points[2])
        return points[2]
    if name == "jump":
        paper.time += numbers[0] * 3_600_000
        paper.flat(price)
    elif name == "enter":
        side = numbers[0] if position is None else position.side
        paper.enter(side, str(numbers[1] * Decimal("0.001")), leverage=20)
    elif position is None:
        return price
    elif name == "leave":
        part = instrument.round_quantity(position.quantity * numbers[0] / 100)
        if part > 0:
            paper.leave(part)
    else:
        sign = position.side.sign * (-1 if name == "stop" else 1)
        level = instrument.round_price(Decimal(str(price * (1 + sign * numbers[0] / 1000))))
        paper.rest(OrderKind.STOP if name == "stop" else OrderKind.TARGET, level)
    return price


@settings(max_examples=150, deadline=None)
@given(HISTORY)
def test_the_venue_and_the_accounting_agree_to_the_last_digit(history: list[Any]) -> None:
    paper = Paper(balance="3000")

    def check() -> None:
        assert paper.balance == paper.expected_balance
        views = now(paper.venue.positions())
        assert len(views) == (0 if paper.position is None else 1)
        for view in views:
            assert view.side is paper.open.side
            assert view.quantity == paper.open.quantity
            assert view.entry_price == paper.open.entry_price
        if not views:
            assert now(paper.venue.open_orders()) == []
            account = now(paper.venue.account())
            assert account.balance == account.equity == account.available

    play(paper, history, check)


@settings(max_examples=60, deadline=None)
@given(HISTORY, HISTORY)
def test_a_restored_account_goes_on_as_if_nothing_had_happened(
    before: list[Any], after: list[Any]
) -> None:
    paper = Paper(balance="3000")
    play(paper, before)
    text = json.dumps(paper.venue.snapshot())
    twin = SimulatedVenue(paper.venue.instruments, Decimal(1))
    twin.restore(json.loads(text))
    assert json.dumps(twin.snapshot()) == text

    position, clock, count = paper.position, paper.time, paper._count
    play(paper, after)
    copy = Paper(balance="3000")
    copy.venue, copy.position, copy.time, copy._count = twin, position, clock, count
    play(copy, after)
    assert json.dumps(twin.snapshot()) == json.dumps(paper.venue.snapshot())
    assert copy.trades == paper.trades[len(paper.trades) - len(copy.trades) :]


@settings(max_examples=30, deadline=None)
@given(HISTORY)
def test_the_same_history_gives_the_same_account(history: list[Any]) -> None:
    one, two = Paper(balance="3000"), Paper(balance="3000")
    play(one, history)
    play(two, history)
    assert one.events == two.events
    assert json.dumps(one.venue.snapshot()) == json.dumps(two.venue.snapshot())


def fine(scale: int) -> Instrument:
    """Return BTC's rules with ticks and steps far below what matters."""
    rules = simulated_instruments([BTC])[BTC]
    return replace(
        rules,
        tick_size=Decimal("0.0000001") * scale,
        step_size=Decimal("0.0000001") / scale,
        min_quantity=Decimal("0.0000001") / scale,
    )


@pytest.mark.parametrize("scale", [2, 10])
@settings(max_examples=40, deadline=None)
@given(
    price=st.integers(1, 10_000_000).map(lambda cents: cents / 128),
    notional=st.integers(200, 5_000_000),
    volume=st.integers(1_000_000, 1_000_000_000),
    side=st.sampled_from(Side),
)
def test_costs_do_not_depend_on_the_unit_of_price(
    scale: int, price: float, notional: int, volume: int, side: Side
) -> None:
    relative = []
    for factor in (1, scale):
        paper = Paper(balance="1e9", instrument=fine(factor))
        mark = price * factor
        paper.flat(mark, volume=volume / mark)
        step = paper.venue.instruments[BTC].step_size
        quantity = (Decimal(notional) / Decimal(str(mark)) // step) * step
        report = paper.enter(side, str(quantity), reference=str(mark))
        (fill,) = report.fills
        relative.append(
            (float(report.filled / quantity), float(fill.price) / mark, float(fill.fee) / notional)
        )
    assert relative[0] == pytest.approx(relative[1], rel=1e-6)


@given(small=st.floats(1, 1e9), large=st.floats(1, 1e9), turnover=st.floats(1, 1e12))
def test_impact_grows_with_size_up_to_its_maximum(
    small: float, large: float, turnover: float
) -> None:
    costs = CostModel()
    low, high = sorted((small, large))
    first = costs.adverse_fraction("large_cap", low, turnover)
    second = costs.adverse_fraction("large_cap", high, turnover)
    floor = costs.half_spread["large_cap"] + costs.base_slippage
    assert floor <= first <= second <= floor + Decimal(str(costs.max_impact))


def test_impact_at_a_minute_of_turnover_is_its_coefficient() -> None:
    costs = CostModel()
    assert costs.adverse_fraction("other", 5e5, 5e5) == Decimal("0.0002") + Decimal(
        "0.00005"
    ) + Decimal("0.0008")
    assert costs.adverse_fraction("never heard of", 1.0, VOLUME) >= Decimal("0.00025")
