"""The dynamic exits, in the order of section 11 of the specification. Pure.

The portfolio rebalance (number 6) looks at all positions at once and stands apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from engine.model.market import Instrument, Pair
from engine.model.orders import ExitReason, Position
from engine.model.signal import Indicators, Regime, RegimeState, Side, Vote
from engine.risk.limits import RiskLimits
from engine.signals.v2 import votes
from engine.strategy import ExitParams, Strategy

MIN_STOP_STEP_R = Decimal("0.1")  # a smaller improvement is not worth moving an order for
MIN_STOP_GAP_R = Decimal("0.2")  # nearer to the mark than this (or the trail) noise triggers it
MINUTE_MS = 60_000


class Exit(NamedTuple):
    """Leave (part of) a position: why, how much, and the figures in a sentence."""

    reason: ExitReason
    quantity: Decimal
    detail: str


class StopMove(NamedTuple):
    """Move the stop to a better price; ``trailing`` and ``breakeven`` say which rule did it."""

    price: Decimal
    trailing: bool
    breakeven: bool
    detail: str


class Review(NamedTuple):
    """What one position pass wants of one position."""

    best_price: Decimal
    exit: Exit | None
    move: StopMove | None


class Surroundings(NamedTuple):
    """What a review looks at besides the position; ``fresh`` = a candle closed since the last."""

    mark: Decimal
    indicators: Indicators | None
    regime: RegimeState
    now: int
    fresh: bool


def review(
    position: Position,
    seen: Surroundings,
    strategy: Strategy,
    limits: RiskLimits,
    instrument: Instrument,
) -> Review:
    """Look at one position once and return what to do with it.

    Percentages are of the entry price; R is the initial distance to the stop.
    """
    sign = position.side.sign
    mark = seen.mark
    best = max(position.best_price * sign, mark * sign) * sign
    exits = strategy.exits
    profit = float((mark - position.entry_price) * sign / position.entry_price)
    r_now = position.r_multiple(mark)

    def leave(reason: ExitReason, detail: str, quantity: Decimal | None = None) -> Review:
        figures = f"{detail}; {r_now:+.2f} R, {profit:+.2%}"
        return Review(best, Exit(reason, quantity or position.quantity, figures), None)

    # 1 and 2: the exchange holds both orders; this is the second line should it fail.
    if (mark - position.stop_price) * sign <= 0:
        reason = stop_reason(position)
        return leave(reason, f"mark {mark} is beyond the stop {position.stop_price}")
    if (mark - position.target_price) * sign >= 0:
        return leave(ExitReason.TAKE_PROFIT, f"mark {mark} reached target {position.target_price}")

    # 3: breakeven and trail, armed at +1 R of the best price seen.
    move = _better_stop(position, best, seen, strategy, limits, instrument)

    if (
        exits.partial_at_r > 0
        and not position.partial_taken
        and r_now >= Decimal(repr(exits.partial_at_r))
    ):
        half = instrument.round_quantity(position.quantity / 2)
        if half >= instrument.min_quantity:
            return leave(ExitReason.PARTIAL_TARGET, "half taken off", half)

    # 4: time.
    limit = exits.limit_minutes.of(seen.regime.regime)
    age = (seen.now - position.opened) / MINUTE_MS
    if age >= limit and profit <= exits.keep_past_limit:
        return leave(
            ExitReason.TIME_LIMIT,
            f"{age:.0f} min open, limit {limit:.0f} min in {seen.regime.regime}",
        )

    # 5: the regime the position was opened in is gone.
    if _regime_against(position, seen.regime.regime, profit, exits):
        return leave(ExitReason.REGIME_CHANGE, f"{position.regime} became {seen.regime.regime}")

    # 7: the rules that justified the entry now vote the other way.
    if seen.fresh and seen.indicators is not None:
        flipped = thesis_flips(position, seen.indicators, seen.regime.regime, strategy)
        if len(flipped) >= 2 and 2 * len(flipped) >= len(position.thesis):
            return leave(
                ExitReason.THESIS_INVALIDATED,
                f"{len(flipped)} of {len(position.thesis)} reasons now point the other way "
                f"({', '.join(flipped)})",
            )
    return Review(best, None, move)


def stop_reason(position: Position) -> ExitReason:
    """Return what a filled stop means, by the rule that placed it."""
    if position.trailing:
        return ExitReason.TRAILING_STOP
    return ExitReason.BREAKEVEN if position.breakeven else ExitReason.STOP_LOSS


def thesis_flips(
    position: Position, ind: Indicators, regime: Regime, strategy: Strategy
) -> tuple[str, ...]:
    """Return the rules that justified the entry and now vote for the other side."""
    opposite = Vote.SHORT if position.side is Side.LONG else Vote.LONG
    now = votes(ind, regime, strategy)
    return tuple(rule for rule in position.thesis if rule in now and now[rule][0] is opposite)


def rebalance(
    positions: Sequence[Position], marks: Mapping[Pair, Decimal], heavy_side: Side
) -> Position | None:
    """Return the worst position (in R) on the heavy side, the first to go; None if none."""
    candidates = [p for p in positions if p.side is heavy_side and p.pair in marks]
    return min(candidates, key=lambda p: (p.r_multiple(marks[p.pair]), p.id), default=None)


def _better_stop(
    position: Position,
    best: Decimal,
    seen: Surroundings,
    strategy: Strategy,
    limits: RiskLimits,
    instrument: Instrument,
) -> StopMove | None:
    sign = position.side.sign
    exits = strategy.exits
    if position.r_multiple(best) < Decimal(repr(exits.arm_r)):
        return None
    cost = 2 * instrument.taker_fee + 2 * Decimal(repr(limits.slippage))
    breakeven = position.entry_price * (1 + sign * cost)
    distance = best * Decimal(repr(exits.trail.of(seen.regime.regime)))
    if seen.indicators is not None and seen.indicators.atr > 0.0:
        distance = min(distance, Decimal(repr(exits.trail_atr * seen.indicators.atr)))
    trail = best - sign * distance
    unit = position.risk_per_unit
    gap = min(MIN_STOP_GAP_R * unit, distance)

    def clear(price: Decimal) -> bool:
        return (seen.mark - price) * sign >= gap

    # A trail that the mark has come back to cannot rest; breakeven may still.
    trailing = (trail - breakeven) * sign > 0 and clear(trail)
    level = trail if trailing else breakeven
    price = instrument.round_price(level)
    improves = (price - position.stop_price) * sign >= MIN_STOP_STEP_R * unit
    if not (improves and clear(level)):
        return None
    rule = f"trail {distance:.6g} behind the best price {best}" if trailing else "breakeven + costs"
    return StopMove(price, trailing, not trailing, f"stop {position.stop_price} -> {price}: {rule}")


def _regime_against(position: Position, now: Regime, profit: float, exits: ExitParams) -> bool:
    """Return whether a trend lost its order, or another one began against the position.

    Never where the regime of the entry is not known: recovered and adopted positions.
    """
    if position.regime is Regime.UNKNOWN:
        return False
    if position.regime.trending and now in (Regime.CHOP, Regime.VOLATILE):
        return profit <= exits.keep_past_regime_change
    return now is not position.regime and now.trend_side is position.side.opposite
