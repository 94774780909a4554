"""Commands that ask: status, positions, trades, performance and what else the engine knows."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sigma_tui.cli import asking, context, output, protection, tables
from sigma_tui.cli.failures import DONE, NoEngineError

if TYPE_CHECKING:
    from sigma_tui.cli.parser import Commands, Handler

Render = Callable[[dict[str, Any]], list[str]]


def register(commands: Commands) -> None:
    """Add the commands of this group."""
    commands.add("status", "the engine's state in one glance", _query("status", tables.status))
    commands.add("positions", "open positions", _query("positions", tables.positions))
    trades = commands.add(
        "trades", "closed trades, oldest first", _query("trades", tables.trades, "limit", "shadow")
    )
    trades.add_argument("--limit", type=context.count, metavar="N", help="the newest N only")
    trades.add_argument("--shadow", action="store_true", help="those followed without money")
    performance = commands.add(
        "performance",
        "figures of the closed trades with their readings",
        _query("performance", tables.performance, "days"),
    )
    performance.add_argument("--days", type=context.count, metavar="N", help="the last N days only")
    commands.add("expectancy", "edge, Kelly and risk", _query("expectancy", tables.expectancy))
    signals = commands.add(
        "signals", "newest proposals", _query("signals", tables.signals, "limit")
    )
    signals.add_argument("--limit", type=context.count, metavar="N", default=50)
    commands.add("regimes", "every pair's regime", _query("regimes", tables.regimes))
    breaker = commands.add(
        "breaker", "the circuit breaker", _query("breaker", tables.breaker, "minutes")
    )
    breaker.add_argument(
        "--minutes", type=context.count, metavar="N", default=5, help="recent changes (5)"
    )
    commands.add("balance", "the account", _query("balance", tables.balance))
    commands.add("api", "pulse of the engine and its endpoints", _query("api", tables.api))
    notifications = commands.add(
        "notifications", "what you were notified of, newest first", notifications_command
    )
    notifications.add_argument("verb", nargs="?", choices=("read", "clear", "test"))
    notifications.add_argument("id", nargs="?", type=context.count, help="one of them; else all")


def _query(name: str, render: Render, *options: str) -> Handler:
    """Return the handler of a query: its answer as JSON, or rendered for people."""

    def handle(args: argparse.Namespace) -> int:
        chosen = {option: getattr(args, option) for option in options}
        show(args, asking.answer(args, name, **chosen), render)
        return DONE

    return handle


def show(args: argparse.Namespace, answer: dict[str, Any], render: Render) -> None:
    """Print an answer; what an engine no longer running knew is marked so."""
    if context.wants_json(args):
        output.json_object(answer)
        return
    if not answer["live"]:
        output.line(f"no engine is running; last known at {output.minute(answer['as_of'])} UTC")
    output.lines(render(answer))


def notifications_command(args: argparse.Namespace) -> int:
    """List the notifications, mark or clear them, or try the channels."""
    if args.verb is None:
        show(args, asking.answer(args, "notifications"), tables.notifications)
        return DONE
    if args.verb == "test":
        return protection.try_notifications(args)
    home = context.home_of(args)
    if not home.database.is_file():
        raise NoEngineError(f"{home.root}: no engine has run here yet")
    from engine.ledger.reader import LedgerReader

    with LedgerReader(home.database) as reader:
        account = reader.account
    asyncio.run(_mark(args, account))
    done = "cleared" if args.verb == "clear" else "read"
    if context.wants_json(args):
        output.json_object({"done": done, "id": args.id})
    else:
        output.line(f"notifications {done}" if args.id is None else f"{args.id} {done}")
    return DONE


async def _mark(args: argparse.Namespace, account: str) -> None:
    from engine.ledger.store import Ledger

    ledger = await Ledger.open(context.home_of(args).database, account)
    try:
        if args.verb == "clear":
            await ledger.clear_notifications()
        else:
            await ledger.mark_read(args.id)
    finally:
        await ledger.close()
