"""The snapshot: immutable, bounded, consistent, and quick to build."""

from __future__ import annotations

import dataclasses
from decimal import Decimal as D
from pathlib import Path

import pytest

from engine.charts import ChartBook
from engine.model.market import Candle, Pair
from engine.model.snapshot import Snapshot
from engine.picture import KEPT_DECISIONS, KEPT_EQUITY, KEPT_EVENTS, KEPT_TRADES, PAIR_DECISIONS
from engine.scanner import CHART_CANDLES, PairState
from tests.engine.live import BEGIN, HOUR, Run, SmallEngine
from tests.ledger.factory import decision

BTC = Pair.parse("BTC")
CANDLE = 300_000


class WatchedEngine(SmallEngine):
    """Takes a picture between steps while a position is open, with the venue's own equity."""

    looked: list[tuple[Snapshot, D]]

    def _show_if_due(self) -> None:
        if self.trader.book.positions and not self._busy.locked():
            picture = self.picture.build(self.pulse.view())
            self.looked.append((picture, self.stage.venue._account.equity))
        super()._show_if_due()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(tmp_path_factory.mktemp("picture"), until=BEGIN + 12 * HOUR)
    made.go()
    return made


def test_the_last_picture_is_whole(run: Run) -> None:
    last = run.snapshots[-1]
    assert last.state == "ended"
    assert [row.pair for row in last.market] == list(run.engine.pairs)
    assert last.time == run.engine.clock.now() == last.data_time
    assert all(row.candles > 500 and row.verdict for row in last.market)
    assert all(row.price > 0 for row in last.market)
    assert len(last.risk.correlation) == len(last.risk.pairs) == len(run.engine.pairs)
    assert last.equity == pytest.approx(float(run.engine.summary["equity"]))


def test_histories_have_the_same_lengths_and_rising_times(run: Run) -> None:
    for snapshot in run.snapshots:
        assert list(snapshot.history) == list(run.engine.pairs)
        for history in snapshot.history.values():
            lengths = {
                len(column)
                for column in (
                    history.candles,
                    history.ema20,
                    history.ema50,
                    history.bb_upper,
                    history.bb_lower,
                )
            }
            assert len(lengths) == 1
            times = [candle.time for candle in history.candles]
            assert times == sorted(set(times))
            assert all(time % CANDLE == 0 for time in times)
            assert all(c.low <= min(c.open, c.close) for c in history.candles)
            decided = [d.time for d in history.decisions]
            assert decided == sorted(decided)


def test_nothing_in_a_snapshot_can_be_changed(run: Run) -> None:
    last = run.snapshots[-1]
    for view in (last, last.market[0], last.risk, last.health, last.history[last.market[0].pair]):
        for field in dataclasses.fields(view):  # type: ignore[arg-type]
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(view, field.name, 0)
    earlier = run.snapshots[0]
    assert earlier.history is not last.history
    assert earlier.events != last.events


def test_everything_is_bounded(run: Run) -> None:
    for snapshot in run.snapshots:
        assert len(snapshot.decisions) <= KEPT_DECISIONS
        assert len(snapshot.trades) <= KEPT_TRADES
        assert len(snapshot.events) <= KEPT_EVENTS
        assert len(snapshot.expectancy.equity_curve) <= KEPT_EQUITY
        for history in snapshot.history.values():
            assert len(history.candles) <= CHART_CANDLES + 1
            assert len(history.decisions) <= PAIR_DECISIONS
    assert len(run.snapshots[-1].decisions) == KEPT_DECISIONS


def test_positions_and_equity_agree_after_every_step(tmp_path: Path) -> None:
    run = Run(tmp_path, until=BEGIN + 6 * HOUR, engine=WatchedEngine)
    run.engine.looked = steps = []
    run.go()
    assert len(steps) > 20
    for picture, equity in steps:
        assert picture.equity == pytest.approx(float(equity), abs=1e-6)
        assert picture.positions
        open_profit = sum(position.pnl for position in picture.positions)
        assert picture.equity - picture.balance == pytest.approx(open_profit, abs=1e-6)
        for position in picture.positions:
            assert position.stop_resting
            assert position.target_resting


# The forming candle


def bar(time: int, open_: float, high: float, low: float, close: float) -> Candle:
    return Candle(time, open_, high, low, close, 2.0)


def test_the_forming_candle_grows_by_its_bars_and_gives_way_to_the_closed_one(run: Run) -> None:
    state = run.engine.trader.scanner.states[run.engine.pairs[0]]
    decided = state.decided
    book = ChartBook(CANDLE)
    closed = book.chart(BTC, state, ())
    assert closed.candles[-1].time == decided - CANDLE
    book.see_bars({BTC: bar(decided, 10.0, 12.0, 9.0, 11.0)})
    book.see_bars({BTC: bar(decided + 5_000, 11.0, 11.5, 8.0, 8.5)})
    formed = book.chart(BTC, state, ())
    assert formed.candles[-1] == Candle(decided, 10.0, 12.0, 8.0, 8.5, 4.0)
    assert formed.candles[:-1] == closed.candles
    assert formed.ema20[-1] == closed.ema20[-1]
    assert book.chart(BTC, state, ()) is formed, "nothing changed, nothing is built"
    later = PairState(state.pipeline, chart=state.chart, decided=decided + CANDLE)
    assert book.chart(BTC, later, ()).candles == closed.candles, "it has closed by now"


def test_a_chart_that_grows_is_the_chart_built_at_once(run: Run) -> None:
    whole = run.engine.trader.scanner.states[run.engine.pairs[0]]
    rows = list(whole.chart)
    growing = ChartBook(CANDLE)
    state = PairState(whole.pipeline)
    for number in (1, 2, 3, CHART_CANDLES - 1, CHART_CANDLES):
        state.chart.clear()
        state.chart.extend(rows[:number])
        state.decided = rows[number - 1].time
        grown = growing.chart(BTC, state, ())
        assert grown == ChartBook(CANDLE).chart(BTC, state, ())
    for shift in (1, 2, 50):  # the oldest candles leave
        for _ in range(shift):
            state.decided += CANDLE
            state.chart.append(rows[-1]._replace(time=state.decided))
        assert growing.chart(BTC, state, ()) == ChartBook(CANDLE).chart(BTC, state, ())
    assert len(growing.chart(BTC, state, ()).candles) == CHART_CANDLES


def test_a_bar_of_the_next_candle_starts_anew() -> None:
    book = ChartBook(CANDLE)
    book.see_bars({BTC: bar(CANDLE + 295_000, 1.0, 2.0, 0.5, 1.5)})
    book.see_bars({BTC: bar(2 * CANDLE, 7.0, 8.0, 6.0, 7.5)})
    assert book._forming[BTC] == Candle(2 * CANDLE, 7.0, 8.0, 6.0, 7.5, 2.0)


def test_a_pair_without_candles_has_an_empty_chart(run: Run) -> None:
    state = run.engine.trader.scanner.states[run.engine.pairs[0]]
    empty = PairState(state.pipeline)
    book = ChartBook(CANDLE)
    book.see_bars({BTC: bar(0, 1.0, 2.0, 0.5, 1.5)})
    assert book.chart(BTC, empty, ()).candles == ()


def test_a_new_decision_shows_on_the_chart_of_its_candle(run: Run) -> None:
    state = run.engine.trader.scanner.states[run.engine.pairs[0]]
    made = decision(state.decided)
    assert ChartBook(CANDLE).chart(BTC, state, (made,)).decisions == (made,)
