"""The operator's verbs: trip, override, hold, lift, recover, acknowledge."""

from __future__ import annotations

import math

import pytest

from engine.model.commands import Level, Outcome
from engine.model.decision import Verdict
from engine.protection.breaker import CircuitBreaker
from engine.protection.triggers import Trigger

NOW = 1_700_000_000_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
CLOSED, ALERT, THROTTLE, HALT, SHUTDOWN = Level


def halted() -> CircuitBreaker:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.LATENCY, 4_000, NOW)
    assert breaker.level is HALT
    return breaker


def run(breaker: CircuitBreaker, start: int, ms: int, step: int = 30_000) -> list[Level]:
    return [e.after for now in range(start, start + ms + 1, step) for e in breaker.tick(now)]


# ---------------------------------------------------------------- trip


def test_a_trip_raises_and_does_not_cool_down() -> None:
    breaker = CircuitBreaker()
    (event,), result = breaker.trip(HALT, "news", NOW)
    assert result.outcome is Outcome.DONE
    assert (event.before, event.after, event.cause) == (CLOSED, HALT, "operator")
    assert "news" in event.detail
    assert run(breaker, NOW, 24 * HOUR, 60_000) == []
    assert "only recover" in breaker.view(NOW).clears
    assert breaker.view(NOW).expires is None


def test_a_trip_needs_no_reason() -> None:
    breaker = CircuitBreaker()
    assert breaker.trip(THROTTLE, "", NOW)[1].outcome is Outcome.DONE
    assert "no reason given" in breaker.view(NOW).clears


@pytest.mark.parametrize("level", [CLOSED, ALERT, THROTTLE])
def test_a_trip_never_lowers(level: Level) -> None:
    breaker = halted()
    events, result = breaker.trip(level, "x", NOW)
    assert events == []
    assert result.outcome is Outcome.REFUSED
    assert breaker.level is HALT


def test_a_trip_to_the_present_level_latches_it() -> None:
    breaker = halted()
    breaker.observe(Trigger.LATENCY, 10, NOW)
    (event,), _ = breaker.trip(HALT, "stay", NOW)
    assert (event.before, event.after) == (HALT, HALT)
    assert run(breaker, NOW, HOUR) == []


def test_a_milder_trip_does_not_replace_a_latch_under_a_pin() -> None:
    breaker = CircuitBreaker()
    breaker.trip(HALT, "first", NOW)
    breaker.override(CLOSED, 60, "x", NOW)
    assert breaker.trip(ALERT, "second", NOW)[0][0].after is HALT


def test_readings_above_a_trip_cool_down_to_it() -> None:
    breaker = CircuitBreaker()
    breaker.trip(ALERT, "x", NOW)
    breaker.observe(Trigger.SLIPPAGE, 0.6, NOW)
    assert run(breaker, NOW, HOUR) == [THROTTLE, ALERT]


def test_a_trip_to_shutdown() -> None:
    breaker = CircuitBreaker()
    breaker.trip(SHUTDOWN, "the end", NOW)
    assert breaker.recover("no", NOW)[1].outcome is Outcome.REFUSED
    assert breaker.acknowledge("no", NOW)[1].outcome is Outcome.REFUSED
    assert breaker.override(CLOSED, 60, "no", NOW)[1].outcome is Outcome.REFUSED
    assert breaker.level is SHUTDOWN


def test_a_trip_ends_a_pin_that_holds_the_breaker_down() -> None:
    breaker = halted()
    breaker.override(CLOSED, 600, "known", NOW)
    (event,), _ = breaker.trip(ALERT, "careful now", NOW + SECOND)
    assert event.after is HALT  # what the pin had held down
    assert not breaker.view(NOW).pinned


# ---------------------------------------------------------------- override


@pytest.mark.parametrize("seconds", [0, -1, 86_401, math.nan, math.inf])
def test_an_override_lasts_between_a_second_and_a_day(seconds: float) -> None:
    breaker = halted()
    for verb in (
        lambda: breaker.override(CLOSED, seconds, "why", NOW),  # type: ignore[arg-type]
        lambda: breaker.hold_entries(seconds, "why", NOW),  # type: ignore[arg-type]
    ):
        events, result = verb()
        assert events == []
        assert result.outcome is Outcome.REFUSED
        assert "86400" in result.detail
    assert breaker.level is HALT


@pytest.mark.parametrize("reason", ["", "   ", "\n"])
def test_an_override_needs_a_reason(reason: str) -> None:
    breaker = halted()
    for events, result in (
        breaker.override(CLOSED, 60, reason, NOW),
        breaker.hold_entries(60, reason, NOW),
        breaker.recover(reason, NOW),
    ):
        assert events == []
        assert result.outcome is Outcome.REFUSED
        assert "reason" in result.detail
    assert breaker.level is HALT


def test_a_lower_pin_holds_until_its_end_and_the_cause_returns() -> None:
    breaker = halted()
    (event,), result = breaker.override(ALERT, 60, "exchange maintenance", NOW)
    assert result.outcome is Outcome.DONE
    assert (event.before, event.after) == (HALT, ALERT)
    assert "HALT is due" in event.detail
    view = breaker.view(NOW)
    assert view.pinned
    assert view.expires == NOW + MINUTE
    assert "exchange maintenance" in view.cause
    assert breaker.tick(NOW + MINUTE - 1) == []
    (back,) = breaker.tick(NOW + MINUTE)
    assert (back.before, back.after) == (ALERT, HALT)
    assert "exchange latency" in back.detail


def test_the_gate_tightens_at_the_end_of_a_pin_even_before_a_tick() -> None:
    breaker = halted()
    breaker.override(CLOSED, 60, "x", NOW)
    assert breaker.gate(NOW + MINUTE - 1, 0.5).verdict is Verdict.PASS
    assert breaker.gate(NOW + MINUTE, 0.5).verdict is Verdict.BLOCK


def test_what_comes_up_under_a_lower_pin_is_told_and_waits() -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.SLIPPAGE, 0.35, NOW)
    breaker.override(CLOSED, 600, "thin book, known", NOW)
    (event,) = breaker.observe(Trigger.LOSS, 7, NOW + SECOND)
    assert (event.before, event.after, event.cause) == (CLOSED, CLOSED, "loss")
    assert "HALT is due" in event.detail
    assert breaker.gate(NOW + SECOND, 0.5).verdict is Verdict.PASS
    assert breaker.tick(NOW + 600 * SECOND)[-1].after is HALT


def test_no_pin_loosens_shutdown() -> None:
    breaker = CircuitBreaker()
    breaker.record_fault("memory", NOW)
    assert breaker.override(CLOSED, 60, "x", NOW)[1].outcome is Outcome.REFUSED
    assert breaker.override(SHUTDOWN, 60, "x", NOW)[1].outcome is Outcome.REFUSED
    pinned = halted()
    pinned.override(CLOSED, 60, "x", NOW)
    (event,) = pinned.record_fault("memory", NOW)
    assert (event.before, event.after) == (CLOSED, SHUTDOWN)
    assert pinned.level is SHUTDOWN


def test_no_pin_loosens_records_that_cannot_be_written() -> None:
    breaker = CircuitBreaker()
    breaker.record_write_failure(True, NOW)
    _, result = breaker.override(THROTTLE, 60, "x", NOW)
    assert result.outcome is Outcome.REFUSED
    assert "write failure" in result.detail
    pinned = halted()
    pinned.override(CLOSED, 600, "x", NOW)
    assert pinned.record_write_failure(True, NOW)[0].after is HALT
    assert pinned.gate(NOW, 1.0).verdict is Verdict.BLOCK
    assert "write failure" in pinned.gate(NOW, 1.0).reason


def test_a_higher_pin_is_a_floor() -> None:
    breaker = CircuitBreaker()
    breaker.override(THROTTLE, 3_600, "careful", NOW)
    assert breaker.level is THROTTLE
    assert breaker.observe(Trigger.SLIPPAGE, 0.6, NOW)[0].after is HALT
    assert run(breaker, NOW, HOUR - SECOND) == [THROTTLE]
    (event,) = breaker.tick(NOW + HOUR)
    assert (event.before, event.after) == (THROTTLE, CLOSED)


def test_cooldowns_run_under_a_pin() -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.SLIPPAGE, 0.6, NOW)
    breaker.override(CLOSED, 960, "x", NOW)
    assert run(breaker, NOW, 960 * SECOND) == [THROTTLE]  # HALT cooled down meanwhile


def test_a_later_pin_replaces_the_earlier() -> None:
    breaker = halted()
    breaker.override(CLOSED, 60, "x", NOW)
    (event,), _ = breaker.override(HALT, 120, "better not", NOW)
    assert (event.before, event.after) == (CLOSED, HALT)
    assert breaker.view(NOW).expires == NOW + 120 * SECOND


def test_a_clock_set_back_ends_a_lower_pin_and_not_a_higher_one() -> None:
    low, high = halted(), CircuitBreaker()
    low.override(CLOSED, 600, "x", NOW)
    high.override(HALT, 600, "x", NOW)
    for breaker in (low, high):
        breaker.tick(NOW + MINUTE)
    assert low.tick(NOW + MINUTE - 500) == []  # jitter
    assert low.tick(NOW)[0].after is HALT
    assert high.tick(NOW) == []
    assert high.level is HALT


# ---------------------------------------------------------------- hold and lift


def test_a_hold_blocks_entries_at_any_level_and_ends() -> None:
    breaker = CircuitBreaker()
    (event,), result = breaker.hold_entries(60, "lunch", NOW)
    assert result.outcome is Outcome.DONE
    assert (event.before, event.after) == (CLOSED, CLOSED)
    gate = breaker.gate(NOW, 1.0)
    assert gate.verdict is Verdict.BLOCK
    assert "lunch" in gate.reason
    assert breaker.gate(NOW + 2 * MINUTE, 1.0).verdict is Verdict.BLOCK  # until a tick says so
    assert breaker.view(NOW).expires == NOW + MINUTE
    assert breaker.tick(NOW + MINUTE - 1) == []
    (over,) = breaker.tick(NOW + MINUTE)
    assert "over" in over.detail
    assert breaker.gate(NOW + MINUTE, 0.5).verdict is Verdict.PASS


def test_a_hold_is_no_lack_of_edge() -> None:
    breaker = CircuitBreaker()
    breaker.record_degradation("critical", False, NOW)
    breaker.hold_entries(60, "lunch", NOW)
    assert not breaker.for_lack_of_edge


def test_lift_ends_pin_and_hold_and_leaves_the_rest() -> None:
    breaker = halted()
    breaker.override(CLOSED, 600, "x", NOW)
    breaker.hold_entries(600, "y", NOW)
    (event,), _ = breaker.lift("done", NOW)
    assert (event.before, event.after) == (CLOSED, HALT)
    assert "pin and hold" in event.detail
    events, result = breaker.lift("again", NOW)
    assert events == []
    assert result.outcome is Outcome.DONE


# ---------------------------------------------------------------- recover and acknowledge


def test_recover_forces_closed_and_forgets() -> None:
    breaker = halted()
    for i in range(4):
        breaker.record_order(False, NOW + i)
    breaker.trip(HALT, "x", NOW)
    breaker.hold_entries(600, "y", NOW)
    (event,), result = breaker.recover("checked by hand", NOW + SECOND)
    assert result.outcome is Outcome.DONE
    assert (event.before, event.after) == (HALT, CLOSED)
    assert "checked by hand" in event.detail
    assert "exchange latency" in event.detail
    assert breaker.gate(NOW, 0.4).verdict is Verdict.PASS
    assert breaker.record_order(False, NOW + 2 * SECOND) == []  # the row begins anew


def test_after_recover_a_bad_reading_raises_again() -> None:
    breaker = halted()
    breaker.recover("x", NOW)
    assert breaker.observe(Trigger.LATENCY, 4_000, NOW + SECOND)[0].after is HALT


def test_recover_cures_a_clock_that_ran_ahead() -> None:
    breaker = halted()
    breaker.tick(NOW + 10_000 * HOUR)
    breaker.recover("clock", NOW)
    breaker.observe(Trigger.SLIPPAGE, 0.1, NOW)
    assert run(breaker, NOW, 2 * MINUTE) == [CLOSED]


def test_recover_when_nothing_is_wrong() -> None:
    events, result = CircuitBreaker().recover("just so", NOW)
    assert events == []
    assert result.outcome is Outcome.DONE


def test_recover_is_refused_from_shutdown_under_a_pin_too() -> None:
    breaker = halted()
    breaker.override(CLOSED, 600, "x", NOW)
    breaker.record_fault("memory", NOW)
    events, result = breaker.recover("please", NOW)
    assert events == []
    assert result.outcome is Outcome.REFUSED
    assert breaker.level is SHUTDOWN


def test_acknowledge_without_anything_to_acknowledge() -> None:
    events, result = halted().acknowledge("x", NOW)
    assert events == []
    assert result.outcome is Outcome.DONE
