"""The breaker over time: feeds, cool-downs, healthy windows, gates and views."""

from __future__ import annotations

import math

import pytest

from engine.model.commands import Level
from engine.model.decision import Verdict
from engine.model.events import Severity
from engine.protection.breaker import CircuitBreaker
from engine.protection.triggers import Trigger

NOW = 1_700_000_000_000
SECOND, MINUTE = 1_000, 60_000
CLOSED, ALERT, THROTTLE, HALT, SHUTDOWN = Level


def levels_over(breaker: CircuitBreaker, start: int, end: int, step: int = 5_000) -> list[tuple]:
    """Tick from start to end and return (ms since start, level) of every change."""
    seen = []
    for now in range(start + step, end + step, step):
        for event in breaker.tick(now):
            seen.append((now - start, event.before, event.after))
    return seen


# ---------------------------------------------------------------- feeds


def test_latency_counts_as_the_mean_of_the_last_ten() -> None:
    breaker = CircuitBreaker()
    for _ in range(10):
        breaker.record_latency(100, NOW)
    for _ in range(4):  # mean 460
        assert breaker.record_latency(1_000, NOW) == []
    assert breaker.record_latency(1_000, NOW)[0].after is ALERT  # mean 550
    for _ in range(5):
        breaker.record_latency(1_000, NOW)  # mean exactly 1000: still ALERT
    assert breaker.level is ALERT
    assert breaker.record_latency(1_001, NOW)[0].after is THROTTLE


def test_the_first_calls_do_not_halt() -> None:
    breaker = CircuitBreaker()
    assert breaker.record_latency(9_000, NOW) == []
    assert breaker.record_latency(9_000, NOW) == []
    assert breaker.record_latency(9_000, NOW)[0].after is HALT


def test_a_latency_that_is_not_a_number_does_not_poison_the_mean() -> None:
    breaker = CircuitBreaker()
    breaker.record_latency(math.nan, NOW)
    assert breaker.level is ALERT
    for _ in range(10):
        breaker.record_latency(20, NOW)
    reading = breaker.view(NOW).readings[0]
    assert reading.value == pytest.approx(20)


def test_order_failures_climb_the_whole_ladder() -> None:
    breaker = CircuitBreaker()
    reached = []
    for i in range(10):
        breaker.record_order(False, NOW + i * 6 * MINUTE)  # too slow for the failure rate
        reached.append(breaker.level)
    assert reached == [CLOSED, ALERT, THROTTLE, THROTTLE, HALT, HALT, HALT, HALT, HALT, SHUTDOWN]


def test_a_success_ends_the_row_of_failures() -> None:
    breaker = CircuitBreaker()
    for ok in (False, True, False, True, False):
        breaker.record_order(ok, NOW)
    assert breaker.level is THROTTLE  # by the rate alone: 3 of 5 failed
    rows = {r.trigger: r for r in breaker.view(NOW).readings}
    assert rows[Trigger.ORDER_FAILURES].level is CLOSED
    assert rows[Trigger.FAILURE_RATE].value == pytest.approx(60)


@pytest.mark.parametrize(
    ("failed", "sent", "level"),
    [(1, 4, CLOSED), (2, 4, CLOSED), (1, 5, CLOSED), (2, 5, THROTTLE), (3, 10, THROTTLE)],
)
def test_failure_rate_needs_five_orders_and_thirty_percent(
    failed: int, sent: int, level: Level
) -> None:
    breaker = CircuitBreaker()
    outcomes = [True] * (sent - failed)
    for i in range(failed):
        outcomes.insert(2 * i, False)  # never two in a row
    for ok in outcomes:
        breaker.record_order(ok, NOW)
    rows = {row.trigger: row for row in breaker.view(NOW).readings}
    assert rows[Trigger.ORDER_FAILURES].level is CLOSED
    rate = rows[Trigger.FAILURE_RATE]
    assert rate.value == (100 * failed / sent if sent >= 5 else 0)
    assert rate.level is level


def test_orders_leave_the_failure_rate_after_five_minutes() -> None:
    breaker = CircuitBreaker()
    for i in range(6):
        breaker.record_order(i % 2 == 0, NOW)
    assert breaker.level is THROTTLE
    changes = levels_over(breaker, NOW, NOW + 12 * MINUTE)
    # gone after 5 min, healthy for 5 min more, then 1 min of ALERT
    assert changes == [
        (10 * MINUTE, THROTTLE, ALERT),
        (11 * MINUTE, ALERT, CLOSED),
    ]


@pytest.mark.parametrize(
    ("fraction", "level"),
    [(0.0009, CLOSED), (0.001, ALERT), (0.003, THROTTLE), (0.005, HALT), (-0.02, CLOSED)],
)
def test_slippage_is_a_fraction_of_price(fraction: float, level: Level) -> None:
    breaker = CircuitBreaker()
    breaker.record_slippage(fraction, NOW)
    assert breaker.level is level


def test_a_bad_fill_lapses_without_another_and_a_good_one_does_not_speed_it_up() -> None:
    silent, followed = CircuitBreaker(), CircuitBreaker()
    for breaker in (silent, followed):
        breaker.record_slippage(0.003, NOW)
    followed.record_slippage(0.0, NOW + SECOND)
    assert followed.level is THROTTLE
    expected = [(5 * MINUTE, THROTTLE, ALERT), (6 * MINUTE, ALERT, CLOSED)]
    assert levels_over(silent, NOW, NOW + 7 * MINUTE) == expected
    assert levels_over(followed, NOW, NOW + 7 * MINUTE) == expected


def test_loss_is_measured_from_the_peak_of_fifteen_minutes() -> None:
    breaker = CircuitBreaker()
    breaker.record_equity(10_000, NOW)
    breaker.record_equity(10_500, NOW + MINUTE)
    assert breaker.record_equity(9_976, NOW + 2 * MINUTE) == []  # 4.99 %
    (event,) = breaker.record_equity(9_975, NOW + 3 * MINUTE)  # 5 %
    assert event.after is HALT
    assert event.severity is Severity.CRITICAL


def test_a_slow_loss_does_not_halt() -> None:
    breaker = CircuitBreaker()
    for minute in range(120):  # 0.3 % a minute: 4.4 % within the window, 30 % in all
        breaker.record_equity(10_000 * 0.997**minute, NOW + minute * MINUTE)
    assert breaker.level is CLOSED


def test_the_equity_window_is_bounded_and_never_shorter_than_asked() -> None:
    breaker = CircuitBreaker()
    breaker.record_equity(10_000, NOW)
    for i in range(1, 9_000):  # every 100 ms, falling a little each time
        breaker.record_equity(9_550 - i / 1_000, NOW + i * 100)
    assert breaker.level is CLOSED
    assert len(breaker.state()["equity"]) <= 62
    (event,) = breaker.record_equity(9_499, NOW + 15 * MINUTE)  # the peak is 15 min old
    assert event.after is HALT


def test_an_old_peak_is_forgotten() -> None:
    breaker = CircuitBreaker()
    breaker.record_equity(10_000, NOW)
    assert breaker.record_equity(9_000, NOW + 16 * MINUTE) == []


@pytest.mark.parametrize(("equity", "level"), [(math.nan, HALT), (0.0, HALT), (-5.0, HALT)])
def test_equity_that_is_gone_or_unknown_halts(equity: float, level: Level) -> None:
    breaker = CircuitBreaker()
    breaker.record_equity(10_000, NOW)
    breaker.record_equity(equity, NOW + SECOND)
    assert breaker.level is level


@pytest.mark.parametrize(
    ("n", "expectancy", "high", "level"),
    [
        (29, -5, -1, CLOSED),
        (30, -5, -1, THROTTLE),
        (30, 0, 3, CLOSED),
        (49, -5, -1, THROTTLE),
        (50, -5, -1, HALT),
        (50, -5, 0, THROTTLE),
        (50, 5, 9, CLOSED),
        (50, math.nan, math.nan, HALT),
    ],
)
def test_expectancy_needs_its_sample(n: int, expectancy: float, high: float, level: Level) -> None:
    breaker = CircuitBreaker()
    breaker.record_expectancy(n, expectancy, expectancy - 9, high, False, NOW)
    assert breaker.level is level


def test_shadow_trades_that_earn_excuse_expectancy_and_degradation() -> None:
    breaker = CircuitBreaker()
    breaker.record_expectancy(60, -5, -9, -1, False, NOW)
    breaker.record_degradation("severe", False, NOW)
    assert breaker.level is HALT
    assert breaker.for_lack_of_edge
    assert levels_over(breaker, NOW, NOW + 60 * MINUTE) == []  # it stands, for ever
    start = NOW + 60 * MINUTE
    breaker.record_expectancy(60, -5, -9, -1, True, start)
    breaker.record_degradation("severe", True, start)
    assert breaker.level is HALT  # and it cools down like any other
    assert levels_over(breaker, start, start + 30 * MINUTE) == [
        (15 * MINUTE, HALT, THROTTLE),
        (20 * MINUTE, THROTTLE, ALERT),
        (21 * MINUTE, ALERT, CLOSED),
    ]


def test_an_unknown_degradation_counts_as_critical() -> None:
    breaker = CircuitBreaker()
    (event,) = breaker.record_degradation("dire", False, NOW)
    assert event.after is HALT
    assert "'dire'" in event.detail


def test_late_data_and_missing_prices() -> None:
    breaker = CircuitBreaker()
    assert breaker.record_data_age(1.9, 0, NOW) == []
    assert breaker.record_data_age(2, 0, NOW)[0].after is ALERT
    assert breaker.record_data_age(2, 299, NOW) == []
    assert breaker.record_data_age(2, 300, NOW)[0].after is HALT


@pytest.mark.parametrize(
    ("ms", "level"), [(-400, CLOSED), (-501, ALERT), (1_001, THROTTLE), (-5_001, HALT)]
)
def test_clock_offset_counts_in_both_directions(ms: float, level: Level) -> None:
    breaker = CircuitBreaker()
    breaker.record_clock_offset(ms, NOW)
    assert breaker.level is level


def test_faults_mismatches_and_write_failures() -> None:
    breaker = CircuitBreaker()
    assert breaker.record_mismatch(False, NOW) == []
    assert breaker.record_write_failure(False, NOW) == []
    assert breaker.record_mismatch(True, NOW)[0].after is HALT
    (also,) = breaker.record_write_failure(True, NOW)  # told, though the level stays
    assert (also.before, also.after, also.cause) == (HALT, HALT, "write failure")
    (fault,) = breaker.record_fault("the key may withdraw", NOW)
    assert fault.after is SHUTDOWN
    assert "the key may withdraw" in fault.detail
    assert fault.severity is Severity.EMERGENCY


# ---------------------------------------------------------------- cool-downs


def test_it_comes_down_one_level_at_a_time() -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.LATENCY, 5_000, NOW)
    breaker.observe(Trigger.LATENCY, 10, NOW)
    assert levels_over(breaker, NOW, NOW + 60 * MINUTE) == [
        (15 * MINUTE, HALT, THROTTLE),
        (20 * MINUTE, THROTTLE, ALERT),
        (21 * MINUTE, ALERT, CLOSED),
    ]


@pytest.mark.parametrize(
    ("value", "level", "cooldown"),
    [(600, ALERT, MINUTE), (1_500, THROTTLE, 5 * MINUTE), (4_000, HALT, 15 * MINUTE)],
)
def test_not_a_millisecond_before_its_cooldown(value: float, level: Level, cooldown: int) -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.LATENCY, value, NOW)
    breaker.observe(Trigger.LATENCY, 10, NOW)
    for now in range(NOW, NOW + cooldown, 30 * SECOND):
        assert breaker.tick(now) == []
    assert breaker.tick(NOW + cooldown - 1) == []
    assert breaker.level is level
    (event,) = breaker.tick(NOW + cooldown)
    assert event.after.rank == level.rank - 1
    assert event.severity is Severity.INFO


def test_a_standing_reading_holds_for_ever() -> None:
    breaker = CircuitBreaker()
    breaker.record_mismatch(True, NOW)
    assert levels_over(breaker, NOW, NOW + 24 * 60 * MINUTE, MINUTE) == []
    assert "after 15 min with no unexplained mismatch" in breaker.view(NOW).clears


def test_an_unhealthy_reading_restarts_the_cooldown() -> None:
    breaker = CircuitBreaker()
    breaker.record_slippage(0.003, NOW)
    assert levels_over(breaker, NOW, NOW + 4 * MINUTE) == []
    again = NOW + 4 * MINUTE
    breaker.record_slippage(0.004, again)
    assert levels_over(breaker, again, again + 5 * MINUTE) == [(5 * MINUTE, THROTTLE, ALERT)]


def test_a_reading_healthy_for_this_level_does_not_restart_it() -> None:
    breaker = CircuitBreaker()
    breaker.record_slippage(0.003, NOW)
    breaker.record_slippage(0.001, NOW + 4 * MINUTE)  # ALERT alone: THROTTLE goes on cooling
    assert levels_over(breaker, NOW, NOW + 6 * MINUTE)[0] == (5 * MINUTE, THROTTLE, ALERT)


def test_another_cause_holds_the_level() -> None:
    breaker = CircuitBreaker()
    breaker.record_slippage(0.003, NOW)
    breaker.record_clock_offset(2_000, NOW)
    assert levels_over(breaker, NOW, NOW + 20 * MINUTE) == []
    well = NOW + 20 * MINUTE
    breaker.record_clock_offset(0, well)
    assert levels_over(breaker, well, well + 5 * MINUTE) == [(5 * MINUTE, THROTTLE, ALERT)]


def test_failures_after_a_halt_halt_again_at_once() -> None:
    breaker = CircuitBreaker()
    for i in range(5):
        breaker.record_order(False, NOW + i)
    assert levels_over(breaker, NOW, NOW + 30 * MINUTE)[-1][2] is CLOSED
    (event,) = breaker.record_order(False, NOW + 30 * MINUTE)
    assert event.after is HALT
    assert "6" in event.detail


def test_shutdown_never_ends_by_itself() -> None:
    breaker = CircuitBreaker()
    breaker.record_fault("memory", NOW)
    assert levels_over(breaker, NOW, NOW + 30 * 24 * 60 * MINUTE, 60 * MINUTE) == []
    assert breaker.level is SHUTDOWN


def test_a_silence_counts_for_five_minutes_at_most() -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.LATENCY, 5_000, NOW)
    breaker.observe(Trigger.LATENCY, 10, NOW)
    day = 24 * 60 * MINUTE
    assert breaker.tick(NOW + day) == []  # the machine slept: nobody watched
    assert breaker.tick(NOW + 2 * day) == []
    (event,) = breaker.tick(NOW + 3 * day)
    assert event.after is THROTTLE


def test_a_clock_that_runs_backwards_cools_nothing_down() -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.LATENCY, 5_000, NOW)
    breaker.observe(Trigger.LATENCY, 10, NOW)
    for _ in range(200):  # to and fro, an hour in all
        breaker.tick(NOW + 5 * MINUTE)
        breaker.tick(NOW)
    assert breaker.level is HALT


# ---------------------------------------------------------------- gates


def test_the_gate_of_every_level() -> None:
    breaker = CircuitBreaker()
    assert breaker.gate(NOW, 0.33).verdict is Verdict.PASS
    breaker.observe(Trigger.LATENCY, 600, NOW)
    alert = breaker.gate(NOW, 0.33)
    assert (alert.verdict, alert.size_factor, alert.min_confidence) == (Verdict.PASS, 1.0, 0.0)
    breaker.observe(Trigger.LATENCY, 2_000, NOW)
    assert breaker.gate(NOW, 0.6999).verdict is Verdict.BLOCK
    throttled = breaker.gate(NOW, 0.70)
    assert (throttled.verdict, throttled.size_factor) == (Verdict.REDUCE, 0.5)
    assert throttled.min_confidence == 0.70
    breaker.observe(Trigger.LATENCY, 4_000, NOW)
    halted = breaker.gate(NOW, 1.0)
    assert (halted.verdict, halted.size_factor, halted.level) == (Verdict.BLOCK, 0.0, "HALT")
    assert "exchange latency" in halted.reason
    breaker.record_fault("x", NOW)
    assert breaker.gate(NOW, 1.0).verdict is Verdict.BLOCK


def test_a_confidence_that_is_not_a_number_is_too_low() -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.LATENCY, 2_000, NOW)
    assert breaker.gate(NOW, math.nan).verdict is Verdict.BLOCK


def test_the_confidence_floor_is_an_argument() -> None:
    breaker = CircuitBreaker(throttled_confidence=0.9)
    breaker.observe(Trigger.LATENCY, 2_000, NOW)
    assert breaker.gate(NOW, 0.89).verdict is Verdict.BLOCK
    assert breaker.gate(NOW, 0.9).verdict is Verdict.REDUCE


def test_the_gate_is_cached() -> None:
    breaker = CircuitBreaker()
    assert breaker.gate(NOW, 0.5) is breaker.gate(NOW + 1, 0.9)


# ---------------------------------------------------------------- lack of edge


def test_lack_of_edge_alone() -> None:
    breaker = CircuitBreaker()
    assert not breaker.for_lack_of_edge
    breaker.record_degradation("moderate", False, NOW)
    assert not breaker.for_lack_of_edge  # ALERT withholds nothing
    breaker.record_degradation("critical", False, NOW)
    assert breaker.for_lack_of_edge
    breaker.record_clock_offset(600, NOW)
    assert breaker.for_lack_of_edge  # another cause, but only of ALERT
    breaker.record_clock_offset(1_500, NOW)
    assert not breaker.for_lack_of_edge


def test_lack_of_edge_returns_when_the_other_cause_has_cooled_down() -> None:
    breaker = CircuitBreaker()
    breaker.record_degradation("critical", False, NOW)
    breaker.record_clock_offset(1_500, NOW)
    breaker.record_clock_offset(0, NOW)
    assert levels_over(breaker, NOW, NOW + 6 * MINUTE) == []
    assert breaker.for_lack_of_edge


# ---------------------------------------------------------------- views


def test_the_view_says_what_would_clear_it() -> None:
    breaker = CircuitBreaker()
    assert breaker.view(NOW).clears == "nothing to clear"
    for i in range(5):
        breaker.record_order(False, NOW + i * 100)
    start = NOW + 400
    breaker.tick(start + 5 * MINUTE)
    breaker.tick(start + 10 * MINUTE)
    view = breaker.view(start + 10 * MINUTE + 50 * SECOND)
    assert view.clears == "falls to THROTTLE in 4 min 10 s with order failures in a row below 5"
    assert view.expires == start + 15 * MINUTE
    assert view.cause == "order failures in a row: 5"
    assert (view.level, view.since, view.pinned) == (HALT, start, False)


def test_the_view_names_the_reading_that_stands_in_the_way() -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.LATENCY, 3_500, NOW)
    view = breaker.view(NOW)
    assert view.clears == ("falls to THROTTLE after 15 min with mean latency at or below 3000 ms")
    assert view.expires is None


def test_the_view_lists_every_trigger_with_its_thresholds() -> None:
    breaker = CircuitBreaker()
    breaker.observe(Trigger.CLOCK_OFFSET, 700, NOW)
    rows = {row.trigger: row for row in breaker.view(NOW).readings}
    assert set(rows) == set(Trigger)
    clock = rows["clock offset"]
    assert (clock.alert, clock.throttle, clock.halt, clock.shutdown) == (500, 1_000, 5_000, None)
    assert (clock.value, clock.unit, clock.level) == (700, "ms", ALERT)
    assert all(row.level is CLOSED for name, row in rows.items() if name != "clock offset")


def test_the_view_of_shutdown() -> None:
    breaker = CircuitBreaker()
    breaker.record_fault("memory", NOW)
    assert breaker.view(NOW).clears == "only a restart with an acknowledgement clears SHUTDOWN"
