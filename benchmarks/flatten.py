"""What flatten costs under each fault: ``python benchmarks/flatten.py [RUNS]``.

The first table runs a whole engine on the simulated market with its disk, screen or assistant
broken: wall time of the command with one position open. The second closes three positions on a
scripted venue that answers only some requests: paced time until the venue shows that nothing is
left (the clock's own, as it would pass live), and the requests it took.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.execution.flatten import flatten
from engine.ledger.port import RecordError
from tests.flatten.child import FAULTS
from tests.flatten.faults import Rig

ROOT = Path(__file__).resolve().parent.parent


def engine_under(fault: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-m", "tests.flatten.child", home, fault],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


async def venue_under(seed: int, one_in: int, *, records: bool = True) -> tuple[float, int, int]:
    """Return paced seconds, requests and calls of flatten until the venue is flat."""
    rig = Rig(seed)
    await rig.open_three()
    if not records:
        rig.recorder.fail_intents, rig.recorder.fail_records = True, RecordError("full")
    rig.patchy.patchy, rig.patchy.one_in = one_in > 1, one_in
    began, asked, calls = rig.clock.now(), rig.patchy.requests, 0
    while True:
        calls += 1
        found = await flatten(rig.book, rig.clock, "benchmark")
        if found.flat:
            break
    assert not rig.venue.held
    return (rig.clock.now() - began) / 1_000, rig.patchy.requests - asked, calls


def main(runs: int) -> None:
    print(f"{'engine with':<28}{'outcome':<9}{'flat':<6}{'halt first':<12}{'ms':>8}")
    for fault in FAULTS:
        found = [engine_under(fault) for _ in range(3)]
        took = statistics.median(float(str(item["ms"])) for item in found)
        one = found[0]
        flat = all((item["left"], item["orders"]) == (0, 0) for item in found)
        first = all(item["order"][0] == "halt" for item in found)  # type: ignore[index]
        name = {"none": "no fault", "full": "disk full", "readonly": "database read-only"}.get(
            fault, f"{fault} stalled" if fault == "screen" else f"{fault} hanging"
        )
        print(f"{name:<28}{one['outcome']:<9}{flat!s:<6}{first!s:<12}{took:>8.1f}")
    print()
    print(f"{'venue answering':<28}{'median s':>9}{'p95 s':>9}{'worst s':>9}", end="")
    print(f"{'requests':>10}{'again':>7}")
    for name, one_in, records in (
        ("every request", 1, True),
        ("every request, disk full", 1, False),
        ("1 in 2", 2, True),
        ("1 in 3", 3, True),
        ("1 in 3, disk full", 3, False),
        ("1 in 5", 5, True),
    ):
        found3 = [asyncio.run(venue_under(seed, one_in, records=records)) for seed in range(runs)]
        seconds = sorted(item[0] for item in found3)
        requests = statistics.median(item[1] for item in found3)
        again = sum(item[2] > 1 for item in found3)
        print(
            f"{name:<28}{statistics.median(seconds):>9.1f}{seconds[int(0.95 * (runs - 1))]:>9.1f}"
            f"{seconds[-1]:>9.1f}{requests:>10.0f}{again:>7}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
