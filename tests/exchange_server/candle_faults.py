"""Candles as a troubled exchange delivers them."""

from __future__ import annotations

import math

from tests.exchange_server.faults import Fault
from tests.exchange_server.prices import Row


def spoil(rows: list[Row], fault: Fault) -> list[Row]:
    """Return the rows stale (the newest missing), gapped (some in the middle) or with a NaN."""
    count = int(fault.options.get("candles", 3))
    match fault.options["shape"]:
        case "stale":
            return rows[:-count]
        case "gapped":
            middle = len(rows) // 2
            return rows[:middle] + rows[middle + count :]
        case "nan":
            middle = max(0, len(rows) - 2)
            nan = math.nan
            broken: Row = (rows[middle][0], nan, nan, nan, nan, rows[middle][5])
            return [*rows[:middle], broken, *rows[middle + 1 :]]
        case shape:
            raise ValueError(f"unknown candle fault {shape!r}")
