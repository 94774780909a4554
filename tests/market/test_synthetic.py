"""The synthetic market: the same at any instant, lifelike, bounded, and never broken."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.aggregate import Aggregator
from engine.market.price_model import BLOCK_MS, HOUR_MS, PriceModel
from engine.market.synthetic import SyntheticMarket
from engine.model.market import Candle, MarketStep, Pair
from tests.market.helpers import BTC, ETH, FIVE, SOL

PAIRS = tuple(map(Pair.parse, ("BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "LTC")))
START = 1_760_000_000_000 // FIVE * FIVE
MONTH = 288 * 30


@pytest.fixture(scope="module")
def month() -> dict[Pair, np.ndarray]:
    """Thirty days of 5m candles, a row each: time, open, high, low, close, volume."""
    history = SyntheticMarket(PAIRS, 11, START, history_candles=MONTH).history()
    return {pair: np.array(rows) for pair, rows in history.items()}


def steps(market: SyntheticMarket, count: int) -> list[MarketStep]:
    return list(islice(market.steps(), count))


def test_describes_itself() -> None:
    market = SyntheticMarket(PAIRS, 1, START)
    assert market.pairs == PAIRS
    assert (market.candle_ms, market.bar_ms, market.end) == (FIVE, 5_000, None)


def test_same_seed_same_market_other_seed_another() -> None:
    one, two, other = (SyntheticMarket([BTC, ETH], seed, START) for seed in (1, 1, 2))
    assert steps(one, 800) == steps(two, 800)
    assert steps(one, 800) == steps(one, 800)
    assert steps(one, 5) != steps(other, 5)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 3 * 3_600_000), st.integers(0, 2**70))
def test_a_later_start_continues_the_same_market(delay: int, seed: int) -> None:
    early = SyntheticMarket([BTC], seed, START, history_candles=20)
    late = SyntheticMarket([BTC], seed, START + delay, history_candles=20)
    first = steps(late, 70)
    assert first[0].time == (START + delay) // 5_000 * 5_000 + 5_000
    by_time = {step.time: step for step in steps(early, delay // 5_000 + 71)}
    assert [by_time[step.time] for step in first] == first
    known = [*early.history()[BTC], *(s.closed[BTC] for s in by_time.values() if s.closed)]
    now = (START + delay) // FIVE * FIVE
    assert late.history()[BTC] == [row for row in known if row.time < now][-20:]


def test_restart_across_blocks_days_later() -> None:
    """Blocks are joined by sums of many; they must come out equal whatever was made before."""
    border = START // BLOCK_MS * BLOCK_MS + 3 * BLOCK_MS
    early = SyntheticMarket([BTC, SOL], 5, START, history_candles=0)
    until = (border + 10 * 60_000 - START) // 5_000
    wanted = [s for s in islice(early.steps(), until) if s.time > border - 10 * 60_000]
    late = SyntheticMarket([BTC, SOL], 5, border - 10 * 60_000, history_candles=0)
    assert steps(late, len(wanted)) == wanted


def test_a_pair_does_not_depend_on_the_others() -> None:
    alone = steps(SyntheticMarket([ETH], 3, START), 200)
    among = steps(SyntheticMarket(PAIRS, 3, START), 200)
    assert [s.bars[ETH] for s in alone] == [s.bars[ETH] for s in among]
    assert list(among[-1].bars) == list(PAIRS)


@pytest.mark.parametrize(
    ("candle_ms", "bar_ms"), [(FIVE, 5_000), (60_000, 20_000), (HOUR_MS, FIVE)]
)
def test_candles_aggregate_exactly_from_bars_and_follow_history(
    candle_ms: int, bar_ms: int
) -> None:
    start = START // HOUR_MS * HOUR_MS
    market = SyntheticMarket([BTC, ETH], 4, start, candle_ms, bar_ms, history_candles=30)
    build = {pair: Aggregator(bar_ms, candle_ms) for pair in market.pairs}
    closed = 0
    last_time = start
    last = {pair: rows[-1].close for pair, rows in market.history().items()}
    for step in islice(market.steps(), 2 * HOUR_MS // bar_ms):
        assert step.time == last_time + bar_ms
        last_time = step.time
        made = {pair: build[pair].push(bar) for pair, bar in step.bars.items()}
        assert {pair: row for pair, row in made.items() if row is not None} == step.closed
        closed += len(step.closed)
        for pair, bar in step.bars.items():
            assert bar.time == step.time - bar_ms
            assert bar.open == last[pair]
            last[pair] = bar.close
    assert closed == 2 * 2 * HOUR_MS // candle_ms
    for rows in market.history().values():
        assert [row.time for row in rows] == [start - (30 - i) * candle_ms for i in range(30)]


def test_bar_length_does_not_change_prices() -> None:
    fine = steps(SyntheticMarket([BTC], 4, START, bar_ms=5_000), 120)
    coarse = steps(SyntheticMarket([BTC], 4, START, bar_ms=60_000), 10)
    assert [s.bars[BTC].close for s in coarse] == [s.bars[BTC].close for s in fine[11::12]]


def test_bars_are_sound_plain_and_on_the_tick() -> None:
    unknown = Pair.parse("PEPE")
    ticks = {BTC: 1, Pair.parse("DOGE"): 5, unknown: 4}
    for step in steps(SyntheticMarket(list(ticks), 9, START), 2_000):
        for pair, bar in step.bars.items():
            assert type(bar) is Candle
            assert [type(value) for value in bar] == [int] + [float] * 5
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.low > 0
            assert bar.volume >= 0
            assert all(math.isfinite(value) for value in bar)
            assert round(bar.close, ticks[pair]) == bar.close


def test_pairs_move_together(month: dict[Pair, np.ndarray]) -> None:
    returns = [np.diff(np.log(rows[:, 4])) for rows in month.values()]
    correlation = np.corrcoef(returns)
    assert correlation.min() > 0.3
    assert correlation[0, 1] > 0.65
    assert correlation[np.triu_indices(8, 1)].max() < 0.97


def test_stylised_facts(month: dict[Pair, np.ndarray]) -> None:
    for pair, rows in month.items():
        returns = np.diff(np.log(rows[:, 4]))
        standard = (returns - returns.mean()) / returns.std()
        assert (standard**4).mean() > 5, pair
        size = np.abs(returns)
        assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.1, pair
        assert np.corrcoef(size[:-12], size[12:])[0, 1] > 0.05, pair
        assert abs(np.corrcoef(returns[:-1], returns[1:])[0, 1]) < 0.1, pair
        annual = returns.std() * math.sqrt(105_120)
        assert (0.3 if pair == BTC else 0.4) < annual < (0.75 if pair == BTC else 1.3), pair
        traffic = np.corrcoef(rows[1:, 5], size)[0, 1]
        assert traffic > 0.3, pair
        atr = np.median(talib.ATR(rows[:, 2], rows[:, 3], rows[:, 4], 14)[14:] / rows[14:, 4])
        assert 0.001 < atr < 0.005, pair


def test_every_regime_occurs_in_a_week(month: dict[Pair, np.ndarray]) -> None:
    week = {pair: rows[-7 * 288 - 500 :] for pair, rows in month.items()}
    found: dict[str, int] = dict.fromkeys(("up", "down", "range", "chop", "volatile"), 0)
    for rows in week.values():
        open_, high, low, close = rows[:, 1:5].T
        adx = talib.ADX(high, low, close, 14)
        fast, middle, slow = (talib.EMA(close, n) for n in (9, 20, 50))
        body, span = np.log(close / open_), np.log(high / low)
        garman_klass = 0.5 * span**2 - (2 * math.log(2) - 1) * body**2
        volatility = np.sqrt(talib.SMA(garman_klass, 20) * 105_120)[500:]
        adx, fast, middle, slow = adx[500:], fast[500:], middle[500:], slow[500:]
        violent = (volatility > 0.8) | (volatility > 3 * np.median(volatility))
        calm = volatility <= np.median(volatility)
        found["up"] += int(((adx > 30) & (fast > middle) & (middle > slow) & ~violent).sum())
        found["down"] += int(((adx > 30) & (fast < middle) & (middle < slow) & ~violent).sum())
        found["range"] += int(((adx < 20) & calm).sum())
        found["chop"] += int(((adx < 20) & ~calm & ~violent).sum())
        found["volatile"] += int(violent.sum())
    candles = 8 * 7 * 288
    assert {name: count for name, count in found.items() if count < 0.02 * candles} == {}


def test_prices_stay_near_their_level_for_sixty_days() -> None:
    levels = np.array([100_000, 3_500, 180, 650, 2.3, 0.8, 0.2, 100])
    model = PriceModel(PAIRS, 21)
    first = START // HOUR_MS
    closes = np.array([model.hour(hour).close[:, -1] for hour in range(first, first + 1_440, 10)])
    ratio = closes / levels
    assert ratio.min() > 0.4
    assert ratio.max() < 2.5
    assert (ratio.std(axis=0) > 0.01).all()


def test_memory_is_bounded() -> None:
    model = PriceModel([BTC], 2)
    for number in range(80):
        model.hour(START // HOUR_MS + number * 40)
    assert len(model._blocks) == 2
    assert len(model._returns) <= 46


def test_any_instant_will_do() -> None:
    for start in (0, 1, 7 * BLOCK_MS - 1):
        market = SyntheticMarket([BTC], 1, start, history_candles=3)
        assert len(market.history()[BTC]) == 3
        assert steps(market, 1)[0].time == start // 5_000 * 5_000 + 5_000
    assert SyntheticMarket([BTC], -1, 0, history_candles=0).history() == {BTC: []}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pairs": []}, "at least one pair"),
        ({"pairs": [BTC, BTC]}, "none twice"),
        ({"bar_ms": 1_000}, "bar_ms=1000 is not a multiple of 5000 ms"),
        ({"bar_ms": 7_000}, "bar_ms=7000"),
        ({"candle_ms": 7 * 60_000}, "divides an hour"),
        ({"candle_ms": 4 * HOUR_MS}, "divides an hour"),
        ({"candle_ms": FIVE, "bar_ms": 2 * FIVE}, "not a multiple of bar_ms"),
        ({"history_candles": -1}, "history_candles=-1"),
    ],
)
def test_refuses_impossible_shapes(changes: dict[str, object], says: str) -> None:
    options: dict[str, object] = {"pairs": [BTC], "seed": 1, "start_ms": START} | changes
    with pytest.raises(ValueError, match=says):
        SyntheticMarket(**options)  # type: ignore[arg-type]
