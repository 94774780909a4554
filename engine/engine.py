"""The engine: wires a trader to a market and its records, runs it, and ends it in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from engine import __version__, resume
from engine.assembly import assemble
from engine.commander import Commander
from engine.context_record import ContextRecorder
from engine.control.server import ControlServer
from engine.control.views import Facts
from engine.execution.flatten import make_safe
from engine.execution.journal import Journal
from engine.health import Pulse
from engine.home import Home, HomeLock
from engine.ledger.compliance import ComplianceLog
from engine.ledger.logfile import configure_logging
from engine.ledger.port import RecordError
from engine.ledger.recorder import DurableRecorder
from engine.ledger.redact import Redactor
from engine.ledger.store import Ledger
from engine.markets import Stage, stage_of
from engine.model.commands import (
    Command,
    CommandResult,
    Level,
    Outcome,
    Source,
    StartTrading,
)
from engine.model.events import (
    BreakerChanged,
    EngineStateChanged,
    Event,
    Noticed,
    PositionClosed,
    RunFinished,
    Severity,
)
from engine.model.snapshot import Snapshot
from engine.narrative import describe
from engine.notify.inbox import Inbox
from engine.notify.setup import channels_of, notifier_of
from engine.options import RunOptions
from engine.picture import Picture
from engine.protection.breaker import CircuitBreaker
from engine.settings import Settings, SettingsError
from engine.strategies.desk import StrategyDesk
from engine.supervisor import Supervisor
from engine.trace import decision_record
from engine.trader import Trader

SNAPSHOT_S = 0.25
KEEP_RESUME_S = 30.0
FLUSH_S = 1.0  # how long events of a task that has crashed wait to be told
SHOW_ANYWAY_S = 1.0
KEEP_SIGNALS_MS = 30 * 86_400_000

_log = logging.getLogger("sigma.engine")


class Engine:
    """One engine in one home. ``publish`` gets snapshots, ``tell`` every event once durable."""

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        *,
        publish: Callable[[Snapshot], None] = lambda snapshot: None,
        tell: Callable[[Sequence[Event]], None] = lambda events: None,
    ) -> None:
        self.stage = self._stage(settings, options)
        self.settings = settings
        self.options = options
        self.home = Home(options.home)
        self.clock = self.stage.clock
        self.waiting = ""  # what the start waits for, in a sentence
        self.summary: dict[str, Any] = {}
        self._publish = publish
        self._tell = tell
        self._commands: asyncio.Queue[tuple[Command, asyncio.Future[CommandResult]]] = (
            asyncio.Queue(maxsize=100)
        )
        self._busy = asyncio.Lock()
        self._closed = False
        self._shutdown_cause = ""
        self._ending = asyncio.Event()
        self._why = ""
        self._lock = HomeLock(self.home)
        self._published = 0.0
        self._kept = 0.0
        self._flushed = 0.0
        self._supervisor = Supervisor(self._crashed)

    # Life

    async def run(self) -> dict[str, Any]:
        """Run until the market ends, the duration is over or somebody ends it.

        Returns the summary. Raises ``HomeError``, ``SettingsError``, ``CandleDataError`` or
        ``RecordError`` when it cannot begin.
        """
        self.home.prepare()
        started = time.time()
        self._started = int(started * 1000)
        self._lock.acquire(
            {
                "pid": os.getpid(),
                "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
                "version": __version__,
            }
        )
        try:
            async with AsyncExitStack() as self._opened:  # closed however far the start came
                await self._open()
                try:
                    await self._live()
                finally:
                    await self._close()
        finally:
            self._closed = True
            self._lock.release()
        return self.summary

    def end(self, why: str) -> None:
        """Ask the engine to end in order. Safe to call from its loop at any time."""
        self._why = self._why or why
        self._ending.set()

    async def command(self, command: Command) -> CommandResult:
        """Hand a command in and wait for its result."""
        if self._closed:
            return _TOO_LATE
        self.commander.brace(command)  # before whatever is under way or queued
        future: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        await self._commands.put((command, future))
        return await future

    # Beginning

    def _stage(self, settings: Settings, options: RunOptions) -> Stage:
        """Return what this engine trades on."""
        return stage_of(settings, options)

    async def _open(self) -> None:
        settings = self.settings
        configure_logging(self.home.logs, settings.log_level, settings.secrets())
        stage = self.stage
        await stage.prepare()  # first, so that nothing is written when a recording is unusable
        channels = await asyncio.to_thread(channels_of, settings)
        self.account = stage.account
        self.ledger = await Ledger.open(self.home.database, self.account)
        self._opened.push_async_callback(self.ledger.close)
        self.strategies = StrategyDesk(self.ledger)
        self.inbox = Inbox(self.ledger)
        self.notifier = notifier_of(settings, channels, self.inbox.put)
        self.compliance = ComplianceLog(
            self.home.compliance, decision_record, self.account, context=ContextRecorder()
        )
        notes = self.compliance.open()
        self._opened.callback(self.compliance.close)
        self.recorder = DurableRecorder(self.ledger, self.compliance, self._resume_state)
        notes += await self.recorder.recover()
        left = await self.ledger.get_state("resume") or {}
        self._opened.push_async_callback(stage.close)
        await self._unless_ended(stage.open(left, self._wait_for))
        self.pairs = stage.pairs
        await stage.recall(self.ledger, left)
        self.trader = await self._build_trader(left, notes)
        notes += await stage.join(self.trader)
        await self.trader.refresh_account(self.clock.now())
        self.picture = Picture(self.trader, stage.facts, self.clock)
        self.picture.restore(await self.ledger.closed_trades(500))
        self.pulse = Pulse(
            self.home, self._supervisor, stage.api, self.clock.now, self.notifier.overview
        )
        self.commander = Commander(self.trader, self.clock, self.end, self.strategies, stage.pacer)
        self.control = ControlServer(
            self.home.socket, facts=self._facts, command=self.command, assist=self._assist
        )
        await self.control.start()
        self._opened.push_async_callback(self.control.close)
        now = self.clock.now()
        await self.ledger.begin_run(now, {"account": self.account, "version": __version__})
        for note in notes:
            self._notice(Severity.WARNING, "start", note)
        self._state("stopped", f"engine started: {self.account}, {len(self.pairs)} pairs")
        await self.trader.journal.flush()
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        self._show()

    def _wait_for(self, sentence: str) -> None:
        """Say what the start waits for."""
        self.waiting = sentence
        _log.warning(sentence)

    async def _unless_ended(self, opening: Coroutine[Any, Any, None]) -> None:
        """Await the opening; give it up when somebody ends the engine meanwhile."""
        task, ended = asyncio.create_task(opening), asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise SettingsError(f"ended before it could begin: {self.waiting or self._why}")
            await task
        finally:
            task.cancel()
            ended.cancel()
        self.waiting = ""

    async def _build_trader(self, left: dict[str, Any], notes: list[str]) -> Trader:
        stage, limits = self.stage, self.settings.limits()
        unclean = bool(left) and not left.get("clean", False)
        breaker, found = CircuitBreaker.restored(
            left.get("breaker"),
            self.clock.now(),
            not unclean,
            throttled_confidence=limits.throttled_confidence,
        )
        notes += found
        strategy, record, found = await self.strategies.begin()
        notes += found
        journal = Journal(self.recorder, self._told, Redactor(self.settings.secrets()))
        trader = assemble(
            pairs=self.pairs,
            candle_ms=stage.candle_ms,
            strategy=strategy,
            limits=limits,
            venue=stage.venue,
            balance=stage.balance,
            journal=journal,
            clock=self.clock,
            breaker=breaker,
            record=record,
            tag=stage.tag,
        )
        if left:
            now = self.clock.now()
            notes += await resume.take_up(
                trader, stage.simulated, self.ledger, left, now, stage.balance
            )
        notes += await self.strategies.recall(trader)
        return trader

    # Living

    async def _live(self) -> None:
        if self.options.start:  # before the market moves, so that no candle is missed
            result = await self.commander.handle(StartTrading(source=Source.CLI, reason="--start"))
            _log.info("start: %s", result.detail)
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._supervisor.run("market", self._follow_market)),
            loop.create_task(self._supervisor.run("commands", self._obey)),
            loop.create_task(self._supervisor.run("pulse", self._beat)),
            loop.create_task(self._supervisor.run("notifications", self.inbox.run)),
            *(
                loop.create_task(self._supervisor.run(name, work))
                for name, work in self.stage.tasks().items()
            ),
        ]
        duration = self.options.duration_s
        try:
            await asyncio.wait_for(self._ending.wait(), duration)
        except TimeoutError:
            self._why = f"the set duration of {duration:g} s is over"
        finally:
            async with self._busy:  # a step or command under way comes to its end first
                for task in tasks:
                    task.cancel()
            await self._supervisor.stop(tasks)

    async def _follow_market(self) -> None:
        async for step in self.stage.steps():
            async with self._busy:
                began = time.perf_counter()
                self.stage.arrive(step, self.trader)
                decisions = await self.trader.step(step)
                self.picture.see_step(step, decisions, (time.perf_counter() - began) * 1000)
                await self.stage.attend(self.trader)
                await self._stand_down()
            self._show_if_due()
        async with self._busy:
            await self.trader.finish()
            self.picture.ended = "the recorded market ended"
        self.end(self.picture.ended)

    async def _obey(self) -> None:
        while True:
            command, future = await self._commands.get()
            try:
                async with self._busy:
                    result = await self.commander.handle(command)
                    await self._stand_down()
            except Exception as error:
                if not future.done():
                    future.set_exception(error)
                raise
            if not future.done():
                future.set_result(result)
            self._show()

    async def _beat(self) -> None:
        """Measure the loop's lateness; keep what a restart needs; show something when idle."""
        while True:
            await self.pulse.wait()
            # Never half a step, unless the step hangs.
            if not self._busy.locked() or time.monotonic() - self._published > SHOW_ANYWAY_S:
                self._show_if_due()
            if self.trader.journal.pending and time.monotonic() - self._flushed > FLUSH_S:
                self._flushed = time.monotonic()
                async with self._busy:
                    await self.trader.journal.flush()
                    await self._stand_down()
            if time.monotonic() - self._kept > KEEP_RESUME_S:
                self._kept = time.monotonic()
                await self._keep()

    async def _keep(self) -> None:
        """Keep what a restart needs, and drop what is too old to be needed."""
        try:
            async with self._busy:
                await self.ledger.write((), self._resume_state())
            await self.ledger.prune(self.clock.now() - KEEP_SIGNALS_MS)
        except RecordError as error:
            _log.error("the state cannot be kept: %s", error)
            self.trader.journal.failing = True

    async def _stand_down(self) -> None:
        """When the breaker has gone to SHUTDOWN: make every position safe, then end.

        Where the venue does not show that they are, this is tried again after the next step.
        """
        cause, book = self._shutdown_cause, self.trader.book
        if not cause:
            return
        book.desk.entries_held = f"SHUTDOWN: {cause}"
        left = await make_safe(book, self.clock, book.desk.entries_held)
        if left:
            names = ", ".join(pair.base for pair in left)
            sentence = f"SHUTDOWN waits: no stop is seen to work for {names}; trying again"
            self._notice(Severity.EMERGENCY, "engine", sentence)
        await self.trader.journal.flush()
        if not left:
            self._shutdown_cause = ""
            self.end(f"circuit breaker SHUTDOWN: {cause}")

    # Ending

    async def _close(self) -> None:
        self._closed = True
        while not self._commands.empty():
            _, future = self._commands.get_nowait()
            if not future.done():
                future.set_result(_TOO_LATE)
        try:
            async with self._busy:
                await self.trader.refresh_account(self.clock.now())
                self.summary = self._summary()
                why = self._why or "the engine failed"
                self._state("stopped", f"engine ended: {why}")
                self.trader.journal.emit(RunFinished(time=self.clock.now(), summary=self.summary))
                await self.trader.journal.flush()
                await self.ledger.write((), self._resume_state(clean=True))
                await self.ledger.end_run(self.clock.now(), self.summary)
        finally:
            self.picture.ended = self._why or "the engine failed"
            await self.inbox.store()
            self._show()
            await asyncio.to_thread(self.notifier.close)

    def _summary(self) -> dict[str, Any]:
        counts = self.trader.fingerprint
        account = self.trader.account
        return {
            "account": self.account,
            "why": self._why,
            "decisions": counts.decisions,
            "proposals": counts.proposals,
            "entries": counts.entries,
            "trades": counts.trades,
            "blocked": dict(counts.blocked),
            "balance": f"{account.balance:f}",
            "equity": f"{account.equity:f}",
            "open_positions": len(self.trader.book.positions),
            "fingerprint": counts.hexdigest(),
        }

    def _resume_state(self, *, clean: bool = False) -> dict[str, Any]:
        now = self.clock.now()
        return {"resume": resume.dump(self.trader, self.stage.simulated, now, clean=clean)}

    # Telling

    def _told(self, events: Sequence[Event]) -> None:
        self.picture.see_events(events)
        for event in events:
            if isinstance(event, PositionClosed):
                self.picture.see_trade(event.trade)
            elif isinstance(event, BreakerChanged) and event.after is Level.SHUTDOWN:
                self._shutdown_cause = event.detail
            text = describe(event)
            if text is not None:
                _log.log(_LOG_LEVEL[event.severity], text)
                self.notifier.see(event, text)
        self._tell(events)
        self.control.publish(events)

    def _facts(self) -> Facts:
        trader = self.trader
        return Facts(
            snapshot=self._snapshot(),
            account=trader.account,
            positions=(*trader.book.positions.values(), *trader.shadow_book.positions.values()),
            started=self._started,
            pid=os.getpid(),
            version=__version__,
        )

    async def _assist(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Let the assistant of another process see; raises ``ValueError`` for a wrong question."""
        sight = await asyncio.to_thread(import_module, "engine.assistant.sight")
        redact = Redactor(self.settings.secrets())
        seen = sight.SnapshotSight(self._snapshot, redact)
        answer: dict[str, Any] = await sight.serve(options, seen, time.time_ns() // 1_000_000)
        return answer

    def _show_if_due(self) -> None:
        if time.monotonic() - self._published >= SNAPSHOT_S:
            self._show()

    def _show(self) -> None:
        self._published = time.monotonic()
        self._publish(self._snapshot())

    def _snapshot(self) -> Snapshot:
        self.picture.unread, self.picture.bells = self.inbox.unread, self.notifier.bells
        if self.stage.pacer is not None:
            self.picture.speed = self.stage.pacer.pace
        return self.picture.build(self.pulse.view())

    def _crashed(self, name: str, sentence: str, repeated: bool) -> None:
        self._notice(Severity.CRITICAL, "engine", sentence)
        if repeated:
            changes, _ = self.trader.watch.breaker.trip(
                Level.HALT, f"task {name} crashes again and again", self.clock.now()
            )
            self.trader.journal.extend(changes)

    def _notice(self, level: Severity, topic: str, detail: str) -> None:
        self.trader.journal.emit(
            Noticed(time=self.clock.now(), level=level, topic=topic, detail=detail)
        )

    def _state(self, state: str, detail: str) -> None:
        self.trader.journal.emit(
            EngineStateChanged(time=self.clock.now(), state=state, detail=detail)
        )


_TOO_LATE = CommandResult(Outcome.FAILED, "the engine has ended; the command was not carried out")
_LOG_LEVEL = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
    Severity.EMERGENCY: logging.CRITICAL,
}
