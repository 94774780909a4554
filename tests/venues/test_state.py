"""Snapshots of the simulated account, and the trading rules."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from engine.model.market import Pair
from engine.model.orders import Fill
from engine.model.signal import Side
from engine.venues.instruments import simulated_instruments
from engine.venues.port import FundingPayment, OrderReport, Venue
from engine.venues.simulated import SimulatedVenue
from tests.venues.paper import BTC, ETH, HOUR, START, Paper, now


def busy() -> Paper:
    """Return an account with a position, two resting orders and events nobody has drained."""
    paper = Paper(minutes=60)
    paper.flat(50_000)
    paper.enter(Side.LONG, "0.3")
    paper.leave("0.1")
    paper.stop("49000")
    paper.leave("0.1")
    paper.stop("48000")
    paper.target("52000")
    paper.time = START + 8 * HOUR
    return paper


def test_undrained_events_survive() -> None:
    paper = busy()
    candle_paper = Paper(minutes=60)
    candle_paper.venue = paper.venue
    candle_paper.time = paper.time
    candle_paper.settle = list  # type: ignore[method-assign]  # leave the queue alone
    candle_paper.bar(50_000, 50_000, 48_900, 49_000)
    text = json.dumps(paper.venue.snapshot())
    twin = SimulatedVenue(paper.venue.instruments, Decimal(1))
    twin.restore(json.loads(text))
    events = paper.venue.drain()
    assert {type(event) for event in events} == {Fill, OrderReport, FundingPayment}
    assert twin.drain() == events
    assert now(twin.open_orders()) == now(paper.venue.open_orders())
    assert now(twin.positions()) == now(paper.venue.positions())
    assert now(twin.account()) == now(paper.venue.account())
    assert twin.time == paper.venue.time
    assert now(twin.find(BTC, "entry-1")) == now(paper.venue.find(BTC, "entry-1"))


def test_funding_missed_while_away_is_paid_on_return() -> None:
    paper = busy()
    twin = SimulatedVenue(paper.venue.instruments, Decimal(1))
    twin.restore(paper.venue.snapshot())
    paper.venue = twin
    paper.time = START + 30 * HOUR
    events = paper.flat(50_000)
    assert [event.time for event in events if isinstance(event, FundingPayment)] == [
        START + hour * HOUR for hour in (8, 16, 24)
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 0}, "version 0"),
        ({"events": [{"type": "Rumour"}]}, "Rumour"),
    ],
)
def test_a_foreign_snapshot_is_refused(change: dict[str, Any], message: str) -> None:
    paper = busy()
    with pytest.raises(ValueError, match=message):
        SimulatedVenue(paper.venue.instruments, Decimal(1)).restore(
            {**paper.venue.snapshot(), **change}
        )


def test_a_position_in_a_pair_not_traded_is_refused() -> None:
    with pytest.raises(ValueError, match="not traded here"):
        SimulatedVenue(simulated_instruments([ETH]), Decimal(1)).restore(busy().venue.snapshot())


def test_it_is_a_venue() -> None:
    venue: Venue = SimulatedVenue(simulated_instruments([BTC]), Decimal(1))
    assert now(venue.account()).balance == 1
    assert list(venue.instruments) == [BTC]
    now(venue.close())


def test_the_eight_pairs_have_their_own_rules() -> None:
    pairs = [Pair.parse(base) for base in ("BTC", "ETH", "BNB", "SOL", "ADA", "XRP", "LTC", "DOGE")]
    rules = simulated_instruments(pairs)
    assert [rules[pair].sector for pair in pairs] == [
        *["large_cap"] * 3,
        *["layer_1"] * 2,
        *["payment"] * 2,
        "meme",
    ]
    assert rules[BTC].min_notional == 100
    for rule in rules.values():
        assert rule.maker_fee < rule.taker_fee == Decimal("0.0005")
        assert rule.maintenance_margin_rate < 1 / Decimal(rule.max_leverage)


def test_other_pairs_get_careful_rules() -> None:
    pair = Pair.parse("PEPE")
    (rule,) = simulated_instruments([pair]).values()
    assert (rule.pair, rule.sector) == (pair, "other")
    assert rule.max_leverage >= 20  # whatever MAX_LEVERAGE allows can be set
    assert rule.maintenance_margin_rate < 1 / Decimal(rule.max_leverage)
