"""The engine: wires a trader to a market and its records, runs it, and ends it in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from engine import __version__
from engine.assembly import assemble, paper_venue
from engine.clock import MarketClock
from engine.commander import Commander
from engine.control.server import ControlServer
from engine.control.views import Facts
from engine.execution.journal import Journal
from engine.health import Pulse
from engine.home import Home, HomeLock
from engine.ledger.compliance import ComplianceLog
from engine.ledger.logfile import configure_logging
from engine.ledger.recorder import DurableRecorder
from engine.ledger.store import Ledger
from engine.market.files import load_directory
from engine.market.recorded import RecordedMarket
from engine.market.source import MarketSource
from engine.market.synthetic import SyntheticMarket
from engine.model.commands import Command, CommandResult, Level, Source, StartTrading
from engine.model.events import (
    EngineStateChanged,
    Event,
    Noticed,
    PositionClosed,
    RunFinished,
    Severity,
)
from engine.model.snapshot import Snapshot
from engine.narrative import describe
from engine.options import RunOptions
from engine.pacer import Pacer
from engine.picture import Picture, RunFacts
from engine.protection.breaker import CircuitBreaker
from engine.risk.track_record import TrackRecord
from engine.settings import Settings, SettingsError
from engine.strategy import Strategy
from engine.supervisor import Supervisor
from engine.trace import decision_record
from engine.trader import Trader
from engine.venues.simulated import SimulatedVenue

SNAPSHOT_S = 0.25
KEEP_RESUME_S = 30.0
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
        if settings.exchange != "sim":
            raise SettingsError(
                f"EXCHANGE={settings.exchange}: this version trades the simulated market only; "
                "use EXCHANGE=sim"
            )
        self.settings = settings
        self.options = options
        self.home = Home(options.home)
        self.clock = MarketClock()
        self.summary: dict[str, Any] = {}
        self._publish = publish
        self._tell = tell
        self._commands: asyncio.Queue[tuple[Command, asyncio.Future[CommandResult]]] = (
            asyncio.Queue(maxsize=100)
        )
        self._busy = asyncio.Lock()
        self._ending = asyncio.Event()
        self._why = ""
        self._lock = HomeLock(self.home)
        self._published = 0.0
        self._kept = 0.0
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
            await self._open()
            try:
                await self._live()
            finally:
                await self._close()
        finally:
            self._lock.release()
        return self.summary

    def end(self, why: str) -> None:
        """Ask the engine to end in order. Safe to call from its loop at any time."""
        self._why = self._why or why
        self._ending.set()

    async def command(self, command: Command) -> CommandResult:
        """Hand a command in and wait for its result."""
        future: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        await self._commands.put((command, future))
        return await future

    # Beginning

    async def _open(self) -> None:
        settings, options = self.settings, self.options
        configure_logging(self.home.logs, settings.log_level, settings.secrets())
        self.replay = options.data is not None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        self.account = f"replay-{stamp}" if self.replay else f"sim-{options.seed}"
        self.ledger = await Ledger.open(self.home.database, self.account)
        self.compliance = ComplianceLog(self.home.compliance, decision_record, self.account)
        notes = self.compliance.open()
        self.recorder = DurableRecorder(self.ledger, self.compliance, self._resume_state)
        notes += await self.recorder.recover()
        resume = await self.ledger.get_state("resume") or {}
        self.market = await asyncio.to_thread(self._choose_market, int(resume.get("clock", 0)))
        self.pairs = self.market.pairs
        self.trader = await self._build_trader(resume, notes)
        await asyncio.to_thread(self._warm_up, self.market)
        self.picture = Picture(
            self.trader,
            RunFacts("sim", "SIMULATED", self.account, options.speed),
            self.clock,
        )
        self.picture.restore(await self.ledger.closed_trades(500))
        self.pulse = Pulse(self.home, self._supervisor)
        self.commander = Commander(self.trader, self.clock, self.end)
        self.control = ControlServer(self.home.socket, facts=self._facts, command=self.command)
        await self.control.start()
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

    def _choose_market(self, left_at: int) -> MarketSource:
        settings, options = self.settings, self.options
        if options.data is not None:
            candles = load_directory(
                options.data,
                options.pairs,
                settings.default_timeframe,
                allowed=settings.pairs,
            )
            return RecordedMarket(candles)
        start = left_at or int(time.time() * 1000) // settings.candle_ms * settings.candle_ms
        return SyntheticMarket(
            options.pairs or settings.pairs, options.seed, start, settings.candle_ms
        )

    async def _build_trader(self, resume: dict[str, Any], notes: list[str]) -> Trader:
        settings = self.settings
        limits = settings.limits()
        self.clock.set(int(resume.get("clock", 0)))
        unclean = bool(resume) and not resume.get("clean", False)
        breaker, found = CircuitBreaker.restored(
            resume.get("breaker"),
            self.clock.now(),
            not unclean,
            throttled_confidence=limits.throttled_confidence,
        )
        notes += found
        record = TrackRecord(await self.ledger.closed_trades())
        for shadow in await self.ledger.closed_trades(100, shadow=True):
            record.add(shadow)
        balance = Decimal(repr(settings.paper_balance))
        venue = paper_venue(self.pairs, balance)
        journal = Journal(self.recorder, self._told)
        trader = assemble(
            pairs=self.pairs,
            candle_ms=self.market.candle_ms,
            strategy=Strategy(),
            limits=limits,
            venue=venue,
            balance=balance,
            journal=journal,
            clock=self.clock,
            breaker=breaker,
            record=record,
            tag="p",
        )
        if resume:
            venue.restore(resume["venue"])
            trader.shadow_venue.restore(resume["shadow_venue"])
            trader.equity.load(resume["equity"])
            trader.book.adopt(await self.ledger.open_positions())
            trader.shadow_book.adopt(await self.ledger.open_positions(shadow=True))
        self._venue: SimulatedVenue = venue
        trader.account = await venue.account()
        return trader

    def _warm_up(self, market: MarketSource) -> None:
        history = market.history()
        self.trader.scanner.seed(history)
        last = max((candles[-1].time for candles in history.values() if candles), default=None)
        if last is not None and self.clock.now() == 0:
            self.clock.set(last + market.candle_ms)

    # Living

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._supervisor.run("market", self._follow_market)),
            loop.create_task(self._supervisor.run("commands", self._obey)),
            loop.create_task(self._supervisor.run("pulse", self._beat)),
        ]
        if self.options.start:
            result = await self.command(StartTrading(source=Source.CLI, reason="--start"))
            _log.info("start: %s", result.detail)
        duration = self.options.duration_s
        try:
            await asyncio.wait_for(self._ending.wait(), duration)
        except TimeoutError:
            self._why = f"the set duration of {duration:g} s is over"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_market(self) -> None:
        pacer = Pacer(self.options.speed)
        for step in self.market.steps():
            if step.time <= self.clock.now():
                continue  # a restarted task goes on where the last one stopped
            await pacer.wait_for(step.time)
            async with self._busy:
                began = time.perf_counter()
                self.clock.set(step.time)
                decisions = await self.trader.step(step)
                self.picture.see_step(step, decisions, (time.perf_counter() - began) * 1000)
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
            self._show_if_due()
            if time.monotonic() - self._kept > KEEP_RESUME_S:
                self._kept = time.monotonic()
                async with self._busy:
                    await self.ledger.write((), self._resume_state())
                await self.ledger.prune(self.clock.now() - KEEP_SIGNALS_MS)

    # Ending

    async def _close(self) -> None:
        try:
            async with self._busy:
                self.summary = self._summary()
                why = self._why or "the engine failed"
                self._state("stopped", f"engine ended: {why}")
                self.trader.journal.emit(RunFinished(time=self.clock.now(), summary=self.summary))
                await self.trader.journal.flush()
                state = self._resume_state()
                state["resume"]["clean"] = True
                await self.ledger.write((), state)
                await self.ledger.end_run(self.clock.now(), self.summary)
        finally:
            self.picture.ended = self._why or "the engine failed"
            self._show()
            self.compliance.close()
            await self.ledger.close()
            await self.control.close()

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

    def _resume_state(self) -> dict[str, Any]:
        trader = self.trader
        return {
            "resume": {
                "clock": self.clock.now(),
                "clean": False,
                "breaker": trader.watch.breaker.state(),
                "equity": trader.equity.dump(),
                "venue": self._venue.snapshot(),
                "shadow_venue": trader.shadow_venue.snapshot(),
            }
        }

    # Telling

    def _told(self, events: Sequence[Event]) -> None:
        self.picture.see_events(events)
        for event in events:
            if isinstance(event, PositionClosed):
                self.picture.see_trade(event.trade)
            text = describe(event)
            if text is not None:
                _log.log(_LOG_LEVEL[event.severity], text)
        self._tell(events)
        self.control.publish(events)

    def _facts(self) -> Facts:
        trader = self.trader
        return Facts(
            snapshot=self.picture.build(self.pulse.view()),
            account=trader.account,
            positions=(*trader.book.positions.values(), *trader.shadow_book.positions.values()),
            started=self._started,
            pid=os.getpid(),
            version=__version__,
        )

    def _show_if_due(self) -> None:
        if time.monotonic() - self._published >= SNAPSHOT_S:
            self._show()

    def _show(self) -> None:
        self._published = time.monotonic()
        self._publish(self.picture.build(self.pulse.view()))

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


_LOG_LEVEL = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
    Severity.EMERGENCY: logging.CRITICAL,
}
