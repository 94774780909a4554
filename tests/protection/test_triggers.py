"""The trigger table: every row below, at and above each of its thresholds."""

from __future__ import annotations

import math

import pytest

from engine.model.commands import Level
from engine.protection.breaker import CircuitBreaker
from engine.protection.triggers import (
    Breach,
    BreakerSettings,
    MonitorSeverity,
    Steps,
    Trigger,
    TriggerRule,
    trigger_table,
)

NOW = 1_700_000_000_000
CLOSED, ALERT, THROTTLE, HALT, SHUTDOWN = Level

# trigger, value, level: the table of the specification, spelled out
TABLE = [
    (Trigger.LATENCY, 0, CLOSED),
    (Trigger.LATENCY, 499.9, CLOSED),
    (Trigger.LATENCY, 500, CLOSED),
    (Trigger.LATENCY, 500.1, ALERT),
    (Trigger.LATENCY, 1_000, ALERT),
    (Trigger.LATENCY, 1_000.1, THROTTLE),
    (Trigger.LATENCY, 3_000, THROTTLE),
    (Trigger.LATENCY, 3_000.1, HALT),
    (Trigger.LATENCY, math.inf, HALT),
    (Trigger.ORDER_FAILURES, 1, CLOSED),
    (Trigger.ORDER_FAILURES, 2, ALERT),
    (Trigger.ORDER_FAILURES, 3, THROTTLE),
    (Trigger.ORDER_FAILURES, 4, THROTTLE),
    (Trigger.ORDER_FAILURES, 5, HALT),
    (Trigger.ORDER_FAILURES, 9, HALT),
    (Trigger.ORDER_FAILURES, 10, SHUTDOWN),
    (Trigger.ORDER_FAILURES, 11, SHUTDOWN),
    (Trigger.FAILURE_RATE, 29.9, CLOSED),
    (Trigger.FAILURE_RATE, 30, THROTTLE),
    (Trigger.FAILURE_RATE, 100, THROTTLE),
    (Trigger.SLIPPAGE, -5, CLOSED),
    (Trigger.SLIPPAGE, 0.099, CLOSED),
    (Trigger.SLIPPAGE, 0.1, ALERT),
    (Trigger.SLIPPAGE, 0.299, ALERT),
    (Trigger.SLIPPAGE, 0.3, THROTTLE),
    (Trigger.SLIPPAGE, 0.499, THROTTLE),
    (Trigger.SLIPPAGE, 0.5, HALT),
    (Trigger.SLIPPAGE, 40, HALT),
    (Trigger.LOSS, -3, CLOSED),
    (Trigger.LOSS, 4.999, CLOSED),
    (Trigger.LOSS, 5, HALT),
    (Trigger.LOSS, 90, HALT),
    (Trigger.DEGRADATION, MonitorSeverity.HEALTHY.rank, CLOSED),
    (Trigger.DEGRADATION, MonitorSeverity.MINOR.rank, CLOSED),
    (Trigger.DEGRADATION, MonitorSeverity.MODERATE.rank, ALERT),
    (Trigger.DEGRADATION, MonitorSeverity.SEVERE.rank, THROTTLE),
    (Trigger.DEGRADATION, MonitorSeverity.CRITICAL.rank, HALT),
    (Trigger.EXPECTANCY, 0.01, CLOSED),
    (Trigger.EXPECTANCY, 0, CLOSED),
    (Trigger.EXPECTANCY, -0.01, THROTTLE),
    (Trigger.EXPECTANCY, -1e9, THROTTLE),
    (Trigger.EXPECTANCY_INTERVAL, 0, CLOSED),
    (Trigger.EXPECTANCY_INTERVAL, -0.01, HALT),
    (Trigger.LATE_CANDLES, 1.99, CLOSED),
    (Trigger.LATE_CANDLES, 2, ALERT),
    (Trigger.LATE_CANDLES, 500, ALERT),
    (Trigger.PRICE_AGE, 299.9, CLOSED),
    (Trigger.PRICE_AGE, 300, HALT),
    (Trigger.MISMATCH, 0, CLOSED),
    (Trigger.MISMATCH, 1, HALT),
    (Trigger.CLOCK_OFFSET, 500, CLOSED),
    (Trigger.CLOCK_OFFSET, 500.1, ALERT),
    (Trigger.CLOCK_OFFSET, 1_000.1, THROTTLE),
    (Trigger.CLOCK_OFFSET, 5_000, THROTTLE),
    (Trigger.CLOCK_OFFSET, 5_000.1, HALT),
    (Trigger.WRITE_FAILURE, 0, CLOSED),
    (Trigger.WRITE_FAILURE, 1, HALT),
    (Trigger.FAULT, 0, CLOSED),
    (Trigger.FAULT, 1, SHUTDOWN),
]


@pytest.mark.parametrize(("trigger", "value", "level"), TABLE)
def test_a_reading_raises_the_breaker_at_once_to_its_level(
    trigger: Trigger, value: float, level: Level
) -> None:
    breaker = CircuitBreaker()
    events = breaker.observe(trigger, value, NOW)
    assert breaker.level is level
    if level is CLOSED:
        assert events == []
    else:
        (event,) = events
        assert (event.time, event.before, event.after) == (NOW, CLOSED, level)
        assert event.cause == trigger
        assert level in event.detail


def test_every_trigger_is_in_the_table_above() -> None:
    assert {trigger for trigger, _, _ in TABLE} == set(Trigger) == set(trigger_table(DEFAULT))


DEFAULT = BreakerSettings()


@pytest.mark.parametrize("rule", trigger_table(DEFAULT).values(), ids=lambda rule: rule.trigger)
def test_nan_is_no_proof_of_health(rule: TriggerRule) -> None:
    mildest = rule.limits[0][0]
    assert rule.level(math.nan) is mildest
    shown = rule.readable(math.nan)
    assert math.isfinite(shown)
    assert rule.level(shown) is mildest
    assert math.isfinite(rule.readable(math.inf))
    assert math.isfinite(rule.readable(-math.inf))


@pytest.mark.parametrize("rule", trigger_table(DEFAULT).values(), ids=lambda rule: rule.trigger)
def test_every_row_speaks(rule: TriggerRule) -> None:
    for level, limit in rule.limits:
        assert "{" not in rule.describe(limit)
        assert rule.subject in rule.condition(level)


def test_a_level_without_a_threshold_names_the_nearest_milder_one() -> None:
    table = trigger_table(DEFAULT)
    assert table[Trigger.LOSS].condition(THROTTLE) == "loss below 5 %"
    assert table[Trigger.ORDER_FAILURES].condition(HALT) == "order failures in a row below 5"
    assert table[Trigger.MISMATCH].condition(ALERT) == "no unexplained mismatch"
    assert table[Trigger.DEGRADATION].condition(HALT) == "strategy degradation below critical"
    assert table[Trigger.EXPECTANCY].condition(THROTTLE) == "expectancy at or above 0 per trade"


@pytest.mark.parametrize(
    "change",
    [
        {"latency_ms": Steps(500, 400, 3_000)},
        {"latency_ms": Steps(500, 500, 3_000)},
        {"latency_ms": Steps(500, 1_000, None)},
        {"latency_ms": Steps(500, 1_000, 3_000, 9_000)},
        {"latency_ms": Steps(0, 1_000, 3_000)},
        {"latency_ms": Steps(500, 1_000, math.nan)},
        {"latency_ms": Steps(500, 1_000, math.inf)},
        {"failure_rate_percent": Steps()},
        {"loss_percent": Steps(halt=-5)},
        {"latency_calls": 0},
        {"latency_min_calls": 11},
        {"halt_cooldown_ms": 1},
        {"alert_cooldown_ms": 0},
        {"throttle_size": 1.5},
        {"watch_gap_ms": -1},
        {"loss_window_ms": math.nan},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    name = next(iter(change))
    with pytest.raises(ValueError, match=r".+") as error:
        BreakerSettings(**change)  # type: ignore[arg-type]
    assert any(word in str(error.value) for word in (name, "cool-downs", "tighten", "finite"))


def test_settings_move_a_threshold() -> None:
    breaker = CircuitBreaker(BreakerSettings(latency_ms=Steps(50, 60, 70)))
    breaker.observe(Trigger.LATENCY, 65, NOW)
    assert breaker.level is THROTTLE


def test_a_rule_needs_a_threshold() -> None:
    with pytest.raises(ValueError, match="at least one level"):
        TriggerRule(Trigger.LOSS, "%", Steps(), "{value}", "loss", Breach.REACHED)


def test_cooldown_of_a_level_that_has_none() -> None:
    for level in (CLOSED, SHUTDOWN):
        with pytest.raises(ValueError, match="no cool-down"):
            DEFAULT.cooldown_ms(level)


def test_the_confidence_floor_is_a_fraction() -> None:
    with pytest.raises(ValueError, match="throttled_confidence"):
        CircuitBreaker(throttled_confidence=70)
