"""Small builders of trades, instruments and accounts for the tests of this room."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from engine.model.account import AccountState, Edge, Exposure
from engine.model.market import Instrument, Pair
from engine.model.orders import ClosedTrade, ExitReason
from engine.model.signal import Regime, Side
from engine.risk.limits import RiskLimits

LIMITS = RiskLimits()
BTC, ETH, SOL, BNB, XRP, ADA, DOGE, LTC = LIMITS.allowed_pairs
SECTORS = {
    "BTC": "large cap",
    "ETH": "large cap",
    "BNB": "large cap",
    "SOL": "layer 1",
    "ADA": "layer 1",
    "XRP": "payment",
    "LTC": "payment",
    "DOGE": "meme",
}
HOUR = 3_600_000
START = 1_735_689_600_000  # 2025-01-01 00:00 UTC


def instrument(pair: Pair = BTC, **changes: Any) -> Instrument:
    base = Instrument(
        pair=pair,
        tick_size=Decimal("0.1"),
        step_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        min_notional=Decimal(5),
        taker_fee=Decimal("0.0005"),
        maker_fee=Decimal("0.0002"),
        maintenance_margin_rate=Decimal("0.005"),
        max_leverage=50,
        sector=SECTORS[pair.base],
    )
    return replace(base, **changes)


INSTRUMENTS = {pair: instrument(pair) for pair in LIMITS.allowed_pairs}


def trade(pnl: Any, index: int = 0, **changes: Any) -> ClosedTrade:
    value = Decimal(str(pnl))
    base = ClosedTrade(
        id=f"t{index}",
        pair=BTC,
        side=Side.LONG,
        entry_time=START + index * HOUR,
        exit_time=START + index * HOUR + HOUR // 2,
        entry_price=Decimal(100),
        exit_price=Decimal(101),
        quantity=Decimal(1),
        fees=Decimal("0.1"),
        funding=Decimal("0.01"),
        pnl=value,
        r_multiple=float(value) / 50.0,
        exit_reason=ExitReason.TAKE_PROFIT if value > 0 else ExitReason.STOP_LOSS,
        regime=Regime.RANGE,
        confidence=0.6,
        strategy="default",
        strategy_version=1,
        entry_equity=Decimal(10_000),
        client_order_ids=(),
    )
    return replace(base, **changes)


def trades(pnls: list[Any], **changes: Any) -> list[ClosedTrade]:
    return [trade(pnl, index, **changes) for index, pnl in enumerate(pnls)]


def edge(**changes: Any) -> Edge:
    base = Edge(
        trades=100,
        win_rate=0.5,
        payoff=2.0,
        expectancy=10.0,
        kelly=0.25,
        degradation_factor=1.0,
        shadow_reentry=False,
    )
    return base._replace(**changes)


def account(*exposures: Exposure, **changes: Any) -> AccountState:
    base = AccountState(
        equity=10_000.0, balance=10_000.0, available=10_000.0, day_loss=0.0, exposures=exposures
    )
    return base._replace(**changes)


def exposure(pair: Pair, notional: float, risk: float = 0.0, side: Side = Side.LONG) -> Exposure:
    return Exposure(pair, side, notional, risk)
