"""The command port: whoever sends a command, it is carried out and audited here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from engine.clock import Clock
from engine.execution.exits import Exit
from engine.execution.flatten import flatten
from engine.model.commands import (
    Adopt,
    ApplyStrategy,
    ClosePosition,
    Command,
    CommandResult,
    Flatten,
    Level,
    Outcome,
    Override,
    PauseEntries,
    Recover,
    ReplayControl,
    Shutdown,
    StartTrading,
    StopTrading,
    Trip,
)
from engine.model.decision import Verdict
from engine.model.events import CommandHandled, EngineStateChanged, Noticed, Severity
from engine.model.orders import ExitReason
from engine.pacer import Pacer
from engine.strategies.desk import StrategyDesk
from engine.strategies.validation import StrategyError
from engine.trader import NOT_STARTED, Trader
from engine.venues.port import VenueError

_log = logging.getLogger(__name__)


def _done(detail: str) -> CommandResult:
    return CommandResult(Outcome.DONE, detail)


def _refused(detail: str) -> CommandResult:
    return CommandResult(Outcome.REFUSED, detail)


class Commander:
    """Carries out commands on a trader, one at a time; every one leaves an event.

    ``strategies`` are the saved ones of the home, None where there are none; ``pacer`` steers the
    time of a local market, None on an exchange.
    """

    def __init__(
        self,
        trader: Trader,
        clock: Clock,
        end: Callable[[str], None],
        strategies: StrategyDesk | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        self._trader = trader
        self._clock = clock
        self._end = end
        self._strategies = strategies
        self._pacer = pacer

    async def handle(self, command: Command) -> CommandResult:
        """Carry a command out and return what became of it; it is durable by then.

        A crash on the way is a failed command and an event; the engine lives.
        """
        actions: dict[type[Command], Callable[[Command], Awaitable[CommandResult]]] = {
            StartTrading: self._start,
            StopTrading: self._stop,
            PauseEntries: self._pause,
            Trip: self._trip,
            Override: self._override,
            Recover: self._recover,
            ClosePosition: self._close,
            Adopt: self._adopt,
            Flatten: self._flatten,
            Shutdown: self._shutdown,
            ReplayControl: self._replay,
            ApplyStrategy: self._apply,
        }
        journal = self._trader.journal
        try:
            result = await actions[type(command)](command)
        except Exception as error:  # noqa: BLE001 - told to the sender, logged and journalled
            _log.exception("%s crashed", type(command).__name__)
            detail = f"it crashed: {type(error).__name__}: {error}"
            result = CommandResult(Outcome.FAILED, detail)
            journal.emit(
                Noticed(
                    time=self._clock.now(),
                    level=Severity.CRITICAL,
                    topic="commands",
                    detail=f"{type(command).__name__}: {detail}",
                )
            )
        journal.emit(CommandHandled(time=self._clock.now(), command=command, result=result))
        await journal.flush()
        return result

    def brace(self, command: Command) -> None:
        """Halt entries at once for a flatten, whatever else is still under way or queued.

        An entry approved but not sent yet does not leave any more.
        """
        closes = isinstance(command, Flatten) or (isinstance(command, Shutdown) and command.flatten)
        trader, reason = self._trader, command.reason or "flatten"
        braced = trader.book.desk.entries_held and trader.watch.level.rank >= Level.HALT.rank
        if braced or not closes:
            return
        trader.book.desk.entries_held = f"entries halted by flatten ({reason})"
        changes, _ = trader.watch.breaker.trip(Level.HALT, reason, self._clock.now())
        trader.journal.extend(changes)
        trader.switches.started, trader.switches.reason = False, "stopped by flatten"

    async def _start(self, command: Command) -> CommandResult:
        assert isinstance(command, StartTrading)
        trader, now = self._trader, self._clock.now()
        breaker = trader.watch.breaker
        if command.acknowledge:
            changes, answer = breaker.acknowledge(command.reason or "start", now)
            trader.journal.extend(changes)
            if answer.outcome is not Outcome.DONE:
                return answer
        elif breaker.needs_acknowledgement:
            return _refused(
                f"{breaker.needs_acknowledgement}: look at the positions, then start again with "
                "an acknowledgement"
            )
        trader.switches.started = True
        trader.switches.paused = False
        trader.book.desk.entries_held = ""
        gate = trader.watch.gate(now)
        held = f"; but {gate.reason}" if gate.verdict is Verdict.BLOCK else ""
        self._state("running", f"trading started{held}")
        return _done(f"trading started{held}")

    async def _stop(self, command: Command) -> CommandResult:
        switches = self._trader.switches
        switches.started, switches.reason = False, NOT_STARTED
        self._state("stopped", "trading stopped; open positions stay managed")
        return _done("no new entries; open positions stay managed")

    async def _pause(self, command: Command) -> CommandResult:
        assert isinstance(command, PauseEntries)
        self._trader.switches.paused = not command.resume
        words = "entries allowed again" if command.resume else "entries paused, scanning goes on"
        self._state("running" if self._trader.switches.started else "stopped", words)
        return _done(words)

    async def _trip(self, command: Command) -> CommandResult:
        assert isinstance(command, Trip)
        changes, result = self._trader.watch.breaker.trip(
            command.level, command.reason, self._clock.now()
        )
        self._trader.journal.extend(changes)
        return result

    async def _override(self, command: Command) -> CommandResult:
        assert isinstance(command, Override)
        changes, result = self._trader.watch.breaker.override(
            command.level, command.seconds, command.reason, self._clock.now()
        )
        self._trader.journal.extend(changes)
        return result

    async def _recover(self, command: Command) -> CommandResult:
        changes, result = self._trader.watch.breaker.recover(command.reason, self._clock.now())
        self._trader.journal.extend(changes)
        if result.outcome is Outcome.DONE and self._trader.allow_reentry():
            return _done(f"{result.detail}; exploration re-opened on 30 shadow trades that earned")
        return result

    async def _close(self, command: Command) -> CommandResult:
        assert isinstance(command, ClosePosition)
        book = self._trader.book
        if command.pair in self._trader.disputed:  # what the exchange shows is what is closed
            adopted = await self._adopt(Adopt(source=command.source, pair=command.pair))
            if adopted.outcome is not Outcome.DONE or command.pair not in book.positions:
                return adopted
        position = book.positions.get(command.pair)
        if position is None:
            return _refused(f"no position is open in {command.pair.base}")
        why = command.reason or "closed by the operator"
        await book.leave(command.pair, Exit(ExitReason.OPERATOR, position.quantity, why))
        await self._trader.refresh_account(self._clock.now())
        if command.pair in book.positions:
            return CommandResult(Outcome.FAILED, f"{command.pair.base} is still open; try again")
        return _done(f"{command.pair.base} closed at market")

    async def _adopt(self, command: Command) -> CommandResult:
        assert isinstance(command, Adopt)
        trader, pair = self._trader, command.pair
        if trader.reconciler is None or pair not in trader.disputed:
            return _refused(f"nothing is disputed in {pair.base}")
        try:
            sentence = await trader.reconciler.adopt(pair, self._clock.now())
        except VenueError as error:
            return CommandResult(Outcome.FAILED, f"{pair.base}: {error}; try again")
        await trader.refresh_account(self._clock.now())
        return _done(sentence)

    async def _flatten(self, command: Command) -> CommandResult:
        assert isinstance(command, Flatten | Shutdown)
        trader = self._trader
        self.brace(command)
        await trader.journal.flush()  # the halt is durable before the first order goes out
        found = await flatten(trader.book, self._clock, command.reason or "flatten")
        await trader.refresh_account(self._clock.now())
        if not found.flat:
            return CommandResult(
                Outcome.FAILED,
                f"{found.detail}; entries stay halted and stops stay where they rest; flatten "
                "again, or close at the exchange",
            )
        self._state("halted", f"{found.detail}, entries halted")
        return _done(f"{found.detail}, entries halted until recover and start")

    async def _shutdown(self, command: Command) -> CommandResult:
        assert isinstance(command, Shutdown)
        if command.flatten:
            result = await self._flatten(command)
            if result.outcome is not Outcome.DONE:
                return result
        open_now = len(self._trader.book.positions)
        detail = (
            f"engine ends; {open_now} positions keep their stops" if open_now else "engine ends"
        )
        self._end(command.reason or "stopped by the operator")
        return _done(detail)

    async def _apply(self, command: Command) -> CommandResult:
        assert isinstance(command, ApplyStrategy)
        if self._strategies is None:
            return _refused("no strategies are kept here")
        trader, now = self._trader, self._clock.now()
        try:
            sentence = await self._strategies.apply(trader, command.name, command.version, now)
        except StrategyError as error:
            return _refused(str(error))
        trader.journal.emit(
            Noticed(time=now, level=Severity.INFO, topic="strategy", detail=sentence)
        )
        return _done(sentence)

    async def _replay(self, command: Command) -> CommandResult:
        assert isinstance(command, ReplayControl)
        if self._pacer is None:
            return _refused("the time of an exchange cannot be steered")
        try:
            return _done(self._pacer.steer(command, self._clock.now()))
        except ValueError as error:
            return _refused(str(error))

    def _state(self, state: str, detail: str) -> None:
        self._trader.journal.emit(
            EngineStateChanged(time=self._clock.now(), state=state, detail=detail)
        )
