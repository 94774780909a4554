"""SIGKILL at every durable step and at random moments: nothing is lost, doubled or left naked."""

from __future__ import annotations

from pathlib import Path

from tests.crash.campaign import many_trades
from tests.crash.death import INTENDED, RECORDED, REQUESTED
from tests.exchange.crash_runs import spread

RUNS = 200
TRADES = 300


def test_engines_killed_anywhere_lose_and_double_nothing() -> None:
    found = spread(RUNS, seed=1, workers=2)
    assert found["failures"] == []
    assert found["runs"] == RUNS
    assert found["compared"] >= RUNS * 0.7  # an engine killed in its start is never compared
    died = {where.partition(" ")[2] for where in found["died"]}
    assert set(INTENDED) | set(REQUESTED) | set(RECORDED) <= died


def test_many_trades_agree_with_the_exchange_to_the_cent(tmp_path: Path) -> None:
    found = many_trades(tmp_path, 5, TRADES)
    assert found.failures == []
    assert found.trades >= TRADES
    assert found.unprotected_ms < 5_000
