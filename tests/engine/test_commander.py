"""Every command's outcomes: done, refused, failed; durable; and flatten before everything else."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from engine.assembly import assemble
from engine.commander import Commander
from engine.execution.journal import Journal
from engine.model.commands import (
    ClosePosition,
    Command,
    Flatten,
    Level,
    Outcome,
    Override,
    PauseEntries,
    Recover,
    Shutdown,
    Source,
    StartTrading,
    StopTrading,
    Trip,
)
from engine.model.events import BreakerChanged, CommandHandled, Noticed, Severity
from engine.model.orders import ExitReason, OrderKind
from engine.protection.breaker import CircuitBreaker
from engine.risk.limits import RiskLimits
from engine.strategy import Strategy
from tests.engine.scripted import (
    BTC,
    ETH,
    REFUSED,
    START,
    MemoryRecorder,
    ScriptedVenue,
    TickingClock,
    decision,
    entry,
)

KEY = Source.KEY


class Desk:
    """A commander over a trader on a scripted venue."""

    def __init__(self, breaker: CircuitBreaker | None = None) -> None:
        self.clock = TickingClock(START)
        self.venue = ScriptedVenue()
        self.recorder = MemoryRecorder()
        self.ended: list[str] = []
        self.trader = assemble(
            pairs=(BTC, ETH),
            candle_ms=300_000,
            strategy=Strategy(),
            limits=RiskLimits(),
            venue=self.venue,
            balance=D(10_000),
            journal=Journal(self.recorder, lambda events: None),
            clock=self.clock,
            breaker=breaker,
        )
        self.commander = Commander(self.trader, self.clock, self.ended.append)

    async def open(self) -> None:
        """Hold a long position in BTC and one in ETH."""
        book = self.trader.book
        await book.enter(entry(), decision(), Strategy(), D(10_000))
        other = entry(
            "sgp-ETH-1-e",
            pair=ETH,
            reference_price=D(50),
            stop_price=D(49),
            target_price=D(52),
        )
        await book.enter(other, decision(ETH), Strategy(), D(10_000))

    async def do(self, command: Command) -> tuple[Outcome, str]:
        """Hand a command in; it must be on record when the answer comes."""
        before = len(self.recorder.events)
        result = await self.commander.handle(command)
        handled = [e for e in self.recorder.events[before:] if isinstance(e, CommandHandled)]
        assert [(e.command, e.result) for e in handled] == [(command, result)]
        return result.outcome, result.detail


async def test_start_stop_and_pause_switch_entries() -> None:
    desk = Desk()
    switches = desk.trader.switches
    assert switches.closed_to_entries
    assert (await desk.do(StartTrading(source=KEY)))[0] is Outcome.DONE
    assert not switches.closed_to_entries
    assert (await desk.do(PauseEntries(source=KEY)))[0] is Outcome.DONE
    assert "paused" in switches.closed_to_entries
    assert (await desk.do(PauseEntries(source=KEY, resume=True)))[0] is Outcome.DONE
    assert not switches.closed_to_entries
    assert (await desk.do(StopTrading(source=KEY)))[0] is Outcome.DONE
    assert switches.closed_to_entries


async def test_start_waits_for_an_acknowledgement_after_an_unclean_stop() -> None:
    breaker, _ = CircuitBreaker.restored(None, START, False)
    desk = Desk(breaker)
    outcome, detail = await desk.do(StartTrading(source=KEY))
    assert outcome is Outcome.REFUSED
    assert "acknowledge" in detail
    assert desk.trader.switches.closed_to_entries
    outcome, _ = await desk.do(StartTrading(source=KEY, acknowledge=True, reason="seen"))
    assert outcome is Outcome.DONE
    assert not desk.trader.switches.closed_to_entries


async def test_start_says_when_the_breaker_still_holds_entries() -> None:
    desk = Desk()
    await desk.do(Trip(source=KEY, level=Level.HALT, reason="news"))
    outcome, detail = await desk.do(StartTrading(source=KEY))
    assert outcome is Outcome.DONE
    assert "HALT" in detail


async def test_an_acknowledgement_of_a_shutdown_of_this_run_is_refused() -> None:
    desk = Desk()
    await desk.do(Trip(source=KEY, level=Level.SHUTDOWN, reason="smoke"))
    outcome, _ = await desk.do(StartTrading(source=KEY, acknowledge=True))
    assert outcome is Outcome.REFUSED
    assert desk.trader.switches.closed_to_entries


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (Trip(source=KEY, level=Level.ALERT, reason="a"), Outcome.DONE),
        (Trip(source=KEY, level=Level.CLOSED, reason="a"), Outcome.REFUSED),
        (Override(source=KEY, level=Level.THROTTLE, seconds=60, reason="a"), Outcome.DONE),
        (Override(source=KEY, level=Level.THROTTLE, seconds=60), Outcome.REFUSED),
        (Override(source=KEY, level=Level.THROTTLE, seconds=-1, reason="a"), Outcome.REFUSED),
        (Recover(source=KEY), Outcome.REFUSED),
        (Recover(source=KEY, reason="fine"), Outcome.DONE),
        (ClosePosition(source=KEY, pair=BTC), Outcome.REFUSED),
    ],
)
async def test_outcomes(command: Command, outcome: Outcome) -> None:
    assert (await Desk().do(command))[0] is outcome


async def test_recover_is_refused_from_shutdown() -> None:
    desk = Desk()
    await desk.do(Trip(source=KEY, level=Level.SHUTDOWN, reason="smoke"))
    assert (await desk.do(Recover(source=KEY, reason="fine")))[0] is Outcome.REFUSED
    assert desk.trader.watch.level is Level.SHUTDOWN


async def test_close_closes_one_position_or_says_it_failed() -> None:
    desk = Desk()
    await desk.open()
    desk.venue.script[OrderKind.EXIT].append(REFUSED)
    command = ClosePosition(source=KEY, pair=BTC, reason="enough")
    assert (await desk.do(command))[0] is Outcome.FAILED
    assert BTC in desk.trader.book.positions
    assert (await desk.do(command))[0] is Outcome.DONE
    assert set(desk.trader.book.positions) == {ETH}
    assert desk.trader.record.trades[-1].exit_reason is ExitReason.OPERATOR


async def test_flatten_halts_entries_durably_before_the_first_close() -> None:
    desk = Desk()
    await desk.open()
    await desk.do(StartTrading(source=KEY))
    submit, halted = desk.venue.submit, []

    async def watched(order):  # type: ignore[no-untyped-def]
        changes = [e for e in desk.recorder.events if isinstance(e, BreakerChanged)]
        halted.append((bool(changes) and changes[-1].after, desk.trader.switches.started))
        return await submit(order)

    desk.venue.submit = watched  # type: ignore[method-assign]
    outcome, _ = await desk.do(Flatten(source=KEY, reason="now"))
    assert outcome is Outcome.DONE
    assert halted
    assert set(halted) == {(Level.HALT, False)}
    assert not desk.trader.book.positions
    assert not desk.venue.held
    assert not desk.venue.resting(OrderKind.STOP) + desk.venue.resting(OrderKind.TARGET)
    assert desk.trader.switches.closed_to_entries


async def test_flatten_works_while_nothing_can_be_recorded() -> None:
    desk = Desk()
    await desk.open()
    desk.recorder.fail_intents = True
    desk.recorder.fail_records = OSError("the disk is gone")
    result = await desk.commander.handle(Flatten(source=KEY, reason="now"))
    assert result.outcome is Outcome.DONE
    assert not desk.venue.held
    desk.recorder.fail_records = None
    await desk.trader.journal.flush()
    assert any(isinstance(e, CommandHandled) for e in desk.recorder.events)


async def test_shutdown_ends_the_engine_and_flattens_first_when_asked() -> None:
    desk = Desk()
    await desk.open()
    outcome, detail = await desk.do(Shutdown(source=KEY))
    assert (outcome, desk.ended) == (Outcome.DONE, ["stopped by the operator"])
    assert "2 positions keep their stops" in detail
    assert len(desk.venue.held) == 2
    await desk.do(Shutdown(source=KEY, flatten=True, reason="bye"))
    assert desk.ended[1:] == ["bye"]
    assert not desk.venue.held


async def test_a_crash_inside_a_command_is_a_failed_command() -> None:
    desk = Desk()
    await desk.open()

    async def broken(order):  # type: ignore[no-untyped-def]
        raise ZeroDivisionError("oops")

    healthy, desk.venue.submit = desk.venue.submit, broken  # type: ignore[method-assign]
    outcome, detail = await desk.do(ClosePosition(source=KEY, pair=BTC))
    assert outcome is Outcome.FAILED
    assert "oops" in detail
    [notice] = [e for e in desk.recorder.events if isinstance(e, Noticed)]
    assert notice.severity is Severity.CRITICAL
    desk.venue.submit = healthy  # type: ignore[method-assign]
    assert (await desk.do(ClosePosition(source=KEY, pair=BTC)))[0] is Outcome.DONE


async def test_an_unknown_command_is_a_failed_command() -> None:
    assert (await Desk().do(Command(source=KEY)))[0] is Outcome.FAILED
