"""The host: one engine in a thread and event loop of its own, out of any screen's reach.

The thread belongs to the process, not to a screen: a screen may stall, crash and be started
again while the engine goes on. Screens read one immutable snapshot, newest wins.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from engine.model.commands import Command, CommandResult
from engine.model.events import Event
from engine.model.snapshot import Snapshot

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.ledger.store import Ledger
    from engine.options import RunOptions
    from engine.settings import Settings

KEPT_EVENTS = 2_000
_log = logging.getLogger(__name__)

Builder = Callable[[Callable[[Snapshot], None], Callable[[Sequence[Event]], None]], "Engine"]


class EngineHost:
    """Runs an engine in its own thread; every method may be called from any thread."""

    def __init__(self, build: Builder) -> None:
        self._build = build
        self._thread = threading.Thread(target=self._main, name="engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None
        self._snapshot: Snapshot | None = None
        self._events: deque[tuple[int, Event]] = deque(maxlen=KEPT_EVENTS)
        self._told = 0
        self._fate = ""
        self._stop_asked = ""
        self._begun = False
        self._over = threading.Event()
        self.summary: dict[str, Any] = {}
        self.error: BaseException | None = None

    @classmethod
    def of(cls, settings: Settings, options: RunOptions) -> EngineHost:
        """Return a host for an engine; its rooms are imported in the engine's thread."""

        def build(
            publish: Callable[[Snapshot], None], tell: Callable[[Sequence[Event]], None]
        ) -> Engine:
            from engine.engine import Engine

            return Engine(settings, options, publish=publish, tell=tell)

        return cls(build)

    def start(self) -> None:
        """Start the engine; once."""
        if not self._begun:
            self._begun = True
            self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the engine's event loop, None while there is none."""
        return self._loop

    @property
    def ledger(self) -> Ledger | None:
        """Return the engine's ledger, to be used in ``loop`` only; None before it is open."""
        return getattr(self._engine, "ledger", None)

    def snapshot(self) -> Snapshot | None:
        """Return the newest picture, or None before the first one."""
        return self._snapshot

    def events(self, after: int) -> list[tuple[int, Event]]:
        """Return the events after a sequence number, oldest first; a bounded number is kept."""
        return [item for item in tuple(self._events) if item[0] > after]

    def send(self, command: Command) -> Future[CommandResult]:
        """Hand a command to the engine; the future runs once the engine has taken it."""
        future: Future[CommandResult] = Future()
        loop = self._loop
        if loop is None or self._over.is_set():
            future.set_exception(RuntimeError("no engine is running"))
            return future
        try:
            loop.call_soon_threadsafe(self._take, command, future)
        except RuntimeError:  # the loop was closed a moment ago
            future.set_exception(RuntimeError("no engine is running"))
        return future

    def end(self, why: str) -> None:
        """Ask the engine to end in order; from any thread, a signal handler included."""
        self._stop_asked = why
        loop, engine = self._loop, self._engine
        if loop is not None and engine is not None:
            with suppress(RuntimeError):  # the loop was closed a moment ago
                loop.call_soon_threadsafe(engine.end, why)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the engine's end (s); return whether it has ended."""
        return self._over.wait(timeout) if self._begun else True

    def alive(self) -> bool:
        """Return whether the engine runs or is about to."""
        return not self._over.is_set()

    def fate(self) -> str:
        """Return why the engine ended, in a sentence; empty while it lives."""
        return self._fate if self._over.is_set() else ""

    def cut(self) -> str:
        """Return what a start waits for, e.g. the network; nothing once there are pictures."""
        engine = self._engine
        return engine.waiting if engine is not None and self._snapshot is None else ""

    # In the engine's thread

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - the fate is told to whoever supervises
            self.error = error
            self._fate = f"{error}" or type(error).__name__
            _log.exception("the engine failed")
        finally:
            self._loop = None
            self._over.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._engine = self._build(self._show, self._tell)
        if self._stop_asked:
            self._engine.end(self._stop_asked)
        self.summary = await self._engine.run()
        self._fate = str(self.summary.get("why", "")) or "the engine ended"

    def _show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self._told += 1
            self._events.append((self._told, event))

    def _take(self, command: Command, future: Future[CommandResult]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        engine = self._engine
        if engine is None:
            future.set_exception(RuntimeError("the engine is still starting"))
            return
        task = asyncio.get_running_loop().create_task(engine.command(command))
        task.add_done_callback(lambda done: _settle(future, done))


def _settle(future: Future[CommandResult], task: asyncio.Task[CommandResult]) -> None:
    if task.cancelled():
        future.set_exception(RuntimeError("the engine ended before it was carried out"))
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())
