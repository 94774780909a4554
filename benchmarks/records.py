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
from collections.abc import Awaitable, Callable, Iterator
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
CALLS = 150


def rows(runs: int, directory: Path | None) -> Iterator[Row]:
    """Yield wall times; the disk decides, so run it where the data will live."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        place = Path(name)
        for what, spent, syncs, target in asyncio.run(_ledger(place)):
            ratio = None if syncs == spent else spent / syncs
            yield Row(what, spent, "us", target, ratio, "fdatasync")
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


async def _ledger(directory: Path) -> list[tuple[str, float, float, str]]:
    """Return (what, us, us of a bare fdatasync, target), call by call in turn with the bare one.

    A busy disk's fdatasync varies tenfold within a minute: only neighbours can be compared.
    """
    ledger = await Ledger.open(directory / "ledger.db", "sim")
    log = ComplianceLog(directory / "recorder", trace, "sim")
    log.open()
    durable = DurableRecorder(ledger, log)

    def fills(group: int, n: int) -> list[OrderFilled]:
        return [OrderFilled(time=NOW, fill=fill(f"{group}-{n}-{k}")) for k in range(group)]

    works: tuple[tuple[str, Callable[[int], Awaitable[None]], str], ...] = (
        ("ledger commit (FULL), 1 fill", lambda n: ledger.write(fills(1, n)), ""),
        ("ledger commit (FULL), 100 fills", lambda n: ledger.write(fills(100, n)), ""),
        ("intent durable", lambda n: durable.intend(entry_order(f"e{n}"), NOW), ""),
        (
            "closed trade and journal row, both durable",
            lambda n: durable.record([closed(f"t{n}")]),
            "<= 2 x fdatasync",
        ),
    )
    found: list[tuple[str, float, float, str]] = []
    syncs: list[float] = []
    with (directory / "bare").open("ab", buffering=0) as file:
        for what, work, target in works:
            spent, bare = [], []
            for n in range(CALLS):
                begin = time.perf_counter()
                file.write(b"x" * 200)
                os.fdatasync(file.fileno())
                middle = time.perf_counter()
                await work(n)
                spent.append(time.perf_counter() - middle)
                bare.append(middle - begin)
            found.append((what, median(spent) * 1e6, median(bare) * 1e6, target))
            syncs += bare
    log.close()
    await ledger.close()
    floor = median(syncs) * 1e6
    return [("write 200 bytes + fdatasync", floor, floor, ""), *found]


def _expectancy() -> Row:
    """Adding a trade must not cost more the more there are."""
    early, late = TrackRecord(), TrackRecord()
    trades = [closed(f"t{n}").trade for n in range(5_000)]
    for one in trades:
        late.add(one)
    few, many = each(lambda n: early.add(trades[n]), 400), each(lambda n: late.add(trades[n]), 400)
    return Row("expectancy update with 5,000 trades", many, "us", "O(1)", many / few, "with < 400")
