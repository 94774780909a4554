"""The command ``run``: the cockpit, or the same engine without a terminal."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sigma_tui.cli import context
from sigma_tui.cli.failures import CommandError, UsageError

if TYPE_CHECKING:
    from engine.home import Home
    from engine.options import RunOptions
    from engine.settings import Settings
    from sigma_tui.cli.parser import Commands, Parser


def register(commands: Commands) -> None:
    """Add the command."""
    run = commands.add("run", "open the cockpit (the default) or run headless", run_command)
    run.add_argument("--exchange", choices=("sim", "binance", "weex"), help="default: sim")
    run.add_argument("--mode", choices=("paper", "testnet", "live"), help="default: paper")
    run.add_argument("--data", type=Path, metavar="DIR", help="replay recorded candles")
    run.add_argument("--pairs", type=context.pairs, metavar="BTC,ETH", help="default: all allowed")
    run.add_argument("--timeframe", choices=context.TIMEFRAMES, help="default: 5m")
    run.add_argument(
        "--speed", type=context.positive, default=1.0, metavar="N", help="time, N x real"
    )
    run.add_argument("--seed", type=int, default=1, metavar="N", help="of the simulated market")
    run.add_argument("--start", action="store_true", help="begin trading at once")
    run.add_argument("--headless", action="store_true", help="no terminal; prints events")
    run.add_argument(
        "--duration", type=context.positive, metavar="SECONDS", help="stop by itself, exit 0"
    )
    run.add_argument("--confirm-live", metavar="NAME", help="the exchange's name, to trade live")
    register_look(run)
    run.add_argument(
        "--on-hangup",
        choices=("stop", "keep"),
        default="stop",
        help="when the terminal goes away: end in order, or go on without it",
    )


def register_look(parser: Parser) -> None:
    """Add the options of whatever shows a cockpit."""
    parser.add_argument("--theme", metavar="NAME", help="colours of the cockpit")
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")


def run_command(args: argparse.Namespace) -> int:
    """See that a run can begin, then hand over to the cockpit or to the headless run."""
    settings = context.settings_of(
        args,
        exchange=args.exchange,
        trading_mode=args.mode,
        default_timeframe=args.timeframe,
    )
    context.require_allowed(args.pairs, settings)
    _require_possible(args, settings)
    if not args.headless and not has_terminal():
        raise UsageError("run: the cockpit needs a terminal; without one use --headless")
    home = context.home_of(args)
    home.prepare()
    _require_free(home)
    from sigma_tui.run import run_cockpit, run_headless

    start = run_headless if args.headless else run_cockpit
    return int(start(settings, _options(args, home), args))


def has_terminal() -> bool:
    """Return whether a person can see and type, here or in a browser."""
    return "TEXTUAL_DRIVER" in os.environ or (sys.stdin.isatty() and sys.stdout.isatty())


def _options(args: argparse.Namespace, home: Home) -> RunOptions:
    from engine.options import RunOptions

    return RunOptions(
        home=home.root,
        data=args.data,
        pairs=args.pairs,
        speed=args.speed,
        seed=args.seed,
        start=args.start,
        duration_s=args.duration,
        confirm_live=args.confirm_live or "",
    )


def _require_possible(args: argparse.Namespace, settings: Settings) -> None:
    """Refuse, before a screen opens, what cannot run. Raises ``UsageError``."""
    name, mode = settings.exchange, settings.trading_mode
    if name == "sim" and mode != "paper":
        raise UsageError(
            f"--mode {mode}: the simulated market is traded on paper only; use TRADING_MODE=paper"
        )
    if name != "sim" and args.data is not None:
        raise UsageError(f"--data replays recorded candles with EXCHANGE=sim, not {name}")
    if mode == "live":
        _confirm_live(args, name)
    if args.data is not None:
        from engine.market.raw import find_files

        find_files(args.data)


def _confirm_live(args: argparse.Namespace, exchange: str) -> None:
    """See that the operator has typed the exchange's name. Raises ``UsageError``."""
    if args.confirm_live is None and not args.headless and has_terminal():
        print(f"This trades real money on {exchange}.", file=sys.stderr)
        args.confirm_live = input(f"Type {exchange} to go on: ").strip()
    if args.confirm_live != exchange:
        raise UsageError(
            f"live trading on {exchange} needs its name typed: --confirm-live {exchange}"
        )


def _require_free(home: Home) -> None:
    """Refuse a home that another engine holds, saying who. Raises ``CommandError``."""
    holder = home.holder()
    if holder is not None:
        raise CommandError(
            f"an engine already runs in {home.root} (pid {holder.get('pid', '?')}, since "
            f"{holder.get('started', '?')}); `sigma attach` shows it, `sigma shutdown` ends it; or "
            "choose another --home"
        )
