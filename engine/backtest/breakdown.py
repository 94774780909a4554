"""Where the result comes from: the trades by pair, regime, exit reason, hour and month."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from engine.model.orders import ClosedTrade

HOUR_MS = 3_600_000


class Group(NamedTuple):
    """The trades that share a trait. Money in quote currency; ``r`` is the mean R multiple."""

    name: str
    trades: int
    win_rate: float
    pnl: Decimal
    fees: Decimal
    r: float


def _month(trade: ClosedTrade) -> str:
    return f"{datetime.fromtimestamp(trade.exit_time / 1_000, UTC):%Y-%m}"


_KEYS: Mapping[str, Callable[[ClosedTrade], str]] = {
    "pair": lambda trade: trade.pair.base,
    "regime": lambda trade: str(trade.regime),
    "exit_reason": lambda trade: str(trade.exit_reason),
    "hour": lambda trade: f"{trade.entry_time // HOUR_MS % 24:02d}",
    "month": _month,
}
TRAITS = tuple(_KEYS)  # the hour is that of the entry, the month that of the exit, both UTC


def breakdowns(trades: Sequence[ClosedTrade]) -> dict[str, tuple[Group, ...]]:
    """Return the groups of every trait, by name; each trait's groups hold every trade once."""
    return {trait: _groups(trades, key) for trait, key in _KEYS.items()}


def _groups(trades: Sequence[ClosedTrade], key: Callable[[ClosedTrade], str]) -> tuple[Group, ...]:
    found: dict[str, list[ClosedTrade]] = {}
    for trade in trades:
        found.setdefault(key(trade), []).append(trade)
    return tuple(_group(name, found[name]) for name in sorted(found))


def _group(name: str, trades: Sequence[ClosedTrade]) -> Group:
    count = len(trades)
    return Group(
        name,
        count,
        sum(trade.pnl > 0 for trade in trades) / count,
        sum((trade.pnl for trade in trades), Decimal(0)),
        sum((trade.fees for trade in trades), Decimal(0)),
        sum(trade.r_multiple for trade in trades) / count,
    )
