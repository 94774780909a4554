"""The shapes of answers, from hand-made positions and trades. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from engine.control import views
from engine.model.market import Pair
from engine.model.orders import ClosedTrade, ExitReason, Position
from engine.model.signal import Regime, Side

DAY = 86_400_000
NOW = 1_750_000_000_000

POSITION = Position(
    id="p1",
    pair=Pair.parse("BTC"),
    side=Side.SHORT,
    quantity=Decimal("0.10"),
    initial_quantity=Decimal("0.20"),
    entry_price=Decimal("100000.123456789012345678"),
    opened=NOW,
    stop_price=Decimal("101000"),
    target_price=Decimal("98000"),
    risk_per_unit=Decimal("1000"),
    leverage=10,
    regime=Regime.TREND_DOWN,
    confidence=0.5,
    strategy="default",
    strategy_version=1,
    entry_equity=Decimal("10000"),
    thesis=("macd", "trend"),
    best_price=Decimal("100000"),
    client_order_ids=("a", "b"),
    stop_order_id="s1",
)
TRADE = ClosedTrade(
    id="t1",
    pair=Pair.parse("ETH"),
    side=Side.LONG,
    entry_time=NOW - 2 * DAY,
    exit_time=NOW - 2 * DAY + 60_000,
    entry_price=Decimal("2000.10"),
    exit_price=Decimal("2010.000000000000000001"),
    quantity=Decimal("1E+1"),
    fees=Decimal("2.00"),
    funding=Decimal("-0.01"),
    pnl=Decimal("97.01"),
    r_multiple=1.5,
    exit_reason=ExitReason.TAKE_PROFIT,
    regime=Regime.RANGE,
    confidence=0.6,
    strategy="default",
    strategy_version=1,
    entry_equity=Decimal("10000"),
    client_order_ids=("x",),
)


def test_a_position_is_exact_and_serialises():
    row = views.position_row(POSITION, Decimal("99000.5"))
    assert row["entry_price"] == "100000.123456789012345678"
    assert row["quantity"] == "0.10"
    assert row["pnl"] == "99.96234567890123456780"
    assert row["r_multiple"] == pytest.approx(0.99962, abs=1e-4)
    assert row["opened"] == "2025-06-15T15:06:40.000Z"
    assert (row["stop_order_id"], row["target_order_id"]) == ("s1", None)
    assert orjson.loads(orjson.dumps(row)) == row


def test_without_a_price_there_is_no_profit():
    row = views.position_row(POSITION, None)
    assert row["mark_price"] is row["pnl"] is row["r_multiple"] is row["notional"] is None


def test_a_trade_is_exact_and_serialises():
    row = views.trade_row(TRADE)
    assert row["quantity"] == "10"
    assert row["exit_price"] == "2010.000000000000000001"
    assert row["funding"] == "-0.01"
    assert row["client_order_ids"] == ["x"]
    assert row["exit_reason"] == "take_profit"
    assert orjson.loads(orjson.dumps(row)) == row


def test_performance_counts_real_trades_of_the_days_asked_for():
    old = replace(TRADE, id="t0", entry_time=NOW - 9 * DAY, exit_time=NOW - 9 * DAY + 1)
    shadow = replace(TRADE, id="t2", shadow=True, exit_time=NOW)
    lost = replace(TRADE, id="t3", pnl=Decimal("-50"), exit_time=NOW, entry_time=NOW - DAY)
    everything = views.performance_of([old, TRADE, shadow, lost], NOW, 0, Decimal("1"))
    assert everything["metrics"]["trades"] == 3
    assert everything["days"] is None
    week = views.performance_of([old, TRADE, shadow, lost], NOW, 7, Decimal("1"))
    assert week["metrics"]["trades"] == 2
    assert week["metrics"]["net_pnl"] == pytest.approx(47.01)
    assert [day["trades"] for day in week["by_day"]] == [1, 1]
    assert week["equity"][0] == [week["from"], 10_000.0]
    assert week["equity"][-1][1] == pytest.approx(10_047.01)


def test_performance_without_trades_is_undefined_not_zero():
    found = views.performance_of([], NOW, 0, Decimal("5000"))
    assert found["metrics"]["win_rate"] is None
    assert found["starting_balance"] == 5_000
    assert found["by_day"] == []


def test_modes_are_named_as_in_settings():
    names = [views.mode_name(mode) for mode in ("SIMULATED", "PAPER", "TESTNET", "LIVE")]
    assert names == ["paper", "paper", "testnet", "live"]
