"""Stopping and starting again goes on as if the run had never stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.ledger import queries
from engine.ledger.reader import LedgerReader
from engine.model.commands import Level, Source, Trip
from engine.model.events import EngineStateChanged, Noticed
from engine.settings import SettingsError
from tests.engine.live import BEGIN, HOUR, Run, settings

HOURS = 24


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("whole"), until=BEGIN + HOURS * HOUR)
    run.go()
    return run


def test_a_run_cut_within_its_trades_is_the_run_that_never_stopped(
    tmp_path: Path, whole: Run
) -> None:
    trades = [line[1] for line in whole.story() if line[0] == "trade"]
    assert len(trades) > 4
    cuts = sorted({(t.entry_time + t.exit_time) // 2 for t in trades[::2]})
    story = []
    held = 0
    for cut in [*cuts, BEGIN + HOURS * HOUR]:
        run = Run(tmp_path, until=cut)
        summary = run.go()
        held += summary["open_positions"]
        story += run.story()
        assert not run.of(Noticed), "a clean restart has nothing to tell"
    assert held >= len(cuts) - 1, "the cuts were to fall within open positions"
    kinds = {line[0] for line in story}
    assert {"decision", "trade", "position"} <= kinds
    for kind in kinds:
        assert [x for x in story if x[0] == kind] == [x for x in whole.story() if x[0] == kind]
    final = run.engine
    assert final.trader.account == whole.engine.trader.account
    assert final.trader.equity.dump() == whole.engine.trader.equity.dump()
    assert final.clock.now() == whole.engine.clock.now()
    assert final.trader.record.windows() == whole.engine.trader.record.windows()
    assert final.trader.record.shadow_reentry == whole.engine.trader.record.shadow_reentry


def test_the_same_start_gives_the_same_run(tmp_path: Path, whole: Run) -> None:
    again = Run(tmp_path, until=BEGIN + 12 * HOUR)
    again.go()
    story = again.story()
    assert len(story) > 100
    assert story == whole.story()[: len(story)]


def test_the_breaker_comes_back_at_the_level_it_left(tmp_path: Path) -> None:
    first = Run(tmp_path, until=BEGIN + HOUR)
    first.engine._tell = lambda events: None

    def trip(events: object) -> None:
        watch = first.engine.trader.watch
        if watch.level is Level.CLOSED:
            changes, _ = watch.breaker.trip(Level.HALT, "I say so", first.engine.clock.now())
            first.engine.trader.journal.extend(changes)

    first._hear = trip  # type: ignore[assignment]
    first.engine._tell = first._told
    first.go()
    second = Run(tmp_path, until=BEGIN + 2 * HOUR)
    summary = second.go()
    assert second.engine.trader.watch.level is Level.HALT
    assert summary["entries"] == 0
    assert any("comes back at HALT" in n.detail for n in second.of(Noticed))


def test_shutdown_ends_the_engine_with_stops_resting_and_needs_an_acknowledgement(
    tmp_path: Path,
) -> None:
    first = Run(tmp_path, until=None)

    def shut(events: object) -> None:
        engine = first.engine
        if engine.trader.book.positions and engine.trader.watch.level is Level.CLOSED:
            order = Trip(source=Source.KEY, level=Level.SHUTDOWN, reason="smoke")
            engine._commands.put_nowait((order, _future()))

    first._hear = shut  # type: ignore[assignment]
    summary = first.go()
    assert "SHUTDOWN" in summary["why"]
    assert summary["open_positions"] >= 1
    for position in first.engine.trader.book.positions.values():
        assert position.stop_order_id is not None

    second = Run(tmp_path, until=BEGIN + 400 * HOUR, duration_s=1)
    summary = second.go()
    assert "duration" in summary["why"], "a SHUTDOWN of an earlier run must not end this one"
    assert summary["entries"] == 0
    assert second.engine.trader.watch.breaker.needs_acknowledgement


def _future():  # type: ignore[no-untyped-def]
    import asyncio

    return asyncio.get_running_loop().create_future()


def test_an_account_left_with_a_pair_that_is_gone_is_refused_in_one_sentence(
    tmp_path: Path, whole: Run
) -> None:
    trade = next(line[1] for line in whole.story() if line[0] == "trade")
    run = Run(tmp_path, until=(trade.entry_time + trade.exit_time) // 2)
    run.go()
    left = {p.pair.base for p in run.engine.trader.book.positions.values()}
    assert left
    others = [name for name in ("BTC", "ETH", "SOL", "XRP") if name not in left]
    symbols = ",".join(others)
    changed = settings(allowed_symbols=symbols, default_symbol=others[0])
    with pytest.raises(SettingsError, match="cannot be taken up"):
        Run(tmp_path, settings=changed, until=BEGIN).go()


def test_the_records_of_a_clean_run_leave_no_order_open_but_the_resting_ones(
    tmp_path: Path, whole: Run
) -> None:
    engine = whole.engine
    resting = {
        name
        for book in (engine.trader.book, engine.trader.shadow_book)
        for p in book.positions.values()
        for name in (p.stop_order_id, p.target_order_id)
    }
    with LedgerReader(engine.home.database, engine.account) as reader:
        left = reader.fetch(queries.unresolved_intents(engine.account))
    unresolved = {intent.client_order_id for intent in left}
    assert unresolved == resting


def test_every_state_is_told_with_the_market_s_time(whole: Run) -> None:
    assert all(event.time >= BEGIN for event in whole.of(EngineStateChanged))
