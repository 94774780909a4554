"""kill -9 at every durable step of a trade: one position per intent, nothing twice, all guarded."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.home import Home
from engine.ledger import queries
from engine.ledger.audit import verify
from engine.ledger.reader import LedgerReader
from engine.ledger.recorder import DurableRecorder
from engine.model.commands import Outcome, Source, StartTrading
from engine.model.events import CommandHandled, EngineStateChanged, OrderChanged, PositionOpened
from engine.model.orders import OrderKind
from tests.engine.live import BEGIN, HOUR, Run

ACCOUNT = "sim-3"
FORK = multiprocessing.get_context("fork")
STEPS = 40  # durable steps from the first entry on: two or three trades


def _die_at(home: Path, number: int, before: bool) -> None:
    """Run in a child: SIGKILL before or after the ``number``-th durable step of trading."""
    intend, record = DurableRecorder.intend, DurableRecorder._record
    steps = 0

    async def step(work: Any) -> None:
        nonlocal steps
        steps += 1
        if before and steps == number:
            os.kill(os.getpid(), signal.SIGKILL)
        await work
        if steps == number:
            os.kill(os.getpid(), signal.SIGKILL)

    async def dying_intend(self: Any, order: Any, time: int, *, shadow: bool = False) -> None:
        await step(intend(self, order, time, shadow=shadow))

    async def dying_record(self: Any, events: Any) -> None:
        busy = steps or any(isinstance(e, OrderChanged | PositionOpened) for e in events)
        await (step(record(self, events)) if busy else record(self, events))

    DurableRecorder.intend = dying_intend  # type: ignore[method-assign]
    DurableRecorder._record = dying_record  # type: ignore[method-assign]
    Run(home, until=BEGIN + 400 * HOUR).go()


def _kill(target: Any, *args: Any, after: float | None = None) -> None:
    child = FORK.Process(target=target, args=args)
    child.start()
    if after is not None:
        child.join(after)
        child.kill()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL, child.exitcode


def _live(home: Path) -> None:
    Run(home, until=BEGIN + 4_000 * HOUR).go()


def _check(run: Run) -> None:
    """Hold ledger, venue, book and logs against each other after a run has ended."""
    engine = run.engine
    book, venue = engine.trader.book, engine.stage.venue
    account = venue._account
    with LedgerReader(engine.home.database, ACCOUNT) as reader:
        trades = reader.fetch(queries.closed_trades(ACCOUNT))
        positions = reader.fetch(queries.open_positions(ACCOUNT, shadow=False))
        unresolved = reader.fetch(queries.unresolved_intents(ACCOUNT))
    assert {p.pair: p.quantity for p in positions} == {
        pair: holding.quantity for pair, holding in account.holdings.items()
    }
    resting = [order for holding in account.holdings.values() for order in holding.resting]
    assert Counter((o.pair, o.kind) for o in resting) == Counter(
        (p.pair, kind) for p in positions for kind in (OrderKind.STOP, OrderKind.TARGET)
    )
    for position in positions:
        assert {position.stop_order_id, position.target_order_id} == {
            o.client_order_id for o in resting if o.pair == position.pair
        }
        assert all(o.quantity == position.quantity for o in resting if o.pair == position.pair)
    assert {i.client_order_id for i in unresolved if not i.shadow} == {
        o.client_order_id for o in resting
    }
    entries = [t.client_order_ids[0] for t in trades] + [p.client_order_ids[0] for p in positions]
    assert len(set(entries)) == len(entries), "one position per intent"
    earned = sum(t.pnl for t in trades)
    running = sum(p.realised_pnl - p.fees - p.funding for p in positions)
    assert account.balance == 10_000 + earned + running, "to the cent"
    assert book.positions.keys() == account.holdings.keys()
    logged = engine.compliance.recorded_trades(0)
    assert {t.id for t in trades} <= {name for shadow, name in logged if not shadow}
    lines = (engine.home.compliance / "pnl_tracking.jsonl").read_text().splitlines()
    names = Counter(line.split('"id":"')[1].split('"')[0] for line in lines)
    assert max(names.values(), default=1) == 1, "a trade was logged twice"
    assert all(report.ok for report in verify(engine.home.compliance).files)


def _survive(home: Path) -> None:
    """Start again after a kill: no entries, exits managed; then acknowledge and trade on."""
    run = Run(home, until=None, duration_s=60)
    run.until = _clock(home) + 2 * HOUR
    run.go()
    start = run.of(CommandHandled)[0]
    assert start.result.outcome is Outcome.REFUSED
    assert "acknowledge" in start.result.detail
    assert not [e for e in run.of(PositionOpened) if not e.position.shadow]
    assert all(e.state != "running" for e in run.of(EngineStateChanged))
    _check(run)
    again = Run(home, until=run.engine.clock.now() + HOUR // 2)
    acknowledge = StartTrading(source=Source.KEY, reason="looked", acknowledge=True)
    results = []

    def accept(events: object) -> None:
        if not results:
            results.append(again.engine._commands.put_nowait((acknowledge, _ignored(again))))

    again._hear = accept  # type: ignore[assignment]
    again.go()
    [handled] = [e for e in again.of(CommandHandled) if getattr(e.command, "acknowledge", False)]
    assert handled.result.outcome is Outcome.DONE
    _check(again)


def _ignored(run: Run) -> Any:
    import asyncio

    return asyncio.get_running_loop().create_future()


def _clock(home: Path) -> int:
    with LedgerReader(Home(home).database, ACCOUNT) as reader:
        [state] = reader.fetch(queries.state(ACCOUNT, "resume"))
    return int(state["clock"])


@pytest.mark.parametrize("seed", range(15))
def test_a_kill_at_a_durable_step_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    number = seed + 1 if seed < 8 else chance.randint(9, STEPS)
    _kill(_die_at, tmp_path, number, chance.random() < 0.5)
    _survive(tmp_path)


def test_kills_at_random_moments_one_after_the_other(tmp_path: Path) -> None:
    chance = random.Random(1)
    for _ in range(3):
        _kill(_live, tmp_path, after=0.5 + chance.random())
    _survive(tmp_path)
