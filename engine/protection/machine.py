"""The breaker's machine: ladders, latch, pin and hold, and the level that follows from them.

Two layers. The *automatic* level is the highest of the ladders and the latch; it moves by
readings and cool-downs alone. The level *in force* is what an operator's pin makes of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from engine.model.commands import Level
from engine.model.decision import BreakerGate, Verdict
from engine.model.events import BreakerChanged
from engine.protection.feeds import Feeds, Reading
from engine.protection.ladder import Ladder, highest
from engine.protection.record import Hold, Latch, Pin
from engine.protection.triggers import BreakerSettings, trigger_table
from engine.protection.wording import clock, duration

Changes = list[BreakerChanged]

OPERATOR = "operator"
BACKWARDS_MS = 1_000  # a step back beyond this is a clock set back, not jitter


class BreakerMachine:
    """Readings and time in, level and gates out. ``CircuitBreaker`` is its public face."""

    def __init__(self, settings: BreakerSettings, throttled_confidence: float) -> None:
        if not 0 <= throttled_confidence <= 1:
            raise ValueError(f"throttled_confidence={throttled_confidence} must be in [0, 1]")
        self.settings = settings
        self._throttled_confidence = throttled_confidence
        self._ladders = {rule.trigger: Ladder(rule) for rule in trigger_table(settings).values()}
        self._raised: tuple[Ladder, ...] = ()
        self._feeds = Feeds(settings)
        self._latch: Latch | None = None
        self._pin: Pin | None = None
        self._hold: Hold | None = None
        self._acknowledge = ""  # why entries wait for the operator
        self._left_in_shutdown = False  # SHUTDOWN is that of an earlier run
        self._now = 0  # the latest time seen
        self._level = Level.CLOSED
        self._since = 0
        self._refresh()

    # ------------------------------------------------------------------ up

    def _watch(self, now: int) -> int:
        """Let time pass for the cool-downs; return the latest time seen, which never falls."""
        elapsed = now - self._now
        if elapsed > 0:
            self._now = now
            counted = min(elapsed, self.settings.watch_gap_ms)
            for ladder in self._raised:
                ladder.watch(counted)
        return self._now

    def _take(self, readings: Iterable[Reading], now: int) -> Changes:
        self._watch(now)
        changes: Changes = []
        for reading in readings:
            ladder = self._ladders[reading.trigger]
            rule = ladder.rule
            called = Level.CLOSED if reading.excused else rule.level(reading.value)
            value = rule.readable(reading.value)
            detail = ""
            if called is not Level.CLOSED:
                detail = rule.describe(value) + (f" ({reading.note})" if reading.note else "")
            if ladder.read(value, called, self._now, detail):
                changes += self._rise(ladder, now)
        return changes

    def _rise(self, ladder: Ladder, now: int) -> Changes:
        """Let a ladder that rose take effect, and tell of it even where the level stays."""
        self._raised = self._find_raised()
        if ladder.level is Level.SHUTDOWN:
            self._left_in_shutdown = False
        before, after = self._level, self._effective()
        detail = f"{ladder.detail}: {ladder.level}"
        if self._pin and ladder.level.rank > after.rank:
            detail += f" is due, but pinned at {self._pin.level} until {clock(self._pin.until)}"
        elif ladder.level is before:
            detail += " for this as well"
        worth_telling = ladder.level.rank >= before.rank
        return self._settle(now, str(ladder.rule.trigger), detail, always=worth_telling)

    # ------------------------------------------------------------------ down

    def _cool_down(self, now: int) -> Changes:
        """Let every ladder fall by the one level it has earned."""
        fallen = []
        calm = 0
        for ladder in self._raised:
            if ladder.level is Level.SHUTDOWN:
                continue
            cooldown = self.settings.cooldown_ms(ladder.level)
            if ladder.step_down(self._now, cooldown):
                fallen.append(str(ladder.rule.trigger))
                calm = max(calm, cooldown)
        if not fallen:
            return []
        causes = ", ".join(fallen)
        return self._settle(now, causes, f"{causes} healthy for {duration(calm)}")

    def _expire(self, now: int, backwards: bool) -> Changes:
        """End the pin and the hold that are over."""
        changes: Changes = []
        pin, hold = self._pin, self._hold
        if pin and now >= pin.until:
            changes += self._end_pin(pin, "its time is over", now)
        elif pin and pin.ceiling and backwards:
            changes += self._end_pin(pin, "the clock went back", now)
        if hold and now >= hold.until:
            self._hold = None
            detail = "the operator's hold on entries is over"
            changes += self._settle(now, OPERATOR, detail, always=True)
        return changes

    def _end_pin(self, pin: Pin, why: str, now: int) -> Changes:
        self._pin = None
        cause = self._automatic_cause()
        due = f"; {self._automatic()} for {cause}" if cause else ""
        detail = f"the override to {pin.level} has ended: {why}{due}"
        return self._settle(now, OPERATOR, detail, always=True)

    # ------------------------------------------------------------------ the level

    def _automatic(self) -> Level:
        """Return the level without pin: readings and latch."""
        latched = self._latch.level if self._latch else Level.CLOSED
        return highest(latched, *(ladder.level for ladder in self._raised))

    def _effective(self) -> Level:
        """Return the level in force: the automatic one under the operator's pin."""
        automatic = self._automatic()
        if self._pin is None:
            return automatic
        return highest(self._pin.level, self._unpinnable() if self._pin.ceiling else automatic)

    def _unpinnable(self) -> Level:
        """Return the level no pin loosens: SHUTDOWN, and records that cannot be written."""
        if self._latch and self._latch.level is Level.SHUTDOWN:
            return Level.SHUTDOWN
        return highest(*(ladder.level for ladder in self._raised if ladder.unpinnable))

    def _automatic_cause(self) -> str:
        """Return what holds the automatic level, by name; "" when it is CLOSED."""
        names = [str(ladder.rule.trigger) for ladder in self._holding()]
        if self._latch and self._latch.level is self._automatic():
            names.insert(0, self._latch.cause)
        return ", ".join(names)

    def _holding(self) -> tuple[Ladder, ...]:
        """Return the ladders on the automatic level."""
        level = self._automatic()
        return tuple(ladder for ladder in self._raised if ladder.level is level)

    def _find_raised(self) -> tuple[Ladder, ...]:
        return tuple(x for x in self._ladders.values() if x.level is not Level.CLOSED)

    def _settle(self, now: int, cause: str, detail: str, *, always: bool = False) -> Changes:
        """Bring the level in force up to date; return the event that tells of it."""
        before = self._level
        self._raised = self._find_raised()
        self._level = self._effective()
        if self._level is not before:
            self._since = now
        self._refresh()
        if self._level is before and not always:
            return []
        return [
            BreakerChanged(time=now, before=before, after=self._level, cause=cause, detail=detail)
        ]

    # ------------------------------------------------------------------ the answers

    def _refresh(self) -> None:
        """Compute the answers once, so that asking costs nothing."""
        pin = self._pin
        automatic_cause = self._automatic_cause()
        if pin is None or (not pin.ceiling and self._automatic().rank > pin.level.rank):
            self._cause = automatic_cause
        else:
            hard = pin.level.rank < self._level.rank
            self._cause = automatic_cause if hard else f"{OPERATOR}: {pin.reason}"
        self._above, self._below = self._gates(self._level, self._cause)
        self._gates_end: float = pin.until if pin and pin.ceiling else math.inf
        self._lack_of_edge = self._is_lack_of_edge()

    def _gates(self, level: Level, cause: str) -> tuple[BreakerGate, BreakerGate]:
        """Return the gate for entries at or above the confidence a level asks for, and below."""
        name = str(level)
        blocked = ""
        if self._acknowledge:
            blocked = f"{self._acknowledge}: entries wait for an acknowledgement"
        elif self._hold:
            until = clock(self._hold.until)
            blocked = f"entries held off by the operator until {until}: {self._hold.reason}"
        elif level.rank >= Level.HALT.rank:
            blocked = f"{level} for {cause}: no entries"
        if blocked:
            closed = BreakerGate(Verdict.BLOCK, name, cause or OPERATOR, 0.0, 0.0, blocked)
            return closed, closed
        if level is Level.THROTTLE:
            floor, size = self._throttled_confidence, self.settings.throttle_size
            reason = f"THROTTLE for {cause}: size x {size:g}, confidence at least {floor:.2f}"
            return (
                BreakerGate(Verdict.REDUCE, name, cause, floor, size, reason),
                BreakerGate(Verdict.BLOCK, name, cause, floor, 0.0, reason),
            )
        reason = f"ALERT for {cause}: entries allowed" if level is Level.ALERT else "CLOSED"
        passed = BreakerGate(Verdict.PASS, name, cause, 0.0, 1.0, reason)
        return passed, passed

    def _is_lack_of_edge(self) -> bool:
        """Return whether nothing but expectancy or degradation keeps the level above ALERT."""
        alert = Level.ALERT.rank
        floor = self._pin is not None and not self._pin.ceiling and self._pin.level.rank > alert
        latched = self._latch is not None and self._latch.level.rank > alert
        if self._level.rank <= alert or self._acknowledge or self._hold or floor or latched:
            return False
        return all(x.rule.lack_of_edge for x in self._raised if x.level.rank > alert)
