"""What can go wrong with storage, said in one clear sentence each."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from engine.ledger.port import RecordError

_SQLITE = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_BUSY: "another program holds a lock on it",
    sqlite3.SQLITE_LOCKED: "another program holds a lock on it",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write it",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is not a Sigma database or is damaged; restore a backup",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check the directory and its permissions",
    sqlite3.SQLITE_PERM: "permission is denied",
}
_OS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file may not grow any further",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EIO: "the disk failed to read or write it",
    errno.EMFILE: "too many files are open",
}


class LedgerError(RecordError):
    """The records cannot be used as they are: damaged, newer than this program, or not ours."""


def explain(error: sqlite3.Error | OSError, path: Path) -> str:
    """Return one sentence that says what failed, where, and the system's own words."""
    if isinstance(error, OSError):
        cause = _OS.get(error.errno or 0, "the operating system refused")
    else:
        code = getattr(error, "sqlite_errorcode", None)
        cause = _SQLITE.get(code & 0xFF if code is not None else -1, "the database refused")
    return f"{path}: {cause} ({error})"


def record_error(error: sqlite3.Error | OSError, path: Path) -> RecordError:
    """Return the ``RecordError`` for a storage failure."""
    return RecordError(explain(error, path))
