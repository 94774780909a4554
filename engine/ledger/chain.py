"""The hash chain of a compliance log: how a line is sealed, read back and walked. No writing.

A line is one JSON object: ``seq`` first, then the record, then ``prev`` (SHA-256 of the line
before, as bytes without its newline) and ``hash`` (SHA-256 of this line without ``hash``). A file
``<stem>.jsonl`` is rotated to ``<stem>-000001.jsonl`` and so on; the chain runs through all of
them. ``<stem>.head`` names the newest line, so that a cut-off end is found too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import orjson

_SEAL = re.compile(rb',"hash":"([0-9a-f]{64})"\}$')
_SEAL_LENGTH = len(b',"hash":""}') + 64
_HEAD = re.compile(rb"(\d{20}) ([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class Link:
    """One line as the next one sees it: its number (from 1) and the SHA-256 of its bytes."""

    seq: int
    hash: str


START = Link(0, "0" * 64)


class BrokenLine(Exception):
    """A line is not what was written; the message says how."""


def iso(time: int) -> str:
    """Return ms UTC as ISO 8601 with milliseconds."""
    moment = datetime.fromtimestamp(time // 1_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time % 1_000:03d}Z"


def seal(record: Mapping[str, Any], after: Link) -> tuple[bytes, Link]:
    """Return the line (newline included) that continues the chain, and its link.

    Raises ``TypeError`` for a value that JSON cannot hold.
    """
    body = {"seq": after.seq + 1, **record, "prev": after.hash}
    prefix = orjson.dumps(body, default=_plain)[:-1]
    digest = sha256(prefix)
    own = digest.copy()
    own.update(b"}")
    tail = b',"hash":"%s"}' % own.hexdigest().encode()
    digest.update(tail)  # one pass over the bytes serves both hashes
    return prefix + tail + b"\n", Link(after.seq + 1, digest.hexdigest())


def link_of(line: bytes, guess: int) -> Link:
    """Return the link of a line (no newline), numbered ``guess`` if its number is unreadable."""
    try:
        seq = orjson.loads(line)["seq"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        seq = guess
    sane = type(seq) is int and 0 < seq < 1 << 53
    return Link(seq if sane else guess, sha256(line).hexdigest())


def examine(line: bytes, after: Link) -> Link:
    """Return the link of a line (no newline) if it continues the chain.

    Raises ``BrokenLine`` saying whether the line was edited, moved, or lines before it are gone.
    """
    match = _SEAL.search(line)
    if match is None:
        raise BrokenLine("the line was edited: it has no seal")
    if sha256(line[:-_SEAL_LENGTH] + b"}").hexdigest().encode() != match.group(1):
        raise BrokenLine("the line was edited: its content does not match its hash")
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise BrokenLine("the line is not JSON") from None
    seq, expected = record.get("seq"), after.seq + 1
    if seq != expected:
        if isinstance(seq, int) and seq > expected:
            raise BrokenLine(f"lines {expected} to {seq - 1} are missing before this one")
        raise BrokenLine(f"line {seq} stands where {expected} belongs")
    if record.get("prev") != after.hash:
        raise BrokenLine("the line before this one is not the one it was written after")
    return Link(seq, sha256(line).hexdigest())


@dataclass(slots=True)
class Walk:
    """What a walk along one file found.

    ``first_bad_line`` counts from 1, None when all is well; ``last`` is the link the next line
    must continue; ``end`` the offset after the last whole line and ``last_start`` that before it;
    ``before_last`` is the link before the last whole line; ``torn`` the bytes of an unfinished
    line at the end.
    """

    lines: int
    first_bad_line: int | None
    detail: str
    last: Link
    before_last: Link
    last_is_bad: bool
    last_start: int
    end: int
    torn: int


def walk(file: BinaryIO, after: Link, head: Link | None = None) -> Walk:
    """Follow the chain through one file that continues ``after``; memory stays at one line.

    A bad line does not stop the walk: what follows is held to the lines as they are. Where the
    line of ``head`` is met it must be the one the head names.
    """
    found = Walk(0, None, "", after, after, False, 0, 0, 0)
    for raw in file:
        if not raw.endswith(b"\n"):
            found.torn = len(raw)
            break
        line = raw[:-1]
        found.lines += 1
        found.last_start, found.end = found.end, found.end + len(raw)
        found.before_last, found.last_is_bad = found.last, False
        try:
            found.last = examine(line, found.last)
            if head is not None and head.seq == found.last.seq and head != found.last:
                raise BrokenLine("the line is not the one the head record names")
        except BrokenLine as broken:
            found.last_is_bad = True
            found.last = link_of(line, found.before_last.seq + 1)
            if found.first_bad_line is None:
                found.first_bad_line, found.detail = found.lines, str(broken)
    return found


def active_file(directory: Path, stem: str) -> Path:
    """Return the file new lines go to."""
    return directory / f"{stem}.jsonl"


def rotated_files(directory: Path, stem: str) -> list[Path]:
    """Return the rotated files, oldest first."""
    name = re.compile(rf"{re.escape(stem)}-\d{{6}}\.jsonl")
    return sorted(path for path in directory.glob(f"{stem}-*.jsonl") if name.fullmatch(path.name))


def chain_files(directory: Path, stem: str) -> list[Path]:
    """Return the files of one chain, oldest first, the active one last where it exists."""
    active = active_file(directory, stem)
    return [*rotated_files(directory, stem), *([active] if active.exists() else [])]


def head_file(directory: Path, stem: str) -> Path:
    """Return the file that names the newest line."""
    return directory / f"{stem}.head"


def encode_head(link: Link) -> bytes:
    """Return the head record: always of one length, so that it is overwritten in place."""
    return f"{link.seq:020d} {link.hash}\n".encode()


def decode_head(data: bytes) -> Link | None:
    """Return the link a head record names, None for an empty one.

    Raises ``BrokenLine`` for anything else.
    """
    if not data:
        return None
    match = _HEAD.fullmatch(data)
    if match is None:
        raise BrokenLine("the head record is damaged")
    return Link(int(match.group(1)), match.group(2).decode())


def last_line(path: Path) -> bytes | None:
    """Return the last whole line of a file (no newline), None when there is none."""
    reach = 1 << 16
    with path.open("rb") as file:
        size = file.seek(0, 2)
        while True:
            start = file.seek(max(0, size - reach))
            data = file.read()
            end = data.rfind(b"\n")
            before = data.rfind(b"\n", 0, end) if end >= 0 else -1
            if before >= 0 or start == 0:
                return data[before + 1 : end] if end >= 0 else None
            reach *= 4


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    raise TypeError
