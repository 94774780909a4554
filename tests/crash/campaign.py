"""A campaign: one exchange, one home, an engine killed again and again, everything compared.

Each start recovers from the kill before it; then exchange, ledger and logs are compared while
it stands still, and it trades on until it is killed in turn. The exchange is a process of its
own and outlives every engine. Children are forked from this process, so imports are paid once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import select
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.compare import Differences, compare
from tests.crash.death import STEPS, WITHIN, Plan
from tests.crash.victim import Line, Orders, run
from tests.exchange_server.hosting import ServerProcess

FORK = multiprocessing.get_context("fork")
PATIENCE_S = 60.0
LATEST_S = 2.5  # a step that does not come by then: die all the same
PER_HOME = 40  # kills before exchange and home are begun anew, so that comparing stays quick
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "reset", "when": "mid"},
    {"kind": "reset", "when": "after"},
    {"kind": "http", "status": 502, "executed": True},
    {"kind": "error", "code": -1007, "executed": True},
    {"kind": "body", "shape": "truncated"},
    {"kind": "latency", "ms": 120, "when": "after"},
    {"kind": "partial_fill", "fraction": "0.5", "rest": "later"},
)


@dataclass
class Result:
    """What a campaign has shown. ``recovered`` counts the comparisons that found no difference."""

    runs: int = 0
    compared: int = 0
    trades: int = 0
    orders: int = 0
    died: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    unprotected_ms: int = 0  # while an engine lived
    down_ms: int = 0  # with the time between a kill and the next start
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**self.__dict__, "died": dict(self.died.most_common())}


def plans(seed: int, count: int) -> Iterator[Plan]:
    """Yield how each of ``count`` engines dies: at every durable step in turn, and at random."""
    chance = random.Random(seed)
    steps = list(STEPS)
    while True:
        chance.shuffle(steps)
        for when, what in steps:
            if count == 0:
                return
            count -= 1
            lot = chance.random()
            if lot < 0.15:
                yield Plan(seconds=chance.uniform(0.0, 0.6), from_start=True)
            elif lot < 0.3:
                yield Plan(seconds=chance.uniform(0.0, 1.0))
            else:
                number = chance.choice((1, 1, 2, 3))
                delay = chance.uniform(0.0, 6.0) if when == WITHIN else 0.0
                yield Plan(when, what, number, delay, LATEST_S)


def campaign(home: Path, seed: int, runs: int, *, faults: bool = True) -> Result:
    """Kill ``runs`` engines, one after the other; stops at the first difference."""
    result, began = Result(), time.monotonic()
    chance = random.Random(seed)
    left = list(plans(seed, runs))
    part = 0
    while left and not result.failures:
        part += 1
        some, left = left[:PER_HOME], left[PER_HOME:]
        place = home / f"{seed}-{part}"
        with ServerProcess("--seed", str(seed + part), "--history-days", "1") as server:
            _part(place, server, some, chance, result, faults)
    result.seconds = round(time.monotonic() - began, 1)
    return result


def many_trades(home: Path, seed: int, trades: int) -> Result:
    """Let one engine trade unharmed until so many trades have closed, then compare."""
    result, began = Result(), time.monotonic()
    with ServerProcess("--seed", str(seed), "--history-days", "1") as server:
        orders = Orders(home, server.url, seed, trades=trades)
        _finish(orders, server, result, [])
    result.seconds = round(time.monotonic() - began, 1)
    return result


def _part(
    home: Path, server: ServerProcess, some: list[Plan], chance: random.Random, result: Result,
    faults: bool,
) -> None:  # fmt: skip
    downs: list[tuple[int, int]] = []
    for plan in some:
        if faults and chance.random() < 0.3:
            server.call("fault", method="POST", **chance.choice(FAULTS))
        orders = Orders(home, server.url, chance.getrandbits(32), plan)
        _generation(orders, server, result, downs)
        result.runs += 1
        if result.failures:
            return
    server.call("clear-faults")
    _finish(Orders(home, server.url, chance.getrandbits(32), trades=1), server, result, downs)


def _finish(
    orders: Orders, server: ServerProcess, result: Result, downs: list[tuple[int, int]]
) -> None:
    """Let a last engine end in order, and add up what the exchange has seen."""
    _generation(orders, server, result, downs, ends=True)
    truth = server.ledger()
    if truth["positions"] and not result.failures:
        result.failures.append(f"not flat at the end: {truth['positions']}")
    result.trades += len(truth["lives"])
    result.orders += len({fill["order_id"] for fill in truth["fills"]})
    for life in truth["lives"]:
        for start, end in life["unprotected"]:
            down = any(start <= killed and begun <= end + 1 for killed, begun in downs)
            crossed = any(start <= begun and killed <= end for killed, begun in downs)
            if crossed or down:
                result.down_ms = max(result.down_ms, end - start)
            else:
                result.unprotected_ms = max(result.unprotected_ms, end - start)


def _generation(
    orders: Orders, server: ServerProcess, result: Result, downs: list[tuple[int, int]],
    ends: bool = False,
) -> None:  # fmt: skip
    """Live through one engine: its recovery, the comparison, its death (or its end)."""
    said: list[str] = []
    begun = int(time.time() * 1000)
    if downs:
        downs[-1] = (downs[-1][0], begun)
    with _Child(orders) as child:
        for told in child.lines():
            if "died" in told:
                result.died[told["died"]] += 1
                said.append(told["died"])
                continue
            if "traded" in told:
                continue
            found = compare(orders.home, server, told)
            result.compared += 1
            if found.texts:
                result.failures.append(_failure(orders, said, found))
                child.kill()
                return
            child.go()
    downs.append((int(time.time() * 1000), int(time.time() * 1000)))
    expected = 0 if ends else -signal.SIGKILL
    if child.exitcode != expected:
        result.failures.append(f"plan {orders.plan}: exit {child.exitcode}, not {expected}")


def _failure(orders: Orders, said: list[str], found: Differences) -> str:
    return f"seed {orders.seed}, before '{orders.plan}': " + "; ".join(found.texts)


class _Child:
    """One forked engine and the line to it."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def __enter__(self) -> _Child:
        out, there = os.pipe()
        here, back = os.pipe()
        self._from, self._to = out, back
        self._process = FORK.Process(target=_be, args=(self._orders, there, here, (out, back)))
        self._process.start()
        os.close(there)
        os.close(here)
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is not None:
            self._process.kill()
        self._process.join(PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        for end in (self._from, self._to):
            os.close(end)

    @property
    def exitcode(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def go(self) -> None:
        with suppress(BrokenPipeError):
            os.write(self._to, b"!")

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what the child tells until it is gone."""
        rest = b""
        while True:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_S)
            if not ready:
                self._process.kill()
                raise TimeoutError(f"{self._orders.plan}: the engine said nothing for a minute")
            data = os.read(self._from, 65_536)
            if not data:
                return
            rest += data
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield json.loads(line)


def _be(orders: Orders, out: int, back: int, parents: tuple[int, int]) -> None:
    for end in parents:
        os.close(end)
    run(orders, Line(out, back))
