"""One trigger's climb and descent: up at once, down one level after a healthy cool-down.

The breaker's automatic level is the highest of its ladders. A level falls when every ladder on
it has completed its own cool-down; as the ladder that moved last moved then, that is the same
as one cool-down for all, and each cause keeps its own name and clock.
"""

from __future__ import annotations

from engine.model.commands import Level
from engine.protection.triggers import TriggerRule

LEVELS = tuple(Level)


def highest(*levels: Level) -> Level:
    """Return the most severe of the levels given; CLOSED when there are none."""
    return LEVELS[max((level.rank for level in levels), default=0)]


class Ladder:
    """The level one trigger holds, its last reading, and how long that has been healthy.

    ``level`` is what is held, ``reading`` what the last reading alone calls for. ``healthy_ms``
    counts watched time in which no reading called for the level held; any that does sets it
    back to zero.
    """

    __slots__ = ("detail", "healthy_ms", "level", "read_at", "reading", "rule", "since", "value")

    def __init__(self, rule: TriggerRule) -> None:
        self.rule = rule
        self.clear()

    def clear(self) -> None:
        """Forget every reading and hold nothing."""
        self.level = Level.CLOSED
        self.reading = Level.CLOSED
        self.value = 0.0
        self.since = 0
        self.read_at = 0
        self.healthy_ms = 0
        self.detail = ""

    def read(self, value: float, level: Level, now: int, detail: str) -> bool:
        """Take a reading that calls for a level; return whether the ladder rose."""
        self.value = value
        self.reading = level
        self.read_at = now
        if level is Level.CLOSED or level.rank < self.level.rank:
            return False
        rose = level is not self.level
        if rose:
            self.level = level
            self.since = now
        self.healthy_ms = 0
        self.detail = detail
        return rose

    @property
    def unhealthy(self) -> bool:
        """Return whether the last reading keeps the level up by itself, without end."""
        return not self.rule.lapses and self.reading.rank >= self.level.rank

    @property
    def unpinnable(self) -> bool:
        """Return whether no operator's pin may hold the breaker below this ladder."""
        return self.level is Level.SHUTDOWN or not self.rule.pinnable

    def watch(self, ms: int) -> None:
        """Let watched time pass: it counts towards the cool-down only while healthy."""
        if not self.unhealthy:
            self.healthy_ms += ms

    def step_down(self, now: int, cooldown_ms: int) -> bool:
        """Fall by one level when the cool-down is complete; return whether it fell."""
        if self.healthy_ms < cooldown_ms:
            return False
        self.level = LEVELS[self.level.rank - 1]
        self.since = now
        self.healthy_ms = 0
        return True
