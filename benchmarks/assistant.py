"""What the assistant costs: import times, and a ticking thread's lateness while it is at work.

Run ``python benchmarks/assistant.py``. The ticker stands for the engine: a thread with an event
loop of its own that wakes every 10 ms; its lateness is what the assistant must not change.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.assistant.factory import open_model
from engine.assistant.history import NoHistory
from engine.assistant.port import ChatModel
from engine.assistant.session import ChatSession
from engine.assistant.sight import SnapshotSight
from engine.ledger.redact import Redactor
from tests.cockpit.sample import snapshot
from tests.gemini_server import server as reply
from tests.gemini_server.server import GeminiServer

TICK_S = 0.01
MODULES = (
    "engine.assistant.session",
    "engine.assistant.google_new",
    "engine.assistant.google_legacy",
)


class Ticker:
    """Wakes every 10 ms in a loop of its own and keeps how late it was (ms)."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._tick()), daemon=True)

    async def _tick(self) -> None:
        while not self._ending.is_set():
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            self.late.append((time.perf_counter() - due) * 1000)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        self._thread.join()

    def row(self, name: str) -> str:
        late = sorted(self.late)
        return (
            f"{name:<34}{len(late):>6} ticks   p50 {late[len(late) // 2]:6.2f}   "
            f"p99 {late[int(len(late) * 0.99)]:6.2f}   worst {late[-1]:7.2f} ms"
        )


def import_times() -> None:
    for name in MODULES:
        best = min(_import_once(name) for _ in range(3))
        print(f"import {name:<34}{best:8.0f} ms")


def _import_once(name: str) -> float:
    code = f"import time; a = time.perf_counter(); import {name}; print(time.perf_counter() - a)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(out.stdout) * 1000


async def lateness() -> None:
    async def measure(name: str, work: Callable[[], Awaitable[object]]) -> None:
        with Ticker() as ticker:
            await work()
        print(ticker.row(name))

    with GeminiServer() as server:
        session = ChatSession(
            lambda: _model(server),
            SnapshotSight(snapshot, Redactor()),
            NoHistory(),
            Redactor(),
            deadline_s=3,
        )

        async def ask() -> None:
            async for _ in session.ask("why?"):
                pass

        await measure("idle", lambda: asyncio.sleep(3))
        server.plan(reply.text("first"))
        await measure("first question (import included)", ask)
        server.plan(reply.text(*(f"piece {n} of an answer " for n in range(2_000))))
        await measure("streaming 2,000 pieces", ask)
        server.plan(reply.stalled("a", "b"))
        await measure("stalled for 3 s", ask)
        server.plan(reply.status(503, "overloaded"))
        await measure("failing", ask)
        await session.aclose()


def _model(server: GeminiServer) -> ChatModel:
    return open_model("AIza-not-a-key", "gemini-2.5-flash", server.url)


if __name__ == "__main__":
    sys.setswitchinterval(0.001)  # these as the program itself does
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    import_times()
    asyncio.run(lateness())
