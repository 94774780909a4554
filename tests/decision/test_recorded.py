"""Recorded candles: the layers together are neither dead nor trigger-happy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.market.files import load_directory
from engine.model.market import Pair
from engine.model.signal import Action
from engine.risk.limits import RiskLimits
from tests.decision import build

CANDLES = 4_000  # of each pair, from the end of the file


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("perp-2025-06", ("BTC", "SOL", "DOGE")),
        ("spot-2021-04_crash", ("BTC", "ETH", "LTC")),
        ("spot-2024", ("BTC", "ETH", "XRP")),
    ],
)
def test_proposals_on_half_to_ten_percent_of_candles(
    data_dir: Path, name: str, bases: tuple[str, ...]
) -> None:
    pairs = [Pair.parse(base) for base in bases]
    series = load_directory(data_dir / name, pairs).series
    around = build.context(limits=RiskLimits())
    total, sides, proposed = 0, Counter[Action](), 0
    for pair, column in series.items():
        candles = column.candles(max(0, len(column) - CANDLES))
        decisions = [d for d in build.run(candles, around, pair=pair) if d.v1 is not None]
        assert len(decisions) > 1_000
        total += len(decisions)
        sides.update(d.proposal for d in decisions)
        proposed = sum(count for action, count in sides.items() if action is not Action.WAIT)
    assert 0.005 <= proposed / total <= 0.10
    assert sides[Action.ENTER_LONG] > 0
    assert sides[Action.ENTER_SHORT] > 0
