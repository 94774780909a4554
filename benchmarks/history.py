"""How fast history runs, and what memory it takes: each run in a process of its own.

``python -m benchmarks.history PAIRS CANDLES`` or ``... DIRECTORY`` runs one and prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from statistics import median

from benchmarks.candles import YEAR, generated
from benchmarks.table import Row, child, quiet, tanh_ns
from engine.backtest.runner import run_backtest
from engine.market.files import load_directory
from engine.market.recorded import RecordedMarket
from engine.risk.limits import RiskLimits
from engine.strategy import Strategy

_PER_CANDLE = 48  # bytes of the data themselves: time and five figures
REAL = ("spot-2024", "spot-2021-04_crash", "perp-2025-06")


def main() -> None:
    """Run one backtest and print what it took."""
    first, *rest = sys.argv[1:]
    candles = generated(int(first), int(rest[0])) if rest else load_directory(Path(first))
    market = RecordedMarket(candles)
    loaded = _peak_kb()
    baseline = median(tanh_ns() for _ in range(9))
    begin, wall = time.process_time(), time.perf_counter()
    with quiet():
        result = asyncio.run(
            run_backtest(market, strategy=Strategy(), limits=RiskLimits(), balance=Decimal(10_000))
        )
    cpu, wall = time.process_time() - begin, time.perf_counter() - wall
    baseline = (baseline + median(tanh_ns() for _ in range(9))) / 2
    print(
        json.dumps(
            {
                "candles": result.candles,
                "proposals": result.proposals,
                "trades": len(result.trades),
                "cpu": cpu,
                "wall": wall,
                "tanh_ns": baseline,
                "loaded_kb": loaded,
                "peak_kb": _peak_kb(),
                "fingerprint": result.fingerprint,
            }
        )
    )


def _peak_kb() -> int:
    """Return the most memory this process has had; rusage would count its parent's as well."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # macOS counts bytes


def rows(runs: int, data: Path | None) -> Iterator[Row]:
    """Yield candles a second and peak memory, as the number of candles grows and on real sets."""
    yield _speed("backtest, 1 pair, a year of 5m candles", _best(runs, 1, YEAR), "")
    sizes = (YEAR // 4, YEAR // 2, YEAR)
    found = [_best(runs, 8, size) for size in sizes]
    for times, run in zip((1, 2, 4), found, strict=True):
        name = f"backtest, 8 pairs, {times}x candles ({run['candles']:,})"
        yield _speed(name, run, ">= 100,000" if times == 4 else "")
    for times, run in zip((2, 4), found[1:], strict=True):
        yield Row(
            f"time a candle at {times}x / at 1x",
            _tanhs(run) / _tanhs(found[0]),
            "",
            "1: linear",
        )
    for times, run in zip((1, 2, 4), found, strict=True):
        data_mb = run["candles"] * _PER_CANDLE / 2**20
        beyond = run["peak_kb"] / 1024 - data_mb
        yield Row(
            f"peak memory at {times}x; {beyond:.0f} MB of it beyond the candles",
            run["peak_kb"] / 1024,
            "MB",
            "< 400" if times == 4 else "",
        )
    for name in REAL:
        if data is not None and (data / name).is_dir():
            yield _speed(f"backtest, {name}", _best(1, data / name), "")


def _best(runs: int, *words: object) -> dict[str, float]:
    """Return the run that was quickest against its own baseline."""
    return min((child("benchmarks.history", *words) for _ in range(runs)), key=_tanhs)


def _tanhs(run: dict[str, float]) -> float:
    return run["cpu"] / run["candles"] * 1e9 / run["tanh_ns"]


def _speed(name: str, run: dict[str, float], target: str) -> Row:
    return Row(
        name, run["candles"] / run["cpu"], "candles/s", target, _tanhs(run), "tanh call a candle"
    )


if __name__ == "__main__":
    main()
