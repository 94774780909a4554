"""The backtest: recorded candles through the same trader that trades live, unpaced."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.assembly import assemble, paper_venue
from engine.clock import MarketClock
from engine.execution.journal import Journal
from engine.indicators.batch import RecordedPipeline
from engine.market.recorded import RecordedMarket
from engine.market.source import MarketSource
from engine.model.decision import Decision
from engine.model.events import Event, PositionClosed
from engine.model.market import Pair
from engine.model.orders import ApprovedOrder, ClosedTrade, ReduceOrder
from engine.risk.limits import RiskLimits
from engine.scanner import Pipeline
from engine.strategy import Strategy

PROGRESS_EVERY = 500  # steps


class NoRecorder:
    """Keeps nothing: a backtest can be run again."""

    async def intend(
        self, order: ApprovedOrder | ReduceOrder, time: int, *, shadow: bool = False
    ) -> None:
        """Let the order leave."""

    async def record(self, events: Sequence[Event]) -> None:
        """Keep nothing."""


class TradeJournal(Journal):
    """A journal that keeps closed trades and lets everything else go."""

    def __init__(self) -> None:
        super().__init__(NoRecorder(), lambda events: None)
        self.trades: list[ClosedTrade] = []
        self.shadow_trades: list[ClosedTrade] = []

    def emit(self, event: Event) -> None:
        """Keep a closed trade."""
        if isinstance(event, PositionClosed):
            (self.shadow_trades if event.trade.shadow else self.trades).append(event.trade)

    def extend(self, events: Iterable[Event]) -> None:
        """Let events go."""

    def decided(self, decisions: Sequence[Decision], now: int) -> None:
        """Let decisions go; the trader's fingerprint has counted them."""


@dataclass(slots=True)
class BacktestResult:
    """What a backtest found. Balances in quote currency, times ms UTC."""

    pairs: tuple[Pair, ...]
    candle_ms: int
    start: int
    end: int
    candles: int
    decisions: int
    proposals: int
    entries: int
    blocked: dict[str, int]
    trades: tuple[ClosedTrade, ...]
    shadow_trades: tuple[ClosedTrade, ...]
    starting_balance: Decimal
    final_balance: Decimal
    fingerprint: str
    elapsed_s: float
    interrupted: bool = False


async def run_backtest(
    market: MarketSource,
    *,
    strategy: Strategy,
    limits: RiskLimits,
    balance: Decimal,
    funding_rates: dict[Pair, Sequence[tuple[int, Decimal]]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BacktestResult:
    """Run the trader over a bounded market. ``progress`` gets (market time, end), now and then.

    ``KeyboardInterrupt`` ends the run early; the result says so.
    """
    clock = MarketClock()
    journal = TradeJournal()
    trader = assemble(
        pairs=market.pairs,
        candle_ms=market.candle_ms,
        strategy=strategy,
        limits=limits,
        venue=paper_venue(market.pairs, balance, funding_rates),
        balance=balance,
        journal=journal,
        clock=clock,
        pipelines=_pipelines(market),
    )
    trader.switches.started = True
    trader.scanner.seed(market.history())
    candles, first, interrupted = 0, 0, False
    started = time.perf_counter()
    try:
        for number, step in enumerate(market.steps()):
            clock.set(step.time)
            candles += len(step.closed)
            await trader.step(step)
            first = first or step.time
            if progress is not None and number % PROGRESS_EVERY == 0:
                progress(step.time, market.end or step.time)
    except KeyboardInterrupt:
        interrupted = True
    await trader.finish()
    counts = trader.fingerprint
    return BacktestResult(
        pairs=market.pairs,
        candle_ms=market.candle_ms,
        start=first - market.candle_ms,
        end=clock.now(),
        candles=candles,
        decisions=counts.decisions,
        proposals=counts.proposals,
        entries=counts.entries,
        blocked=dict(counts.blocked),
        trades=tuple(journal.trades),
        shadow_trades=tuple(journal.shadow_trades),
        starting_balance=balance,
        final_balance=trader.account.balance,
        fingerprint=counts.hexdigest(),
        elapsed_s=time.perf_counter() - started,
        interrupted=interrupted,
    )


def _pipelines(market: MarketSource) -> dict[Pair, Pipeline] | None:
    """Return batch pipelines for a market whose every candle is known beforehand."""
    if not isinstance(market, RecordedMarket):
        return None
    return {pair: RecordedPipeline(series) for pair, series in market.series.items()}
