"""The seven exits in their order, with figures and boundaries."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.execution.exits import (
    Review,
    Surroundings,
    rebalance,
    review,
    stop_reason,
    thesis_flips,
)
from engine.model.market import Pair
from engine.model.orders import ExitReason, Position
from engine.model.signal import Indicators, Regime, Side
from engine.strategy import ExitParams, Strategy
from tests.decision.build import (
    LIMITS,
    NOW,
    STRATEGY,
    indicators,
    instrument,
    mirrored,
    position,
    rising,
    state,
)

D = Decimal
MINUTE = 60_000
FINE = instrument()
WIDE = {"stop_price": D(90), "risk_per_unit": D(10), "target_price": D(120)}
COSTS = D("0.0014")  # taker fee and slippage, both ways


def look(
    pos: Position,
    mark: Any,
    *,
    ind: Indicators | None = None,
    regime: Regime | None = None,
    minutes: float = 0.0,
    fresh: bool = False,
    strategy: Strategy = STRATEGY,
) -> Review:
    """Review a position at a mark price, some minutes after it was opened."""
    around = state(regime or pos.regime)
    now = pos.opened + round(minutes * MINUTE)
    seen = Surroundings(D(str(mark)), ind, around, now, fresh)
    return review(pos, seen, strategy, LIMITS, FINE)


def reason(outcome: Review) -> ExitReason | None:
    return outcome.exit.reason if outcome.exit else None


# 1 and 2: stop loss and take profit


@pytest.mark.parametrize(
    ("side", "mark", "expected"),
    [
        (Side.LONG, "99.001", None),
        (Side.LONG, "99", ExitReason.STOP_LOSS),
        (Side.LONG, "80", ExitReason.STOP_LOSS),
        (Side.LONG, "101.999", None),
        (Side.LONG, "102", ExitReason.TAKE_PROFIT),
        (Side.SHORT, "100.999", None),
        (Side.SHORT, "101", ExitReason.STOP_LOSS),
        (Side.SHORT, "98.001", None),
        (Side.SHORT, "98", ExitReason.TAKE_PROFIT),
    ],
)
def test_stop_and_target(side: Side, mark: str, expected: ExitReason | None) -> None:
    assert reason(look(position(side), mark)) is expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, ExitReason.STOP_LOSS),
        ({"breakeven": True}, ExitReason.BREAKEVEN),
        ({"trailing": True}, ExitReason.TRAILING_STOP),
        ({"trailing": True, "breakeven": True}, ExitReason.TRAILING_STOP),
    ],
)
def test_a_stop_is_named_after_the_rule_that_placed_it(
    flags: dict[str, bool], expected: ExitReason
) -> None:
    pos = position(**flags)
    assert stop_reason(pos) is expected
    assert reason(look(pos, 98)) is expected


def test_every_exit_takes_all_and_tells_r_and_percent() -> None:
    outcome = look(position(), 98)
    assert outcome.exit is not None
    assert outcome.exit.quantity == 2
    assert outcome.exit.detail == "mark 98 is beyond the stop 99; -2.00 R, -2.00%"


# 3: breakeven and trailing stop


@pytest.mark.parametrize(("mark", "moves"), [("100.999", False), ("101", True)])
def test_breakeven_at_one_r_is_entry_plus_costs(mark: str, moves: bool) -> None:
    long = look(position(), mark).move
    short = look(position(Side.SHORT), 200 - D(mark)).move
    if not moves:
        assert long is None
        assert short is None
        return
    assert long is not None
    assert short is not None
    assert (long.price, long.breakeven, long.trailing) == (100 * (1 + COSTS), True, False)
    assert (short.price, short.breakeven, short.trailing) == (100 * (1 - COSTS), True, False)


@pytest.mark.parametrize(
    ("regime", "fraction"),
    [
        (Regime.TREND_UP, "0.02"),
        (Regime.TREND_DOWN, "0.02"),
        (Regime.RANGE, "0.015"),
        (Regime.CHOP, "0.01"),
        (Regime.VOLATILE, "0.025"),
        (Regime.UNKNOWN, "0.01"),
    ],
)
@pytest.mark.parametrize("side", list(Side))
def test_the_trail_by_regime(side: Side, regime: Regime, fraction: str) -> None:
    pos = position(side, regime=Regime.CHOP, **_wide(side))
    best = D(100) + side.sign * D(10)  # +1 R
    outcome = look(pos, best, regime=regime)
    if outcome.exit is not None:  # a trend against the position
        assert regime.trend_side is side.opposite
        return
    assert outcome.move is not None
    assert outcome.move.trailing
    assert outcome.move.price == best - side.sign * best * D(fraction)


def _wide(side: Side) -> dict[str, D]:
    sign = side.sign
    return {
        "stop_price": D(100) - 10 * sign,
        "risk_per_unit": D(10),
        "target_price": D(100) + 20 * sign,
    }


@pytest.mark.parametrize(
    ("atr", "price"),
    [
        (0.1, "109.7"),
        (0.7, "107.9"),
        (0.73, "107.81"),
        (0.74, "107.8"),  # 2 % of 110 is 2.2
        (5.0, "107.8"),
        (0.0, "107.8"),
    ],
)
def test_three_atr_where_that_is_nearer(atr: float, price: str) -> None:
    move = look(position(**WIDE), 110, ind=indicators(atr=atr)).move
    assert move is not None
    assert move.price == D(price)
    assert move.trailing


def test_the_trail_hangs_from_the_best_price() -> None:
    pos = position(best_price=D(112), **WIDE)
    outcome = look(pos, "112")
    assert outcome.best_price == 112
    later = look(pos, "111.9")
    assert later.best_price == 112
    assert later.move is not None
    assert later.move.price == D(112) * D("0.98")


def test_not_armed_below_one_r_of_the_best_price() -> None:
    assert look(position(**WIDE), "109.9").move is None
    assert look(position(best_price=D(110), **WIDE), "109.9").move is not None
    eager = Strategy(exits=ExitParams(arm_r=0.5))
    assert look(position(**WIDE), "105", strategy=eager).move is not None


def test_a_trail_the_mark_has_come_back_to_leaves_breakeven() -> None:
    """After a pause the best price may lie far behind: half the protection beats none."""
    pos = position(best_price=D(112), **WIDE)
    move = look(pos, 106).move
    assert move is not None
    assert (move.price, move.breakeven) == (D("100.14"), True)
    at = replace(pos, stop_price=move.price, breakeven=True)
    assert look(at, 106).move is None


def test_a_small_improvement_is_not_worth_an_order() -> None:
    moved = position(best_price=D(110), **WIDE | {"stop_price": D("107.8")})
    assert look(moved, "111").move is None  # 0.98 better, R is 10
    assert look(moved, "111.1").move is not None


def test_costs_are_those_of_the_instrument() -> None:
    dear = instrument(taker_fee=D("0.001"))
    seen = Surroundings(D(101), None, state(), NOW, False)
    move = review(position(), seen, STRATEGY, LIMITS, dear).move
    assert move is not None
    assert move.price == D("100.24")


# 4: time limit


@pytest.mark.parametrize(
    ("regime", "minutes"),
    [
        (Regime.TREND_UP, 240),
        (Regime.RANGE, 120),
        (Regime.CHOP, 60),
        (Regime.VOLATILE, 30),
        (Regime.UNKNOWN, 60),
    ],
)
def test_the_time_limit_by_regime(regime: Regime, minutes: int) -> None:
    pos = position(regime=regime)
    assert reason(look(pos, 100, minutes=minutes - 0.01)) is None
    outcome = look(pos, 100, minutes=minutes)
    assert reason(outcome) is ExitReason.TIME_LIMIT
    assert outcome.exit is not None
    assert f"{minutes} min open, limit {minutes} min in {regime}" in outcome.exit.detail


@pytest.mark.parametrize(("mark", "leaves"), [("103", True), ("103.01", False)])
def test_more_than_three_percent_profit_may_stay(mark: str, leaves: bool) -> None:
    wide = position(**WIDE)
    assert (reason(look(wide, mark, minutes=999)) is ExitReason.TIME_LIMIT) is leaves
    short = position(Side.SHORT, **_wide(Side.SHORT))
    outcome = look(short, 200 - D(mark), minutes=999)
    assert (reason(outcome) is ExitReason.TIME_LIMIT) is leaves


# 5: regime change


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("opened", "now", "leaves"),
    [
        ("with", Regime.CHOP, True),
        ("with", Regime.VOLATILE, True),
        ("with", Regime.RANGE, False),
        ("with", Regime.UNKNOWN, False),
        ("with", "with", False),
        ("with", "against", True),
        ("against", "against", False),  # entered against that very trend
        (Regime.RANGE, "against", True),
        (Regime.RANGE, "with", False),
        (Regime.RANGE, Regime.CHOP, False),
        (Regime.RANGE, Regime.VOLATILE, False),
        (Regime.CHOP, "against", True),
        (Regime.CHOP, Regime.VOLATILE, False),
        (Regime.UNKNOWN, "against", False),  # recovered after a crash, or adopted
    ],
)
def test_regime_change(side: Side, opened: Any, now: Any, leaves: bool) -> None:
    trends = {Side.LONG: Regime.TREND_UP, Side.SHORT: Regime.TREND_DOWN}
    named = {"with": trends[side], "against": trends[side.opposite]}
    pos = position(side, regime=named.get(opened, opened))
    outcome = look(pos, 100, regime=named.get(now, now), minutes=1)
    assert (reason(outcome) is ExitReason.REGIME_CHANGE) is leaves


@pytest.mark.parametrize(("mark", "leaves"), [("105", True), ("105.01", False)])
def test_a_trend_that_breaks_may_stay_with_more_than_five_percent(mark: str, leaves: bool) -> None:
    outcome = look(position(**WIDE), mark, regime=Regime.VOLATILE)
    assert (reason(outcome) is ExitReason.REGIME_CHANGE) is leaves


def test_a_trend_against_a_range_position_knows_no_exception() -> None:
    pos = position(regime=Regime.RANGE, **WIDE)
    assert reason(look(pos, 108, regime=Regime.TREND_DOWN)) is ExitReason.REGIME_CHANGE


# 6: rebalance


def test_the_worst_position_on_the_heavy_side_goes_first() -> None:
    pairs = [Pair.parse(base) for base in ("BTC", "ETH", "SOL", "XRP")]
    held = [
        position(id="a", pair=pairs[0], risk_per_unit=D(1)),
        position(id="b", pair=pairs[1], risk_per_unit=D(10)),
        position(id="c", pair=pairs[2], risk_per_unit=D(1)),
        position(Side.SHORT, id="d", pair=pairs[3]),
    ]
    # -0.4 R, -0.3 R though the largest loss in money, +0.2 R, and a short at -5 R.
    marks = dict(zip(pairs, map(D, ("99.6", "97", "100.2", "105")), strict=True))
    order = []
    left: list[Position] = list(held)
    while (worst := rebalance(left, marks, Side.LONG)) is not None:
        order.append(worst.id)
        left.remove(worst)
    assert order == ["a", "b", "c"]
    assert rebalance(held, marks, Side.SHORT) is held[3]
    assert rebalance(held, {}, Side.LONG) is None
    twins = [position(id="y"), position(id="x")]
    chosen = rebalance(twins, {twins[0].pair: D(100)}, Side.LONG)
    assert chosen is twins[1]  # a tie is settled by id, not by order


# 7: thesis


AGAINST = mirrored(rising())


def test_the_thesis_is_gone_when_half_of_it_and_two_rules_vote_the_other_way() -> None:
    ind = indicators(rsi=75.0, macd_hist=-0.2)
    two = position(thesis=("rsi", "macd", "vwap", "obv"), regime=Regime.CHOP)
    assert thesis_flips(two, ind, Regime.CHOP, STRATEGY) == ("rsi", "macd")
    outcome = look(two, 100, ind=ind, fresh=True)
    assert reason(outcome) is ExitReason.THESIS_INVALIDATED
    assert outcome.exit is not None
    assert "2 of 4 reasons now point the other way (rsi, macd)" in outcome.exit.detail
    five = replace(two, thesis=(*two.thesis, "adx"))
    assert reason(look(five, 100, ind=ind, fresh=True)) is None
    one = replace(two, thesis=("rsi", "vwap"))
    assert reason(look(one, 100, ind=ind, fresh=True)) is None
    assert reason(look(two, 100, ind=ind, fresh=False)) is None
    assert reason(look(two, 100, ind=None, fresh=True)) is None


def test_a_reason_that_has_merely_gone_still_stands() -> None:
    pos = position(thesis=("rsi", "macd", "adx"), regime=Regime.CHOP)
    assert thesis_flips(pos, indicators(adx=5.0), Regime.CHOP, STRATEGY) == ()


# Partial exits


def test_no_partial_exit_by_default() -> None:
    wide = position(**WIDE | {"target_price": D(200)})
    assert look(wide, 130).exit is None


def test_half_is_taken_at_two_r_once() -> None:
    halves = Strategy(exits=ExitParams(partial_at_r=2.0))
    pos = position(**WIDE | {"target_price": D(200)})
    assert look(pos, "119.99", strategy=halves).exit is None
    outcome = look(pos, 120, strategy=halves)
    assert reason(outcome) is ExitReason.PARTIAL_TARGET
    assert outcome.exit is not None
    assert outcome.exit.quantity == 1
    assert look(replace(pos, partial_taken=True), 120, strategy=halves).exit is None
    crumbs = replace(pos, quantity=D("0.0001"))
    assert look(crumbs, 120, strategy=halves).exit is None  # half is below the minimum
    odd = replace(pos, quantity=D("0.0003"))
    taken = look(odd, 120, strategy=halves).exit
    assert taken is not None
    assert taken.quantity == D("0.0001")


# The order: with everything wrong at once, remove one cause after the other.


def test_the_order_of_the_exits() -> None:
    pos = position(thesis=("adx", "macd"), target_price=D("98.5"))
    halves = Strategy(exits=ExitParams(partial_at_r=0.0))
    everything = {"ind": AGAINST, "fresh": True, "strategy": halves}
    late = {"minutes": 999, "regime": Regime.CHOP} | everything
    assert reason(look(pos, 99, **late)) is ExitReason.STOP_LOSS
    assert reason(look(replace(pos, stop_price=D(98)), 99, **late)) is ExitReason.TAKE_PROFIT
    pos = replace(pos, target_price=D(102))
    assert reason(look(pos, 100, **late)) is ExitReason.TIME_LIMIT
    soon = late | {"minutes": 1}
    assert reason(look(pos, 100, **soon)) is ExitReason.REGIME_CHANGE
    steady = soon | {"regime": Regime.RANGE}
    ranging = replace(pos, thesis=("adx", "monte_carlo"))
    assert reason(look(ranging, 100, **steady)) is ExitReason.THESIS_INVALIDATED
    assert reason(look(ranging, 100, **steady | {"ind": rising()})) is None


def test_an_exit_moves_no_stop() -> None:
    outcome = look(position(**WIDE), 111, minutes=999, regime=Regime.VOLATILE)
    assert outcome.exit is None  # more than 5 %
    assert outcome.move is not None
    left = look(position(regime=Regime.RANGE, **WIDE), 111, regime=Regime.TREND_DOWN)
    assert left.exit is not None
    assert left.move is None
