"""The watch: feeds the circuit breaker and runs the strategy monitor, pass by pass."""

from __future__ import annotations

from engine.clock import Clock
from engine.model.commands import Level
from engine.model.decision import BreakerGate, Verdict
from engine.model.events import BreakerChanged, Event, MonitorReported
from engine.protection.breaker import CircuitBreaker
from engine.protection.monitor import MonitorReport, review
from engine.protection.triggers import MonitorSeverity
from engine.risk.limits import RiskLimits
from engine.risk.track_record import EDGE_WINDOW, TrackRecord
from engine.venues.port import Account

MONITOR_EVERY = 5  # position passes


class Watch:
    """Keeps the breaker informed; hears of orders and fills as the desk's observer."""

    def __init__(self, breaker: CircuitBreaker, clock: Clock, candle_ms: int) -> None:
        self.breaker = breaker
        self.report: MonitorReport | None = None
        self._clock = clock
        self._candle_ms = candle_ms
        self._passes = 0
        self._reviewed: tuple[int, int] | None = None
        self._shadow_positive = False
        self._pending: list[Event] = []

    # Orders and fills

    def order_result(self, ok: bool) -> None:
        """Note that an order was accepted or refused."""
        self._pending.extend(self.breaker.record_order(ok, self._clock.now()))

    def fill_slippage(self, fraction: float) -> None:
        """Note the slippage of a fill, as a fraction of price."""
        self._pending.extend(self.breaker.record_slippage(fraction, self._clock.now()))

    # Passes

    def decision_pass(
        self, now: int, account: Account, stale_ms: float, records_failing: bool
    ) -> list[Event]:
        """Tell the breaker how account, data and records stand; ``stale_ms`` only if exposed."""
        events: list[Event] = []
        events += self.breaker.record_pass(
            equity=float(account.equity),
            candles_late=stale_ms / self._candle_ms,
            seconds_without_price=stale_ms / 1000,
            records_failing=records_failing,
            now=now,
        )
        events += self.breaker.tick(now)
        return self._with_pending(events)

    def position_pass(self, now: int, account: Account, record: TrackRecord) -> list[Event]:
        """Tell the breaker of equity while exposed; run the monitor every fifth pass."""
        return [
            *self.breaker.record_equity(float(account.equity), now),
            *self.idle_pass(now, record),
        ]

    def idle_pass(self, now: int, record: TrackRecord) -> list[Event]:
        """Count a pass, with or without positions; run the monitor every fifth."""
        self._passes += 1
        events = self._monitor(now, record) if self._passes % MONITOR_EVERY == 0 else []
        return self._with_pending(events)

    def resume(self, now: int, record: TrackRecord, limits: RiskLimits) -> list[Event]:
        """Judge a record taken over from earlier runs, as if its last trade closed just now.

        A strategy that was withheld for its figures stays withheld after a restart.
        """
        self._shadow_positive = limits.shadow_reentry and record.shadow_reentry
        events = self._monitor(now, record)
        return [*events, *self.trade_closed(now, record, limits)]

    def change(self, now: int, record: TrackRecord, limits: RiskLimits) -> list[Event]:
        """Judge another strategy's record from now on; levels fall after their cool-down only."""
        events = self.resume(now, record, limits)
        if not record.trades:
            events += self.breaker.record_expectancy(0, 0.0, 0.0, 0.0, self._shadow_positive, now)
        return self._with_pending(events)

    def trade_closed(self, now: int, record: TrackRecord, limits: RiskLimits) -> list[Event]:
        """Tell the breaker of the expectancy after a trade, real or shadow."""
        self._shadow_positive = limits.shadow_reentry and record.shadow_reentry
        events: list[Event] = list(self._judge(now, record))
        window = record.window(EDGE_WINDOW)
        if window.expectancy is not None:
            low, high = window.expectancy_low, window.expectancy_high
            events += self.breaker.record_expectancy(
                window.trades,
                window.expectancy,
                window.expectancy if low is None else low,
                window.expectancy if high is None else high,
                self._shadow_positive,
                now,
            )
        return self._with_pending(events)

    # Answers

    def gate(self, now: int) -> BreakerGate:
        """Return what the breaker says to an entry of full confidence."""
        return self.breaker.gate(now, 1.0)

    def withholds(self, now: int) -> str:
        """Return why real money is withheld for want of an edge alone, "" when it is not."""
        if self.breaker.for_lack_of_edge and self.gate(now).verdict is Verdict.BLOCK:
            return self.gate(now).reason
        report = self.report
        if report is not None and report.blocks_entries and not self._shadow_positive:
            return f"strategy monitor: {report.severity}; {report.advice}"
        return ""

    @property
    def level(self) -> Level:
        """Return the breaker's level."""
        return self.breaker.level

    def _monitor(self, now: int, record: TrackRecord) -> list[Event]:
        trades = record.trades
        seen = (len(trades), trades[-1].exit_time if trades else 0)
        if seen == self._reviewed:
            return []
        self._reviewed = seen
        before = self.report.severity if self.report else MonitorSeverity.HEALTHY
        report = review(trades, now)
        self.report = report
        events: list[Event] = list(self._judge(now, record))
        if report.severity is not before:
            events.append(
                MonitorReported(
                    time=now,
                    monitor_severity=str(report.severity),
                    detail=report.advice,
                    readings=tuple(
                        (reading.name, float(reading.value), str(reading.severity))
                        for reading in report.readings
                    ),
                )
            )
        return events

    def _judge(self, now: int, record: TrackRecord) -> list[BreakerChanged]:
        """Let the last report bear on size and breaker; shadow evidence makes it healthy."""
        if self.report is None:
            return []
        healthy = self._shadow_positive
        record.degradation_factor = 1.0 if healthy else self.report.degradation_factor
        return self.breaker.record_degradation(self.report.severity, healthy, now)

    def _with_pending(self, events: list[Event] | list[BreakerChanged]) -> list[Event]:
        if not self._pending:
            return list(events)
        pending, self._pending = self._pending, []
        return [*pending, *events]
