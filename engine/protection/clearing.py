"""What would clear the breaker, in a sentence, and when."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.commands import Level
from engine.protection.ladder import LEVELS, Ladder
from engine.protection.record import Hold, Latch, Pin
from engine.protection.triggers import BreakerSettings
from engine.protection.wording import clock, duration


def remaining_ms(
    level: Level, holding: Sequence[Ladder], settings: BreakerSettings, pending_ms: int
) -> int | None:
    """Return the cool-down left on a level (ms); None while it does not run at all.

    ``holding`` are the ladders on that level; ``pending_ms`` is time not yet counted.
    """
    if level in (Level.CLOSED, Level.SHUTDOWN) or not holding:
        return None
    if any(ladder.unhealthy for ladder in holding):
        return None
    counted = min(ladder.healthy_ms for ladder in holding) + min(pending_ms, settings.watch_gap_ms)
    return max(0, settings.cooldown_ms(level) - counted)


def what_clears(
    level: Level,
    holding: Sequence[Ladder],
    latch: Latch | None,
    settings: BreakerSettings,
    pending_ms: int,
    left_in_shutdown: bool,
) -> str:
    """Return what would bring the automatic level down."""
    if level is Level.CLOSED:
        return "nothing to clear"
    if level is Level.SHUTDOWN:
        if left_in_shutdown:
            return "an acknowledgement clears the SHUTDOWN of an earlier run"
        return "only a restart with an acknowledgement clears SHUTDOWN"
    if latch and latch.level is level:
        return f"only recover clears it ({latch.cause}: {latch.reason or 'no reason given'})"
    below = LEVELS[level.rank - 1]
    left = remaining_ms(level, holding, settings, pending_ms)
    if left is None:
        wanted = _conditions(level, [ladder for ladder in holding if ladder.unhealthy])
        return f"falls to {below} after {duration(settings.cooldown_ms(level))} with {wanted}"
    return f"falls to {below} in {duration(left)} with {_conditions(level, holding)}"


def with_operator(sentence: str, pin: Pin | None, hold: Hold | None, acknowledge: str) -> str:
    """Return the sentence with what the operator has set on top of it."""
    parts = []
    if acknowledge:
        parts.append(f"entries wait for an acknowledgement: {acknowledge}")
    if pin:
        parts.append(f"the override ends at {clock(pin.until)}")
    if hold:
        parts.append(f"the hold on entries ends at {clock(hold.until)}")
    if sentence != "nothing to clear" or not parts:
        parts.append(sentence)
    return "; ".join(parts)


def _conditions(level: Level, ladders: Sequence[Ladder]) -> str:
    return " and ".join(ladder.rule.condition(level) for ladder in ladders)
