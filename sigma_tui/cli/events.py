"""The command ``events``: what happened, one JSON object per line, and what happens now."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sigma_tui.cli import asking, context, output
from sigma_tui.cli.failures import DONE, NoEngineError

if TYPE_CHECKING:
    from engine.home import Home
    from sigma_tui.cli.parser import Commands


def register(commands: Commands) -> None:
    """Add the command."""
    events = commands.add("events", "the event stream, one JSON object per line", events_command)
    events.add_argument("--follow", action="store_true", help="go on as things happen")
    events.add_argument(
        "--last", type=context.count, default=50, metavar="N", help="audited events first (50)"
    )


def events_command(args: argparse.Namespace) -> int:
    """Print the newest audited events, oldest first; with ``--follow`` all that come after."""
    home = context.home_of(args)
    if not args.follow:
        for event in recorded(home, args.last):
            output.json_line(event)
        return DONE
    with asking.connected(home) as client:
        for event in client.follow():
            output.json_line(event)
    return DONE


def recorded(home: Home, limit: int) -> list[dict[str, Any]]:
    """Return the newest audited events in the shape of the stream, oldest first."""
    import orjson

    from engine.ledger import queries
    from engine.ledger.reader import LedgerReader
    from engine.model import events as kinds
    from engine.trace import iso

    if not home.database.is_file():
        raise NoEngineError(f"no engine is running in {home.root}, and none has left records there")
    with LedgerReader(home.database) as reader:
        found = reader.fetch(queries.compliance_events(reader.account, limit))
    return [
        {
            "type": getattr(kinds, item.kind).wire,
            "event": item.kind,
            "time": iso(item.time),
            "severity": item.severity,
            **{k: v for k, v in orjson.loads(item.data).items() if k != "time"},
            "text": item.detail,
        }
        for item in reversed(found)
    ]
