"""Two timeframes of one pair that disagree, and pairs that cover different spans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.market.aggregate import aggregate
from engine.market.agreement import agreeing, different_spans
from engine.market.series import CandleDataError, CandleSeries
from engine.model.market import DAY_MS, Pair

MINUTE, FIVE = 60_000, 300_000
T0 = 1_700_006_400_000
BTC, ETH = Pair.parse("BTC"), Pair.parse("ETH")


def minutes(count: int, pair: Pair = BTC, start: int = T0) -> CandleSeries:
    close = 100.0 + np.sin(np.arange(count))
    opens = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opens, close) + 0.5, np.minimum(opens, close) - 0.5
    time = start + MINUTE * np.arange(count, dtype=np.int64)
    return CandleSeries(pair, MINUTE, time, opens, high, low, close, np.full(count, 2.0))


def test_files_that_agree_are_taken_as_they_are():
    fine = minutes(500)
    coarse = aggregate(fine, FIVE)
    kept, note = agreeing(coarse, fine)
    assert kept is fine
    assert note == ""
    rough = replace(coarse, volume=coarse.volume * 1.5, close=coarse.close * (1 + 1e-12))
    assert agreeing(rough, fine) == (fine, ""), "volumes and rounding are no disagreement"


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_detail_is_left_out_where_it_disagrees(column):
    fine = minutes(500)
    coarse = aggregate(fine, FIVE)
    changed = getattr(coarse, column).copy()
    changed[7] *= 1.001
    kept, note = agreeing(replace(coarse, **{column: changed}), fine)
    assert len(kept) == 495
    assert not np.any((kept.time >= coarse.time[7]) & (kept.time < coarse.time[8]))
    assert note == (
        "BTC: 1m and 5m disagree in 1 of 100 candles, first 2023-11-15T00:35 UTC; "
        "the 5m candles stand"
    )


def test_files_of_different_markets_are_refused():
    fine = minutes(500)
    coarse = aggregate(fine, FIVE)
    other = replace(coarse, high=coarse.high * 1.2)
    with pytest.raises(CandleDataError, match="1m and 5m files disagree in 100 of 100"):
        agreeing(other, fine)


def test_pairs_of_other_spans_are_named():
    day = DAY_MS // MINUTE
    long, late = minutes(3 * day), minutes(day, ETH, T0 + 2 * DAY_MS)
    assert different_spans({BTC: long, ETH: late}) == [
        "ETH covers only 2023-11-17T00:00 to 2023-11-18T00:00 UTC"
    ]
    assert different_spans({BTC: long, ETH: minutes(3 * day - 60, ETH, T0 + 3_600_000)}) == []
    assert different_spans({ETH: late}) == []
