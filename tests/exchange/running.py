"""Whole engines on the loopback exchange, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.engine import Engine
from engine.exchange_stage import ExchangeStage
from engine.execution.reconcile import Reconciler
from engine.model.events import Event
from engine.model.snapshot import Snapshot
from engine.options import RunOptions
from engine.settings import Settings
from tests.exchange.live import eventually
from tests.exchange_server import ExchangeServer


def settings(url: str, **changes: Any) -> Settings:
    """Return settings of a live engine on BTC and ETH, one-minute candles."""
    values: dict[str, Any] = {
        "exchange": "binance",
        "trading_mode": "live",
        "exchange_url": url,
        "allowed_symbols": "BTC,ETH",
        "default_timeframe": "1m",
        "trade_cycle_seconds": 1,
        "binance_api_key": "test-key",
        "binance_api_secret": "test-secret",
        "weex_api_key": "test-key",
        "weex_api_secret": "test-secret",
        "weex_api_passphrase": "test-pass",
    }
    return Settings(_env_file=None, **{**values, **changes})


class Running:
    """An engine, what it told and what it showed."""

    def __init__(self, home: Path, url: str, **changes: Any) -> None:
        self.events: list[Event] = []
        self.snapshots: list[Snapshot] = []
        chosen = settings(url, **changes)
        options = RunOptions(home=home, start=True, confirm_live=chosen.exchange)
        self.engine = Engine(
            chosen, options, tell=self.events.extend, publish=self.snapshots.append
        )

    @property
    def stage(self) -> ExchangeStage:
        assert isinstance(self.engine.stage, ExchangeStage)
        return self.engine.stage

    @property
    def reconciler(self) -> Reconciler:
        found = self.engine.trader.reconciler
        assert found is not None
        return found

    async def reconcile(self) -> None:
        """Reconcile now, as the engine itself would."""
        async with self.engine._busy:
            await self.reconciler.run(self.engine.clock.now())
            await self.engine.trader.journal.flush()


@asynccontextmanager
async def running(home: Path, url: str, **changes: Any) -> AsyncIterator[Running]:
    """Run an engine until the block ends."""
    run = Running(home, url, **changes)
    task = asyncio.ensure_future(run.engine.run())
    try:
        await eventually(lambda: task.done() or any(run.events), 30)
        if task.done():
            await task
        yield run
    finally:
        run.engine.end("the test is over")
        await asyncio.gather(task, return_exceptions=True)
    assert task.exception() is None


@asynccontextmanager
async def exchange(**options: Any) -> AsyncIterator[ExchangeServer]:
    """Run a server in this event loop."""
    async with ExchangeServer(seed=7, history_days=3, **options) as server:
        yield server
