"""From raw facts to readings: the windows behind the breaker's triggers. Memory is bounded."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from engine.protection.triggers import BreakerSettings, MonitorSeverity, Trigger

_LONGEST_LATENCY_MS = 3_600_000.0
_MOST_ORDERS = 256
_EQUITY_BUCKETS = 60


class Reading(NamedTuple):
    """A trigger's value in its own unit. ``excused`` says why it counts as healthy anyway."""

    trigger: Trigger
    value: float
    note: str = ""
    excused: str = ""


class EquityPeak:
    """The highest equity of a sliding window, in at most 61 buckets.

    The window reaches back by up to one bucket more than asked for (15 s of 15 min), never
    less.
    """

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._bucket_ms = max(1, window_ms // _EQUITY_BUCKETS)
        self.buckets: deque[tuple[int, float]] = deque(maxlen=_EQUITY_BUCKETS + 2)  # start, peak

    def add(self, equity: float, now: int) -> float:
        """Add equity (quote currency) and return the peak of the window, now included."""
        bucket = now - now % self._bucket_ms
        buckets = self.buckets
        oldest = bucket - self._window_ms - self._bucket_ms + 1
        while buckets and buckets[0][0] < oldest:
            buckets.popleft()
        while buckets and buckets[-1][1] <= equity:  # can never be the peak again
            buckets.pop()
        if not buckets or buckets[-1][0] < bucket:
            buckets.append((bucket, equity))
        return buckets[0][1]


class Feeds:
    """The windows: the last latencies, the orders of 5 min, the equity of 15 min."""

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self.latencies: deque[float] = deque(maxlen=settings.latency_calls)
        self.orders: deque[tuple[int, bool]] = deque(maxlen=_MOST_ORDERS)
        self.failures_in_a_row = 0
        self.equity = EquityPeak(settings.loss_window_ms)

    def clear(self) -> None:
        """Empty every window."""
        self.latencies.clear()
        self.orders.clear()
        self.failures_in_a_row = 0
        self.equity.buckets.clear()

    def latency(self, ms: float) -> list[Reading]:
        """Add the latency of one call (ms)."""
        if math.isnan(ms):
            return [Reading(Trigger.LATENCY, ms)]
        self.latencies.append(min(max(ms, 0.0), _LONGEST_LATENCY_MS))
        calls = len(self.latencies)
        mean = math.fsum(self.latencies) / calls
        few = calls < self._settings.latency_min_calls
        return [Reading(Trigger.LATENCY, mean, excused=f"only {calls} calls yet" if few else "")]

    def order(self, ok: bool, now: int) -> list[Reading]:
        """Add the outcome of one order."""
        self.failures_in_a_row = 0 if ok else self.failures_in_a_row + 1
        self.orders.append((now, ok))
        return [
            Reading(Trigger.ORDER_FAILURES, float(self.failures_in_a_row)),
            self.failure_rate(now),
        ]

    def failure_rate(self, now: int) -> Reading:
        """Return the failure rate of the window (percent); 0 while it holds too few orders."""
        orders = self.orders
        while orders and orders[0][0] <= now - self._settings.order_window_ms:
            orders.popleft()
        if len(orders) < self._settings.order_window_min:
            return Reading(Trigger.FAILURE_RATE, 0.0)
        failed = sum(1 for _, ok in orders if not ok)
        return Reading(Trigger.FAILURE_RATE, 100 * failed / len(orders))

    def loss(self, equity: float, now: int) -> list[Reading]:
        """Add equity (quote currency); the reading is its fall from the window's peak, percent."""
        if math.isnan(equity):
            return [Reading(Trigger.LOSS, equity, "equity is not a number")]
        peak = self.equity.add(equity, now)
        fall = 100 * (peak - equity) / peak if peak > 0 else 100.0
        return [Reading(Trigger.LOSS, round(fall, 9))]

    def expectancy(
        self, n: int, expectancy: float, high: float, shadow_positive: bool
    ) -> list[Reading]:
        """Read expectancy and the upper end of its interval (quote currency per trade)."""
        s = self._settings

        def excuse(needed: int) -> str:
            if n < needed:
                return f"only {n} of {needed} trades"
            return "the shadow trades have a positive expectancy" if shadow_positive else ""

        note = f"over {n} trades"
        return [
            Reading(Trigger.EXPECTANCY, expectancy, note, excuse(s.expectancy_trades)),
            Reading(Trigger.EXPECTANCY_INTERVAL, high, note, excuse(s.expectancy_halt_trades)),
        ]

    def degradation(self, severity: str, shadow_positive: bool) -> list[Reading]:
        """Read the strategy monitor's severity; a word it does not know counts as critical."""
        known = severity in tuple(MonitorSeverity)
        rank = MonitorSeverity(severity).rank if known else MonitorSeverity.CRITICAL.rank
        note = "" if known else f"unknown severity {severity!r} counts as critical"
        excused = "the shadow trades have a positive expectancy" if shadow_positive else ""
        return [Reading(Trigger.DEGRADATION, float(rank), note, excused)]
