"""A trial on stored candles in a process of its own: result, progress, stop, failures."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from engine.risk.limits import RiskLimits
from engine.strategies.what_if import WhatIf, WhatIfError, what_if
from engine.strategy import Strategy

LIMITS = RiskLimits(warmup_candles=500)


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of 3,000 made-up candles of BTC."""
    folder = tmp_path_factory.mktemp("candles")
    noise = np.random.default_rng(5).normal(0, 0.002, 3_000).cumsum()
    closes = 30_000 * np.exp(noise)
    rows = ["timestamp,open,high,low,close,volume"]
    before = 30_000.0
    for number, close in enumerate(closes):
        high, low = max(before, close) * 1.001, min(before, close) * 0.999
        rows.append(
            f"{1_700_000_100_000 + number * 300_000},{before:.2f},{high:.2f},{low:.2f},"
            f"{close:.2f},{10 + number % 7}"
        )
        before = float(f"{close:.2f}")
    (folder / "BTC-USDT-5m.csv").write_text("\n".join(rows) + "\n")
    return folder


async def run(data: Path, **options: object) -> WhatIf:
    settings = {"limits": LIMITS, "balance": Decimal(10_000)} | options
    return await what_if(Strategy(name="trial"), data, **settings)  # type: ignore[arg-type]


async def test_result_and_progress(candles: Path) -> None:
    seen: list[float] = []
    result = await run(candles, progress=seen.append)
    assert result.strategy == "trial v1"
    assert result.candles == 3_000
    assert not result.interrupted
    assert len(result.fingerprint) == 64
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1


async def test_stop_ends_it_early(candles: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    result = await run(candles, stop=stop)
    assert result.interrupted
    assert result.candles < 3_000


async def test_candles_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(WhatIfError):
        await run(tmp_path)


async def test_cancelling_leaves_no_process(candles: Path) -> None:
    task = asyncio.create_task(run(candles))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
