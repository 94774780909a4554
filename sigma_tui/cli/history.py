"""Commands over recorded candles: ``backtest`` and ``explain``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, INTERRUPTED, UsageError

if TYPE_CHECKING:
    from engine.market.recorded import RecordedMarket
    from engine.market.series import CandleSet
    from engine.model.decision import Decision
    from engine.model.market import Pair
    from engine.settings import Settings
    from sigma_tui.cli.parser import Commands

BAR_WIDTH = 32
REDRAW_S = 0.2


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    backtest = commands.add(
        "backtest", "run the decision code over recorded candles", run_backtest_command
    )
    _data_options(backtest)
    backtest.add_argument("--pairs", type=context.pairs, metavar="BTC,ETH", help="default: all")
    backtest.add_argument(
        "--from", dest="since", type=context.instant, metavar="ISO", help="first candle's open"
    )
    backtest.add_argument(
        "--to", dest="until", type=context.instant, metavar="ISO", help="candles open before this"
    )
    backtest.add_argument(
        "--balance", type=context.positive, metavar="USDT", help="starting balance (10000)"
    )
    backtest.add_argument("--strategy", default="default", metavar="NAME")
    backtest.add_argument("--out", type=Path, metavar="DIR", help="write the report's files here")

    explain = commands.add("explain", "show one decision with its whole trace", explain_command)
    explain.add_argument("pair", type=context.pair, metavar="PAIR", help="BTC or BTC/USDT")
    _data_options(explain)
    explain.add_argument(
        "--at", type=context.instant, metavar="ISO", help="the last candle closed by then"
    )


def _data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="directory of candle files"
    )
    parser.add_argument("--timeframe", choices=context.TIMEFRAMES, help="default: 5m")


def run_backtest_command(args: argparse.Namespace) -> int:
    """Run a backtest and report it."""
    settings = context.settings_of(args, default_timeframe=args.timeframe)
    context.require_allowed(args.pairs, settings)
    require_strategy(args.strategy)
    from engine.backtest import report

    if args.out is not None:
        try:
            report.prepare_directory(args.out)
        except report.ReportError as error:
            raise UsageError(f"--out {error}") from None
    from engine.backtest.runner import run_backtest
    from engine.market.files import load_directory
    from engine.market.funding import load_funding
    from engine.market.recorded import RecordedMarket
    from engine.strategy import Strategy

    candles = load_directory(
        args.data,
        args.pairs,
        settings.default_timeframe,
        args.since,
        args.until,
        allowed=settings.pairs,
    )
    rates = load_funding(args.data, candles.pairs)
    source = funding_source(candles.pairs, rates)
    balance = Decimal(repr(args.balance or settings.paper_balance))
    with _interruptible(_progress_bar(candles, args)) as progress:
        result = asyncio.run(
            run_backtest(
                RecordedMarket(candles),
                strategy=Strategy(),
                limits=settings.limits(),
                balance=balance,
                funding_rates=dict(rates),
                progress=progress,
            )
        )
    result = replace(result, start=candles.start)  # a first finer bar closes before its candle
    if context.wants_json(args):
        output.json_object(report.as_json(result, source))
    else:
        output.lines(report.as_text(result, source))
    if result.interrupted:
        return INTERRUPTED
    if args.out is not None:
        paths = report.write_files(args.out, result, source)
        output.hint(f"written: {', '.join(str(path) for path in paths)}")
    return DONE


def require_strategy(name: str) -> None:
    """Refuse a strategy this version does not have. Raises ``UsageError``."""
    if name != "default":
        raise UsageError(f"--strategy {name}: no such strategy; there is: default")


def funding_source(pairs: Sequence[Pair], rates: Mapping[Pair, object]) -> str:
    """Return where the funding rates of a run come from, in words."""
    from engine.venues.fills import CostModel

    rate = f"{CostModel().funding_rate:.2%} per 8 h, longs pay"
    missing = [pair.base for pair in pairs if pair not in rates]
    if not rates:
        return f"cost model ({rate}); no recorded rates beside the candles"
    if not missing:
        return "recorded rates"
    return f"recorded rates; cost model ({rate}) for {', '.join(missing)}"


def _progress_bar(
    candles: CandleSet, args: argparse.Namespace
) -> Callable[[int, int], None] | None:
    """Return what draws the bar, None where nobody would see it."""
    if context.wants_json(args) or not sys.stderr.isatty():
        return None
    start, drawn = candles.start, 0.0

    def draw(now: int, end: int) -> None:
        nonlocal drawn
        if time.monotonic() - drawn < REDRAW_S:
            return
        drawn = time.monotonic()
        share = (now - start) / (end - start) if end > start else 1.0
        full = round(share * BAR_WIDTH)
        bar = "#" * full + "." * (BAR_WIDTH - full)
        sys.stderr.write(f"\r[{bar}] {share:4.0%}")
        sys.stderr.flush()

    return draw


@contextmanager
def _interruptible(
    draw: Callable[[int, int], None] | None,
) -> Iterator[Callable[[int, int], None]]:
    """Let Ctrl-C end a run between two steps, where the account is whole; the second is at once."""
    asked = False

    def ask(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def progress(now: int, end: int) -> None:
        if asked:
            raise KeyboardInterrupt
        if draw is not None:
            draw(now, end)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield progress
    finally:
        signal.signal(signal.SIGINT, before)
        if draw is not None:
            sys.stderr.write("\r" + " " * (BAR_WIDTH + 8) + "\r")
            sys.stderr.flush()


# Explain


def explain_command(args: argparse.Namespace) -> int:
    """Show the decision at one candle of a pair."""
    settings = context.settings_of(args, default_timeframe=args.timeframe)
    context.require_allowed((args.pair,), settings)
    from engine.market.files import load_directory
    from engine.market.recorded import RecordedMarket
    from engine.trace import decision_record

    candles = load_directory(args.data, (args.pair,), settings.default_timeframe)
    at = _moment(args, candles)
    with _interruptible(_progress_bar(candles, args)) as progress:
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
    progress: Callable[[int, int], None],
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
    decision: Decision | None = None
    for step in market.steps():
        if step.time > at:
            break
        clock.set(step.time)
        progress(step.time, at)
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
