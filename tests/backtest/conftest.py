"""A small seeded market in memory, and a base run over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from engine.backtest.runner import BacktestResult
from engine.backtest.runs import Ground, Run, run_one
from engine.market.series import CandleSeries, CandleSet
from engine.model.market import Candle, Pair
from engine.model.orders import ClosedTrade, ExitReason
from engine.model.signal import Regime, Side
from engine.settings import Settings
from tests.cli import candle_files

WARMUP = 500
START, UNIT = candle_files.START, candle_files.CANDLE_MS
HOUR, DAY = 3_600_000, 86_400_000


def series(pair: Pair, rows: Sequence[Candle], unit: int = UNIT) -> CandleSeries:
    columns = [np.array(column, dtype=np.float64) for column in list(zip(*rows, strict=True))[1:]]
    return CandleSeries(pair, unit, np.array([row.time for row in rows], dtype=np.int64), *columns)


def market(count: int, seed: int = 5) -> CandleSet:
    rows = candle_files.candles(count, seed=seed)
    return CandleSet("5m", UNIT, {pair: series(pair, found) for pair, found in rows.items()}, {})


def ground_over(candles: CandleSet) -> Ground:
    limits = Settings(_env_file=None).limits()  # type: ignore[call-arg]
    return Ground(candles, replace(limits, warmup_candles=WARMUP), Decimal(10_000))


@pytest.fixture(scope="session")
def ground() -> Ground:
    return ground_over(market(1_440))


@pytest.fixture(scope="session")
def base(ground: Ground) -> BacktestResult:
    result = run_one(ground, Run())
    assert len(result.trades) > 3, "this market must give trades, or nothing below is tested"
    return result


def trade(
    number: int,
    pnl: float,
    *,
    r: float | None = None,
    at: int = START,
    pair: str = "BTC",
    regime: Regime = Regime.RANGE,
    reason: ExitReason = ExitReason.STOP_LOSS,
    shadow: bool = False,
) -> ClosedTrade:
    return ClosedTrade(
        id=f"t{number}",
        pair=Pair.parse(pair),
        side=Side.LONG,
        entry_time=at - HOUR,
        exit_time=at,
        entry_price=Decimal(100),
        exit_price=Decimal(101),
        quantity=Decimal(1),
        fees=Decimal("0.5"),
        funding=Decimal(0),
        pnl=Decimal(str(pnl)),
        r_multiple=pnl / 10 if r is None else r,
        exit_reason=reason,
        regime=regime,
        confidence=0.5,
        strategy="default",
        strategy_version=1,
        entry_equity=Decimal(10_000),
        client_order_ids=(f"t{number}-e",),
        shadow=shadow,
    )


def result_of(
    trades: Sequence[ClosedTrade], *, days: int = 10, **changes: object
) -> BacktestResult:
    """Return a result as if a run had made these trades."""
    balance = Decimal(10_000)
    made = BacktestResult(
        pairs=candle_files.PAIRS,
        candle_ms=UNIT,
        start=START,
        end=START + days * DAY,
        candles=days * 288,
        decisions=days * 288,
        proposals=len(trades),
        entries=len(trades),
        blocked={},
        trades=tuple(t for t in trades if not t.shadow),
        shadow_trades=tuple(t for t in trades if t.shadow),
        starting_balance=balance,
        final_balance=balance + sum((t.pnl for t in trades if not t.shadow), Decimal(0)),
        fingerprint="0" * 64,
        elapsed_s=1.0,
        confidences=(0.4, 0.5, 0.6),
    )
    return replace(made, **changes)  # type: ignore[arg-type]
