"""The ``backtest`` command: one run, or a study around it, or a probe of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_tui.cli import context, output
from sigma_tui.cli.failures import DONE, FAILED, INTERRUPTED, UsageError
from sigma_tui.cli.progress import Progress, interruptible, progress_bar

if TYPE_CHECKING:
    from engine.backtest.null_model import NullFindings
    from engine.backtest.runner import BacktestResult
    from engine.backtest.runs import Ground, Run
    from engine.backtest.study import Study
    from engine.ledger.rows import SavedStrategy
    from engine.model.market import Pair
    from engine.settings import Settings
    from engine.strategy import Strategy
    from sigma_tui.cli.parser import Commands

_ALONE = ("folds", "compare", "null", "out")


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add(
        "backtest", "run the decision code over recorded candles", run_backtest_command
    )
    add_data_options(parser)
    parser.add_argument("--pairs", type=context.pairs, metavar="BTC,ETH", help="default: all")
    parser.add_argument(
        "--from", dest="since", type=context.instant, metavar="ISO", help="first candle's open"
    )
    parser.add_argument(
        "--to", dest="until", type=context.instant, metavar="ISO", help="candles open before this"
    )
    parser.add_argument(
        "--balance", type=context.positive, metavar="USDT", help="starting balance (10000)"
    )
    parser.add_argument(
        "--strategy", default="default", metavar="NAME", help="a saved name, NAME@VERSION or FILE"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the report's files here")
    parser.add_argument(
        "--folds", type=context.count, metavar="N", help="also run N contiguous folds, each anew"
    )
    parser.add_argument("--compare", metavar="NAME", help="also run another strategy beside it")
    parser.add_argument(
        "--null", type=context.count, metavar="N", help="also run N seeds of random entries"
    )
    parser.add_argument(
        "--jobs",
        type=context.count,
        default=min(2, os.cpu_count() or 1),
        metavar="N",
        help="processes for independent runs (2)",
    )
    probe = parser.add_mutually_exclusive_group()
    probe.add_argument(
        "--check-lookahead", action="store_true", help="see that no decision looks ahead"
    )
    probe.add_argument(
        "--check-warmup", action="store_true", help="see what depends on where history begins"
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which candles."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="directory of candle files"
    )
    parser.add_argument("--timeframe", choices=context.TIMEFRAMES, help="default: 5m")


def run_backtest_command(args: argparse.Namespace) -> int:
    """Run a backtest, a study or a probe, and report it."""
    settings = context.settings_of(args, default_timeframe=args.timeframe)
    context.require_allowed(args.pairs, settings)
    strategy = strategy_of(args, args.strategy)
    other = None if args.compare is None else strategy_of(args, args.compare)
    if args.check_lookahead or args.check_warmup:
        return _probe(args, settings, strategy)
    from engine.backtest import files

    if args.out is not None:
        try:
            files.prepare_directory(args.out)
        except files.ReportError as error:
            raise UsageError(f"--out {error}") from None
    ground = ground_of(args, settings)
    with interruptible(progress_bar(args)) as progress:
        study = _study(args, ground, strategy, other, progress)
    _show(args, study)
    if args.out is not None:
        paths = files.write_files(args.out, study)
        output.hint(f"written: {', '.join(str(path) for path in paths)}")
    return INTERRUPTED if study.interrupted else DONE


def ground_of(args: argparse.Namespace, settings: Settings) -> Ground:
    """Return candles, limits, balance and funding rates of a run."""
    from engine.backtest.runs import Ground
    from engine.market.files import load_directory
    from engine.market.funding import load_funding

    candles = load_directory(
        args.data,
        args.pairs,
        settings.default_timeframe,
        args.since,
        args.until,
        allowed=settings.pairs,
    )
    balance = Decimal(repr(args.balance or settings.paper_balance))
    rates = load_funding(args.data, candles.pairs)
    return Ground(candles, settings.limits(), balance, rates)


def strategy_of(args: argparse.Namespace, name: str) -> Strategy:
    """Return the built-in strategy, a saved one (NAME or NAME@VERSION) or that of a JSON file.

    Raises ``UsageError``.
    """
    from engine.strategies.store import BUILT_IN, found
    from engine.strategies.validation import StrategyError, parse_strategy

    if name == BUILT_IN.name:
        return BUILT_IN
    try:
        if name.endswith(".json"):
            return parse_strategy(Path(name).read_bytes())
        word, _, version = name.partition("@")
        if version and not version.isdigit():
            raise UsageError(f"{name}: after @ comes a version number")
        return found(_saved(args), word, int(version) if version else None)
    except OSError as error:
        raise UsageError(f"{name}: cannot be read ({error.strerror})") from None
    except StrategyError as error:
        raise UsageError(f"{name}: {error}") from None


def _saved(args: argparse.Namespace) -> Sequence[SavedStrategy]:
    from engine.ledger import queries
    from engine.ledger.reader import LedgerReader

    database = context.home_of(args).database
    if not database.is_file():
        return ()
    with LedgerReader(database) as reader:
        return reader.fetch(queries.strategies())


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


# The study


@dataclass
class _Parts:
    """Several pieces of work under one progress bar; what an interrupt left is noted."""

    progress: Progress
    work: float
    done: float = 0.0
    unfinished: list[str] = field(default_factory=list)

    def of(self, amount: float) -> Progress:
        """Return the progress of the next piece of work."""
        begun, self.done = self.done, self.done + amount
        return lambda share: self.progress((begun + share * amount) / self.work)


def _study(
    args: argparse.Namespace,
    ground: Ground,
    strategy: Strategy,
    other: Strategy | None,
    progress: Progress,
) -> Study:
    from engine.backtest.compare import compare
    from engine.backtest.folds import walk_of
    from engine.backtest.runs import Run, run_all
    from engine.backtest.study import Study

    folds = _folds(args, ground, strategy)
    runs = [Run(strategy), *([Run(other)] if other is not None else []), *folds]
    parts = _Parts(progress, len(runs) + ((args.null + 2) if args.null else 0))
    results = run_all(ground, runs, parts.of(len(runs)), args.jobs)
    base = results[0]
    if base is None:
        raise KeyboardInterrupt
    beside = results[1] if other is not None else None
    comparison = None
    if other is not None:
        if beside is None or beside.interrupted or base.interrupted:
            parts.unfinished.append(f"the comparison with {title_of(other)}")
        else:
            comparison = compare(title_of(strategy), base, title_of(other), beside)
    walk = walk_of(results[-len(folds) :]) if folds else None
    if walk is not None and not walk.complete:
        parts.unfinished.append(f"{walk.planned - len(walk.folds)} of {walk.planned} folds")
    null = None
    if args.null:
        null = _null(args, ground, Run(strategy), base, parts)
    return Study(
        base,
        title_of(strategy),
        funding_source(ground.candles.pairs, ground.rates),
        walk,
        comparison,
        null,
        ground.candles.notes,
        tuple(parts.unfinished),
    )


def _folds(args: argparse.Namespace, ground: Ground, strategy: Strategy) -> list[Run]:
    from engine.backtest.folds import FoldsError, plan_folds

    if args.folds is None:
        return []
    try:
        return plan_folds(ground.candles, args.folds, ground.limits.warmup_candles, strategy)
    except FoldsError as error:
        raise UsageError(f"--folds: {error}") from None


def _null(
    args: argparse.Namespace, ground: Ground, run: Run, base: BacktestResult, parts: _Parts
) -> NullFindings | None:
    """Run the null model as often as the strategy trades; None where that cannot be."""
    from dataclasses import replace

    from engine.backtest import null_model
    from engine.backtest.runs import run_all, run_one

    missing = f"the null model of {args.null} seeds"
    if base.interrupted:
        parts.unfinished.append(missing)
        return None
    if not null_model.trades_of(base):
        output.hint("--null: the strategy made no trade, so there is nothing to stand beside")
        return None
    model = null_model.first_null(base)
    for _ in range(2):
        pilot = run_one(ground, replace(run, null=model), parts.of(1))
        if pilot.interrupted:
            parts.unfinished.append(missing)
            return None
        model = null_model.calibrated(model, base, pilot)
    seeds = [replace(run, null=replace(model, seed=seed)) for seed in range(1, args.null + 1)]
    found = run_all(ground, seeds, parts.of(len(seeds)), args.jobs)
    whole = [result for result in found if result is not None and not result.interrupted]
    if len(whole) < len(found):
        parts.unfinished.append(f"{len(found) - len(whole)} of {len(found)} null seeds")
    return null_model.judge(base, whole) if whole else None


def title_of(strategy: Strategy) -> str:
    """Return a strategy's name with its version."""
    return f"{strategy.name} v{strategy.version}"


def _show(args: argparse.Namespace, study: Study) -> None:
    from engine.backtest import report, svg, text

    if context.wants_json(args):
        output.json_object(report.study_json(study))
        return
    output.lines(text.as_text(study))
    if sys.stdout.isatty():
        from sigma_tui.cli.plots import equity_plots

        equity = [(study.result.start, float(study.result.starting_balance)), *study.result.equity]
        output.lines(equity_plots(equity, svg.falls(equity)))


# Probes


def _probe(args: argparse.Namespace, settings: Settings, strategy: Strategy) -> int:
    """Run the bias probe or the warm-up probe; 1 when it finds something."""
    from engine.backtest import report, text
    from engine.backtest.lookahead import check_lookahead
    from engine.backtest.warmup import TooShort, check_warmup

    given = [f"--{name}" for name in _ALONE if getattr(args, name) is not None]
    if given:
        raise UsageError(f"a probe runs alone, without {', '.join(given)}")
    ground = ground_of(args, settings)
    with interruptible(progress_bar(args)) as progress:
        if args.check_lookahead:
            ahead = check_lookahead(ground, strategy, progress)
            shown, lines = report.lookahead_json(ahead), text.lookahead_text(ahead)
        else:
            try:
                late = check_warmup(ground, strategy, progress)
            except TooShort as error:
                raise UsageError(f"--check-warmup: {error}") from None
            shown, lines = report.warmup_json(late), text.warmup_text(late)
    if context.wants_json(args):
        output.json_object(shown)
    else:
        output.lines(lines)
    if shown["interrupted"]:
        return INTERRUPTED
    return DONE if shown["ok"] else FAILED
