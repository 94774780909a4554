"""One engine in a process of its own: open a position, break something, flatten, tell how it went.

``python -m tests.flatten.child HOME FAULT`` prints one JSON object. Faults: ``none``, ``full``
(no file may grow), ``readonly`` (the database refuses writes), ``screen`` (a follower that never
reads, a publisher nobody empties) and ``assistant`` (threads that hang).
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

from engine.control.protocol import encode, reachable
from engine.model.commands import Flatten, Source
from engine.model.events import Noticed, OrderFilled
from engine.model.orders import OrderKind
from tests.engine.live import BEGIN, HOUR, Run, SmallEngine

FAULTS = ("none", "full", "readonly", "screen", "assistant")


class WaitingEngine(SmallEngine):
    """An engine whose market pauses once a position is open."""

    async def _live(self) -> None:
        tasks = [asyncio.create_task(self._flatten_when_open())]
        try:
            await super()._live()
        finally:
            for task in tasks:
                task.cancel()

    async def _flatten_when_open(self) -> None:
        while not self.trader.book.positions:  # noqa: ASYNC110 - nothing tells of it before told
            await asyncio.sleep(0)
        await breaking[self.fault](self)
        self.found = await self._measured()
        self.end("measured")

    fault = "none"
    found: dict[str, Any]

    async def _measured(self) -> dict[str, Any]:
        book = self.trader.book
        order: list[str] = []
        told = self._tell

        def tell(events: Any) -> None:
            for event in events:
                if isinstance(event, OrderFilled) and event.fill.kind is OrderKind.EXIT:
                    order.append("exit")
                elif type(event).__name__ == "BreakerChanged" and event.after == "HALT":
                    order.append("halt")
            told(events)

        self._tell = tell
        opened = len(book.positions)
        began = time.perf_counter()
        result = await self.command(Flatten(source=Source.KEY, reason="drill"))
        took = time.perf_counter() - began
        return {
            "fault": self.fault,
            "opened": opened,
            "outcome": str(result.outcome),
            "detail": result.detail,
            "ms": 1000 * took,
            "left": len(await book.desk.venue.positions()),
            "orders": len(await book.desk.venue.open_orders()),
            "book": len(book.positions),
            "order": order,
            "level": str(self.trader.watch.level),
            "failing": self.trader.journal.failing,
            "closed_to_entries": self.trader.switches.closed_to_entries,
        }


async def _none(engine: WaitingEngine) -> None:
    await asyncio.sleep(0)


async def _full(engine: WaitingEngine) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


async def _readonly(engine: WaitingEngine) -> None:
    await engine.ledger._connection.execute("PRAGMA query_only = ON")


async def _screen(engine: WaitingEngine) -> None:
    with reachable(engine.home.socket) as path:
        _, writer = await asyncio.open_unix_connection(path, limit=64)
    writer.write(encode({"id": 1, "follow": "events"}))
    await writer.drain()
    engine.stalled = writer  # type: ignore[attr-defined]  # it never reads


async def _assistant(engine: WaitingEngine) -> None:
    for _ in range(4):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.3)


breaking = {
    "none": _none,
    "full": _full,
    "readonly": _readonly,
    "screen": _screen,
    "assistant": _assistant,
}


def main(home: Path, fault: str) -> dict[str, Any]:
    run = Run(home, engine=WaitingEngine, until=BEGIN + 96 * HOUR)
    run.engine.fault = fault  # type: ignore[attr-defined]
    error = ""
    try:
        run.go()
    except Exception as failed:  # noqa: BLE001 - an end that cannot be recorded is part of it
        error = f"{type(failed).__name__}: {failed}"
    found: dict[str, Any] = run.engine.found  # type: ignore[attr-defined]
    loud = [e.detail for e in run.of(Noticed) if "record" in e.detail]
    return {**found, "end": error, "loud": loud[:3]}


if __name__ == "__main__":
    result = json.dumps(main(Path(sys.argv[1]), sys.argv[2]))
    sys.stdout.write(result + "\n")
    sys.stdout.flush()
