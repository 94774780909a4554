"""Another strategy in force: what changes at once, what stays, and what a restart finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest

from engine.assembly import assemble
from engine.commander import Commander
from engine.execution.journal import Journal
from engine.ledger import queries
from engine.ledger.reader import LedgerReader
from engine.ledger.store import Ledger
from engine.ledger.upkeep import CHAT_LINES
from engine.model.commands import ApplyStrategy, CommandResult, Level, Outcome, Source
from engine.model.events import CommandHandled, Noticed
from engine.risk.limits import RiskLimits
from engine.strategies.desk import StrategyDesk
from engine.strategies.store import StrategyStore
from engine.strategy import ExitParams, Strategy
from tests.engine.live import BEGIN, HOUR, Run
from tests.engine.scripted import (
    BTC,
    ETH,
    START,
    MemoryRecorder,
    ScriptedVenue,
    TickingClock,
    decision,
    entry,
)
from tests.ledger import factory

MINE = Strategy(name="mine", stop_atr=2.0, exits=ExitParams(arm_r=3.0))


class Desk:
    """A commander with a ledger, over a trader on a scripted venue."""

    def __init__(self, ledger: Ledger, strategy: Strategy) -> None:
        self.clock = TickingClock(START)
        self.recorder = MemoryRecorder()
        self.strategies = StrategyDesk(ledger)
        self.trader = assemble(
            pairs=(BTC, ETH),
            candle_ms=300_000,
            strategy=strategy,
            limits=RiskLimits(),
            venue=ScriptedVenue(),
            balance=D(10_000),
            journal=Journal(self.recorder, lambda events: None),
            clock=self.clock,
        )
        self.commander = Commander(self.trader, self.clock, lambda why: None, self.strategies)

    async def apply(self, name: str, version: int | None = None) -> CommandResult:
        command = ApplyStrategy(source=Source.KEY, name=name, version=version)
        return await self.commander.handle(command)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(tmp_path / "sigma.db", "paper")
    yield opened
    await opened.close()


@pytest.fixture
async def desk(ledger: Ledger) -> Desk:
    made = Desk(ledger, Strategy())
    await made.strategies.store.save(MINE, START)
    return made


async def test_the_new_one_decides_and_the_old_one_guards_what_it_opened(desk: Desk) -> None:
    trader = desk.trader
    await trader.book.enter(entry(), decision(), trader.strategy, D(10_000))
    result = await desk.apply("mine")
    assert result.outcome is Outcome.DONE
    assert result.detail.endswith("instead of default v1; 1 open position keeps its exits")
    assert trader.strategy == replace(MINE, version=1)
    assert trader.strategy_of(trader.book.positions[BTC]) == Strategy()
    told = [e for e in desk.recorder.events if isinstance(e, Noticed)]
    assert told[-1].topic == "strategy"
    assert any(isinstance(e, CommandHandled) for e in desk.recorder.events)
    assert (await desk.strategies.begin())[0] == replace(MINE, version=1)


async def test_only_the_active_strategys_trades_count(desk: Desk, ledger: Ledger) -> None:
    await ledger.write(
        [
            factory.closed("a", strategy="mine"),
            factory.closed("b", strategy="default"),
            factory.closed("c", strategy="mine", strategy_version=7),
        ]
    )
    await desk.apply("mine")
    record = desk.trader.record
    assert [trade.id for trade in record.trades] == ["a", "c"]
    desk.trader.closed(factory.trade("d", strategy="default"))
    assert len(record.trades) == 2
    desk.trader.closed(factory.trade("e", strategy="mine"))
    assert len(record.trades) == 3


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("nobody", None, "no strategy is named 'nobody'; there are: default, far, mine"),
        ("mine", 9, "mine has no version 9; there are: 1"),
        ("far", None, "pairs: far v1 may enter none of the pairs traded here: BTC, ETH"),
    ],
)
async def test_what_cannot_be_applied_is_refused(
    desk: Desk, name: str, version: int | None, words: str
) -> None:
    await desk.strategies.store.save(Strategy(name="far", pairs=("DOGE",)), START)
    result = await desk.apply(name, version)
    assert (result.outcome, result.detail) == (Outcome.REFUSED, words)
    assert desk.trader.strategy == Strategy()
    assert (await desk.strategies.begin())[0] == Strategy()


async def test_without_saved_strategies_it_is_refused(desk: Desk) -> None:
    desk.commander = Commander(desk.trader, desk.clock, lambda why: None)
    assert (await desk.apply("mine")).outcome is Outcome.REFUSED


async def test_a_change_lowers_no_level_at_once(desk: Desk, ledger: Ledger) -> None:
    losses = [
        factory.trade(f"t{n}", pnl=D(-10 - n % 3), r_multiple=-1.0, exit_time=START + n)
        for n in range(60)
    ]
    for trade in losses:
        desk.trader.closed(replace(trade, strategy="default"))
    assert desk.trader.watch.level.rank >= Level.THROTTLE.rank
    before = desk.trader.watch.level
    await desk.apply("mine")
    assert desk.trader.watch.level is before
    assert desk.trader.record.trades == ()
    assert desk.trader.record.degradation_factor == 1.0


async def test_a_position_of_an_unknown_strategy_is_told(ledger: Ledger) -> None:
    desk = Desk(ledger, Strategy())
    await desk.strategies.store.save(MINE, START)
    desk.trader.book.adopt([factory.position(strategy="mine", strategy_version=1, shadow=False)])
    gone = factory.position(id="p2", pair=ETH, strategy="gone", strategy_version=2, shadow=False)
    desk.trader.book.adopt([gone])
    (note,) = await desk.strategies.recall(desk.trader)
    assert note.startswith("ETH was opened by gone v2, which cannot be had")
    assert desk.trader.strategy_of(desk.trader.book.positions[BTC]).stop_atr == 2.0
    assert desk.trader.strategy_of(desk.trader.book.positions[ETH]) == Strategy()


def test_a_running_engine_takes_it_and_a_restart_as_well(tmp_path: Path) -> None:
    async def save() -> None:
        ledger = await Ledger.open(tmp_path / "sigma.db", "sim-3")
        await StrategyStore(ledger).save(MINE, BEGIN)
        await ledger.close()

    asyncio.run(save())
    sent: list[asyncio.Task[CommandResult]] = []

    def hear(events: object) -> None:
        if not sent and run.engine.clock.now() >= BEGIN + 2 * HOUR:
            command = ApplyStrategy(source=Source.KEY, name="mine")
            sent.append(asyncio.get_running_loop().create_task(run.engine.command(command)))

    run = Run(tmp_path, until=BEGIN + 12 * HOUR, hear=hear)
    run.go()
    assert sent[0].result().outcome is Outcome.DONE
    last = run.snapshots[-1]
    assert last.active == replace(MINE, version=1)
    assert last.strategy.startswith("mine")
    again = Run(tmp_path, until=BEGIN + 13 * HOUR)
    again.go()
    assert again.engine.trader.strategy == replace(MINE, version=1)
    assert not [note for note in again.of(Noticed) if "guard it" in note.detail]
    with LedgerReader(tmp_path / "sigma.db") as reader:
        trades = reader.fetch(queries.closed_trades("sim-3"))
        shadows = reader.fetch(queries.closed_trades("sim-3", shadow=True))
    mine = [t for t in (*trades, *shadows) if t.strategy == "mine"]
    assert all(t.entry_time > BEGIN + 2 * HOUR for t in mine)
    kept = [t for t in trades if t.strategy == "mine"]
    assert len(again.engine.trader.record.trades) == len(kept)


async def test_the_conversation_is_bounded(ledger: Ledger) -> None:
    rows = CHAT_LINES + 30
    for n in range(rows):
        await ledger.add_chat(n, "user", f"line {n}")
    await ledger.prune(0)
    left = await ledger.chat(rows)
    assert len(left) == CHAT_LINES
    assert left[-1].text == f"line {rows - 1}"
    assert left[0].text == "line 30"
