"""The truthful ledger: money adds up, liquidations and naked time are told as they were."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange_server.errors import ApiError
from tests.exchange_server.state import OrderRequest
from tests.exchange_server.world import World

BTC = "BTCUSDT"
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.integers(min_value=1, max_value=40),
        st.integers(min_value=-30_000, max_value=30_000),
        st.booleans(),
        st.sampled_from([None, 0.3, 0.5]),
    ),
    min_size=1,
    max_size=25,
)


def world(margin: str = "CROSSED", leverage: int = 20) -> World:
    made = World(seed=1, history_days=1)
    made.account.settings[BTC].margin_type = margin
    made.account.settings[BTC].leverage = leverage
    return made


def order(side: str, quantity: str, **fields: Any) -> OrderRequest:
    return OrderRequest(BTC, side, "MARKET", Decimal(quantity), "id", **fields)


def stop(side: str, quantity: str) -> OrderRequest:
    return OrderRequest(BTC, side, "STOP_MARKET", Decimal(quantity), f"stop-{quantity}")


@settings(max_examples=40, deadline=None)
@given(ACTIONS, st.sampled_from(["CROSSED", "ISOLATED"]))
def test_money_adds_up_over_adds_partials_and_flips(actions: Any, margin: str) -> None:
    made = world(margin, leverage=2)
    cash = Decimal(0)
    for side, lots, move, reduce_only, partial in actions:
        made.set_price(BTC, Decimal(60_000) + Decimal(move) / 10)
        if partial is not None:
            made.faults.add("partial_fill", fraction=partial)
        with suppress(ApiError):
            made.exchange.place(order(side, f"{lots}e-3", reduce_only=reduce_only))
        made.faults.clear()
        made.pay_funding()
    truth = made.exchange.truth()
    assert truth.balance == (
        truth.initial + truth.realized - truth.fees + truth.funding + truth.other
    )
    for fill in truth.fills:
        quote = fill["price"] * fill["quantity"]
        cash += (-quote if fill["side"] == "BUY" else quote) - fill["fee"]
    position = made.account.position(BTC, "BOTH")
    # what was paid and received, plus the open position at cost, is the balance to the last digit
    assert truth.balance == truth.initial + cash + position.cost + truth.funding + truth.other
    assert position.quantity == sum(
        (f["quantity"] if f["side"] == "BUY" else -f["quantity"] for f in truth.fills), Decimal(0)
    )
    if not position.quantity:
        assert position.cost == 0


def test_an_isolated_liquidation_takes_the_margin_and_no_more() -> None:
    made = world("ISOLATED", leverage=10)
    made.exchange.place(order("BUY", "0.1"))
    margin = made.account.position(BTC, "BOTH").isolated_wallet
    price = made.account.liquidation_price(made.account.position(BTC, "BOTH"))
    made.set_price(BTC, price.quantize(Decimal("0.1")) + 1)
    assert made.account.open_positions()
    made.set_price(BTC, price.quantize(Decimal("0.1")) - 1)
    truth = made.exchange.truth()
    assert truth.positions == []
    assert truth.fills[-1]["source"] == "liquidation"
    assert truth.fills[-1]["client_id"].startswith("autoclose-")
    lost = truth.initial - truth.balance - truth.fills[0]["fee"]
    assert 0 < lost <= margin
    # far beyond the liquidation price the insurance fund bears the rest
    gap = world("ISOLATED", leverage=10)
    gap.exchange.place(order("BUY", "0.1"))
    gap.set_price(BTC, Decimal(40_000))
    after = gap.exchange.truth()
    assert after.initial - after.balance - after.fills[0]["fee"] == margin
    assert after.other > 0


def test_deleveraging_closes_part_of_a_position() -> None:
    made = world()
    made.exchange.place(order("SELL", "0.1"))
    made.deleverage(BTC, Decimal("0.04"))
    truth = made.exchange.truth()
    assert truth.positions[0]["quantity"] == Decimal("-0.06")
    assert truth.fills[-1]["client_id"] == "adl_autoclose"


def test_naked_time_runs_until_stops_cover_the_whole_quantity() -> None:
    made = world()

    def at(seconds: int) -> int:
        made.clock.offset_ms = seconds * 1000
        return made.clock.now()

    def longest() -> int:
        return round(made.exchange.truth().longest_unprotected_ms / 1000)

    at(0)
    made.exchange.place(order("BUY", "0.02"))
    at(1)
    made.exchange.place_algo(stop("SELL", "0.01"), Decimal(59_000), "MARK_PRICE", 0)
    at(3)
    made.exchange.place_algo(stop("SELL", "0.02"), Decimal(58_000), "MARK_PRICE", 0)
    assert longest() == 3
    at(60)
    assert longest() == 3
    made.exchange.place(order("BUY", "0.02"))
    at(65)
    assert longest() == 5
    made.exchange.place(order("SELL", "0.04"))
    at(100)
    assert longest() == 5
    life = made.exchange.truth().lives[0]
    assert life["closed"] is not None
    assert [round((end - start) / 1000) for start, end in life["unprotected"]] == [3, 5]


def test_a_buy_stop_or_a_target_protects_no_long_position() -> None:
    made = world()
    made.exchange.place(order("BUY", "0.01"))
    made.exchange.place_algo(stop("BUY", "0.01"), Decimal(61_000), "MARK_PRICE", 0)
    target = OrderRequest(BTC, "SELL", "TAKE_PROFIT_MARKET", Decimal("0.01"), "target")
    made.exchange.place_algo(target, Decimal(62_000), "MARK_PRICE", 0)
    assert made.exchange.truth().lives[0]["unprotected_since"] is not None


def test_the_same_seed_walks_the_same_way() -> None:
    first, second, other = (World(seed=seed, history_days=1) for seed in (5, 5, 6))
    for made in (first, second, other):
        for _ in range(10):
            made.step(60)
    last = [
        [quote.last for quote in made.prices.quotes.values()] for made in (first, second, other)
    ]
    assert last[0] == last[1] != last[2]


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        World(history_days=1).faults.add("earthquake")
