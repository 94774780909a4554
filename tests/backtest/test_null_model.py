"""The null model: random entries, everything after them the same; and what it says of an edge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.backtest.null_model import (
    NullModel,
    calibrated,
    first_null,
    judge,
    trades_of,
)
from engine.backtest.runs import Run, run_all, run_one
from engine.backtest.study import Study
from engine.model.signal import Action
from tests.backtest.conftest import DAY, HOUR, START, UNIT, WARMUP, result_of, trade


@pytest.fixture(scope="module")
def model(base) -> NullModel:
    return first_null(base)


def test_it_proposes_about_as_often_as_asked_on_both_sides(ground, model):
    made: list = []
    run_one(ground, Run(null=replace(model, rate=0.05)), None, made.extend)
    warm = [d for d in made if d.indicators is not None and d.indicators.candles >= WARMUP]
    proposed = [d for d in warm if d.proposal is not Action.WAIT]
    assert len(made) > len(warm) > 1_000
    assert all(d.proposal is Action.WAIT for d in made if d not in warm)
    assert 0.03 < len(proposed) / len(warm) < 0.07
    longs = sum(d.proposal is Action.ENTER_LONG for d in proposed)
    assert 0.3 < longs / len(proposed) < 0.7
    assert {d.confidence for d in proposed} <= set(model.confidences)
    assert {d.blocked_by for d in proposed} >= {"costs"}, "the gates judge its proposals"


def test_a_seed_gives_one_run_in_any_process(ground, model):
    until = START + 800 * UNIT
    runs = [Run(until=until, null=replace(model, seed=seed)) for seed in (1, 2)]
    here = [run_one(ground, run) for run in runs]
    there = run_all(ground, runs, lambda share: None, processes=2)
    assert [r.fingerprint for r in here] == [r.fingerprint for r in there]
    assert here[0].fingerprint != here[1].fingerprint


def test_calibration_comes_near_the_strategys_number_of_trades(ground, base, model):
    for _ in range(2):
        model = calibrated(model, base, run_one(ground, Run(null=model)))
    counts = [trades_of(run_one(ground, Run(null=replace(model, seed=seed)))) for seed in (1, 2)]
    assert 0.5 < sum(counts) / len(counts) / trades_of(base) < 2.0


def test_a_rate_never_passes_one():
    model = NullModel(0, 0.9, (0.5,))
    wanted = result_of([trade(n, 1) for n in range(50)])
    assert calibrated(model, wanted, result_of([trade(1, 1)])).rate == 1.0
    assert calibrated(model, wanted, result_of([])).rate == 1.0


def spread(r: float, count: int = 40, noise: float = 0.5):
    return [
        trade(n, r * 10, r=r + (noise if n // 4 % 2 else -noise), at=START + n * 6 * HOUR)
        for n in range(count)
    ]


def test_a_strategy_that_beats_chance_is_told_from_one_that_does_not():
    nulls = [result_of(spread(-0.2 + seed / 100)) for seed in range(30)]
    good, same = judge(result_of(spread(0.5)), nulls), judge(result_of(spread(-0.05)), nulls)
    assert good.edge_shown
    assert good.chances[-1].p == pytest.approx(1 / 31)
    assert not same.edge_shown
    assert same.chances[-1].p == pytest.approx(16 / 31)
    assert good.trades == good.strategy_trades == 40
    low, mean, high = (good.chances[-1][i] for i in (3, 2, 4))
    assert low < mean < high


def test_few_seeds_cannot_show_an_edge():
    nulls = [result_of(spread(-0.2)) for _ in range(18)]
    assert not judge(result_of(spread(0.5)), nulls).edge_shown


def test_shadow_trades_count_in_r_but_not_in_money():
    shadow = [replace(t, shadow=True) for t in spread(1.0, 16)]
    found = judge(result_of([*spread(-1.0, 16), *shadow]), [result_of(spread(0.0, 32))])
    by_name = {chance.name: chance.strategy for chance in found.chances}
    assert by_name["net PnL"] == pytest.approx(-160)
    assert by_name["R per trade"] == pytest.approx(-1.0)
    assert by_name["R per trade, shadow included"] == pytest.approx(0.0, abs=1e-9)


def test_figures_without_a_trade_are_undefined():
    found = judge(result_of([trade(1, 5)]), [result_of([])])
    assert found.chances[1].p is None
    assert not found.edge_shown


@pytest.mark.parametrize(
    ("trades", "words", "shown"),
    [
        ([], "there is no closed trade", False),
        ([trade(1, 5, at=START + HOUR)], "fewer than 10 days", False),
        (spread(0.9, 32), "fewer than 10 days", False),
        (spread(0.6), "An edge is likely", True),
        (spread(-0.6), "There is no edge", False),
        (spread(0.01), "No edge is shown", False),
    ],
)
def test_the_verdict_is_plain(trades, words, shown):
    study = Study(result_of(trades))
    assert words in study.edge
    assert study.edge_shown is shown


def test_luck_of_the_market_is_no_edge():
    """Good trades where random entries do as well: the report says so."""
    trades = spread(0.6)
    null = judge(result_of(trades), [result_of(spread(0.6 + s / 100)) for s in range(-10, 10)])
    study = Study(result_of(trades), null=null)
    assert "random entries did about as well" in study.edge
    assert not study.edge_shown
    better = judge(result_of(trades), [result_of(spread(-0.3)) for _ in range(20)])
    assert Study(result_of(trades), null=better).edge_shown


def test_the_deepest_fall_counts_open_positions():
    equity = ((START + HOUR, 10_500.0), (START + DAY, 9_450.0), (START + 2 * DAY, 10_000.0))
    assert Study(result_of([], equity=equity)).deepest_fall() == pytest.approx(0.1)
    assert Study(result_of([])).deepest_fall() == 0.0
