"""Exits on random paths: stops only ever tighten, long and short mirror each other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.exits import (
    MIN_STOP_GAP_R,
    StopMove,
    Surroundings,
    review,
)
from engine.model.orders import Position
from engine.model.signal import Indicators, Regime, RegimeState, Side
from engine.strategy import ByRegime, ExitParams, Strategy
from tests.decision.build import (
    LIMITS,
    NOW,
    STRATEGY,
    indicators,
    mirrored,
    position,
    rising,
    state,
)
from tests.decision.test_exits import FINE, MINUTE, D, _wide, reason

prices = st.integers(-80, 160).map(lambda n: D(100) + D(n) / 10)
regimes = st.sampled_from(list(Regime))
atrs = st.integers(1, 80).map(lambda n: n / 20)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(prices, regimes, atrs), max_size=30), st.sampled_from(list(Side)))
def test_a_stop_only_ever_tightens_and_keeps_its_distance(
    path: list[tuple[Decimal, Regime, float]], side: Side
) -> None:
    """Play a path of marks through the review, carrying out what it asks for."""
    sign = side.sign
    pos = position(side, **_wide(side) | {"target_price": D(100) + 50 * sign})
    for wanted, regime, atr in path:
        mark = 100 + (wanted - 100) * sign
        seen = Surroundings(mark, indicators(atr=atr), _known(regime), NOW, False)
        outcome = review(pos, seen, STRATEGY, LIMITS, FINE)
        assert (outcome.best_price - pos.best_price) * sign >= 0
        assert (outcome.best_price - mark) * sign >= 0
        pos = replace(pos, best_price=outcome.best_price)
        if outcome.exit is not None:
            return
        move = outcome.move
        if move is None:
            continue
        assert (move.price - pos.stop_price) * sign > 0
        trail = outcome.best_price * D(repr(STRATEGY.exits.trail.of(regime)))
        gap = min(MIN_STOP_GAP_R * pos.risk_per_unit, trail, 3 * D(repr(atr)))
        assert (mark - move.price) * sign >= gap - FINE.tick_size / 2
        assert (move.price - pos.entry_price) * sign > 0
        assert move.price == FINE.round_price(move.price)
        assert move.trailing is not move.breakeven
        pos = _moved(pos, move)


def _moved(pos: Position, move: StopMove) -> Position:
    return replace(
        pos,
        stop_price=move.price,
        trailing=move.trailing or pos.trailing,
        breakeven=move.breakeven or pos.breakeven,
    )


def _known(regime: Regime) -> RegimeState:
    return state(regime, 0.5, 0.5)


FLIP = {Regime.TREND_UP: Regime.TREND_DOWN, Regime.TREND_DOWN: Regime.TREND_UP}
votes_of = st.sampled_from([rising(), mirrored(rising()), indicators(), indicators(rsi=20.0)])


@settings(max_examples=200, deadline=None)
@given(
    offset=st.integers(-150, 250).map(lambda n: D(n) / 10),
    best=st.integers(0, 250).map(lambda n: D(n) / 10),
    opened=regimes,
    now=regimes,
    minutes=st.integers(0, 300),
    ind=votes_of,
    atr=st.integers(1, 40).map(lambda n: n / 40),
    partial=st.sampled_from([0.0, 2.0]),
)
def test_long_and_short_are_mirror_images(
    offset: Decimal,
    best: Decimal,
    opened: Regime,
    now: Regime,
    minutes: int,
    ind: Indicators,
    atr: float,
    partial: float,
) -> None:
    """Trailing by ATR alone, since a percentage of price is not the same above and below."""
    far = ByRegime(0.2, 0.2, 0.2, 0.2)
    strategy = Strategy(exits=ExitParams(trail=far, partial_at_r=partial))
    thesis = ("adx", "macd", "monte_carlo", "rsi")
    outcomes = []
    for side in Side:
        long = side is Side.LONG
        pos = position(
            side,
            regime=opened if long else FLIP.get(opened, opened),
            best_price=100 + best * side.sign,
            thesis=thesis,
            **_wide(side),
        )
        candle = (ind if long else mirrored(ind))._replace(atr=atr)
        regime = now if long else FLIP.get(now, now)
        seen = Surroundings(
            100 + offset * side.sign, candle, _known(regime), NOW + minutes * MINUTE, True
        )
        outcomes.append(review(pos, seen, strategy, LIMITS, FINE))
    long_, short = outcomes
    assert long_.best_price - 100 == 100 - short.best_price
    assert reason(long_) is reason(short)
    if long_.exit is not None and short.exit is not None:
        assert long_.exit.quantity == short.exit.quantity
    assert (long_.move is None) is (short.move is None)
    if long_.move is not None and short.move is not None:
        assert long_.move.price - 100 == 100 - short.move.price
        assert long_.move.trailing is short.move.trailing
