"""Recorded funding rates, kept beside the candles in ``extra/BTC-USDT-funding-8h.csv.gz``."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import IO, cast

from engine.market.series import CandleDataError
from engine.model.market import Pair

HEADER = ["timestamp", "funding_rate"]
MAX_RATE = Decimal("0.1")  # a fraction per payment; exchanges cap far below

Rates = tuple[tuple[int, Decimal], ...]


def load_funding(directory: Path | str, pairs: Sequence[Pair]) -> dict[Pair, Rates]:
    """Return the recorded rates of the pairs that have a file: (ms UTC, fraction), in order.

    Raises ``CandleDataError`` for a file that cannot be read or whose rows make no sense.
    """
    extra = Path(directory) / "extra"
    found = {}
    for pair in pairs:
        for suffix in (".csv.gz", ".csv"):
            path = extra / f"{pair.file_stem}-funding-8h{suffix}"
            if path.is_file():
                found[pair] = _load(path)
                break
    return found


def _load(path: Path) -> Rates:
    try:
        with cast("IO[str]", _open(path)) as file:
            rows = list(csv.reader(file))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise CandleDataError(f"{path}: cannot be read ({why})") from None
    if not rows or rows[0] != HEADER:
        given = ",".join(rows[0]) if rows else ""
        raise CandleDataError(f"{path}: wrong header {given!r}; expected {','.join(HEADER)}")
    rates = tuple(_rate(path, number, row) for number, row in enumerate(rows[1:], 2) if row)
    for number, (one, two) in enumerate(pairwise(rates), 3):
        if two[0] <= one[0]:
            raise CandleDataError(f"{path}: row {number} is not later than the one before it")
    return rates


def _open(path: Path) -> object:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _rate(path: Path, number: int, row: list[str]) -> tuple[int, Decimal]:
    try:
        stamp, rate = int(row[0]), Decimal(row[1])
        if len(row) == 2 and stamp >= 0 and abs(rate) <= MAX_RATE:
            return stamp, rate
    except (IndexError, ValueError, InvalidOperation):
        pass
    raise CandleDataError(
        f"{path}: row {number} is {','.join(row)!r}; expected a time in ms and a rate within "
        f"+/- {MAX_RATE}"
    )
