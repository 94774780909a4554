"""The database schema: versioned migrations, applied in order, each in one transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from engine.ledger.errors import LedgerError, explain

APPLICATION_ID = 0x5369676D  # "Sigm": how SQLite marks whose file this is
BUSY_TIMEOUT_S = 5.0

# Money and quantities are Decimal text, times are ms UTC, flags are 0 or 1, lists are JSON.
_V1 = """
CREATE TABLE trades (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    position_id TEXT NOT NULL,
    detail TEXT NOT NULL,
    id TEXT NOT NULL,
    pair TEXT NOT NULL,
    side TEXT NOT NULL,
    entry_time INTEGER NOT NULL,
    exit_time INTEGER NOT NULL,
    entry_price TEXT NOT NULL,
    exit_price TEXT NOT NULL,
    quantity TEXT NOT NULL,
    fees TEXT NOT NULL,
    funding TEXT NOT NULL,
    pnl TEXT NOT NULL,
    r_multiple REAL,
    exit_reason TEXT NOT NULL,
    regime TEXT NOT NULL,
    confidence REAL,
    strategy TEXT NOT NULL,
    strategy_version INTEGER NOT NULL,
    entry_equity TEXT NOT NULL,
    client_order_ids TEXT NOT NULL,
    shadow INTEGER NOT NULL,
    UNIQUE (account, shadow, id)
);
CREATE INDEX trades_by_exit ON trades (account, shadow, exit_time, seq);
CREATE INDEX trades_by_strategy ON trades (account, shadow, strategy, exit_time, seq);
CREATE INDEX trades_by_position ON trades (account, shadow, position_id);

CREATE TABLE positions (
    account TEXT NOT NULL,
    updated INTEGER NOT NULL,
    id TEXT NOT NULL,
    pair TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity TEXT NOT NULL,
    initial_quantity TEXT NOT NULL,
    entry_price TEXT NOT NULL,
    opened INTEGER NOT NULL,
    stop_price TEXT NOT NULL,
    target_price TEXT NOT NULL,
    risk_per_unit TEXT NOT NULL,
    leverage INTEGER NOT NULL,
    regime TEXT NOT NULL,
    confidence REAL,
    strategy TEXT NOT NULL,
    strategy_version INTEGER NOT NULL,
    entry_equity TEXT NOT NULL,
    thesis TEXT NOT NULL,
    best_price TEXT NOT NULL,
    client_order_ids TEXT NOT NULL,
    fees TEXT NOT NULL,
    funding TEXT NOT NULL,
    realised_pnl TEXT NOT NULL,
    exit_notional TEXT NOT NULL,
    stop_order_id TEXT,
    target_order_id TEXT,
    trailing INTEGER NOT NULL,
    breakeven INTEGER NOT NULL,
    partial_taken INTEGER NOT NULL,
    shadow INTEGER NOT NULL,
    PRIMARY KEY (account, shadow, id)
);

CREATE TABLE intents (
    account TEXT NOT NULL,
    time INTEGER NOT NULL,
    client_order_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    kind TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity TEXT NOT NULL,
    reference_price TEXT,
    stop_price TEXT,
    target_price TEXT,
    trigger_price TEXT,
    leverage INTEGER,
    reason TEXT,
    shadow INTEGER NOT NULL,
    PRIMARY KEY (account, shadow, client_order_id)
);
CREATE INDEX intents_by_time ON intents (account, time);

CREATE TABLE orders (
    account TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    quantity TEXT NOT NULL,
    trigger_price TEXT,
    detail TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    shadow INTEGER NOT NULL,
    PRIMARY KEY (account, shadow, client_order_id)
);
CREATE INDEX orders_by_update ON orders (account, updated);

CREATE TABLE fills (
    account TEXT NOT NULL,
    shadow INTEGER NOT NULL,
    fill_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    buy INTEGER NOT NULL,
    quantity TEXT NOT NULL,
    price TEXT NOT NULL,
    fee TEXT NOT NULL,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reference_price TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (account, shadow, pair, fill_id)
);
CREATE INDEX fills_by_order ON fills (account, shadow, client_order_id);
CREATE INDEX fills_by_time ON fills (account, time);

CREATE TABLE funding (
    account TEXT NOT NULL,
    time INTEGER NOT NULL,
    pair TEXT NOT NULL,
    amount TEXT NOT NULL,
    rate TEXT NOT NULL,
    shadow INTEGER NOT NULL,
    PRIMARY KEY (account, shadow, pair, time)
);

CREATE TABLE signals (
    account TEXT NOT NULL,
    time INTEGER NOT NULL,
    pair TEXT NOT NULL,
    proposal TEXT NOT NULL,
    action TEXT NOT NULL,
    confidence REAL,
    score REAL,
    regime TEXT NOT NULL,
    entry REAL,
    stop REAL,
    target REAL,
    quantity TEXT NOT NULL,
    blocked_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    shadow INTEGER NOT NULL,
    PRIMARY KEY (account, pair, time)
);
CREATE INDEX signals_by_time ON signals (account, time);

CREATE TABLE performance_snapshots (
    account TEXT NOT NULL,
    minute INTEGER NOT NULL,
    time INTEGER NOT NULL,
    balance TEXT NOT NULL,
    equity TEXT NOT NULL,
    PRIMARY KEY (account, minute)
);

CREATE TABLE compliance_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    detail TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX compliance_events_by_time ON compliance_events (account, time);

CREATE TABLE breaker_state (
    account TEXT PRIMARY KEY,
    level TEXT NOT NULL,
    cause TEXT NOT NULL,
    detail TEXT NOT NULL,
    since INTEGER NOT NULL
);

CREATE TABLE strategies (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE chat_history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    time INTEGER NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL
);

CREATE TABLE notifications (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    time INTEGER NOT NULL,
    level TEXT NOT NULL,
    topic TEXT NOT NULL,
    text TEXT NOT NULL,
    read INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX notifications_unread ON notifications (account, read);

CREATE TABLE state (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (account, key)
);

CREATE TABLE runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    started INTEGER NOT NULL,
    details TEXT NOT NULL,
    ended INTEGER,
    summary TEXT
);
CREATE INDEX runs_by_account ON runs (account, seq);
"""

MIGRATIONS: tuple[str, ...] = (_V1,)
TABLES = (
    "trades",
    "orders",
    "fills",
    "funding",
    "intents",
    "positions",
    "strategies",
    "signals",
    "performance_snapshots",
    "compliance_events",
    "chat_history",
    "notifications",
    "breaker_state",
    "state",
    "runs",
)


def migrate(path: Path, migrations: Sequence[str] = MIGRATIONS) -> tuple[int, int]:
    """Bring a database to the newest version, creating it where there is none.

    Return the version before and after. A database with data is copied to
    ``<path>.v<version>.bak`` before its first migration. Raises ``LedgerError`` for a damaged
    file, another program's database, a newer version, or storage that cannot be written; the
    database is then as it was.
    """
    try:
        _create_private(path)
        with closing(connect(path)) as connection:
            before = checked_version(connection, path, len(migrations))
            _refuse_damage(connection, path)
            if 0 < before < len(migrations):
                _keep_copy(connection, path.with_name(f"{path.name}.v{before}.bak"))
            for version in range(before, len(migrations)):
                _apply(connection, migrations[version], version + 1)
            connection.execute("PRAGMA journal_mode = WAL")
            return before, len(migrations)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(explain(error, path)) from error


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open one connection, autocommit, rows by name. Raises ``sqlite3.Error``."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def checked_version(
    connection: sqlite3.Connection, path: Path, newest: int = len(MIGRATIONS)
) -> int:
    """Return the database's version; refuse a newer one and another program's file.

    Raises ``LedgerError``, or ``sqlite3.Error`` when the file cannot be read.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if tables and owner != APPLICATION_ID:
        raise LedgerError(f"{path}: this database belongs to another program; choose another home")
    if version > newest:
        raise LedgerError(
            f"{path}: written by a newer Sigma (database version {version}, this program knows "
            f"{newest}); upgrade Sigma or use another home"
        )
    return version


def _create_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _refuse_damage(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise LedgerError(f"{path}: the database is damaged ({found}); restore a backup")


def _keep_copy(connection: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)


def _apply(connection: sqlite3.Connection, script: str, version: int) -> None:
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {version}; COMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
