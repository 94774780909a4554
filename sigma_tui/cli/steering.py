"""Commands that steer the running engine; what moves money or lifts protection needs ``--yes``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sigma_tui.cli import asking, context, output
from sigma_tui.cli.failures import DONE, CommandError, RefusedError, UsageError

if TYPE_CHECKING:
    from engine.control.client import ControlClient
    from engine.model.commands import Command, CommandResult
    from sigma_tui.cli.parser import Commands, Handler, Parser

LEVELS = ("CLOSED", "ALERT", "THROTTLE", "HALT", "SHUTDOWN")

Build = Callable[[argparse.Namespace], "Command"]
Effect = Callable[[argparse.Namespace, dict[str, Any]], str]


def register(commands: Commands) -> None:
    """Add the commands of this group."""

    def add(name: str, summary: str, build: Build, effect: Effect | None = None) -> Parser:
        parser = commands.add(name, summary, _handler(name, build, effect))
        parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the records")
        if effect is not None:
            parser.add_argument("--yes", action="store_true", help="do it; else it is only said")
        return parser

    start = add("start", "allow new entries", _start, _start_effect)
    start.add_argument(
        "--acknowledge", action="store_true", help="accept an unclean stop or a SHUTDOWN"
    )
    add("stop", "take no new entries; positions stay managed", _stop)
    pause = add("pause", "hold entries off, scanning goes on", _pause)
    pause.add_argument("--resume", action="store_true", help="let entries again")
    add("halt", "trip the breaker to HALT", _halt)
    trip = add("trip", "raise the breaker to a level", _trip)
    trip.add_argument("level", type=_level, metavar="LEVEL", help=", ".join(LEVELS))
    override = add("override", "pin the breaker at a level for a time", _override, _override_effect)
    override.add_argument("level", type=_level, metavar="LEVEL", help=", ".join(LEVELS))
    override.add_argument("--minutes", type=context.count, required=True, metavar="N")
    add("recover", "force the breaker to CLOSED", _recover, _recover_effect)
    close = add("close", "close one pair's position at market", _close, _close_effect)
    close.add_argument("pair", type=context.pair, metavar="PAIR")
    adopt = add(
        "adopt", "take over what the exchange shows in a disputed pair", _adopt, _adopt_effect
    )
    adopt.add_argument("pair", type=context.pair, metavar="PAIR")
    add("flatten", "close everything at market and halt", _flatten, _flatten_effect)
    end = add("shutdown", "end the engine in order", _shutdown, _shutdown_effect)
    end.add_argument("--flatten", action="store_true", help="close every position first")


def _handler(name: str, build: Build, effect: Effect | None) -> Handler:
    """Return the handler of a command: connect, ask for consent where needed, send, report."""

    def handle(args: argparse.Namespace) -> int:
        if name in ("override", "recover") and not args.reason.strip():
            raise UsageError(f"{name}: --reason TEXT is needed; it is kept in the records")
        with asking.connected(context.home_of(args)) as client:
            if effect is not None and not args.yes:
                would = effect(args, _seen(client))
                raise UsageError(f"{name}: this would {would}; add --yes to do it")
            result = client.do(build(args))
        return report(args, name, result)

    return handle


def report(args: argparse.Namespace, name: str, result: CommandResult) -> int:
    """Print what became of a command. Raises ``RefusedError`` or ``CommandError``."""
    if context.wants_json(args):
        output.json_object(
            {"command": name, "outcome": str(result.outcome), "detail": result.detail}
        )
    elif result.outcome == "done":
        output.line(result.detail)
    if result.outcome == "refused":
        raise RefusedError(f"{name} refused: {result.detail}")
    if result.outcome == "failed":
        raise CommandError(f"{name} failed: {result.detail}")
    return DONE


def _seen(client: ControlClient) -> dict[str, Any]:
    return client.ask("status") | {"positions": client.ask("positions")["positions"]}


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(LEVELS)}")
    return text.upper()


# Commands


def _start(args: argparse.Namespace) -> Command:
    from engine.model.commands import StartTrading

    return StartTrading(**_sender(args), acknowledge=args.acknowledge)


def _stop(args: argparse.Namespace) -> Command:
    from engine.model.commands import StopTrading

    return StopTrading(**_sender(args))


def _pause(args: argparse.Namespace) -> Command:
    from engine.model.commands import PauseEntries

    return PauseEntries(**_sender(args), resume=args.resume)


def _halt(args: argparse.Namespace) -> Command:
    from engine.model.commands import Level, Trip

    return Trip(**_sender(args, "halted by the operator"), level=Level.HALT)


def _trip(args: argparse.Namespace) -> Command:
    from engine.model.commands import Level, Trip

    return Trip(**_sender(args, "tripped by the operator"), level=Level[args.level])


def _override(args: argparse.Namespace) -> Command:
    from engine.model.commands import Level, Override

    return Override(**_sender(args), level=Level[args.level], seconds=args.minutes * 60)


def _recover(args: argparse.Namespace) -> Command:
    from engine.model.commands import Recover

    return Recover(**_sender(args))


def _close(args: argparse.Namespace) -> Command:
    from engine.model.commands import ClosePosition

    return ClosePosition(**_sender(args), pair=args.pair)


def _adopt(args: argparse.Namespace) -> Command:
    from engine.model.commands import Adopt

    return Adopt(**_sender(args), pair=args.pair)


def _flatten(args: argparse.Namespace) -> Command:
    from engine.model.commands import Flatten

    return Flatten(**_sender(args))


def _shutdown(args: argparse.Namespace) -> Command:
    from engine.model.commands import Shutdown

    return Shutdown(**_sender(args), flatten=args.flatten)


def _sender(args: argparse.Namespace, otherwise: str = "") -> dict[str, Any]:
    from engine.model.commands import Source

    return {"source": Source.CLI, "reason": args.reason.strip() or otherwise}


# What each would do


def _start_effect(args: argparse.Namespace, seen: dict[str, Any]) -> str:
    return f"allow new entries on {_where(seen)}"


def _override_effect(args: argparse.Namespace, seen: dict[str, Any]) -> str:
    return (
        f"pin the breaker, now at {seen['breaker']['level']}, at {args.level} for "
        f"{args.minutes} min on {_where(seen)}"
    )


def _recover_effect(args: argparse.Namespace, seen: dict[str, Any]) -> str:
    return f"force the breaker from {seen['breaker']['level']} to CLOSED on {_where(seen)}"


def _close_effect(args: argparse.Namespace, seen: dict[str, Any]) -> str:
    held = [p for p in seen["positions"] if p["pair"] == args.pair]
    if args.pair in seen.get("disputed", {}):
        return (
            f"close what the exchange shows in {args.pair.base} at market ({_dispute(args, seen)})"
        )
    if not held:
        return f"close {args.pair.base} at market, but no position is open in it"
    return f"close {held[0]['side']} {held[0]['quantity']} {args.pair.base} at market"


def _adopt_effect(args: argparse.Namespace, seen: dict[str, Any]) -> str:
    if args.pair not in seen.get("disputed", {}):
        return f"adopt {args.pair.base}, but nothing is disputed in it"
    return (
        f"take over what the exchange shows in {args.pair.base}, with a stop 5 % away "
        f"({_dispute(args, seen)})"
    )


def _dispute(args: argparse.Namespace, seen: dict[str, Any]) -> str:
    return f"the records have {seen['disputed'][args.pair]}"


def _flatten_effect(args: argparse.Namespace, seen: dict[str, Any]) -> str:
    return f"halt entries and close {_held(seen)} at market on {_where(seen)}"


def _shutdown_effect(args: argparse.Namespace, seen: dict[str, Any]) -> str:
    what = f"close {_held(seen)} at market and end" if args.flatten else "end"
    return f"{what} the engine (pid {seen['pid']}) on {_where(seen)}"


def _held(seen: dict[str, Any]) -> str:
    names = ", ".join(p["pair"].partition("/")[0] for p in seen["positions"])
    count = len(seen["positions"])
    return f"{count} position{'' if count == 1 else 's'}{f' ({names})' if names else ''}"


def _where(seen: dict[str, Any]) -> str:
    return f"{seen['exchange']} {seen['mode']}"
