"""Commands over recorded candles: ``backtest`` and ``explain``."""

from __future__ import annotations

import argparse
import asyncio
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_tui.cli import backtest, context, output
from sigma_tui.cli.failures import DONE, UsageError
from sigma_tui.cli.progress import Progress, interruptible, progress_bar

if TYPE_CHECKING:
    from engine.market.recorded import RecordedMarket
    from engine.market.series import CandleSet
    from engine.model.decision import Decision
    from engine.settings import Settings
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    backtest.register(commands)
    explain = commands.add("explain", "show one decision with its whole trace", explain_command)
    explain.add_argument("pair", type=context.pair, metavar="PAIR", help="BTC or BTC/USDT")
    backtest.add_data_options(explain)
    explain.add_argument(
        "--at", type=context.instant, metavar="ISO", help="the last candle closed by then"
    )


def explain_command(args: argparse.Namespace) -> int:
    """Show the decision at one candle of a pair."""
    settings = context.settings_of(args, default_timeframe=args.timeframe)
    context.require_allowed((args.pair,), settings)
    from engine.market.files import load_directory
    from engine.market.recorded import RecordedMarket
    from engine.trace import decision_record

    candles = load_directory(args.data, (args.pair,), settings.default_timeframe)
    at = _moment(args, candles)
    with interruptible(progress_bar(args)) as progress:
        decision = asyncio.run(_decide(RecordedMarket(candles), args.data, settings, at, progress))
    if context.wants_json(args):
        output.json_object(decision_record(decision))
    else:
        output.lines(explanation(decision))
    return DONE


def _moment(args: argparse.Namespace, candles: CandleSet) -> int:
    """Return the instant asked for. Raises ``UsageError`` where the data do not reach it."""
    from engine.trace import iso

    first, last = candles.start + candles.timeframe_ms, candles.end
    at: int = last if args.at is None else args.at
    if not first <= at < last + candles.timeframe_ms:
        raise UsageError(
            f"--at {iso(at)}: {args.pair.base} candles in {args.data} close from {iso(first)} to "
            f"{iso(last)}"
        )
    return at


async def _decide(
    market: RecordedMarket,
    data: Path,
    settings: Settings,
    at: int,
    progress: Progress,
) -> Decision:
    """Trade the pair alone from its first candle; return the last decision at or before ``at``."""
    from engine.assembly import assemble, paper_venue
    from engine.backtest.runner import TradeJournal
    from engine.clock import MarketClock
    from engine.indicators.batch import RecordedPipeline
    from engine.market.funding import load_funding
    from engine.strategy import Strategy

    balance = Decimal(repr(settings.paper_balance))
    rates = load_funding(data, market.pairs)
    clock = MarketClock()
    trader = assemble(
        pairs=market.pairs,
        candle_ms=market.candle_ms,
        strategy=Strategy(),
        limits=settings.limits(),
        venue=paper_venue(market.pairs, balance, dict(rates)),
        balance=balance,
        journal=TradeJournal(),
        clock=clock,
        pipelines={pair: RecordedPipeline(series) for pair, series in market.series.items()},
    )
    trader.switches.started = True
    begun = min(series.start for series in market.series.values())
    decision: Decision | None = None
    for step in market.steps():
        if step.time > at:
            break
        clock.set(step.time)
        progress((step.time - begun) / max(1, at - begun))
        for made in await trader.step(step):
            decision = made
    assert decision is not None  # the first candle closes at or before ``at``
    return decision


def explanation(decision: Decision) -> list[str]:
    """Return a decision for a person: the outcome, then every gate with its verdict."""
    from engine.trace import gates, iso, verdict_sentence

    sentence = verdict_sentence(decision)
    shown = [
        f"{decision.pair.base} at {iso(decision.time)[:19].replace('T', ' ')} UTC",
        sentence,
        f"proposal {decision.proposal}, confidence {decision.confidence:.2f}, "
        f"regime {decision.regime.regime} ({decision.regime.confidence:.2f}, "
        f"risk x {decision.regime.risk_multiplier:.2f})",
        "",
    ]
    for gate in gates(decision):
        shown.append(f"{gate.verdict.value:<7}{gate.name:<13}{gate.detail}")
        if gate.name == "v2" and decision.v2 is not None:
            for word, votes in (
                ("for", decision.v2.supporting),
                ("against", decision.v2.conflicting),
            ):
                shown += [f"{'':<20}{word}: {vote.sentence}" for vote in votes]
        if gate.name == "portfolio" and decision.portfolio is not None:
            shown += [
                f"{'':<20}{limit.name}: {limit.used:.1%} -> {limit.after:.1%} of {limit.limit:.1%}"
                for limit in decision.portfolio.checks
            ]
        if gate.name == "safety" and decision.safety is not None:
            shown += [f"{'':<20}{text}" for text in decision.safety.sentences]
    return shown
