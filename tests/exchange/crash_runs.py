"""Kill engines on the loopback exchange, by the hundred.

``python -m tests.exchange.crash_runs --runs 1000`` prints what was seen as JSON and ends with 1
when anything differed. ``--trades 10000`` instead lets one engine trade so often, unharmed, and
compares at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from tests.crash.campaign import campaign, many_trades

ROOT = Path(__file__).resolve().parents[2]


def spread(runs: int, seed: int, workers: int) -> dict[str, Any]:
    """Run campaigns in processes of their own, side by side, and add up what they saw."""
    shares = [runs // workers + (number < runs % workers) for number in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(_apart, shares, range(seed, seed + 1_000 * workers, 1_000)))
    died: Counter[str] = Counter()
    for part in parts:
        died.update(part["died"])
    total = {
        name: sum(part[name] for part in parts) for name in ("runs", "compared", "trades", "orders")
    }
    worst = {
        name: max(part[name] for part in parts) for name in ("unprotected_ms", "down_ms", "seconds")
    }
    failures = [failure for part in parts for failure in part["failures"]]
    return {**total, **worst, "died": dict(died.most_common()), "failures": failures}


def _apart(runs: int, seed: int) -> dict[str, Any]:
    words = ["--runs", str(runs), "--seed", str(seed), "--workers", "0"]
    command = [sys.executable, "-m", "tests.exchange.crash_runs", *words]
    with Popen(command, cwd=ROOT, stdout=PIPE, text=True) as process:
        out, _ = process.communicate()
    found: dict[str, Any] = json.loads(out)
    return found


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.exchange.crash_runs", description=__doc__
    )
    parser.add_argument("--runs", type=int, default=200, help="engines to kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="side by side; 0 = in this process")
    parser.add_argument("--trades", type=int, default=0, help="trade so often instead, unharmed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        if options.trades:
            found = many_trades(Path(home), options.seed, options.trades).as_json()
        elif options.workers:
            found = spread(options.runs, options.seed, options.workers)
        else:
            found = campaign(Path(home), options.seed, options.runs).as_json()
    print(json.dumps(found, indent=1))
    return bool(found["failures"])


if __name__ == "__main__":
    sys.exit(main())
