"""How fast records become durable: ``python benchmarks/records.py [DIRECTORY]``.

Compares grouped ledger commits and chained compliance lines with the floor (a bare fdatasync)
and with the obvious alternative (json.dumps and flush, no chain). The disk decides: run it
where the data will live.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.ledger.audit import verify
from engine.ledger.compliance import ComplianceLog
from engine.ledger.recorder import DurableRecorder
from engine.ledger.store import Ledger
from engine.model.events import DecisionMade, OrderFilled
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


def show(name: str, seconds: float, count: int, unit: str = "lines") -> None:
    each = seconds / count * 1e6
    print(f"{name:<52}{each:>10.1f} us{count / seconds:>14,.0f} {unit}/s")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare_fdatasync(directory: Path) -> None:
    with (directory / "bare").open("ab", buffering=0) as file:
        spent = []
        for _ in range(300):
            file.write(b"x" * 200)
            spent.append(timed(lambda: os.fdatasync(file.fileno())))
    show("write 200 bytes + fdatasync (median)", statistics.median(spent), 1, "syncs")


def json_flush(directory: Path, count: int = 5_000) -> None:
    record = {"time": "2023-11-14T22:13:20.123Z", **trace(None)}
    with (directory / "plain.jsonl").open("a") as file:

        def write() -> None:
            for number in range(count):
                file.write(json.dumps({"seq": number, **record}) + "\n")
                file.flush()

        show("json.dumps + flush, a decision, no chain", timed(write), count)


def chained(directory: Path, group: int, count: int = 5_000) -> None:
    log = ComplianceLog(directory / f"chained-{group}", trace, "sim")
    log.open()
    events = [DecisionMade(time=NOW + n, decision=decision(NOW + n)) for n in range(count)]

    def write() -> None:
        for start in range(0, count, group):
            log.write(events[start : start + group])

    show(f"chained decision, groups of {group}", timed(write), count)
    log.close()
    show("  verify", timed(lambda: verify(log.directory)), count)


async def commits(directory: Path, group: int, rounds: int) -> None:
    ledger = await Ledger.open(directory / f"ledger-{group}.db", "sim")
    start = time.perf_counter()
    for n in range(rounds):
        fills = [OrderFilled(time=NOW, fill=fill(f"{n}-{k}")) for k in range(group)]
        await ledger.write(fills)
    show(f"ledger commit (FULL), {group} fills", time.perf_counter() - start, rounds, "commits")
    show("  per fill", time.perf_counter() - start, rounds * group, "rows")
    await ledger.close()


async def recorder(directory: Path, rounds: int = 300) -> None:
    ledger = await Ledger.open(directory / "recorder.db", "sim")
    log = ComplianceLog(directory / "recorder", trace, "sim")
    log.open()
    durable = DurableRecorder(ledger, log)
    start = time.perf_counter()
    for n in range(rounds):
        await durable.intend(entry_order(f"e{n}"), NOW)
    show("recorder: intend", time.perf_counter() - start, rounds, "intents")
    start = time.perf_counter()
    for n in range(rounds):
        await durable.record([OrderFilled(time=NOW, fill=fill(f"f{n}")), closed(f"t{n}")])
    show(
        "recorder: fill + closed trade, both durable", time.perf_counter() - start, rounds, "calls"
    )
    log.close()
    await ledger.close()


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        directory = Path(name)
        bare_fdatasync(directory)
        json_flush(directory)
        chained(directory, 1)
        chained(directory, 8)
        for group, rounds in ((1, 500), (100, 100), (1_000, 30)):
            asyncio.run(commits(directory, group, rounds))
        asyncio.run(recorder(directory))


if __name__ == "__main__":
    main()
