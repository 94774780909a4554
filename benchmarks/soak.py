"""Soak: weeks of the engine in accelerated time, with restarts, kills and a screen looking on.

    python -m benchmarks.soak --days 14 --legs 7 --speed 7200

Each leg is a process of its own that takes up where the last one ended; every third one is killed
instead of ended. A viewer mirrors the engine throughout. Printed per leg: memory slope over its
second half, most descriptors and threads, and sizes of database and logs at its end.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from engine.control.client import ControlClient, ControlError, NotRunning
from engine.home import Home
from engine.ledger.audit import verify
from engine.ledger.upkeep import check_database
from engine.model.commands import Source, StartTrading
from sigma_tui.remote import RemoteLink

HOUR_MS = 3_600_000
MB = 1e6
LOOK_S = 0.5
START = StartTrading(source=Source.CLI, reason="soak", acknowledge=True)


@dataclass
class Leg:
    """What one process held: memory as (simulated ms, bytes), and the most of everything else."""

    memory: list[tuple[int, int]] = field(default_factory=list)
    descriptors: int = 0
    threads: int = 0
    tasks: int = 0
    lateness_p99_ms: float = 0.0
    restart_s: float = 0.0
    began: int = 0
    killed: bool = False

    @property
    def hours(self) -> float:
        return (self.memory[-1][0] - self.began) / HOUR_MS if self.memory else 0.0

    def slope(self) -> float:
        """Return memory growth over the second half by least squares (MB per simulated day)."""
        half = self.memory[len(self.memory) // 2 :]
        if len(half) < 3:
            return 0.0
        times = [time / (24 * HOUR_MS) for time, _ in half]
        sizes = [size / MB for _, size in half]
        middle, mean = sum(times) / len(times), sum(sizes) / len(sizes)
        spread = sum((t - middle) ** 2 for t in times)
        shared = zip(times, sizes, strict=True)
        return sum((t - middle) * (s - mean) for t, s in shared) / spread if spread else 0.0


@dataclass
class Soak:
    """All legs and what is left on disk."""

    legs: list[Leg]
    sizes: list[tuple[int, int]]  # database and logs at the end of each leg
    database_sound: bool
    logs_whole: bool
    trades: int
    pictures: int

    @property
    def days(self) -> float:
        return sum(leg.hours for leg in self.legs) / 24


def soak(home: Home, *, days: float, legs: int, speed: float) -> Soak:
    """Run the legs one after the other."""
    link = RemoteLink(home)
    link.start()
    done, sizes, trades = [], [], 0
    for number in range(legs):
        last = number + 1 == legs
        leg = _run_leg(home, days * 24 * HOUR_MS / legs, speed, killed=number % 3 == 1 and not last)
        done.append(leg)
        sizes.append((_size(home.root, "sigma.db*"), _size(home.logs, "**/*")))
    picture = link.snapshot()
    if picture is not None:
        trades = len(picture.trades)
    link.close()
    return Soak(
        done,
        sizes,
        database_sound=not check_database(home.database),
        logs_whole=verify(home.compliance).ok,
        trades=trades,
        pictures=picture.seq if picture else 0,
    )


def _run_leg(home: Home, span_ms: float, speed: float, *, killed: bool) -> Leg:
    leg = Leg(killed=killed)
    words = ("run", "--headless", "--speed", f"{speed:g}", "--home", str(home.root))
    asked = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "sigma_tui", *words], stdout=subprocess.DEVNULL
    )
    try:
        client = _connected(home, process)
        leg.restart_s = time.monotonic() - asked
        with client:
            client.do(START)
            leg.began = _instant(client)
            while (now := _instant(client)) < leg.began + span_ms:
                _look(leg, client, process.pid, now)
                time.sleep(LOOK_S)
        process.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    return leg


def _connected(home: Home, process: subprocess.Popen[bytes]) -> ControlClient:
    while process.poll() is None:
        try:
            client = ControlClient(home.socket)
            if client.ask("status")["pid"] == process.pid:
                return client
            client.close()
        except (NotRunning, ControlError):
            time.sleep(0.05)
    raise RuntimeError(f"the engine ended with {process.returncode} before it answered")


def _instant(client: ControlClient) -> int:
    return int(datetime.fromisoformat(client.ask("status")["time"]).timestamp() * 1000)


def _look(leg: Leg, client: ControlClient, pid: int, now: int) -> None:
    pulse = client.ask("api")
    leg.memory.append((now, pulse["memory"]))
    leg.descriptors = max(leg.descriptors, len(os.listdir(f"/proc/{pid}/fd")))
    leg.threads = max(leg.threads, len(os.listdir(f"/proc/{pid}/task")))
    leg.tasks = max(leg.tasks, len(pulse["tasks"]))
    leg.lateness_p99_ms = max(leg.lateness_p99_ms, pulse["tick_gap_p99_ms"])


def _size(directory: Path, pattern: str) -> int:
    return sum(item.stat().st_size for item in directory.glob(pattern) if item.is_file())


def report(found: Soak) -> str:
    """Return the figures as a table."""
    lines = [
        f"{found.days:.1f} simulated days in {len(found.legs)} runs, {found.trades} trades shown",
        "",
        "| run | days | end | restart s | MB at end | MB/day | fds | threads | tasks "
        "| p99 late ms | database MB | logs MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for number, (leg, (database, logs)) in enumerate(zip(found.legs, found.sizes, strict=True), 1):
        end = "killed" if leg.killed else "ended"
        memory = leg.memory[-1][1] / MB if leg.memory else 0.0
        lines.append(
            f"| {number} | {leg.hours / 24:.1f} | {end} | {leg.restart_s:.1f} | {memory:.0f} "
            f"| {leg.slope():+.1f} | {leg.descriptors} | {leg.threads} | {leg.tasks} "
            f"| {leg.lateness_p99_ms:.0f} | {database / MB:.1f} | {logs / MB:.1f} |"
        )
    sound = "sound" if found.database_sound else "DAMAGED"
    whole = "whole" if found.logs_whole else "BROKEN"
    return "\n".join([*lines, "", f"database {sound}, audit chain {whole}"])


def main() -> int:
    """Run a soak from the command line; 1 when a record was damaged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--days", type=float, default=14)
    parser.add_argument("--legs", type=int, default=7)
    parser.add_argument("--speed", type=float, default=7_200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home = Home(Path(directory) / "home")
        home.prepare()
        found = soak(home, days=args.days, legs=args.legs, speed=args.speed)
    print(report(found))
    return 0 if found.database_sound and found.logs_whole else 1


if __name__ == "__main__":
    sys.exit(main())
