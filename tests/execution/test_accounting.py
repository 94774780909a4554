"""Position accounting: exact, and independent of the order and number of reports."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.accounting import (
    FillBook,
    apply_entry_fill,
    apply_exit_fill,
    apply_funding,
    average_price,
    gross_profit,
    in_order,
    money,
    open_position,
    settle,
    split_fill,
)
from engine.model.market import Pair
from engine.model.orders import (
    ApprovedOrder,
    ClosedTrade,
    ExitReason,
    Fill,
    OrderKind,
    Position,
    seal_for_safety_checker,
)
from engine.model.signal import Regime, Side

BTC = Pair.parse("BTC")
CENT = Fraction(1, 100)
D = Decimal


def order(side: Side = Side.LONG, stop: str = "98") -> ApprovedOrder:
    return ApprovedOrder(
        "entry", BTC, side, D(3), D(100), D(stop), D(104), 10, seal_for_safety_checker()
    )


def fill(
    identifier: str,
    quantity: str | Decimal,
    price: str | Decimal,
    *,
    buy: bool = True,
    fee: str | Decimal = "0",
    time: int = 1,
    reason: ExitReason | None = None,
    client: str = "entry",
    pair: Pair = BTC,
) -> Fill:
    kind = OrderKind.ENTRY if reason is None else OrderKind.EXIT
    return Fill(
        identifier, client, pair, buy, D(quantity), D(price), D(fee), time, kind, D(price), reason
    )


def opened(*fills: Fill, side: Side = Side.LONG, stop: str = "98") -> Position:
    return open_position(
        order(side, stop),
        fills,
        position_id="p1",
        regime=Regime.RANGE,
        confidence=0.5,
        strategy="default",
        strategy_version=2,
        entry_equity=D(1000),
        thesis=("rsi",),
    )


def closed(outcome: tuple[Position | None, ClosedTrade | None]) -> ClosedTrade:
    left, trade = outcome
    assert left is None
    assert trade is not None
    return trade


def test_opening() -> None:
    position = opened(fill("b", 2, 101, fee="0.2", time=5), fill("a", 1, 98, fee="0.1", time=4))
    assert (position.quantity, position.initial_quantity) == (3, 3)
    assert position.entry_price == position.best_price == 100
    assert position.risk_per_unit == D(2)  # (0 x 1 + 3 x 2) / 3
    assert (position.fees, position.opened, position.id) == (D("0.3"), 4, "p1")
    assert position.client_order_ids == ("entry",)
    assert position.stop_order_id is None


def test_opening_counts_a_repeated_fill_once() -> None:
    one = fill("a", 1, 100)
    assert opened(one, one).quantity == 1


@pytest.mark.parametrize(
    "wrong", [(), (fill("a", 1, 100, buy=False),), (fill("a", 1, 100, pair=Pair.parse("ETH")),)]
)
def test_opening_refuses_what_did_not_open_it(wrong: tuple[Fill, ...]) -> None:
    with pytest.raises(ValueError, match="entry"):
        opened(*wrong)


def test_partial_closes_make_one_trade() -> None:
    position = opened(fill("a", 3, 100, fee="0.15"))
    left, trade = apply_exit_fill(
        position,
        fill("x", 1, 104, buy=False, fee="0.05", reason=ExitReason.PARTIAL_TARGET, client="half"),
    )
    assert trade is None
    assert left is not None
    assert (left.quantity, left.realised_pnl, left.exit_notional) == (2, 4, 104)
    left = apply_funding(apply_funding(left, D("0.5")), D("-0.2"))
    trade = closed(
        apply_exit_fill(
            left,
            fill("y", 2, 98, buy=False, fee="0.1", time=9, reason=ExitReason.STOP_LOSS, client="s"),
        )
    )
    assert trade.exit_price == 100
    assert (trade.quantity, trade.entry_price) == (3, 100)
    assert (trade.fees, trade.funding, trade.pnl) == (D("0.3"), D("0.3"), D("-0.6"))
    assert trade.r_multiple == pytest.approx(-0.1)
    assert (trade.entry_time, trade.exit_time) == (1, 9)
    assert trade.exit_reason is ExitReason.STOP_LOSS
    assert trade.client_order_ids == ("entry", "half", "s")
    assert (trade.strategy, trade.strategy_version, trade.id) == ("default", 2, "p1")


def test_a_short_earns_when_prices_fall() -> None:
    position = opened(fill("a", 2, 100, buy=False), side=Side.SHORT, stop="105")
    trade = closed(apply_exit_fill(position, fill("x", 2, 90, reason=ExitReason.TAKE_PROFIT)))
    assert (trade.pnl, trade.r_multiple) == (20, 2.0)


def test_an_addition_after_a_partial_close_keeps_the_books_true() -> None:
    position = opened(fill("a", 2, 100))
    left, _ = apply_exit_fill(position, fill("x", 1, 110, buy=False, reason=ExitReason.OPERATOR))
    assert left is not None
    more = apply_entry_fill(left, fill("b", 1, 120))
    assert (more.entry_price, more.initial_quantity) == (110, 3)
    trade = closed(apply_exit_fill(more, fill("y", 2, 130, buy=False, reason=ExitReason.OPERATOR)))
    assert trade.pnl == 50  # sold for 370, bought for 320
    assert trade.exit_price * 3 == pytest.approx(370)
    assert trade.entry_price * 3 == pytest.approx(320)


def test_an_unexplained_exit_is_external_and_zero_risk_gives_zero_r() -> None:
    position = opened(fill("a", 1, 100), stop="100")
    trade = closed(apply_exit_fill(position, fill("x", 1, 90, buy=False)))
    assert trade.exit_reason is ExitReason.EXTERNAL
    assert (trade.pnl, trade.r_multiple) == (-10, 0.0)


def test_what_does_not_fit_is_refused() -> None:
    position = opened(fill("a", 1, 100))
    for wrong in (
        fill("x", 1, 100),
        fill("x", 1, 100, buy=False, pair=Pair.parse("ETH")),
        fill("x", 0, 100, buy=False),
    ):
        with pytest.raises(ValueError, match="cannot be applied"):
            apply_exit_fill(position, wrong)
    with pytest.raises(ValueError, match="cannot be applied"):
        apply_entry_fill(position, fill("x", 1, 100, buy=False))
    with pytest.raises(ValueError, match="split it first"):
        apply_exit_fill(position, fill("x", 2, 100, buy=False))


def test_a_flip_is_a_close_and_a_remainder() -> None:
    position = opened(fill("a", 1, 100))
    flip = fill("x", 3, 110, buy=False, fee="0.1", reason=ExitReason.EXTERNAL)
    closing, remainder = split_fill(position, flip)
    assert remainder is not None
    assert (closing.quantity, remainder.quantity) == (1, 2)
    assert closing.fee + remainder.fee == flip.fee
    assert closing.fill_id != remainder.fill_id
    assert closed(apply_exit_fill(position, closing)).pnl == 10 - closing.fee
    assert opened(remainder, side=Side.SHORT, stop="115").quantity == 2
    assert split_fill(position, fill("y", 1, 110, buy=False)) == (
        fill("y", 1, 110, buy=False),
        None,
    )


def test_fill_book() -> None:
    one, two = fill("a", 1, 100, time=2), fill("b", 2, 100, time=1)
    book = FillBook()
    assert [book.add(item) for item in (one, two, one, replace(two))] == [True, True, False, False]
    assert book.ordered() == (two, one) == in_order([one, two, one])
    assert book.quantity == 3
    with pytest.raises(ValueError, match="different figures"):
        book.add(replace(one, price=D(101)))


def test_settle_stops_at_the_close() -> None:
    position = opened(fill("a", 1, 100))
    exits = [
        fill(name, 1, 100, buy=False, time=at, reason=ExitReason.OPERATOR)
        for name, at in (("x", 1), ("y", 2))
    ]
    with pytest.raises(ValueError, match="go on after"):
        settle(position, exits)
    assert settle(position, []) == (position, None)


def test_money_is_rounded_half_to_even_at_eight_decimals() -> None:
    assert money(D("0.000000005")) == 0
    assert money(D("0.000000015")) == D("0.00000002")
    assert money(D("123456789012345678.123456789")) == D("123456789012345678.12345679")


QUANTITY = st.integers(1, 10**9).map(lambda n: D(n) / 1000)
PRICE = st.integers(1, 10**9).map(lambda n: D(n) / 100_000)


@settings(max_examples=200, deadline=None)
@given(
    entries=st.lists(st.tuples(QUANTITY, PRICE), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 99), max_size=5),
    prices=st.lists(PRICE, min_size=6, max_size=6),
    fees=st.lists(st.integers(0, 10**8).map(lambda n: D(n) / 10**8), min_size=12, max_size=12),
    side=st.sampled_from(Side),
    shuffled=st.randoms(use_true_random=False),
)
def test_profit_is_exact_and_no_order_of_exit_reports_changes_it(
    entries: list[tuple[Decimal, Decimal]],
    cuts: list[int],
    prices: list[Decimal],
    fees: list[Decimal],
    side: Side,
    shuffled: object,
) -> None:
    buy = side is Side.LONG
    ins = [
        fill(f"in{i}", quantity, price, buy=buy, fee=fees[i], time=i)
        for i, (quantity, price) in enumerate(entries)
    ]
    position = opened(*ins, side=side)
    left, outs = position.quantity, []
    for i, cut in enumerate([*cuts, 100]):
        part = left * cut / 100
        outs.append(
            fill(
                f"out{i}",
                part,
                prices[i],
                buy=not buy,
                fee=fees[6 + i],
                time=100 + i,
                reason=ExitReason.OPERATOR,
            )
        )
        left -= part
    trade = closed(settle(position, outs))

    exact = sum(
        (Fraction(f.price) * Fraction(f.quantity) * (-1 if f.buy else 1) - Fraction(f.fee))
        for f in (*ins, *outs)
    )
    assert abs(Fraction(trade.pnl) - exact) < CENT
    assert trade.fees == sum(f.fee for f in (*ins, *outs))
    assert trade.quantity == sum(f.quantity for f in ins)
    paid = sum(Fraction(f.price) * Fraction(f.quantity) for f in ins)
    assert abs(Fraction(trade.entry_price) * Fraction(trade.quantity) - paid) < CENT

    repeated = [*outs, outs[0]]
    shuffled.shuffle(repeated)  # type: ignore[attr-defined]
    assert closed(settle(position, repeated)) == trade
    anyhow = position
    for out in outs[:-1][::-1]:
        reduced, _ = apply_exit_fill(anyhow, out)
        assert reduced is not None
        anyhow = reduced
    other = closed(apply_exit_fill(anyhow, outs[-1]))
    assert (other.pnl, other.fees, other.exit_price) == (trade.pnl, trade.fees, trade.exit_price)


@settings(max_examples=200, deadline=None)
@given(QUANTITY, PRICE, QUANTITY, PRICE, PRICE)
def test_average_prices_are_precise_enough_for_the_cent(
    first: Decimal, at: Decimal, second: Decimal, then: Decimal, out: Decimal
) -> None:
    average = average_price(first, at, second, then)
    assert min(at, then) <= average <= max(at, then)
    gross = gross_profit(Side.LONG, average, out, first + second)
    exact = Fraction(out) * Fraction(first + second) - (
        Fraction(at) * Fraction(first) + Fraction(then) * Fraction(second)
    )
    assert abs(Fraction(gross) - exact) < Fraction(1, 10**7)
