"""The ledger: SQLite as the engine's durable memory, one transaction per group of events."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from engine.ledger import queries, upkeep, writing
from engine.ledger.errors import LedgerError, explain, record_error
from engine.ledger.port import RecordError
from engine.ledger.queries import Query
from engine.ledger.rows import (
    BreakerRow,
    ChatLine,
    ComplianceEvent,
    EquityPoint,
    Intent,
    Notification,
    SavedStrategy,
    SignalRow,
    dump,
)
from engine.ledger.schema import connect, migrate
from engine.ledger.writing import Statement
from engine.model.events import Event
from engine.model.orders import ApprovedOrder, ClosedTrade, Fill, Position, ReduceOrder

T = TypeVar("T")
_log = logging.getLogger(__name__)
_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 67108864",
)


class Ledger:
    """The records of one account in a database that may hold several.

    Every method but ``close`` raises ``RecordError`` when storage fails; a write then left
    nothing behind. A cancelled write still completes before the cancellation goes on.
    """

    def __init__(self, connection: aiosqlite.Connection, path: Path, account: str) -> None:
        self.path = path
        self.account = account
        self._connection = connection
        self._lock = asyncio.Lock()
        self._open = True

    @classmethod
    async def open(cls, path: Path, account: str) -> Ledger:
        """Open (or create) the database, migrated to the newest version.

        Raises ``LedgerError`` for a damaged, newer or foreign file, or one that cannot be written.
        """
        await asyncio.to_thread(migrate, path)
        connection = aiosqlite.Connection(lambda: connect(path), iter_chunk_size=64)
        try:
            await connection
            for pragma in _PRAGMAS:
                await connection.execute_fetchall(pragma)
        except sqlite3.Error as error:
            await connection.close()
            raise LedgerError(explain(error, path)) from error
        return cls(connection, path, account)

    async def close(self) -> None:
        """Finish what is being written and let go of the file. Twice is once."""
        async with self._lock:
            if self._open:
                self._open = False
                await self._connection.close()

    # Writing

    async def write(self, events: Sequence[Event], state: Mapping[str, Any] | None = None) -> None:
        """Commit events, in order, and state values with them, in one transaction."""
        work = [item for event in events for item in writing.statements(event, self.account)]
        work += [writing.put_state(self.account, k, v) for k, v in (state or {}).items()]
        await self._commit(work)

    async def intend(
        self, order: ApprovedOrder | ReduceOrder, time: int, *, shadow: bool = False
    ) -> None:
        """Commit an intent (``time`` in ms UTC); a client order id is good for one intent."""
        await self._commit([writing.intent(order, self.account, time, shadow=shadow)])

    async def put_state(self, key: str, value: Any) -> None:
        """Commit one JSON-able value under a key."""
        await self.write((), {key: value})

    async def begin_run(self, time: int, details: Mapping[str, Any]) -> int | None:
        """Record the start of a run; return when the one before started, if it never ended."""
        unclean = await self._fetch(queries.unclean_run(self.account))
        sql = "INSERT INTO runs (account, started, details) VALUES (?, ?, ?)"
        await self._commit([(sql, (self.account, time, dump(dict(details))))])
        return (unclean[0] or None) if unclean else None

    async def end_run(self, time: int, summary: Mapping[str, Any]) -> None:
        """Record the orderly end of the current run."""
        await self._commit([writing.end_run(self.account, time, dict(summary))])

    async def notify(self, time: int, level: str, topic: str, text: str) -> None:
        """Keep a notification, unread."""
        sql = "INSERT INTO notifications (account, time, level, topic, text) VALUES (?,?,?,?,?)"
        await self._commit([(sql, (self.account, time, level, topic, text))])

    async def mark_read(self, seq: int | None = None) -> None:
        """Mark one notification read, or all of them."""
        which, extra = ("", ()) if seq is None else (" AND seq = ?", (seq,))
        sql = f"UPDATE notifications SET read = 1 WHERE account = ?{which}"
        await self._commit([(sql, (self.account, *extra))])

    async def clear_notifications(self) -> None:
        """Delete the account's notifications."""
        await self._commit([("DELETE FROM notifications WHERE account = ?", (self.account,))])

    async def add_chat(self, time: int, role: str, text: str) -> None:
        """Keep one line of the conversation."""
        sql = "INSERT INTO chat_history (account, time, role, text) VALUES (?, ?, ?, ?)"
        await self._commit([(sql, (self.account, time, role, text))])

    async def save_strategy(self, name: str, version: int, definition: str, time: int) -> None:
        """Keep one version of a strategy (its JSON text); a version is saved only once."""
        sql = "INSERT INTO strategies (name, version, definition, created) VALUES (?, ?, ?, ?)"
        await self._commit([(sql, (name, version, definition, time))])

    async def prune(self, older_than_ms: int) -> None:
        """Drop signals before an instant (ms UTC) and thin snapshots before it to one a day."""
        await self._commit(upkeep.thinning(self.account, older_than_ms))

    # Reading

    async def closed_trades(
        self, limit: int | None = None, shadow: bool = False, strategy: str | None = None
    ) -> list[ClosedTrade]:
        """Return the newest closed trades, newest last; of one strategy where one is named."""
        return await self._fetch(
            queries.closed_trades(self.account, limit, shadow=shadow, strategy=strategy)
        )

    async def open_positions(self, shadow: bool = False) -> list[Position]:
        """Return the open positions, oldest first."""
        return await self._fetch(queries.open_positions(self.account, shadow=shadow))

    async def unresolved_intents(self) -> list[Intent]:
        """Return intents whose order is not known to be final, oldest first."""
        return await self._fetch(queries.unresolved_intents(self.account))

    async def fills(self, client_order_id: str, shadow: bool = False) -> list[Fill]:
        """Return the fills of one order, oldest first."""
        return await self._fetch(queries.fills(self.account, client_order_id, shadow=shadow))

    async def recent_fills(self, since: int) -> list[Fill]:
        """Return the real fills since an instant (ms UTC), oldest first."""
        return await self._fetch(queries.recent_fills(self.account, since))

    async def recent_funding(self, since: int) -> list[tuple[str, int]]:
        """Return (pair, time) of the real funding payments since an instant (ms UTC)."""
        return await self._fetch(queries.recent_funding(self.account, since))

    async def signals(self, limit: int = 100) -> list[SignalRow]:
        """Return the newest proposals, newest first."""
        return await self._fetch(queries.signals(self.account, limit))

    async def equity_curve(self, since: int = 0) -> list[EquityPoint]:
        """Return balance and equity by the minute since an instant (ms UTC), oldest first."""
        return await self._fetch(queries.equity_curve(self.account, since))

    async def compliance_events(self, limit: int = 100) -> list[ComplianceEvent]:
        """Return the newest audited events, newest first."""
        return await self._fetch(queries.compliance_events(self.account, limit))

    async def breaker(self) -> BreakerRow | None:
        """Return the breaker's last recorded level, None when it never moved."""
        found = await self._fetch(queries.breaker(self.account))
        return found[0] if found else None

    async def get_state(self, key: str) -> Any:
        """Return the value under a key, None when there is none."""
        found = await self._fetch(queries.state(self.account, key))
        return found[0] if found else None

    async def notifications(
        self, limit: int = 100, unread_only: bool = False
    ) -> list[Notification]:
        """Return the newest notifications, newest first."""
        return await self._fetch(
            queries.notifications(self.account, limit, unread_only=unread_only)
        )

    async def unread(self) -> int:
        """Return how many notifications are unread."""
        return (await self._fetch(queries.unread(self.account)))[0]

    async def chat(self, limit: int = 100) -> list[ChatLine]:
        """Return the newest lines of the conversation, newest last."""
        return await self._fetch(queries.chat(self.account, limit))

    async def strategies(self) -> list[SavedStrategy]:
        """Return every saved version of every strategy, by name and version."""
        return await self._fetch(queries.strategies())

    async def counts(self) -> dict[str, int]:
        """Return the number of the account's rows in every table."""
        return dict(await self._fetch(queries.counts(self.account)))

    # Care, beside the writing

    async def check(self) -> list[str]:
        """Return what is wrong with the database, a sentence each; empty when sound."""
        return await asyncio.to_thread(upkeep.check_database, self.path)

    async def backup(self, path: Path) -> None:
        """Copy the whole database into a new file while writing goes on."""
        await asyncio.to_thread(upkeep.backup_database, self.path, path)

    async def _commit(self, work: Sequence[Statement]) -> None:
        if work:
            await uninterrupted(self._transaction(work))

    async def _transaction(self, work: Sequence[Statement]) -> None:
        async with self._lock:
            self._require_open()
            try:
                if len(work) == 1:  # a transaction of its own, and one trip to the thread
                    await self._connection.execute(*work[0])
                    return
                await self._connection.execute("BEGIN IMMEDIATE")
                for sql, group in groupby(work, key=itemgetter(0)):
                    await self._connection.executemany(sql, [values for _, values in group])
                await self._connection.execute("COMMIT")
            except BaseException as error:
                await self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise record_error(error, self.path) from error
                raise

    async def _roll_back(self) -> None:
        # SQLite rolls back by itself when the disk is full; then there is nothing to undo.
        if self._connection.in_transaction:
            await self._connection.rollback()

    async def _fetch(self, query: Query[T]) -> list[T]:
        async with self._lock:
            self._require_open()
            try:
                found = await self._connection.execute_fetchall(query.sql, query.parameters)
            except sqlite3.Error as error:
                raise record_error(error, self.path) from error
        return query.read(found, self.path)

    def _require_open(self) -> None:
        if not self._open:
            raise RecordError(f"{self.path}: the ledger is closed")


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await work that must not stop half-way; a cancellation is raised once it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()):
            _log.error("a write failed while its caller was being cancelled: %s", error)
        raise
