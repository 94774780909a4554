"""How fast records become durable, against the floor and the obvious alternative.

Compares grouped ledger commits and chained compliance lines with the floor (a bare fdatasync)
and with the obvious alternative (json.dumps and flush, no chain). The disk decides: run it
where the data will live.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from benchmarks.table import Row
from engine.ledger.audit import verify
from engine.ledger.compliance import ComplianceLog
from engine.ledger.recorder import DurableRecorder
from engine.ledger.store import Ledger
from engine.model.events import DecisionMade, OrderFilled
from engine.risk.track_record import TrackRecord
from tests.ledger.factory import NOW, closed, decision, entry_order, fill

GATES = [
    {
        "name": f"gate {n}",
        "verdict": "pass",
        "detail": "a sentence of the usual length, with its figures 1.2345",
        "inputs": {f"input {k}": 1.2345678 * k for k in range(6)},
    }
    for n in range(13)
]


def trace(_: object) -> dict[str, object]:
    """Return a trace of the usual size (about 4 kB)."""
    return {"gates": GATES}


LINES = 2_000


def rows(runs: int, directory: Path | None) -> Iterator[Row]:
    """Yield wall times; the disk decides, so run it where the data will live."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        place = Path(name)
        syncs = median(bare_fdatasync(place) for _ in range(max(3, runs)))
        yield Row("write 200 bytes + fdatasync", syncs, "us")
        sync = "fdatasync"
        for what, spent, target in asyncio.run(_ledger(place)):
            yield Row(what, spent, "us", target, spent / syncs, sync)
        plain, chained = [], {1: [], 8: []}  # type: ignore[var-annotated]
        for n in range(max(3, runs)):
            plain.append(json_flush(place / f"plain-{n}"))
            for group, found in chained.items():
                found.append(chained_lines(place / f"chained-{n}-{group}", group))
        floor = median(plain)
        yield Row("json.dumps + flush, a decision, no chain", floor, "us a line")
        for group, found in chained.items():
            ratios = [base / mine for base, mine in zip(plain, found, strict=True)]
            yield Row(
                f"compliance line, chained, groups of {group}",
                median(found),
                "us a line",
                ">= 4 x faster" if group == 8 else "",
                median(ratios),
                "faster than json",
            )
    yield _expectancy()


def each(work: Callable[[int], object], count: int) -> float:
    """Return the median us of one call."""
    spent = []
    for number in range(count):
        begin = time.perf_counter()
        work(number)
        spent.append(time.perf_counter() - begin)
    return median(spent) * 1e6


def bare_fdatasync(directory: Path) -> float:
    with (directory / "bare").open("ab", buffering=0) as file:

        def write(_: int) -> None:
            file.write(b"x" * 200)
            os.fdatasync(file.fileno())

        return each(write, 200)


def json_flush(path: Path) -> float:
    record = {"time": "2023-11-14T22:13:20.123Z", **trace(None)}
    with path.open("a") as file:

        def write(number: int) -> None:
            file.write(json.dumps({"seq": number, **record}) + "\n")
            file.flush()

        return each(write, LINES)


def chained_lines(directory: Path, group: int) -> float:
    log = ComplianceLog(directory, trace, "sim")
    log.open()
    events = [DecisionMade(time=NOW + n, decision=decision(NOW + n)) for n in range(LINES)]
    spent = each(lambda n: log.write(events[n * group : (n + 1) * group]), LINES // group)
    log.close()
    assert verify(directory).ok
    return spent / group


async def _ledger(directory: Path) -> list[tuple[str, float, str]]:
    ledger = await Ledger.open(directory / "ledger.db", "sim")
    log = ComplianceLog(directory / "recorder", trace, "sim")
    log.open()
    durable = DurableRecorder(ledger, log)

    async def commits(group: int, count: int) -> float:
        spent = []
        for n in range(count):
            fills = [OrderFilled(time=NOW, fill=fill(f"{group}-{n}-{k}")) for k in range(group)]
            begin = time.perf_counter()
            await ledger.write(fills)
            spent.append(time.perf_counter() - begin)
        return median(spent) * 1e6

    async def calls(work: Callable[[int], object], count: int = 200) -> float:
        spent = []
        for n in range(count):
            begin = time.perf_counter()
            await work(n)  # type: ignore[misc]
            spent.append(time.perf_counter() - begin)
        return median(spent) * 1e6

    found = [
        ("ledger commit (FULL), 1 fill", await commits(1, 200), ""),
        ("ledger commit (FULL), 100 fills", await commits(100, 40), ""),
        ("intent durable", await calls(lambda n: durable.intend(entry_order(f"e{n}"), NOW)), ""),
        (
            "closed trade and journal row, both durable",
            await calls(lambda n: durable.record([closed(f"t{n}")])),
            "<= 2 x fdatasync",
        ),
    ]
    log.close()
    await ledger.close()
    return found


def _expectancy() -> Row:
    """Adding a trade must not cost more the more there are."""
    early, late = TrackRecord(), TrackRecord()
    trades = [closed(f"t{n}").trade for n in range(5_000)]
    for one in trades:
        late.add(one)
    few, many = each(lambda n: early.add(trades[n]), 400), each(lambda n: late.add(trades[n]), 400)
    return Row("expectancy update with 5,000 trades", many, "us", "O(1)", many / few, "with < 400")
