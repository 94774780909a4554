"""Independent runs: cuts, late beginnings, folds, processes, interrupts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from engine.backtest.folds import FoldsError, plan_folds, walk_of
from engine.backtest.runs import LateMarket, Run, cut, run_all, run_one
from engine.market.recorded import RecordedMarket
from engine.model.signal import Action
from engine.strategy import Strategy
from tests.backtest.conftest import DAY, START, UNIT, WARMUP, ground_over, market, result_of, trade


def nobody(share: float) -> None:
    assert 0.0 <= share <= 1.0 + 1e-9


def test_a_cut_leaves_out_what_is_outside(ground):
    part = cut(ground.candles, START + 10 * UNIT, START + 30 * UNIT)
    assert part.start == START + 10 * UNIT
    assert part.end == START + 30 * UNIT
    assert len(part) == 2 * 20
    eth = ground.candles.pairs[1]
    late = {
        **ground.candles.series,
        eth: ground.candles.series[eth].slice(START + 100 * UNIT, None),
    }
    shorter = replace(ground.candles, series=late)
    assert cut(shorter, None, START + 50 * UNIT).pairs == ground.candles.pairs[:1]


def test_a_late_market_has_history_and_the_steps_after_it(ground):
    begin = START + 600 * UNIT
    late, whole = LateMarket(ground.candles, begin), RecordedMarket(ground.candles)
    for pair, candles in late.history().items():
        assert len(candles) == 600
        assert candles[-1].time + UNIT == begin
        assert candles == ground.candles.series[pair].candles(0, 600)
    assert list(late.steps()) == [step for step in whole.steps() if step.time > begin]


def test_a_fold_decides_from_its_first_candle_and_like_the_whole_run(ground):
    """Signals inside a fold are those of the whole run: the warm-up before it is enough."""
    run = plan_folds(ground.candles, 2, WARMUP, Strategy())[1]
    seen: dict[bool, dict] = {True: {}, False: {}}
    for fold in (True, False):
        run_one(
            ground,
            run if fold else Run(),
            None,
            lambda made, fold=fold: seen[fold].update(
                {(d.pair, d.time): d for d in made if d.time > run.begin}
            ),
        )
    assert seen[True].keys() == seen[False].keys()
    assert min(time for _, time in seen[True]) == run.begin + UNIT
    assert all(d.v1 is not None for d in seen[True].values()), "nothing is left of the warm-up"
    same = sum(seen[True][key].proposal is seen[False][key].proposal for key in seen[True])
    assert same >= 0.99 * len(seen[True])
    assert any(d.proposal is not Action.WAIT for d in seen[True].values())


@pytest.mark.parametrize("count", [1, 3, 7])
def test_folds_are_contiguous_and_cover_what_follows_the_warm_up(ground, count):
    runs = plan_folds(ground.candles, count, WARMUP, Strategy())
    assert runs[0].begin == START + WARMUP * UNIT
    assert runs[-1].until == ground.candles.end
    for one, two in pairwise(runs):
        assert one.until == two.begin
    lengths = {(run.until - run.begin) // UNIT for run in runs}
    assert max(lengths) - min(lengths) <= 1
    assert all(run.begin - run.since == WARMUP * UNIT for run in runs)


def test_more_folds_than_data_says_how_many_fit(ground):
    with pytest.raises(FoldsError, match=r"940 candles follow .* at most 18 fit"):
        plan_folds(ground.candles, 19, WARMUP, Strategy())
    with pytest.raises(FoldsError, match="not one fits"):
        plan_folds(ground.candles, 1, 1_440, Strategy())


def test_stability_counts_folds():
    results = [
        result_of([trade(1, 100)], days=5),
        result_of([trade(2, -300)], days=5),
        result_of([], days=5),
        replace(result_of([trade(3, 900)], days=5), interrupted=True),
        None,
    ]
    walk = walk_of(results)
    assert (len(walk.folds), walk.planned, walk.winning, walk.losing) == (3, 5, 1, 1)
    assert not walk.complete
    assert walk.mean_return == pytest.approx(-0.02 / 3)
    assert walk.folds[0].r == 10.0
    assert walk.folds[2].r is None


def test_processes_find_what_one_process_finds(ground):
    runs = [Run(until=START + 900 * UNIT), *plan_folds(ground.candles, 2, WARMUP, Strategy())]
    shares: list[float] = []
    two = run_all(ground, runs, shares.append, processes=2)
    one = run_all(ground, runs, nobody, processes=1)
    for here, there in zip(one, two, strict=True):
        assert here.fingerprint == there.fingerprint
        assert here.trades == there.trades
        assert here.equity == there.equity
    assert shares
    assert len({result.fingerprint for result in one}) == 3


def test_an_interrupt_ends_the_runs_and_keeps_what_there_is(ground):
    def pressed(share: float) -> None:
        if share > 0.4:
            raise KeyboardInterrupt

    first, second, third = run_all(ground, [Run(), Run(), Run()], pressed)
    assert not first.interrupted
    assert second.interrupted
    assert second.decisions < first.decisions
    assert third is None


def test_an_interrupt_reaches_the_workers():
    ground = ground_over(market(2_500))

    def pressed(share: float) -> None:
        if share > 0:
            raise KeyboardInterrupt

    found = run_all(ground, [Run()] * 4, pressed, processes=2)
    ran = [result for result in found if result is not None]
    assert len(ran) < 4
    assert all(result.interrupted or result.decisions == 5_000 for result in ran)
    assert any(result.interrupted for result in ran)


def test_a_failing_worker_is_told(ground):
    nothing = Run(since=START + 900 * DAY)
    with pytest.raises(ValueError, match="no candles"):
        run_all(ground, [nothing, nothing], nobody, processes=2)
