"""The backtest: recorded candles through the same trader that trades live, unpaced."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.assembly import assemble, paper_venue
from engine.clock import MarketClock
from engine.decision import Context
from engine.execution.journal import Journal
from engine.indicators.batch import RecordedPipeline
from engine.market.recorded import RecordedMarket
from engine.market.source import MarketSource
from engine.model.decision import Decision
from engine.model.events import Event, PositionClosed
from engine.model.market import Pair
from engine.model.orders import ApprovedOrder, ClosedTrade, ReduceOrder
from engine.model.signal import Action
from engine.risk.limits import RiskLimits
from engine.scanner import Pipeline
from engine.strategy import Strategy
from engine.trader import Decide

PROGRESS_EVERY = 500  # steps
EQUITY_EVERY_MS = 3_600_000


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

    def __init__(self, watch: Callable[[Sequence[Decision]], None] | None = None) -> None:
        super().__init__(NoRecorder(), lambda events: None)
        self.trades: list[ClosedTrade] = []
        self.shadow_trades: list[ClosedTrade] = []
        self.confidences: list[float] = []
        self._watch = watch

    def emit(self, event: Event) -> None:
        """Keep a closed trade."""
        if isinstance(event, PositionClosed):
            (self.shadow_trades if event.trade.shadow else self.trades).append(event.trade)

    def extend(self, events: Iterable[Event]) -> None:
        """Let events go."""

    def decided(
        self, decisions: Sequence[Decision], now: int, context: Context | None = None
    ) -> None:
        """Let decisions go but for how sure proposals were; the fingerprint has counted them."""
        for decision in decisions:
            if decision.proposal is not Action.WAIT:
                self.confidences.append(decision.confidence)
        if self._watch is not None:
            self._watch(decisions)


@dataclass(slots=True)
class BacktestResult:
    """What a backtest found. Balances in quote currency, times ms UTC.

    ``equity`` holds (time, equity with open positions) about every hour; ``confidences`` those of
    the proposals, in order.
    """

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
    equity: tuple[tuple[int, float], ...] = ()
    confidences: tuple[float, ...] = ()


async def run_backtest(
    market: MarketSource,
    *,
    strategy: Strategy,
    limits: RiskLimits,
    balance: Decimal,
    funding_rates: dict[Pair, Sequence[tuple[int, Decimal]]] | None = None,
    progress: Callable[[int, int], None] | None = None,
    decide: Decide | None = None,
    watch: Callable[[Sequence[Decision]], None] | None = None,
) -> BacktestResult:
    """Run the trader over a bounded market. ``progress`` gets (market time, end), now and then.

    ``decide`` stands in for the decision flow (a null model); ``watch`` sees every pass's
    decisions. ``KeyboardInterrupt`` ends the run early; the result says so.
    """
    clock = MarketClock()
    journal = TradeJournal(watch)
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
    if decide is not None:
        trader.decide = decide
    trader.switches.started = True
    trader.scanner.seed(market.history())
    candles, first, interrupted = 0, 0, False
    equity: list[tuple[int, float]] = []
    sampled = 0
    started = time.perf_counter()
    try:
        for number, step in enumerate(market.steps()):
            clock.set(step.time)
            candles += len(step.closed)
            await trader.step(step)
            first = first or step.time
            if step.time - sampled >= EQUITY_EVERY_MS and step.closed:
                sampled = step.time
                equity.append((sampled, float(trader.account.equity)))
            if progress is not None and number % PROGRESS_EVERY == 0:
                progress(step.time, market.end or step.time)
    except KeyboardInterrupt:
        interrupted = True
    await trader.finish()
    equity.append((clock.now(), float(trader.account.equity)))
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
        equity=tuple(equity),
        confidences=tuple(journal.confidences),
    )


def _pipelines(market: MarketSource) -> dict[Pair, Pipeline] | None:
    """Return batch pipelines for a market whose every candle is known beforehand."""
    if not isinstance(market, RecordedMarket):
        return None
    return {pair: RecordedPipeline(series) for pair, series in market.series.items()}
