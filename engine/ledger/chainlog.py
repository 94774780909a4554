"""One append-only JSONL file with a hash chain: written, rotated, and mended after a crash."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from engine.ledger import chain
from engine.ledger.chain import START, BrokenLine, Link, Walk
from engine.ledger.errors import record_error
from engine.ledger.port import RecordError

_fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has only fsync
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class ChainedLog:
    """The writer of one chain. One writer at a time: the head record is locked.

    Every method raises ``RecordError`` when storage fails; a failed ``append`` leaves the file
    and the chain as they were.
    """

    def __init__(self, directory: Path, stem: str, max_bytes: int) -> None:
        self._directory = directory
        self._stem = stem
        self._max_bytes = max_bytes
        self._path = chain.active_file(directory, stem)
        self._head_fd = -1
        self._fd = -1
        self._size = 0
        self._link = START
        self._before = (0, START)  # size and link before the newest append, for undo
        self._dirty = False

    def open(self) -> list[str]:
        """Take the chain up where it ends; return notes on what was mended or found wrong.

        A torn last line is moved to ``<name>.torn-<time>``. Anything else is left as it is, and
        the chain goes on from what the head record names, so that a loss stays visible.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._lock_head()
            notes, head = self._read_head()
            found = self._survey(head)
            notes += self._cut_torn_line(found, head)
            notes += self._choose_link(found, head)
            self._open_active()
            self._write_head()
        except OSError as error:
            self._release()
            raise record_error(error, self._path) from error
        except RecordError:
            self._release()
            raise
        return notes

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Append records, in order, with one write."""
        data, link = self._sealed(records)
        if self._head_fd < 0:
            raise RecordError(f"{self._path}: the log is closed")
        self._before = self._size, self._link
        try:
            if self._size and self._size + len(data) > self._max_bytes:
                self._rotate()
            self._open_active()
            self._before = self._size, self._link
            self._write(data)
            self._link = link
            self._write_head()
        except OSError as error:
            self.undo()
            raise record_error(error, self._path) from error

    def undo(self) -> None:
        """Take the newest append back, so that it can be tried again without a double line.

        Where even that fails the log closes for good: only opening it anew mends a torn line.
        """
        if self._fd < 0:
            return
        self._size, self._link = self._before
        try:
            os.ftruncate(self._fd, self._size)
            self._write_head()
        except OSError:
            self._release()

    def sync(self) -> None:
        """Force what was appended to the disk.

        The head record follows in the system's own time: after a power failure it may name an
        older line, which the next start accepts, at half the cost of forcing both.
        """
        if not self._dirty or self._fd < 0:
            return
        try:
            _fdatasync(self._fd)
        except OSError as error:
            raise record_error(error, self._path) from error
        self._dirty = False

    def close(self) -> None:
        """Sync and let go of the files. Twice is once."""
        try:
            self.sync()
        finally:
            self._release()

    # Opening

    def _lock_head(self) -> None:
        path = chain.head_file(self._directory, self._stem)
        self._head_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._head_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordError(f"{self._path}: another process is writing this log") from None

    def _read_head(self) -> tuple[list[str], Link | None]:
        try:
            return [], chain.decode_head(os.pread(self._head_fd, 1 << 12, 0))
        except BrokenLine as broken:
            return [self._note(f"{broken}; it is renewed from the last line")], None

    def _survey(self, head: Link | None) -> Walk:
        """Walk the active file; where it is missing, only its predecessor's last line counts."""
        before = START
        for path in reversed(chain.rotated_files(self._directory, self._stem)):
            line = chain.last_line(path)
            if line is not None:
                before = chain.link_of(line, 0)
                break
        if not self._path.exists():
            return Walk(0, None, "", before, before, False, 0, 0, 0)
        with self._path.open("rb") as file:
            return chain.walk(file, before, head)

    def _cut_torn_line(self, found: Walk, head: Link | None) -> list[str]:
        """Move an unfinished last line aside.

        A whole last line that is not even JSON counts as unfinished only if the head never
        named it: otherwise it was good once and somebody changed it.
        """
        start = found.end
        if not found.torn:
            if head is None or found.before_last.seq < head.seq or not self._senseless(found):
                return []
            start, found.last = found.last_start, found.before_last
            if found.first_bad_line == found.lines:
                found.first_bad_line = None
        aside = self._path.with_name(f"{self._path.name}.torn-{time.time_ns() // 1_000_000}")
        with self._path.open("rb+") as file:
            file.seek(start)
            torn = file.read()
            with aside.open("xb") as copy:
                copy.write(torn)
                copy.flush()
                os.fsync(copy.fileno())
            file.truncate(start)
            file.flush()
            os.fsync(file.fileno())
        return [self._note(f"a torn last line ({len(torn)} bytes) was moved to {aside.name}")]

    def _senseless(self, found: Walk) -> bool:
        if not found.last_is_bad:
            return False
        try:
            orjson.loads(chain.last_line(self._path) or b"")
        except orjson.JSONDecodeError:
            return True
        return False

    def _choose_link(self, found: Walk, head: Link | None) -> list[str]:
        self._link = found.last
        notes = []
        if found.first_bad_line is not None:
            notes.append(self._note(f"line {found.first_bad_line}: {found.detail}"))
        if head is None:
            if found.last.seq:
                notes.append(self._note("there was no head record; it is renewed from the log"))
        elif found.last.seq < head.seq:
            self._link = head
            lost = f"lines {found.last.seq + 1} to {head.seq} are missing at the end"
            notes.append(self._note(f"{lost}; the gap stays visible to audit verify"))
        elif found.last.seq > head.seq:
            late = found.last.seq - head.seq
            notes.append(self._note(f"{late} line(s) newer than the head record were kept"))
        elif found.last.hash != head.hash:
            self._link = head
            if found.first_bad_line is None:
                notes.append(self._note("the last line is not the one the head record names"))
        return notes

    def _note(self, text: str) -> str:
        return f"{self._path.name}: {text}"

    # Writing

    def _sealed(self, records: Sequence[Mapping[str, Any]]) -> tuple[bytes, Link]:
        lines, link = [], self._link
        try:
            for record in records:
                line, link = chain.seal(record, link)
                lines.append(line)
        except TypeError as error:
            raise RecordError(f"{self._path}: a record cannot be written ({error})") from error
        return b"".join(lines), link

    def _open_active(self) -> None:
        if self._fd < 0:
            self._fd = os.open(self._path, _APPEND, 0o600)
            self._size = os.fstat(self._fd).st_size
            self._before = self._size, self._link
            self._sync_directory()

    def _write(self, data: bytes) -> None:
        self._dirty = True
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._size += len(data)

    def _write_head(self) -> None:
        os.pwrite(self._head_fd, chain.encode_head(self._link), 0)

    def _rotate(self) -> None:
        rotated = chain.rotated_files(self._directory, self._stem)
        newest = int(rotated[-1].stem[-6:]) if rotated else 0
        if self._fd >= 0:
            _fdatasync(self._fd)
            os.close(self._fd)
            self._fd, self._size = -1, 0
        os.rename(self._path, self._directory / f"{self._stem}-{newest + 1:06d}.jsonl")

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _release(self) -> None:
        for descriptor in (self._fd, self._head_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._fd = self._head_fd = -1
        self._dirty = False
