"""Small candle directories for the command line: a few days of the seeded market."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.market.synthetic import SyntheticMarket
from engine.model.market import Candle, Pair

HEADER = ("timestamp", "open", "high", "low", "close", "volume")
START = 1_700_006_400_000  # 2023-11-15 00:00 UTC
CANDLE_MS = 300_000
PAIRS = (Pair.parse("BTC"), Pair.parse("ETH"))


def write(
    directory: Path, name: str, rows: Iterable[Sequence[object]], header: Sequence[str] = HEADER
) -> Path:
    """Write one candle file; ``.gz`` names are compressed."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    plain = text.getvalue().encode()
    path.write_bytes(gzip.compress(plain) if name.endswith(".gz") else plain)
    return path


def candles(count: int, pairs: Sequence[Pair] = PAIRS, seed: int = 5) -> dict[Pair, list[Candle]]:
    """Return the first ``count`` candles of the seeded market from ``START`` on."""
    end = START + count * CANDLE_MS
    market = SyntheticMarket(pairs, seed, end, CANDLE_MS, CANDLE_MS, history_candles=count)
    return {pair: list(column) for pair, column in market.history().items()}


def write_market(directory: Path, count: int) -> Path:
    """Write a directory of BTC and ETH candles, one file compressed."""
    for pair, column in candles(count).items():
        suffix = ".csv.gz" if pair.base == "BTC" else ".csv"
        write(directory, f"{pair.file_stem}-5m{suffix}", column)
    return directory
