"""What the breaker and the strategy monitor hear, pass by pass and after a restart."""

from __future__ import annotations

from decimal import Decimal as D

from engine.clock import MarketClock
from engine.model.commands import Level
from engine.model.events import MonitorReported
from engine.protection.breaker import CircuitBreaker
from engine.protection.watch import MONITOR_EVERY, Watch
from engine.risk.limits import RiskLimits
from engine.risk.track_record import TrackRecord
from engine.venues.port import Account
from tests.risk.builders import START, trades

LIMITS = RiskLimits()
NOW = START + 10**9
ACCOUNT = Account(D(10_000), D(10_000), D(10_000))


def watch() -> Watch:
    return Watch(CircuitBreaker(), MarketClock(NOW), 300_000)


def losing(count: int = 40) -> TrackRecord:
    return TrackRecord(trades([-50] * count))


def shadows(pnl: int, count: int = 30) -> list:  # type: ignore[type-arg]
    return trades([pnl] * count, shadow=True)


def test_the_monitor_runs_every_fifth_pass_with_or_without_positions() -> None:
    for idle in (True, False):
        w, record = watch(), losing()
        reported = []
        for number in range(1, 11):
            events = w.idle_pass(NOW, record) if idle else w.position_pass(NOW, ACCOUNT, record)
            if any(isinstance(e, MonitorReported) for e in events):
                reported.append(number)
        assert reported == [MONITOR_EVERY]
        assert w.level is Level.HALT


def test_a_healthy_strategy_is_not_news() -> None:
    w, record = watch(), TrackRecord(trades([50, 60, -20] * 10))
    for _ in range(10):
        assert not [e for e in w.idle_pass(NOW, record) if isinstance(e, MonitorReported)]
    assert w.report is not None


def test_a_restart_withholds_at_once_what_was_withheld() -> None:
    w, record = watch(), losing()
    w.resume(NOW, record, LIMITS)
    assert w.withholds(NOW)
    assert record.degradation_factor < 1
    assert w.level is Level.HALT


def test_a_restart_knows_that_shadow_trades_have_reopened_exploration() -> None:
    w, record = watch(), losing()
    for shadow in shadows(+50):
        record.add(shadow)
    w.resume(NOW, record, LIMITS)
    assert w.level is Level.CLOSED
    assert not w.withholds(NOW)
    assert record.degradation_factor == 1
    for trade in trades([-50] * 30):
        record.add(trade)  # real money has used the evidence up
    w.trade_closed(NOW, record, LIMITS)
    w.resume(NOW, record, LIMITS)
    assert w.withholds(NOW)
