"""Strategies: list, show, create from a sentence, import, export, apply, go back."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigma_tui.cli import asking, context, output
from sigma_tui.cli.failures import (
    DONE,
    CommandError,
    NoEngineError,
    RefusedError,
    UsageError,
)

if TYPE_CHECKING:
    from engine.home import Home
    from engine.ledger.rows import SavedStrategy
    from engine.ledger.store import Ledger
    from engine.strategies.create import StrategyDraft
    from engine.strategies.what_if import WhatIf
    from engine.strategy import Strategy
    from sigma_tui.cli.parser import Commands, Parser


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    commands.add("strategies", "list the strategies", list_command)
    group = commands.group("strategy", "list, show or change strategies")
    group.add("list", "list the strategies", list_command)
    _named(group.add("show", "show a strategy's parameters", show_command), "?")
    create = group.add("create", "draft a strategy from a sentence", create_command)
    create.add_argument("words", nargs="+", metavar="TEXT", help="what it is to do")
    create.add_argument("--data", type=Path, metavar="DIR", help="try it on these candles")
    create.add_argument("--dry-run", action="store_true", help="do not save it")
    apply = group.add("apply", "trade by another strategy", apply_command)
    _named(apply)
    _consent(apply)
    back = group.add("rollback", "trade by the strategy before again", rollback_command)
    _consent(back)
    export = group.add("export", "write a strategy to a file", export_command)
    _named(export)
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument("--force", action="store_true", help="over an existing file")
    bring = group.add("import", "read a strategy from a file and save it", import_command)
    bring.add_argument("file", type=Path, metavar="FILE")
    bring.add_argument("--dry-run", action="store_true", help="check it, do not save it")


def _named(parser: Parser, nargs: str | None = None) -> None:
    parser.add_argument("name", metavar="NAME", nargs=nargs)
    parser.add_argument("--version", type=context.count, metavar="N", help="default: the newest")


def _consent(parser: Parser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the records")
    parser.add_argument("--yes", action="store_true", help="do it; else it is only said")


# Looking


def list_command(args: argparse.Namespace) -> int:
    """List every version of every strategy, the active one marked."""
    from engine.strategies.store import listed

    rows, pointer, _ = _records(args)
    kept = listed(rows, pointer)
    if context.wants_json(args):
        from engine.trace import iso

        output.json_object(
            {
                "strategies": [
                    {
                        "name": item.name,
                        "version": item.version,
                        "active": item.active,
                        "description": item.description,
                        "created": iso(item.created) if item.created else None,
                        "problem": item.problem or None,
                    }
                    for item in kept
                ]
            }
        )
    else:
        for item in kept:
            mark = " (active)" if item.active else ""
            said = f"UNREADABLE: {item.problem}" if item.problem else item.description
            output.line(f"{item.name} v{item.version}{mark}: {said}")
    return DONE


def show_command(args: argparse.Namespace) -> int:
    """Show every parameter of a strategy, by default of the active one."""
    from engine.strategies.fields import flat
    from engine.strategies.store import active_of
    from engine.strategy import STRATEGY_SCHEMA

    rows, pointer, _ = _records(args)
    if args.name is None:
        shown, warning = active_of(rows, pointer)
        if warning:
            output.hint(warning)
    else:
        shown = _found(rows, args.name, args.version)
    if context.wants_json(args):
        output.json_object(STRATEGY_SCHEMA.dump_python(shown, mode="json"))
    else:
        for path, value in flat(shown).items():
            output.line(f"{path:<34}{value if value != [] else 'all allowed'}")
    return DONE


def _records(args: argparse.Namespace) -> tuple[Sequence[SavedStrategy], Any, str]:
    """Return saved versions, the pointer to the active one, and whose pointer that is."""
    from engine.ledger import queries
    from engine.ledger.reader import LedgerReader
    from engine.strategies.store import STATE_KEY

    database = context.home_of(args).database
    if not database.is_file():
        return (), None, _account(args, ())
    with LedgerReader(database) as reader:
        account = _account(args, reader.fetch(queries.accounts()))
        found = reader.fetch(queries.state(account, STATE_KEY))
        return reader.fetch(queries.strategies()), found[0] if found else None, account


def _account(args: argparse.Namespace, known: Sequence[str]) -> str:
    """Return the account that ran last, else the simulated one that ``sigma run`` begins with.

    Replays do not count: each has an account of its own.
    """
    ran = next((name for name in known if not name.startswith("replay-")), "")
    return ran or ("sim-1" if context.settings_of(args).exchange == "sim" else "")


def _found(rows: Sequence[SavedStrategy], name: str, version: int | None) -> Strategy:
    from engine.strategies.store import found
    from engine.strategies.validation import StrategyError

    try:
        return found(rows, name, version)
    except StrategyError as error:
        raise UsageError(str(error)) from None


# Making


def create_command(args: argparse.Namespace) -> int:
    """Have the assistant write a strategy, show what differs, try it if asked, and save it."""
    from engine.assistant.errors import ChatError
    from engine.strategies.store import active_of
    from engine.strategies.validation import StrategyError
    from engine.strategies.what_if import WhatIfError

    rows, pointer, _ = _records(args)
    active, _ = active_of(rows, pointer)
    try:
        draft = asyncio.run(_drafted(args, " ".join(args.words), active))
        trial = asyncio.run(_tried(args, draft.strategy)) if args.data is not None else None
    except ChatError as error:
        raise CommandError(error.sentence) from None
    except StrategyError as error:
        raise CommandError(f"the assistant wrote no valid strategy: {error}") from None
    except WhatIfError as error:
        raise UsageError(f"--data {args.data}: {error}") from None
    saved = None if args.dry_run else _save(args, draft.strategy)
    _tell(args, draft, active, trial, saved)
    return DONE


async def _drafted(args: argparse.Namespace, sentence: str, active: Strategy) -> StrategyDraft:
    from engine.assistant.factory import open_model
    from engine.strategies.create import create_strategy

    settings = context.settings_of(args)
    key = settings.gemini_api_key.get_secret_value()
    model = open_model(key, settings.gemini_model, settings.gemini_url)
    try:
        return await create_strategy(model, sentence, active, settings.pairs)
    finally:
        await model.aclose()


async def _tried(args: argparse.Namespace, strategy: Strategy) -> WhatIf:
    from engine.strategies.what_if import what_if

    settings = context.settings_of(args)

    def progress(share: float) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\rtrying it: {share:4.0%}" + ("\n" if share >= 1 else ""))

    return await what_if(
        strategy,
        args.data,
        limits=settings.limits(),
        balance=Decimal(repr(settings.paper_balance)),
        timeframe=settings.default_timeframe,
        progress=progress,
    )


def _tell(
    args: argparse.Namespace,
    draft: StrategyDraft,
    active: Strategy,
    trial: WhatIf | None,
    saved: Strategy | None,
) -> None:
    from dataclasses import asdict

    from engine.strategies.diff import sentences
    from engine.strategy import STRATEGY_SCHEMA

    shown = saved or draft.strategy
    if context.wants_json(args):
        output.json_object(
            {
                "strategy": STRATEGY_SCHEMA.dump_python(shown, mode="json"),
                "differences": [asdict(item) for item in draft.differences],
                "trial": asdict(trial) if trial else None,
                "saved": saved is not None,
            }
        )
        return
    output.line(f"{shown.name}: {shown.description}")
    output.line(f"Against {active.name} v{active.version}, which is active:")
    output.lines(f"  {line}" for line in sentences(active, draft.strategy))
    if trial is not None:
        output.lines(trial_lines(trial))
    if saved is not None:
        output.line(
            f"Saved as {saved.name} v{saved.version}; `sigma strategy apply {saved.name}` trades "
            "by it."
        )


def trial_lines(trial: WhatIf) -> list[str]:
    """Return what a trial found, for people."""
    cut = ", stopped before the end" if trial.interrupted else ""
    return [
        f"Tried on {trial.candles:,} candles{cut}: {trial.trades} trades, net "
        f"{trial.net_pnl:+,.2f}, win rate {output.percent(trial.win_rate)}, profit factor "
        f"{output.number(trial.profit_factor)}, drawdown {output.percent(trial.max_drawdown)}.",
        "What it earned there says little about what it will earn.",
    ]


def import_command(args: argparse.Namespace) -> int:
    """Read, check and save a strategy file."""
    from engine.strategies.exchange import import_strategy
    from engine.strategies.validation import StrategyError

    try:
        strategy = import_strategy(args.file, context.settings_of(args).pairs)
    except StrategyError as error:
        raise UsageError(str(error)) from None
    saved = strategy if args.dry_run else _save(args, strategy)
    if context.wants_json(args):
        output.json_object(
            {"name": saved.name, "version": saved.version, "saved": not args.dry_run}
        )
    elif args.dry_run:
        output.line(f"{args.file}: {saved.name} is valid")
    else:
        output.line(f"saved as {saved.name} v{saved.version}; apply it to trade by it")
    return DONE


def export_command(args: argparse.Namespace) -> int:
    """Write a strategy to a file."""
    from engine.strategies.exchange import export_strategy
    from engine.strategies.validation import StrategyError

    strategy = _found(_records(args)[0], args.name, args.version)
    try:
        export_strategy(strategy, args.file, replace=args.force)
    except StrategyError as error:
        hint = "; --force replaces it" if args.file.exists() and not args.force else ""
        raise UsageError(f"{error}{hint}") from None
    if context.wants_json(args):
        output.json_object({"file": str(args.file), "name": strategy.name})
    else:
        output.line(f"{strategy.name} v{strategy.version} written to {args.file}")
    return DONE


def _save(args: argparse.Namespace, strategy: Strategy) -> Strategy:
    from engine.strategies.store import StrategyStore
    from engine.strategies.validation import StrategyError

    async def save() -> Strategy:
        async with _opened(context.home_of(args), _records(args)[2]) as ledger:
            return await StrategyStore(ledger).save(strategy, time.time_ns() // 1_000_000)

    try:
        return asyncio.run(save())
    except StrategyError as error:
        raise UsageError(str(error)) from None


# Applying


def apply_command(args: argparse.Namespace) -> int:
    """Trade by another strategy: at once where an engine runs, else from its next start on."""
    strategy = _found(_records(args)[0], args.name, args.version)
    return _apply(args, strategy)


def rollback_command(args: argparse.Namespace) -> int:
    """Go back to the strategy that was active before."""
    rows, pointer, _ = _records(args)
    before = pointer.get("before") if isinstance(pointer, dict) else None
    if not before:
        raise UsageError("no earlier strategy to go back to")
    return _apply(args, _found(rows, str(before[-1][0]), int(before[-1][1])))


def _apply(args: argparse.Namespace, strategy: Strategy) -> int:
    from engine.model.commands import ApplyStrategy, Source

    titled = f"{strategy.name} v{strategy.version}"
    command = ApplyStrategy(
        source=Source.CLI,
        reason=args.reason.strip(),
        name=strategy.name,
        version=strategy.version,
    )
    try:
        with asking.connected(context.home_of(args)) as client:
            if not args.yes:
                seen = client.ask("status")
                held = seen["open_positions"]
                kept = f"; {held} open keep the strategy that opened them" if held else ""
                raise UsageError(
                    f"apply: this would decide by {titled} instead of {seen['strategy']} on "
                    f"{seen['exchange']} {seen['mode']}{kept}; add --yes to do it"
                )
            result = client.do(command)
    except NoEngineError:
        return _activate(args, strategy)
    if context.wants_json(args):
        output.json_object(
            {"command": "apply", "outcome": str(result.outcome), "detail": result.detail}
        )
    elif result.outcome == "done":
        output.line(result.detail)
    if result.outcome == "refused":
        raise RefusedError(f"apply refused: {result.detail}")
    if result.outcome == "failed":
        raise CommandError(f"apply failed: {result.detail}")
    return DONE


def _activate(args: argparse.Namespace, strategy: Strategy) -> int:
    """Have the next run take a strategy."""
    from engine.strategies.store import StrategyStore

    account = _records(args)[2]
    if not account:
        raise NoEngineError("no engine has run here yet; start one, then apply")
    titled = f"{strategy.name} v{strategy.version}"
    if not args.yes:
        raise UsageError(
            f"apply: this would have account {account} decide by {titled} from its next start on; "
            "add --yes to do it"
        )

    async def activate() -> None:
        async with _opened(context.home_of(args), account) as ledger:
            await StrategyStore(ledger).activate(strategy.name, strategy.version)

    asyncio.run(activate())
    detail = f"{titled} decides for account {account} from its next start on; no engine is running"
    if context.wants_json(args):
        output.json_object({"command": "apply", "outcome": "done", "detail": detail})
    else:
        output.line(detail)
    return DONE


@asynccontextmanager
async def _opened(home: Home, account: str) -> AsyncIterator[Ledger]:
    """Open the records of a home for as long as the block lasts."""
    from engine.ledger.store import Ledger

    home.prepare()
    ledger = await Ledger.open(home.database, account)
    try:
        yield ledger
    finally:
        await ledger.close()
