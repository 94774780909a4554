"""Migrations go forward, once, whole; what is not ours or is damaged is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.ledger.errors import LedgerError
from engine.ledger.reader import LedgerReader
from engine.ledger.schema import MIGRATIONS, TABLES, migrate
from engine.ledger.store import Ledger
from engine.ledger.upkeep import check_database
from tests.ledger.factory import closed, trade

ADD_COLUMN = "ALTER TABLE trades ADD COLUMN note TEXT NOT NULL DEFAULT ''"


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_from_nothing_to_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "sigma.db"
    assert migrate(path) == (0, len(MIGRATIONS))
    assert migrate(path) == (len(MIGRATIONS), len(MIGRATIONS))
    with closing(sqlite3.connect(path)) as connection:
        tables = {r[0] for r in connection.execute("SELECT name FROM sqlite_master")}
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    assert set(TABLES) <= tables
    assert mode == "wal"
    assert path.stat().st_mode & 0o077 == 0
    assert check_database(path) == []


def test_an_empty_file_counts_as_version_zero(tmp_path: Path) -> None:
    path = tmp_path / "sigma.db"
    path.touch()
    assert migrate(path) == (0, len(MIGRATIONS))


async def test_a_later_migration_keeps_the_data_and_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "sigma.db"
    ledger = await Ledger.open(path, "sim")
    await ledger.write([closed()])
    await ledger.close()
    assert migrate(path, (*MIGRATIONS, ADD_COLUMN)) == (len(MIGRATIONS), len(MIGRATIONS) + 1)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, note FROM trades").fetchall() == [("t1", "")]
    copy = await Ledger.open(tmp_path / f"sigma.db.v{len(MIGRATIONS)}.bak", "sim")
    assert await copy.closed_trades() == [trade()]
    await copy.close()


def test_a_failing_migration_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sigma.db"
    migrate(path)
    with pytest.raises(LedgerError, match="nonsense"):
        migrate(path, (*MIGRATIONS, f"{ADD_COLUMN}; nonsense"))
    assert version_of(path) == len(MIGRATIONS)
    with closing(sqlite3.connect(path)) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(trades)")}
    assert "note" not in columns


async def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sigma.db"
    migrate(path, (*MIGRATIONS, ADD_COLUMN))
    before = path.read_bytes()
    with pytest.raises(
        LedgerError, match=r"newer Sigma \(database version 2, this program knows 1"
    ):
        await Ledger.open(path, "sim")
    with pytest.raises(LedgerError, match="newer"):
        LedgerReader(path)
    with pytest.raises(LedgerError, match="newer"):
        check_database(path)
    assert path.read_bytes() == before


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sigma.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(LedgerError, match="another program"):
        await Ledger.open(path, "sim")


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sigma.db"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"sigma\.db: "):
        await Ledger.open(path, "sim")
    assert path.read_bytes() == content
    with pytest.raises(LedgerError):
        check_database(path)


async def test_a_damaged_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sigma.db"
    ledger = await Ledger.open(path, "sim")
    await ledger.write([closed(f"t{i}") for i in range(300)])
    await ledger.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="damaged"):
        await Ledger.open(path, "sim")


def test_check_needs_a_database(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no database"):
        check_database(tmp_path / "none.db")
