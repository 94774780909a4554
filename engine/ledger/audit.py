"""Auditing the compliance logs: are they whole and unchanged, and what do they say. Read-only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from engine.ledger import chain
from engine.ledger.chain import START, BrokenLine, Link, Walk
from engine.ledger.errors import record_error

DECISIONS = "ai_trading_log"
VIOLATIONS = "safety_violations"
FAILURES = "execution_failures"
PNL = "pnl_tracking"
STEMS = (DECISIONS, VIOLATIONS, FAILURES, PNL)

_WRITING_S = 0.05  # a writer finishes a line well within this
_ATTEMPTS = 3
_MONEY = ("pnl", "fees", "funding")


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: whole lines in it, and the first bad one (from 1), None when all is well."""

    name: str
    lines: int
    ok: bool
    first_bad_line: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Every file of the four chains, rotated ones first within their chain."""

    files: tuple[FileReport, ...]

    @property
    def ok(self) -> bool:
        """Return whether every line of every file is as it was written."""
        return all(file.ok for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``sigma audit verify``."""
        return {"files": [asdict(file) for file in self.files], "ok": self.ok}


def verify(directory: Path) -> AuditReport:
    """Walk every chain from its first line to the head record. Repairs nothing.

    Safe while an engine writes. Raises ``RecordError`` when a file cannot be read.
    """
    try:
        return AuditReport(tuple(file for stem in STEMS for file in _verify_chain(directory, stem)))
    except OSError as error:
        raise record_error(error, directory) from error


def _verify_chain(directory: Path, stem: str) -> list[FileReport]:
    """Verify one chain; look again where a line was just being written."""
    for _ in range(_ATTEMPTS):
        reports, unfinished = _walk_chain(directory, stem)
        if not unfinished:
            break
        time.sleep(_WRITING_S)
    return reports


def _walk_chain(directory: Path, stem: str) -> tuple[list[FileReport], bool]:
    """Walk one chain; also tell whether it ends in an unfinished line or head record."""
    try:
        head, damage = _head(directory, stem), ""  # before the lines: they only grow
    except BrokenLine as broken:
        head, damage = None, str(broken)
    link, reports, torn = START, [], 0
    with ExitStack() as stack:
        for path, file in _opened(directory, stem, stack):
            found = chain.walk(file, link, head)
            link, torn = found.last, found.torn
            reports.append(_report(path.name, found))
    active = chain.active_file(directory, stem).name
    if not reports or reports[-1].name != active:
        reports.append(FileReport(active, 0, True, None, ""))  # no file: as good as an empty one
    if reports[-1].ok:
        reports[-1] = _held_to_head(reports[-1], link, head, damage)
    return reports, bool(torn or damage)


def _opened(directory: Path, stem: str, stack: ExitStack) -> list[tuple[Path, BinaryIO]]:
    """Open a chain's files as they stand at one moment: a rotation meanwhile changes nothing."""
    while True:
        paths = chain.chain_files(directory, stem)
        with ExitStack() as opening, suppress(FileNotFoundError):  # renamed meanwhile: again
            files: list[tuple[Path, BinaryIO]] = [
                (path, opening.enter_context(path.open("rb"))) for path in paths
            ]
            if chain.chain_files(directory, stem) == paths:
                stack.push(opening.pop_all())
                return files


def _head(directory: Path, stem: str) -> Link | None:
    path = chain.head_file(directory, stem)
    return chain.decode_head(path.read_bytes()) if path.exists() else None


def _report(name: str, found: Walk) -> FileReport:
    if found.first_bad_line is None and found.torn:
        detail = f"the last line is torn ({found.torn} bytes); the next start moves it aside"
        return FileReport(name, found.lines, False, found.lines + 1, detail)
    return FileReport(
        name, found.lines, found.first_bad_line is None, found.first_bad_line, found.detail
    )


def _held_to_head(report: FileReport, last: Link, head: Link | None, damage: str) -> FileReport:
    """Hold the end of a chain to its head record, which alone knows of lines cut off there."""
    if head is None:
        if last.seq == 0 and not damage:
            return report
        bad, detail = report.lines + 1, damage or "the head record is missing"
    elif last.seq < head.seq:
        bad = report.lines + 1
        detail = f"lines {last.seq + 1} to {head.seq} are missing at the end"
    else:
        return report
    return FileReport(report.name, report.lines, False, bad, detail)


def report(directory: Path, days: int, account: str | None = None) -> dict[str, Any]:
    """Return what the logs say of the last ``days`` days before their newest line.

    Counts of decisions, refusals by gate, violations, failures, and PnL by day; of one account
    where one is named. Money as decimal strings in quote currency. Raises ``RecordError`` when a
    file cannot be read; a damaged line is counted under ``unreadable``.
    """
    try:
        return _summary(directory, days, account)
    except OSError as error:
        raise record_error(error, directory) from error


def _summary(directory: Path, days: int, account: str | None) -> dict[str, Any]:
    newest = max((_newest_time(directory, stem) for stem in STEMS), default="")
    since = _days_before(newest, days) if newest else ""
    unreadable = 0

    def records(stem: str) -> Iterator[dict[str, Any]]:
        nonlocal unreadable
        for record in read_records(directory, stem, since):
            if record is None:
                unreadable += 1
            elif account is None or record.get("account") == account:
                yield record

    decisions: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for record in records(DECISIONS):
        decisions["total"] += 1
        decisions["shadow"] += bool(record.get("shadow"))
        decisions["proposals"] += record.get("proposal") != "WAIT"
        decisions["entries"] += record.get("action") != "WAIT" and not record.get("shadow")
        if record.get("blocked_by"):
            refused[str(record["blocked_by"])] += 1
    violations = Counter(f"layer {record.get('layer')}" for record in records(VIOLATIONS))
    failures = Counter(str(record.get("state")) for record in records(FAILURES))
    trades = []
    for record in records(PNL):
        if _is_trade(record):
            trades.append(record)
        else:
            unreadable += 1
    return {
        "from": since,
        "to": newest,
        "days": days,
        "decisions": {k: decisions[k] for k in ("total", "proposals", "entries", "shadow")},
        "refusals": dict(refused.most_common()),
        "violations": {"total": violations.total(), "by_layer": dict(violations)},
        "failures": {"total": failures.total(), "by_state": dict(failures)},
        "pnl": _by_day(trade for trade in trades if not trade.get("shadow")),
        "shadow_pnl": _by_day(trade for trade in trades if trade.get("shadow")),
        "unreadable": unreadable,
    }


def _is_trade(record: dict[str, Any]) -> bool:
    try:
        return all(Decimal(record[name]).is_finite() for name in _MONEY) and bool(
            record["exit_time"][:10] and record["account"] is not None
        )
    except (KeyError, TypeError, ArithmeticError):
        return False


def _by_day(trades: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    days: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for trade in trades:
        days.setdefault((trade["exit_time"][:10], trade["account"]), []).append(trade)
    return [
        {
            "day": day,
            "account": account,
            "trades": len(group),
            "wins": sum(Decimal(trade["pnl"]) > 0 for trade in group),
            **{
                name: str(sum((Decimal(trade[name]) for trade in group), Decimal(0)))
                for name in _MONEY
            },
        }
        for (day, account), group in sorted(days.items())
    ]


def read_records(directory: Path, stem: str, since: str) -> Iterator[dict[str, Any] | None]:
    """Yield a chain's records since an instant, oldest first; None for a line that is damaged."""
    wanted: list[Path] = []
    for path in reversed(chain.chain_files(directory, stem)):
        wanted.append(path)
        with path.open("rb") as file:
            first = _parsed(file.readline())
        if first is not None and str(first.get("time", "")) < since:
            break
    for path in reversed(wanted):
        with path.open("rb") as file:
            for line in file:
                record = _parsed(line)
                if record is None or str(record.get("time", "")) >= since:
                    yield record


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _newest_time(directory: Path, stem: str) -> str:
    for path in reversed(chain.chain_files(directory, stem)):
        record = _parsed(chain.last_line(path) or b"")
        if record is not None:
            return str(record.get("time", ""))
    return ""


def _days_before(newest: str, days: int) -> str:
    moment = datetime.fromisoformat(newest) - timedelta(days=days)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
