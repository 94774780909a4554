"""The strategy room: what the strategies view asks of the records, the model and the backtest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from engine.ledger.store import Ledger
from engine.model.snapshot import Snapshot
from engine.risk.limits import RiskLimits
from engine.strategies.create import StrategyDraft, create_strategy
from engine.strategies.store import BUILT_IN, Kept, StrategyStore
from engine.strategies.validation import StrategyError
from engine.strategies.what_if import WhatIf, WhatIfError, what_if
from engine.strategy import Strategy

if TYPE_CHECKING:
    from sigma_tui.assistance import Assistance

CANDLES = "candles"  # below the home, unless candles are being replayed


class StrategyRoom:
    """The strategies of one home, as the account in sight uses them.

    The records are opened for each question, beside the engine, which reads what it needs anew.
    Every method may raise ``RecordError``.
    """

    def __init__(self, assistance: Assistance, snapshot: Callable[[], Snapshot | None]) -> None:
        self._assistance = assistance
        self._snapshot = snapshot

    async def list(self) -> tuple[Kept, ...]:
        """Return every saved version, the built-in first."""
        if self._assistance.home is None:
            return (Kept(BUILT_IN.name, BUILT_IN.version, 0, BUILT_IN.description, True),)
        async with self._store() as store:
            return await store.list()

    async def get(self, name: str, version: int | None = None) -> Strategy:
        """Return one version. Raises ``StrategyError``."""
        if name == BUILT_IN.name and version in (None, BUILT_IN.version):
            return BUILT_IN
        async with self._store() as store:
            return await store.get(name, version)

    async def save(self, strategy: Strategy) -> Strategy:
        """Keep a strategy as the next version of its name. Raises ``StrategyError``."""
        async with self._store() as store:
            return await store.save(strategy, time.time_ns() // 1_000_000)

    async def create(self, sentence: str) -> StrategyDraft:
        """Return a draft for a sentence. Raises ``ChatError`` or ``StrategyError``."""
        model = await asyncio.to_thread(self._assistance.open_model)
        try:
            snapshot = self._snapshot()
            active = snapshot.active if snapshot and snapshot.active else BUILT_IN
            return await create_strategy(model, sentence, active, self._limits().allowed_pairs)
        finally:
            await model.aclose()

    async def try_out(
        self, strategy: Strategy, progress: Callable[[float], None], stop: asyncio.Event
    ) -> WhatIf:
        """Run a strategy over the stored candles. Raises ``WhatIfError``."""
        data, settings = self.data, self._assistance.settings
        if data is None or not data.is_dir():
            where = f"put candle files into {data}, or " if data is not None else ""
            raise WhatIfError(f"no stored candles to try it on: {where}run with --data DIR")
        snapshot = self._snapshot()
        balance = snapshot.balance if snapshot else 10_000.0
        return await what_if(
            strategy,
            data,
            limits=self._limits(),
            balance=Decimal(f"{max(balance, 10.0):.2f}"),
            timeframe=settings.default_timeframe if settings else "5m",
            progress=progress,
            stop=stop,
        )

    @property
    def data(self) -> Path | None:
        """Return where stored candles are looked for, None where there is no home."""
        home = self._assistance.home
        return self._assistance.data or (home.root / CANDLES if home else None)

    def _limits(self) -> RiskLimits:
        settings = self._assistance.settings
        return settings.limits() if settings else RiskLimits()

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[StrategyStore]:
        home, snapshot = self._assistance.home, self._snapshot()
        if home is None or snapshot is None:
            raise StrategyError("the engine has shown nothing yet; its records are not at hand")
        ledger = await Ledger.open(home.database, snapshot.account)
        try:
            yield StrategyStore(ledger)
        finally:
            await ledger.close()
