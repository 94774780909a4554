"""Random readings, ticks, operator verbs and restarts, against the rules written a second way.

The reference below keeps one global cool-down, as the specification words it: down one level
after the cool-down of the level and a window in which every reading was healthy for it. The
breaker keeps one ladder per trigger. Both must agree after every step.
"""

from __future__ import annotations

import json
import math

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.model.commands import Level, Outcome
from engine.model.decision import Verdict
from engine.model.events import BreakerChanged
from engine.protection.breaker import CircuitBreaker
from engine.protection.triggers import BreakerSettings, Trigger, trigger_table

START = 1_700_000_000_000
COOLDOWN = {1: 60_000, 2: 300_000, 3: 900_000}
GAP = 300_000
LAPSING = {Trigger.ORDER_FAILURES, Trigger.SLIPPAGE}
TABLE = trigger_table(BreakerSettings())
LEVELS = list(Level)

VALUES = {
    Trigger.LATENCY: [10, 600, 1_500, 4_000],
    Trigger.ORDER_FAILURES: [0, 2, 3, 5, 10],
    Trigger.FAILURE_RATE: [0, 40],
    Trigger.SLIPPAGE: [-1, 0.15, 0.4, 0.6],
    Trigger.LOSS: [0, 6],
    Trigger.DEGRADATION: [0, 2, 3, 4],
    Trigger.EXPECTANCY: [3, -3],
    Trigger.EXPECTANCY_INTERVAL: [3, -3],
    Trigger.LATE_CANDLES: [0, 3],
    Trigger.PRICE_AGE: [0, 400],
    Trigger.MISMATCH: [0, 1],
    Trigger.CLOCK_OFFSET: [0, 700, 2_000, 9_000],
    Trigger.WRITE_FAILURE: [0, 1],
}
READINGS = [
    (trigger, float(value)) for trigger, values in VALUES.items() for value in [*values, math.nan]
]
# healthy readings three times as often, so that levels come down as well as go up
CALM = [(trigger, float(values[0])) for trigger, values in VALUES.items()]
STEPS = [0, 1, 999, 5_000, 30_000, 60_000, 120_000, 300_000, 300_000, 300_000, 7_200_000, -20_000]


class BreakerOverTime(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.breaker = CircuitBreaker()
        self.now = START
        # the reference
        self.latest = START  # high-water mark of time
        self.watched = 0  # time that counts, ms
        self.automatic = 0
        self.since = 0  # in watched time
        self.latch = 0
        self.last = dict.fromkeys(Trigger, 0)  # rank of the last reading
        self.unhealthy_at = [-1] * 5  # watched time of the last reading at or above a rank
        self.blocked_until = 0  # hold
        self.pin_until = 0
        self.acknowledge = False
        self.shutdown_here = False

    @initialize()
    def begin(self) -> None:
        assert self.breaker.tick(START) == []

    # ------------------------------------------------------------ reference

    def pass_time(self) -> None:
        elapsed = self.now - self.latest
        if elapsed > 0:
            self.watched += min(elapsed, GAP)
            self.latest = self.now

    def note_reading(self, trigger: Trigger, rank: int) -> None:
        before = self.last[trigger]
        for r in range(1, max(rank, 0 if trigger in LAPSING else before) + 1):
            self.unhealthy_at[r] = self.watched
        self.last[trigger] = rank
        if rank > self.automatic:
            self.automatic, self.since = rank, self.watched
        if rank == 4:
            self.shutdown_here = True

    def cool_down(self) -> None:
        level = self.automatic
        if level in (0, 4) or self.latch >= level:
            return
        if any(r >= level for t, r in self.last.items() if t not in LAPSING):
            return
        if self.watched - max(self.since, self.unhealthy_at[level]) >= COOLDOWN[level]:
            self.automatic, self.since = level - 1, self.watched

    # ------------------------------------------------------------ checks

    def check(self, before: Level, events: list[BreakerChanged]) -> None:
        level = before
        for event in events:
            assert event.time == self.now
            assert event.before is level
            assert event.detail
            assert event.cause
            level = event.after
        assert level is self.breaker.level, "the level moved without an event that tells of it"

    def loosening(self, before: Level, events: list[BreakerChanged]) -> list[BreakerChanged]:
        self.check(before, events)
        return [event for event in events if event.after.rank < event.before.rank]

    # ------------------------------------------------------------ rules

    @rule(reading=st.one_of(st.sampled_from(CALM), st.sampled_from(READINGS)))
    def observe(self, reading: tuple[Trigger, float]) -> None:
        trigger, value = reading
        before = self.breaker.level
        events = self.breaker.observe(trigger, value, self.now)
        assert self.loosening(before, events) == [], "a reading never lowers the level"
        self.pass_time()
        self.note_reading(trigger, TABLE[trigger].level(value).rank)

    @rule()
    def all_calm(self) -> None:
        for trigger, value in CALM:
            self.breaker.observe(trigger, value, self.now)
            self.pass_time()
            self.note_reading(trigger, 0)

    @rule(step=st.sampled_from(STEPS))
    def tick(self, step: int) -> None:
        backwards = step < -1_000 and self.now + step < self.latest - 1_000
        self.now += step
        before = self.breaker.level
        pin_over = self.now >= self.pin_until or backwards
        events = self.breaker.tick(self.now)
        self.pass_time()
        self.cool_down()
        for event in self.loosening(before, events):
            if event.cause == "operator":
                assert pin_over, "a pin ended before its time"
            else:
                assert event.after.rank == event.before.rank - 1
                assert step > 0, "nothing cools down without time"

    @rule(level=st.sampled_from(LEVELS[:4]))
    def trip(self, level: Level) -> None:
        self.trip_to(level)

    @precondition(lambda self: self.watched > 900_000)
    @rule()
    def trip_shutdown(self) -> None:
        self.trip_to(Level.SHUTDOWN)

    def trip_to(self, level: Level) -> None:
        before = self.breaker.level
        events, result = self.breaker.trip(level, "", self.now)
        assert self.loosening(before, events) == []
        allowed = level is not Level.CLOSED and level.rank >= before.rank
        assert (result.outcome is Outcome.DONE) is allowed
        if not allowed:
            assert events == []
            return
        self.pass_time()
        self.latch = max(self.latch, level.rank)
        if level.rank > self.automatic:
            self.automatic, self.since = level.rank, self.watched
        if level is Level.SHUTDOWN:
            self.shutdown_here = True

    @rule(
        level=st.sampled_from(LEVELS),
        seconds=st.sampled_from([0, 1, 60, 900, 86_400, 86_401]),
        reason=st.sampled_from(["because", "because", " "]),
    )
    def override(self, level: Level, seconds: int, reason: str) -> None:
        before = self.breaker.level
        events, result = self.breaker.override(level, seconds, reason, self.now)
        self.check(before, events)
        bad = not reason.strip() or not 1 <= seconds <= 86_400
        if bad or level is Level.SHUTDOWN or self.automatic == 4:
            assert result.outcome is Outcome.REFUSED
        if result.outcome is Outcome.REFUSED:
            assert events == []
            return
        self.pass_time()
        self.pin_until = self.latest + 1_000 * seconds
        assert self.breaker.level.rank >= level.rank

    @rule(seconds=st.sampled_from([0, 1, 60, 900]), reason=st.sampled_from(["because", ""]))
    def hold(self, seconds: int, reason: str) -> None:
        before = self.breaker.level
        events, result = self.breaker.hold_entries(seconds, reason, self.now)
        self.check(before, events)
        assert self.breaker.level is before
        assert (result.outcome is Outcome.DONE) is bool(seconds and reason)
        if result.outcome is Outcome.DONE:
            self.pass_time()
            self.blocked_until = self.latest + 1_000 * seconds

    @rule()
    def lift(self) -> None:
        before = self.breaker.level
        events, _ = self.breaker.lift("because", self.now)
        self.check(before, events)
        if events:
            self.pass_time()
        self.blocked_until = 0

    @rule(reason=st.sampled_from(["because", "because", "  "]))
    def recover(self, reason: str) -> None:
        before = self.breaker.level
        events, result = self.breaker.recover(reason, self.now)
        self.check(before, events)
        if self.automatic == 4 or not reason.strip():
            assert result.outcome is Outcome.REFUSED
            assert events == []
            return
        assert self.breaker.level is Level.CLOSED
        if events:
            self.latest = self.now
            self.last = dict.fromkeys(Trigger, 0)
        self.automatic = self.latch = 0
        self.blocked_until = 0

    @rule()
    def acknowledge(self) -> None:
        before = self.breaker.level
        events, result = self.breaker.acknowledge("because", self.now)
        self.check(before, events)
        if self.automatic == 4 and self.shutdown_here:
            assert result.outcome is Outcome.REFUSED
            assert events == []
            return
        self.acknowledge = False
        if events:
            self.pass_time()
        if self.automatic == 4:
            left = self.breaker._automatic().rank
            for trigger, rank in self.last.items():
                if rank == 4:
                    self.last[trigger] = 0
            standing = [r for t, r in self.last.items() if t not in LAPSING]
            assert max(standing) <= left < 4
            self.latch = 0 if self.latch == 4 else self.latch
            assert left >= self.latch
            self.automatic = left
            # each cause goes on with its own cool-down, which may have begun before
            self.forget_windows()

    def forget_windows(self) -> None:
        """Start a fresh breaker where the reference cannot know how far a cool-down came."""
        if self.automatic != self.latch:
            self.breaker.recover("start afresh", self.now)
            self.latest = self.now
            self.last = dict.fromkeys(Trigger, 0)
            self.automatic = self.latch = 0
            self.blocked_until = 0

    @rule(
        away=st.sampled_from([0, 1_000, 86_400_000, -3_600_000]),
        clean=st.sampled_from([True, True, False]),
    )
    def restart(self, away: int, clean: bool) -> None:
        stored = json.loads(json.dumps(self.breaker.state()))
        left = self.breaker.level
        self.now += away
        self.breaker, notes = CircuitBreaker.restored(stored, self.now, clean)
        if self.now >= self.latest:
            assert self.breaker.level is left
        else:
            assert self.breaker.level.rank >= left.rank  # a ceiling pin may have ended
        if left is not Level.CLOSED or not clean:
            assert notes
        self.pin_until = min(self.pin_until, self.pin_until - (self.latest - self.now))
        if self.now < self.latest:
            self.blocked_until -= self.latest - self.now
        self.latest = self.now
        self.acknowledge = self.acknowledge or not clean
        self.shutdown_here = False

    # ------------------------------------------------------------ invariants

    @invariant()
    def the_automatic_level_is_the_references(self) -> None:
        assert self.breaker._automatic().rank == self.automatic

    @invariant()
    def a_pin_loosens_neither_shutdown_nor_lost_records(self) -> None:
        view = self.breaker.view(self.now)
        if not view.pinned:
            assert view.level.rank == self.automatic
        if self.automatic == 4:
            assert view.level is Level.SHUTDOWN
        if self.last[Trigger.WRITE_FAILURE]:
            assert view.level.rank >= 3
        assert view.clears
        assert view.cause or view.level is Level.CLOSED

    @invariant()
    def the_gate_follows_the_level(self) -> None:
        high, low = self.breaker.gate(self.now, 1.0), self.breaker.gate(self.now, 0.5)
        level = Level(high.level)
        assert low.level == level
        if self.now < self.pin_until:
            assert level is self.breaker.level
        else:  # a ceiling pin is over: the gate does not wait for the tick that says so
            assert level.rank >= self.breaker.level.rank
        waits = self.acknowledge or self.now < self.blocked_until
        if level.rank >= 3 or waits:
            assert high.verdict is low.verdict is Verdict.BLOCK
        elif high.verdict is not Verdict.BLOCK:  # else a hold that a tick will end
            assert low.verdict is (Verdict.BLOCK if level is Level.THROTTLE else Verdict.PASS)
            assert high.size_factor == (0.5 if level is Level.THROTTLE else 1.0)
        assert self.breaker.for_lack_of_edge <= (self.breaker.level.rank >= 2 and not waits)

    @invariant()
    def the_state_is_json_and_comes_back_the_same(self) -> None:
        state = self.breaker.state()
        text = json.dumps(state, allow_nan=False)
        back, _ = CircuitBreaker.restored(json.loads(text), self.latest, True)
        assert back.level is self.breaker.level
        assert back.gate(self.now, 0.8) == self.breaker.gate(self.now, 0.8)


BreakerOverTime.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestBreakerOverTime = BreakerOverTime.TestCase
