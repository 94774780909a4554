"""Measure Sigma: ``python -m benchmarks.run [--only SECTION ...] [--data DIR] [--runs N]``.

Prints a table: medians of several runs, each compared with a baseline of the same minute, since
one machine's minute is not another's. Sections: decision, history, indicators, startup, records,
peer, assistant. The peer is measured when named (it downloads ``benchmarks/requirements.txt``).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.table import ROOT, Row, as_json, machine, quiet

USUAL = ("decision", "history", "indicators", "startup", "records")


def sections(
    runs: int, data: Path | None, place: Path | None
) -> dict[str, Callable[[], Iterator[Row]]]:
    """Return the sections by name; a section is imported when it is measured."""

    def decision() -> Iterator[Row]:
        from benchmarks import decision

        return decision.rows(runs)

    def history() -> Iterator[Row]:
        from benchmarks import history

        return history.rows(runs, data)

    def indicators() -> Iterator[Row]:
        from benchmarks import indicators

        return indicators.rows(max(3, runs))

    def startup() -> Iterator[Row]:
        from benchmarks import startup

        return startup.rows(max(3, runs))

    def records() -> Iterator[Row]:
        from benchmarks import records

        return records.rows(runs, place)

    def peer() -> Iterator[Row]:
        from benchmarks import peer

        return peer.rows()

    def assistant() -> Iterator[Row]:
        from benchmarks import assistant

        assistant.import_times()  # prints a table of its own kind: latenesses
        asyncio.run(assistant.lateness())
        return iter(())

    return {
        "decision": decision,
        "history": history,
        "indicators": indicators,
        "startup": startup,
        "records": records,
        "peer": peer,
        "assistant": assistant,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--only", nargs="+", default=USUAL, help="sections to measure")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is shown")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--disk", type=Path, help="directory whose disk the records section tests")
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    given = parser.parse_args()
    known = sections(given.runs, given.data if given.data.is_dir() else None, given.disk)
    if wrong := [name for name in given.only if name not in known]:
        parser.error(f"no section {', '.join(wrong)}; there are {', '.join(known)}")
    print(machine(), flush=True)
    found: list[Row] = []
    with quiet():
        for name in given.only:
            print(f"\n{name}", flush=True)
            for row in known[name]():
                print(row.line(), flush=True)
                found.append(row)
    print(f"\n{machine()}")
    if given.json:
        given.json.write_text(as_json(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
