"""Small candle files and series for the tests of this room."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from engine.market.files import CandleSeries
from engine.model.market import Candle, Pair

BTC, ETH, SOL = (Pair.parse(base) for base in ("BTC", "ETH", "SOL"))
T0 = 1_700_006_400_000  # 2023-11-15 00:00 UTC
MINUTE = 60_000
FIVE = 5 * MINUTE
HEADER = "timestamp,open,high,low,close,volume"


def candle(time: int, price: float = 100.0, volume: float = 10.0) -> Candle:
    return Candle(time, price, price + 2.0, price - 2.0, price + 1.0, volume)


def candles(
    count: int, step: int = FIVE, start: int = T0, skip: Iterable[int] = ()
) -> list[Candle]:
    left_out = set(skip)
    return [
        candle(start + i * step, 100.0 + i % 7, 1.0 + i % 5 / 3)
        for i in range(count)
        if i not in left_out
    ]


def write(path: Path, rows: Sequence[Sequence[object]], header: str = HEADER) -> Path:
    text = "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def series(pair: Pair, rows: Sequence[Candle], timeframe_ms: int = FIVE) -> CandleSeries:
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    return CandleSeries(pair, timeframe_ms, columns[0].astype(np.int64), *columns[1:])
