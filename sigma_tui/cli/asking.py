"""Where answers come from: the running engine, else what the database last knew."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sigma_tui.cli import context
from sigma_tui.cli.failures import CommandError, NoEngineError

if TYPE_CHECKING:
    from engine.control.client import ControlClient
    from engine.home import Home

# Durable before they are told, and complete only in the ledger: read there, engine or not.
RECORDED = ("trades", "performance", "notifications")


def answer(args: argparse.Namespace, name: str, **options: Any) -> dict[str, Any]:
    """Return the answer to a query as JSON values; ``live`` says whether an engine runs.

    Raises ``NoEngineError`` where there is neither an engine nor a record.
    """
    home = context.home_of(args)
    if name in RECORDED:
        found = recorded(args, home, name, options)
        found["live"] = home.holder() is not None
        return found
    try:
        with connected(home) as client:
            return client.ask(name, **{k: v for k, v in options.items() if v is not None})
    except NoEngineError:
        return recorded(args, home, name, options)


def recorded(
    args: argparse.Namespace, home: Home, name: str, options: dict[str, Any]
) -> dict[str, Any]:
    """Return what the database last knew. Raises ``NoEngineError`` where it knows nothing."""
    from engine.control.offline import Records
    from engine.ledger.reader import LedgerReader

    if not home.database.is_file():
        raise NoEngineError(f"no engine is running in {home.root}, and none has left records there")
    with LedgerReader(home.database) as reader:
        if not reader.account:
            raise NoEngineError(f"no engine is running in {home.root}, and its records are empty")
        found = Records(reader, context.settings_of(args).limits()).answer(name, options)
    if found is None:
        raise NoEngineError(f"no engine is running in {home.root}; only a running one knows {name}")
    return found


@contextmanager
def connected(home: Home) -> Iterator[ControlClient]:
    """Connect to the running engine. Raises ``NoEngineError`` or ``CommandError``."""
    from engine.control.client import ControlClient, ControlError, NotRunning

    try:
        with ControlClient(home.socket) as client:
            yield client
    except NotRunning as error:
        holder = home.holder()
        if holder is not None:
            raise CommandError(
                f"the engine in {home.root} (pid {holder.get('pid', '?')}) is not answering at "
                f"{home.socket.name}; it may be starting or ending"
            ) from None
        raise NoEngineError(str(error)) from None
    except ControlError as error:
        raise CommandError(str(error)) from None
