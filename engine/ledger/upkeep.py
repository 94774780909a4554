"""Care of the database file: checking it, copying it, thinning old rows. Synchronous."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal, InvalidOperation
from itertools import count
from pathlib import Path

from engine.ledger.errors import LedgerError, explain
from engine.ledger.rows import POSITION, TRADE
from engine.ledger.schema import checked_version, connect
from engine.ledger.writing import Statement
from engine.model.market import DAY_MS
from engine.model.orders import ClosedTrade

CENT = Decimal("0.01")
CHAT_LINES = 2_000  # of an account's conversation that are kept
_MOST_FINDINGS = 50


def check_database(path: Path) -> list[str]:
    """Return what is wrong with a database, a sentence each; empty when it is sound.

    Checks SQLite's own structure, then the arithmetic and life of trades and positions of every
    account. Raises ``LedgerError`` when the file cannot be read at all.
    """
    try:
        if not path.is_file():
            raise LedgerError(f"{path}: there is no database here")
        with closing(connect(path, read_only=True)) as connection:
            checked_version(connection, path)
            damage = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            if damage != ["ok"]:
                return damage
            findings: list[str] = []
            for finding in _invariants(connection):
                findings.append(finding)
                if len(findings) == _MOST_FINDINGS:
                    findings.append("and perhaps more")
                    break
            return findings
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(explain(error, path)) from error


def backup_database(path: Path, target: Path) -> None:
    """Copy a database, in use or not, into one new file, checked before it takes its name.

    Raises ``LedgerError`` when the target exists or storage fails; no partial file stays.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        if target.exists():
            raise LedgerError(f"{target}: already exists; name a new file")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(connect(path, read_only=True)) as source, closing(connect(partial)) as copy:
            source.backup(copy)  # one snapshot; writers go on meanwhile
            copy.execute("PRAGMA journal_mode = DELETE")
            if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise LedgerError(f"{path}: the copy is damaged, so the original is; see db check")
        _sync(partial)
        os.replace(partial, target)
        _sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(explain(error, target)) from error
    finally:
        partial.unlink(missing_ok=True)


def restore_database(path: Path, source: Path) -> Path | None:
    """Put a checked copy of ``source`` in the place of a database that nobody uses.

    Returns where the database that was there is kept, None when there was none. Raises
    ``LedgerError`` when the source is damaged, of a newer version, or storage fails; the database
    stays as it was then.
    """
    if findings := check_database(source):
        raise LedgerError(f"{source}: is not sound ({findings[0]}); nothing was restored")
    fresh = path.with_name(f"{path.name}.restoring")
    fresh.unlink(missing_ok=True)
    backup_database(source, fresh)
    try:
        kept = None
        if path.exists():
            kept = _unused(path.with_name(f"{path.name}.before-restore"))
            backup_database(path, kept)  # its journal included
        for journal in ("-wal", "-shm"):
            path.with_name(path.name + journal).unlink(missing_ok=True)
        os.replace(fresh, path)
        _sync(path.parent)
    except OSError as error:
        raise LedgerError(explain(error, path)) from error
    finally:
        fresh.unlink(missing_ok=True)
    return kept


def _unused(path: Path) -> Path:
    """Return the path, or the first of its numbered names that is free."""
    numbered = (path.with_name(f"{path.name}-{n}") for n in count(1))
    return path if not path.exists() else next(p for p in numbered if not p.exists())


def thinning(account: str, before: int) -> list[Statement]:
    """Return the deletions that bound growth; performance snapshots thin to one a day.

    ``before`` is an instant in ms UTC. Of the conversation the newest ``CHAT_LINES`` are kept.
    """
    return [
        ("DELETE FROM signals WHERE account = ? AND time < ?", (account, before)),
        ("DELETE FROM notifications WHERE account = ? AND time < ?", (account, before)),
        (
            "DELETE FROM performance_snapshots WHERE account = ? AND time < ? AND minute NOT IN ("
            "SELECT max(minute) FROM performance_snapshots WHERE account = ? "
            f"GROUP BY time / {DAY_MS})",
            (account, before, account),
        ),
        (
            "DELETE FROM chat_history WHERE account = ? AND seq <= (SELECT seq FROM chat_history "
            f"WHERE account = ? ORDER BY seq DESC LIMIT 1 OFFSET {CHAT_LINES})",
            (account, account),
        ),
    ]


def _invariants(connection: sqlite3.Connection) -> Iterator[str]:
    for row in connection.execute("SELECT * FROM trades ORDER BY seq"):
        name = f"trade {row['id']} of {row['account']}"
        try:
            finding = _trade_fault(TRADE.decode(row))
        except (ValueError, InvalidOperation) as error:
            finding = f"cannot be read ({error})"
        if finding:
            yield f"{name}: {finding}"
    for row in connection.execute("SELECT * FROM positions"):
        name = f"position {row['id']} of {row['account']}"
        try:
            position = POSITION.decode(row)
        except (ValueError, InvalidOperation) as error:
            yield f"{name}: cannot be read ({error})"
            continue
        if not 0 < position.quantity <= position.initial_quantity:
            yield f"{name}: {position.quantity} open of {position.initial_quantity} opened"
    for row in connection.execute(
        "SELECT p.id, p.account FROM positions p JOIN trades t "
        "ON t.account = p.account AND t.shadow = p.shadow AND t.position_id = p.id"
    ):
        yield f"position {row['id']} of {row['account']}: open, though its trade is recorded"
    for row in connection.execute(
        "SELECT account, pair, count(*) AS n FROM positions "
        "GROUP BY account, pair, shadow HAVING n > 1"
    ):
        yield f"{row['account']}: {row['n']} positions are open in {row['pair']}; one is allowed"


def _trade_fault(trade: ClosedTrade) -> str:
    gross = (trade.exit_price - trade.entry_price) * trade.quantity * trade.side.sign
    expected = gross - trade.fees - trade.funding
    if abs(expected - trade.pnl) > CENT:
        return f"pnl {trade.pnl} recorded, {expected} by its prices, fees and funding"
    if trade.quantity <= 0:
        return f"quantity {trade.quantity}"
    if trade.exit_time < trade.entry_time:
        return "closed before it was opened"
    return ""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
