"""Read the ledger from the command line: synchronous, read-only, without an event loop."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Self, TypeVar

from engine.ledger import queries
from engine.ledger.errors import LedgerError, explain
from engine.ledger.queries import Query
from engine.ledger.schema import checked_version, connect

T = TypeVar("T")


class LedgerReader:
    """What the database last knew. Use as a context manager; ask with ``engine.ledger.queries``.

    ``account`` is the one given, else the one that ran last ("" in an empty database). Raises
    ``LedgerError`` when there is no database or it cannot be read.
    """

    def __init__(self, path: Path, account: str | None = None) -> None:
        if not path.is_file():
            raise LedgerError(f"{path}: there is no database here yet")
        self.path = path
        try:
            self._connection = connect(path, read_only=True)
            try:
                checked_version(self._connection, path)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise LedgerError(explain(error, path)) from error
        known = [account] if account is not None else self.fetch(queries.accounts())
        self.account = known[0] if known else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._connection.close()

    def fetch(self, query: Query[T]) -> list[T]:
        """Return the answer to one query."""
        try:
            found = self._connection.execute(query.sql, query.parameters).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(explain(error, self.path)) from error
        return query.read(found, self.path)
