"""Notifications of a whole engine: stored, counted, rung and sent, whatever the service does."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.ledger import queries
from engine.ledger.reader import LedgerReader
from engine.model.commands import Level
from engine.model.events import BreakerChanged, PositionClosed
from engine.settings import SettingsError
from tests.engine.live import BEGIN, HOUR, Run, settings
from tests.notify.conftest import Hook

HOURS = 16


def run_with(home: Path, urls: str) -> Run:
    run = Run(home, until=BEGIN + HOURS * HOUR, settings=settings(notify_urls=urls))
    run.go()
    return run


def test_trades_and_breaker_moves_reach_every_channel(tmp_path: Path, hook: Hook) -> None:
    run = run_with(tmp_path, hook.url)
    told = [body["message"] for body in hook.bodies]
    with LedgerReader(tmp_path / "sigma.db") as reader:
        kept = reader.fetch(queries.notifications(reader.account, 1_000, unread_only=True))
    assert len(kept) == run.snapshots[-1].unread
    closed = [e for e in run.of(PositionClosed) if not e.trade.shadow]
    assert sum("closed" in n.text for n in kept) == len(closed) > 0
    moves = [e for e in run.of(BreakerChanged) if e.before is not e.after]
    assert sum(n.topic == "breaker" for n in kept) >= len(moves)
    assert any("opened" in text for text in told)
    assert 0 < len(told) <= 20, "bounded by the rate limit"
    halts = [e for e in moves if e.after is Level.HALT and e.after.rank > e.before.rank]
    assert run.snapshots[-1].bells >= min(5, len(halts))


def test_a_hanging_service_changes_nothing_of_a_run(tmp_path: Path, hook: Hook) -> None:
    """Its first request is never answered: the run is the same, and ends."""
    hook.gate.clear()
    quiet = Run(tmp_path / "quiet", until=BEGIN + HOURS * HOUR)
    quiet.go()
    hanging = run_with(tmp_path / "hanging", hook.url)
    assert hook.requests >= 1
    assert hook.bodies == []
    assert hanging.story() == quiet.story()
    states = {name: state for name, state, _ in hanging.snapshots[-1].health.tasks}
    assert states["notify json://*** (1)"].startswith(("0 sent", "failing"))


def test_an_address_that_no_service_understands_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"NOTIFY_URLS: entry 1 of 1 \(nosuch://\*\*\*\)"):
        Run(tmp_path, settings=settings(notify_urls="nosuch://hiddentoken")).go()
    assert not (tmp_path / "sigma.db").exists()
