"""What every section measures with: medians, a baseline of the same minute, rows of a table."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import tanh
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CALLS = 20_000
Clock = Callable[[], float]


@dataclass(slots=True)
class Row:
    """One figure. ``ratio`` compares it with a baseline that was measured beside it."""

    name: str
    value: float
    unit: str
    target: str = ""
    ratio: float | None = None
    against: str = ""

    def line(self) -> str:
        compared = "" if self.ratio is None else f"{self.ratio:,.2f} x {self.against}"
        return f"{self.name:<58}{self.value:>14,.2f} {self.unit:<12}{compared:<32}{self.target}"


def tanh_ns() -> float:
    """Return what one call of ``math.tanh`` costs now, in ns of processor time."""
    begin = time.process_time()
    for _ in range(CALLS):
        tanh(0.3)
    return (time.process_time() - begin) / CALLS * 1e9


def per_call(
    work: Callable[[], object], count: int, runs: int, clock: Clock = time.process_time
) -> tuple[float, float]:
    """Return (us a unit, the same in calls of tanh), medians over runs of ``count`` units.

    The baseline is measured before and after every run, so that both know the same machine.
    """
    spent, ratios = [], []
    for _ in range(runs):
        before = tanh_ns()
        begin = clock()
        work()
        each = (clock() - begin) / count * 1e6
        spent.append(each)
        ratios.append(each * 1e3 / ((before + tanh_ns()) / 2))
    return median(spent), median(ratios)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the garbage collector's full collections, as the program itself does."""
    import gc

    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def child(module: str, *words: object) -> dict[str, Any]:
    """Run a module of the benchmarks in a process of its own; return the JSON it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} {words} ended with {done.returncode}: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> str:
    """Describe the machine in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    load = os.getloadavg()[0]
    call = median(tanh_ns() for _ in range(9))
    return (
        f"{model}, {os.cpu_count()} cores, load {load:.1f}, {platform.system()}, "
        f"Python {platform.python_version()}, tanh call {call:.0f} ns"
    )


def as_json(rows: list[Row]) -> str:
    return json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=1)
