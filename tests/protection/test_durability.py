"""The breaker across restarts: it forgets nothing, cools nothing down and trusts no torn record."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from engine.model.commands import Level, Outcome
from engine.model.decision import Verdict
from engine.protection.breaker import CircuitBreaker
from engine.protection.triggers import Trigger

NOW = 1_700_000_000_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
CLOSED, ALERT, THROTTLE, HALT, SHUTDOWN = Level


def restart(
    breaker: CircuitBreaker, now: int, clean: bool = True
) -> tuple[CircuitBreaker, list[str]]:
    stored = json.loads(json.dumps(breaker.state()))
    return CircuitBreaker.restored(stored, now, clean)


def at(level: Level) -> CircuitBreaker:
    breaker = CircuitBreaker()
    value = {CLOSED: 1, ALERT: 2, THROTTLE: 3, HALT: 5, SHUTDOWN: 10}[level]
    breaker.observe(Trigger.ORDER_FAILURES, value, NOW)
    assert breaker.level is level
    return breaker


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("away", [0, SECOND, 1_000 * HOUR, -1_000 * HOUR])
def test_it_comes_back_at_the_level_it_left(level: Level, away: int) -> None:
    breaker, notes = restart(at(level), NOW + away)
    assert breaker.level is level
    assert breaker.view(NOW + away).cause == (at(level).view(NOW).cause)
    assert bool(notes) is (level is not CLOSED)
    assert breaker.tick(NOW + away) == []


def test_time_away_counts_for_no_cooldown() -> None:
    breaker = at(HALT)
    breaker.tick(NOW + 5 * MINUTE)
    breaker.tick(NOW + 10 * MINUTE)
    back, _ = restart(breaker, NOW + 100 * HOUR)
    start = NOW + 100 * HOUR
    assert back.tick(start + 5 * MINUTE - 1) == []
    assert back.tick(start + 5 * MINUTE)[0].after is THROTTLE


def test_the_first_start_is_closed() -> None:
    breaker, notes = CircuitBreaker.restored(None, NOW, True)
    assert (breaker.level, notes) == (CLOSED, [])
    assert breaker.gate(NOW, 0.4).verdict is Verdict.PASS


def test_after_an_unclean_stop_entries_wait_for_the_operator() -> None:
    breaker, notes = restart(at(CLOSED), NOW + MINUTE, clean=False)
    assert breaker.level is CLOSED
    assert "not stop cleanly" in notes[0]
    assert breaker.gate(NOW + MINUTE, 1.0).verdict is Verdict.BLOCK
    assert "acknowledgement" in breaker.view(NOW + MINUTE).clears
    again, _ = restart(breaker, NOW + 2 * MINUTE, clean=True)  # a clean stop does not clear it
    assert again.gate(NOW + 2 * MINUTE, 1.0).verdict is Verdict.BLOCK
    (event,), result = again.acknowledge("looked at it", NOW + 3 * MINUTE)
    assert result.outcome is Outcome.DONE
    assert (event.before, event.after) == (CLOSED, CLOSED)
    assert again.gate(NOW + 3 * MINUTE, 0.4).verdict is Verdict.PASS


def test_only_a_restart_with_an_acknowledgement_clears_shutdown() -> None:
    breaker = at(SHUTDOWN)
    assert breaker.acknowledge("x", NOW)[1].outcome is Outcome.REFUSED
    back, _ = restart(breaker, NOW + HOUR)
    assert back.level is SHUTDOWN
    assert back.recover("x", NOW + HOUR)[1].outcome is Outcome.REFUSED
    assert "an acknowledgement clears" in back.view(NOW + HOUR).clears
    (event,), result = back.acknowledge("cause removed", NOW + HOUR)
    assert result.outcome is Outcome.DONE
    assert (event.before, event.after) == (SHUTDOWN, CLOSED)


def test_a_trip_to_shutdown_after_a_restart_needs_another() -> None:
    back, _ = restart(at(SHUTDOWN), NOW + HOUR)
    back.trip(SHUTDOWN, "no, leave it", NOW + HOUR)
    assert back.acknowledge("x", NOW + HOUR)[1].outcome is Outcome.REFUSED


def test_an_acknowledgement_begins_the_row_of_failures_anew() -> None:
    breaker = CircuitBreaker()
    for i in range(10):
        breaker.record_order(False, NOW + i * 6 * MINUTE)
    back, _ = restart(breaker, NOW + 3 * HOUR)
    back.acknowledge("key replaced", NOW + 3 * HOUR)
    assert back.level is CLOSED
    assert back.record_order(False, NOW + 3 * HOUR) == []


def test_an_acknowledgement_leaves_what_else_is_wrong() -> None:
    breaker = at(SHUTDOWN)
    breaker.record_mismatch(True, NOW)
    back, _ = restart(breaker, NOW + HOUR)
    (event,), _ = back.acknowledge("x", NOW + HOUR)
    assert event.after is HALT
    assert back.view(NOW + HOUR).cause.startswith("balance or positions differ")


def test_a_shutdown_of_this_run_needs_another_restart() -> None:
    back, _ = restart(at(SHUTDOWN), NOW + HOUR)
    back.record_fault("memory", NOW + HOUR)
    assert back.acknowledge("x", NOW + HOUR)[1].outcome is Outcome.REFUSED
    again, _ = restart(back, NOW + 2 * HOUR)
    assert again.acknowledge("x", NOW + 2 * HOUR)[1].outcome is Outcome.DONE


def test_latch_pin_and_hold_survive() -> None:
    breaker = at(HALT)
    breaker.trip(HALT, "by hand", NOW)
    breaker.override(THROTTLE, 600, "for a while", NOW)
    breaker.hold_entries(300, "and no entries", NOW)
    back, _ = restart(breaker, NOW + MINUTE)
    assert back.level is THROTTLE
    assert back.gate(NOW + MINUTE, 1.0).verdict is Verdict.BLOCK
    back.tick(NOW + 300 * SECOND)
    assert back.gate(NOW + 300 * SECOND, 1.0).verdict is Verdict.REDUCE
    assert back.tick(NOW + 600 * SECOND)[-1].after is HALT
    assert "only recover" in back.view(NOW + 600 * SECOND).clears


def test_a_lower_pin_that_ended_while_away_is_over_before_the_first_tick() -> None:
    breaker = at(HALT)
    breaker.override(CLOSED, 60, "x", NOW)
    back, _ = restart(breaker, NOW + HOUR)
    assert back.gate(NOW + HOUR, 1.0).verdict is Verdict.BLOCK
    assert back.tick(NOW + HOUR)[0].after is HALT


def test_a_higher_pin_that_ended_while_away_is_told() -> None:
    breaker = CircuitBreaker()
    breaker.override(HALT, 60, "x", NOW)
    back, _ = restart(breaker, NOW + HOUR)
    assert back.level is HALT
    (event,) = back.tick(NOW + HOUR)
    assert (event.before, event.after) == (HALT, CLOSED)
    assert "its time is over" in event.detail


def test_a_clock_that_went_back_while_away_loosens_nothing() -> None:
    pinned = at(HALT)
    pinned.override(CLOSED, 600, "x", NOW)
    back, notes = restart(pinned, NOW - 10 * HOUR)
    assert back.level is HALT
    assert any("clock went back" in note for note in notes)
    held = CircuitBreaker()
    held.hold_entries(600, "x", NOW)
    back, _ = restart(held, NOW - 10 * HOUR)
    start = NOW - 10 * HOUR
    assert back.tick(start + 599 * SECOND) == []
    assert len(back.tick(start + 600 * SECOND)) == 1  # its own ten minutes, not ten hours


def test_failures_in_a_row_and_windows_survive() -> None:
    breaker = CircuitBreaker()
    breaker.record_equity(10_000, NOW)
    for i in range(4):
        breaker.record_order(False, NOW + i)
    back, _ = restart(breaker, NOW + MINUTE)
    assert back.record_order(False, NOW + MINUTE)[0].after is HALT
    other, _ = restart(breaker, NOW + MINUTE)
    assert any(e.cause == "loss" for e in other.record_equity(9_400, NOW + MINUTE))


def test_the_state_is_complete_and_repeatable() -> None:
    breaker = at(HALT)
    breaker.override(THROTTLE, 600, "x", NOW)
    breaker.record_order(True, NOW)
    back, _ = restart(breaker, NOW)
    assert back.state() == json.loads(json.dumps(breaker.state()))


# ---------------------------------------------------------------- records that cannot be trusted


def stored() -> dict[str, Any]:
    breaker = at(THROTTLE)
    breaker.override(ALERT, 600, "x", NOW)
    return json.loads(json.dumps(breaker.state()))


def edited(**changes: Any) -> dict[str, Any]:
    return {**stored(), **changes}


def ladder_edited(**changes: Any) -> dict[str, Any]:
    state = copy.deepcopy(stored())
    state["ladders"]["order failures"].update(changes)
    return state


CORRUPT: list[Any] = [
    {},
    [],
    "CLOSED",
    0,
    {"version": 1},
    edited(version=2),
    edited(version=None),
    edited(version="1.0"),
    edited(level="CLOSED"),
    edited(level="OPEN"),
    edited(pin=None),
    edited(ladders={}),
    edited(ladders={"weather": {}}),
    edited(digest="0" * 64),
    edited(extra=1),
    edited(since=-1),
    edited(orders=[["now", True]]),
    edited(equity=[[1]]),
    ladder_edited(level="CLOSED", reading="CLOSED"),
    ladder_edited(healthy_ms=300_000),
    ladder_edited(value=float("nan")),
    {key: value for key, value in stored().items() if key != "digest"},
    {key: value for key, value in stored().items() if key != "ladders"},
]


@pytest.mark.parametrize("state", CORRUPT, ids=range(len(CORRUPT)))
def test_a_record_that_cannot_be_trusted_halts_until_the_operator_decides(state: Any) -> None:
    breaker, notes = CircuitBreaker.restored(state, NOW, True)
    assert breaker.level is HALT
    assert "cannot be trusted" in notes[0]
    assert "cannot be trusted" in breaker.view(NOW).cause
    assert breaker.gate(NOW, 1.0).verdict is Verdict.BLOCK
    for minute in range(0, 240, 4):
        assert breaker.tick(NOW + minute * MINUTE) == []
    assert breaker.recover("checked the database", NOW)[1].outcome is Outcome.DONE
    assert breaker.level is CLOSED


def test_an_untrusted_record_that_says_shutdown_is_not_made_milder() -> None:
    state = {**at(SHUTDOWN).state(), "digest": "torn"}
    breaker, _ = CircuitBreaker.restored(state, NOW, True)
    assert breaker.level is SHUTDOWN
    assert breaker.acknowledge("checked", NOW)[1].outcome is Outcome.DONE
    assert breaker.level is CLOSED


def test_a_digest_over_a_lie_does_not_help() -> None:
    from engine.protection import record

    honest = record.load(at(HALT).state())
    data = {**record.dump(honest), "ladders": {}}
    del data["digest"]
    lie = record.dump(record.BreakerRecord(**{**data, "level": HALT}))
    breaker, notes = CircuitBreaker.restored(lie, NOW, True)
    assert breaker.level is HALT
    assert "nothing in it holds that" in notes[0]


def test_a_distrusted_breaker_is_durable_itself() -> None:
    breaker, _ = CircuitBreaker.restored({"version": 9}, NOW, True)
    back, _ = restart(breaker, NOW + HOUR)
    assert back.level is HALT
    assert "cannot be trusted" in back.view(NOW + HOUR).cause
