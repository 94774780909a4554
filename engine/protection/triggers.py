"""What moves the circuit breaker: the trigger table of the specification, as data.

Every row names its unit, its threshold per level and what a breach means. Which levels a
trigger can reach is fixed; the numbers are settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from enum import Enum, StrEnum
from types import MappingProxyType

from engine.model.commands import Level


class Trigger(StrEnum):
    """One cause the breaker watches; the value is the name a person reads."""

    __hash__ = str.__hash__  # as for the enumerations of ``engine.model.signal``

    LATENCY = "exchange latency"
    ORDER_FAILURES = "order failures"
    FAILURE_RATE = "order failure rate"
    SLIPPAGE = "slippage"
    LOSS = "loss"
    DEGRADATION = "strategy degradation"
    EXPECTANCY = "expectancy"
    EXPECTANCY_INTERVAL = "expectancy interval"
    LATE_CANDLES = "late candles"
    PRICE_AGE = "price age"
    MISMATCH = "mismatch"
    CLOCK_OFFSET = "clock offset"
    WRITE_FAILURE = "write failure"
    FAULT = "fault"


class Breach(Enum):
    """How a value stands to a threshold when it breaches it."""

    ABOVE = "above"  # value > threshold
    REACHED = "reached"  # value >= threshold
    BELOW = "below"  # value < threshold


class MonitorSeverity(StrEnum):
    """What the strategy monitor makes of the closed trades, mildest first."""

    HEALTHY = "healthy"
    MINOR = "minor"
    MODERATE = "moderate"
    SEVERE = "severe"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return 0 for healthy up to 4 for critical."""
        return _SEVERITIES.index(self)


_SEVERITIES = tuple(MonitorSeverity)
FLAG = "yes/no"
SEVERITY = "severity"


@dataclass(frozen=True, slots=True)
class Steps:
    """The thresholds of one trigger; None where it never reaches that level."""

    alert: float | None = None
    throttle: float | None = None
    halt: float | None = None
    shutdown: float | None = None

    def given(self) -> tuple[tuple[Level, float], ...]:
        """Return the levels that have a threshold, with it, mildest first."""
        limits = (self.alert, self.throttle, self.halt, self.shutdown)
        pairs = zip(tuple(Level)[1:], limits, strict=True)
        return tuple((level, limit) for level, limit in pairs if limit is not None)


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """One row of the table. ``unit`` is that of the value and of every threshold.

    ``sentence`` describes a reading (``{value}`` is replaced), ``subject`` names it in "with
    <subject> below <limit>". ``lapses`` marks readings of single events (a fill, an order):
    silence afterwards is health, whereas a standing reading holds until a better one replaces
    it. ``lack_of_edge`` marks causes that shadow trades may prove wrong. ``pinnable`` is False
    where no operator's pin may hold the breaker below this trigger.
    """

    trigger: Trigger
    unit: str
    steps: Steps
    sentence: str
    subject: str
    breach: Breach = Breach.REACHED
    lapses: bool = False
    lack_of_edge: bool = False
    pinnable: bool = True
    limits: tuple[tuple[Level, float], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", self.steps.given())
        given = [limit for _, limit in self.limits]
        if not given:
            raise ValueError(f"{self.trigger}: at least one level needs a threshold")
        if not all(math.isfinite(limit) for limit in given):
            raise ValueError(f"{self.trigger}: thresholds must be finite numbers, not {given}")
        rising = sorted(set(given), reverse=self.breach is Breach.BELOW)
        if given != rising:
            raise ValueError(f"{self.trigger}: thresholds must tighten level by level: {given}")

    def level(self, value: float) -> Level:
        """Return the level a value calls for; NaN calls for the mildest level of the row."""
        if math.isnan(value):
            return self._mildest[0]
        called = Level.CLOSED
        for level, limit in self.limits:
            if not self._breached(value, limit):
                break
            called = level
        return called

    def readable(self, value: float) -> float:
        """Return a value that can be shown and stored: bounded, and never NaN.

        NaN becomes the smallest value that breaches the mildest threshold: a reading that is
        not a number is no proof of health.
        """
        if math.isnan(value):
            limit = self._mildest[1]
            if self.breach is Breach.REACHED:
                return limit
            return math.nextafter(limit, math.inf if self.breach is Breach.ABOVE else -math.inf)
        return value if -_LARGEST < value < _LARGEST else math.copysign(_LARGEST, value)

    def describe(self, value: float) -> str:
        """Return the reading as a sentence without its full stop."""
        return self.sentence.format(value=self.show(value))

    def condition(self, level: Level) -> str:
        """Return what must stay true for a reading to be healthy for a level.

        A level without a threshold of its own takes the next milder one: that is the one a
        reading must keep clear of to leave the level behind.
        """
        limit = self._mildest[1]
        for at, threshold in self.limits:
            if at.rank <= level.rank:
                limit = threshold
        if self.unit == FLAG:
            return f"no {self.subject}"
        relation = {
            Breach.ABOVE: "at or below",
            Breach.REACHED: "below",
            Breach.BELOW: "at or above",
        }[self.breach]
        return f"{self.subject} {relation} {self.show(limit)}"

    def show(self, value: float) -> str:
        """Return a value with its unit as a person reads it."""
        if self.unit == FLAG:
            return "yes" if value else "no"
        if self.unit == SEVERITY:
            return str(_SEVERITIES[max(0, min(len(_SEVERITIES) - 1, int(value)))])
        number = f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
        return f"{number} {self.unit}".rstrip()

    @property
    def _mildest(self) -> tuple[Level, float]:
        return self.limits[0]

    def _breached(self, value: float, limit: float) -> bool:
        if self.breach is Breach.ABOVE:
            return value > limit
        return value >= limit if self.breach is Breach.REACHED else value < limit


_LARGEST = 1e15


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """Every number of the breaker. Durations in ms, fractions and percents as named.

    Raises ``ValueError`` for thresholds that do not tighten, for a level a trigger does not
    have, and for windows and cool-downs that are not positive.
    """

    latency_ms: Steps = Steps(500, 1_000, 3_000)
    order_failures: Steps = Steps(2, 3, 5, 10)
    failure_rate_percent: Steps = Steps(throttle=30)
    slippage_percent: Steps = Steps(0.1, 0.3, 0.5)
    loss_percent: Steps = Steps(halt=5)
    degradation: Steps = Steps(2, 3, 4)  # ranks of MonitorSeverity
    expectancy: Steps = Steps(throttle=0)
    expectancy_interval: Steps = Steps(halt=0)
    late_candles: Steps = Steps(alert=2)
    price_age_s: Steps = Steps(halt=300)
    clock_offset_ms: Steps = Steps(500, 1_000, 5_000)

    latency_calls: int = 10  # the mean is over the last so many calls
    latency_min_calls: int = 3  # fewer say nothing yet: the first call opens the connection
    order_window_ms: int = 300_000
    order_window_min: int = 5  # orders the failure rate needs
    loss_window_ms: int = 900_000
    expectancy_trades: int = 30
    expectancy_halt_trades: int = 50

    alert_cooldown_ms: int = 60_000
    throttle_cooldown_ms: int = 300_000
    halt_cooldown_ms: int = 900_000
    watch_gap_ms: int = 300_000  # of a silence between two calls at most this much counts
    throttle_size: float = 0.5
    longest_override_s: int = 86_400

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(item.default, Steps):
                self._check_steps(item.name, value, item.default)
            elif not (math.isfinite(value) and value > 0):
                raise ValueError(f"{item.name}={value!r} must be a positive number")
        if self.latency_min_calls > self.latency_calls:
            raise ValueError(
                f"latency_min_calls must not exceed latency_calls={self.latency_calls}"
            )
        if self.throttle_size > 1:
            raise ValueError(f"throttle_size={self.throttle_size} must not exceed 1")
        if not self.alert_cooldown_ms <= self.throttle_cooldown_ms <= self.halt_cooldown_ms:
            raise ValueError("cool-downs must not shrink from ALERT over THROTTLE to HALT")
        trigger_table(self)  # every row checks its own thresholds

    @staticmethod
    def _check_steps(name: str, given: Steps, default: Steps) -> None:
        if [level for level, _ in given.given()] != [level for level, _ in default.given()]:
            raise ValueError(f"{name} must give a threshold for the levels of {default} alone")
        if not name.startswith("expectancy") and not all(x > 0 for _, x in given.given()):
            raise ValueError(f"{name}: thresholds must be above zero")

    def cooldown_ms(self, level: Level) -> int:
        """Return how long a level must stay healthy before it falls. SHUTDOWN and CLOSED raise."""
        if level is Level.ALERT:
            return self.alert_cooldown_ms
        if level is Level.THROTTLE:
            return self.throttle_cooldown_ms
        if level is Level.HALT:
            return self.halt_cooldown_ms
        raise ValueError(f"{level} has no cool-down")


def trigger_table(settings: BreakerSettings) -> MappingProxyType[Trigger, TriggerRule]:
    """Return the trigger table with the thresholds of the settings, in the order of display."""
    s = settings
    rows = (
        TriggerRule(
            Trigger.LATENCY,
            "ms",
            s.latency_ms,
            sentence=f"mean latency of the last {s.latency_calls} calls is {{value}}",
            subject="mean latency",
            breach=Breach.ABOVE,
        ),
        TriggerRule(
            Trigger.ORDER_FAILURES,
            "",
            s.order_failures,
            sentence="order failures in a row: {value}",
            subject="order failures in a row",
            lapses=True,
        ),
        TriggerRule(
            Trigger.FAILURE_RATE,
            "%",
            s.failure_rate_percent,
            sentence=f"{{value}} of orders failed within {s.order_window_ms / 60_000:g} min",
            subject="order failure rate",
        ),
        TriggerRule(
            Trigger.SLIPPAGE,
            "%",
            s.slippage_percent,
            sentence="the last fill slipped by {value} of the price",
            subject="slippage",
            lapses=True,
        ),
        TriggerRule(
            Trigger.LOSS,
            "%",
            s.loss_percent,
            sentence=f"equity fell {{value}} within {s.loss_window_ms / 60_000:g} min",
            subject="loss",
        ),
        TriggerRule(
            Trigger.DEGRADATION,
            SEVERITY,
            s.degradation,
            sentence="the strategy monitor reads {value}",
            subject="strategy degradation",
            lack_of_edge=True,
        ),
        TriggerRule(
            Trigger.EXPECTANCY,
            "per trade",
            s.expectancy,
            sentence="expectancy is {value}",
            subject="expectancy",
            breach=Breach.BELOW,
            lack_of_edge=True,
        ),
        TriggerRule(
            Trigger.EXPECTANCY_INTERVAL,
            "per trade",
            s.expectancy_interval,
            sentence="even the upper end of the 95 % interval of expectancy is {value}",
            subject="upper end of the expectancy interval",
            breach=Breach.BELOW,
            lack_of_edge=True,
        ),
        TriggerRule(
            Trigger.LATE_CANDLES,
            "candles",
            s.late_candles,
            sentence="market data is {value} late",
            subject="delay of market data",
        ),
        TriggerRule(
            Trigger.PRICE_AGE,
            "s",
            s.price_age_s,
            sentence="no price for {value} while a position is open",
            subject="time without a price",
        ),
        TriggerRule(
            Trigger.MISMATCH,
            FLAG,
            _HALT_FLAG,
            sentence="balance or positions differ from the ledger without an explanation: {value}",
            subject="unexplained mismatch",
        ),
        TriggerRule(
            Trigger.CLOCK_OFFSET,
            "ms",
            s.clock_offset_ms,
            sentence="the clock is {value} off the exchange's",
            subject="clock offset",
            breach=Breach.ABOVE,
        ),
        TriggerRule(
            Trigger.WRITE_FAILURE,
            FLAG,
            _HALT_FLAG,
            sentence="the ledger or the audit log cannot be written: {value}",
            subject="write failure",
            pinnable=False,
        ),
        TriggerRule(
            Trigger.FAULT,
            FLAG,
            _SHUTDOWN_FLAG,
            sentence="memory or security fault: {value}",
            subject="fault",
            pinnable=False,
        ),
    )
    return MappingProxyType({row.trigger: row for row in rows})


_HALT_FLAG = Steps(halt=1)
_SHUTDOWN_FLAG = Steps(shutdown=1)
