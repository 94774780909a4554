"""Whole engines on a small synthetic market that begins at a fixed instant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.engine import Engine
from engine.market.source import MarketSource
from engine.market.synthetic import SyntheticMarket
from engine.markets import LocalStage, Stage
from engine.model.events import (
    BreakerChanged,
    DecisionMade,
    Event,
    PositionChanged,
    PositionClosed,
)
from engine.model.snapshot import Snapshot
from engine.options import RunOptions
from engine.settings import Settings

BEGIN = 1_764_000_000_000
HOUR = 3_600_000
UNPACED = 1e9


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {"allowed_symbols": "BTC,ETH,SOL", "warmup_candles": 500}
    return Settings(_env_file=None, **{**values, **changes})


class SmallStage(LocalStage):
    """A market that begins at ``BEGIN``, with a short history and coarse bars."""

    bar_ms = 5_000

    def _synthetic_market(self, left_at: int) -> MarketSource:
        return SyntheticMarket(
            self._options.pairs or self._settings.pairs,
            self._options.seed,
            left_at or BEGIN,
            self._settings.candle_ms,
            self.bar_ms,
            history_candles=700,
        )


class SmallEngine(Engine):
    """An engine on a small stage."""

    stage: SmallStage

    def _stage(self, settings: Settings, options: RunOptions) -> Stage:
        return SmallStage(settings, options)


class Run:
    """One run of an engine and everything it told."""

    def __init__(
        self,
        home: Path,
        *,
        until: int | None = None,
        engine: type[Engine] = SmallEngine,
        settings: Settings | None = None,
        hear: Callable[[Sequence[Event]], None] = lambda events: None,
        **options: Any,
    ) -> None:
        self.events: list[Event] = []
        self.snapshots: list[Snapshot] = []
        self.until = until
        self._hear = hear
        values: dict[str, Any] = {"speed": UNPACED, "seed": 3, "start": True, "duration_s": 60}
        self.engine = engine(
            settings or globals()["settings"](),
            RunOptions(home=home, **{**values, **options}),
            publish=self.snapshots.append,
            tell=self._told,
        )

    def _told(self, events: Sequence[Event]) -> None:
        self.events.extend(events)
        self._hear(events)
        if self.until is not None and self.engine.clock.now() >= self.until:
            self.engine.end("far enough")

    def go(self) -> dict[str, Any]:
        """Run to the end and return the summary."""
        return asyncio.run(self.engine.run())

    def of(self, kind: type[Event]) -> list[Any]:
        """Return what was told of a kind."""
        return [event for event in self.events if type(event) is kind]

    def story(self) -> list[tuple[Any, ...]]:
        """Return what traders would compare: decisions, positions, trades, levels."""
        lines: list[tuple[Any, ...]] = []
        for event in self.events:
            if isinstance(event, DecisionMade):
                d = event.decision
                size = str(d.quantity.normalize())
                lines.append(("decision", d.time, d.pair, d.action, d.proposal, size, d.blocked_by))
            elif isinstance(event, PositionClosed):
                # Streams seeded later agree to many digits, not to all.
                confidence = round(event.trade.confidence, 9)
                lines.append(("trade", replace(event.trade, confidence=confidence)))
            elif isinstance(event, PositionChanged):
                p = event.position
                lines.append(("position", p.id, p.stop_price, p.best_price, p.funding, p.fees))
            elif isinstance(event, BreakerChanged):
                lines.append(("breaker", event.time, event.before, event.after))
        return lines
