"""Builders for the decision core: markets, indicators, contexts, positions, and a plain runner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import numpy as np
import orjson

from engine.decision import Context, PairInputs, decide
from engine.model.account import AccountState, Edge
from engine.model.decision import BreakerGate, Decision, Verdict
from engine.model.market import Candle, Instrument, Pair
from engine.model.orders import Position
from engine.model.signal import Indicators, Regime, RegimeState, Side
from engine.regime import risk_multiplier
from engine.risk.correlation import CorrelationModel
from engine.risk.limits import RiskLimits
from engine.scanner import Scanner
from engine.signals.v1 import regime_weights
from engine.strategy import Strategy
from engine.trace import decision_record

BTC, ETH = Pair.parse("BTC"), Pair.parse("ETH")
CANDLE_MS = 300_000
START = 1_704_067_200_000  # 2024-01-01 00:00 UTC
NOW = START + 2_000 * CANDLE_MS
LIMITS = RiskLimits(warmup_candles=500)
STRATEGY = Strategy()
OPEN = BreakerGate(Verdict.PASS, "CLOSED", "", 0.0, 1.0, "CLOSED")
HALTED = BreakerGate(Verdict.BLOCK, "HALT", "exchange latency", 0.0, 0.0, "HALT for latency")
THROTTLED = BreakerGate(Verdict.REDUCE, "THROTTLE", "latency", 0.7, 0.5, "THROTTLE for latency")


def market(seed: int, count: int, start: int = START, price: float = 100.0) -> list[Candle]:
    """Return candles of a market whose drift, pull and violence change every few hours."""
    rng = np.random.default_rng(seed)
    parts = 6
    sigma, drift, pull = np.empty(count), np.empty(count), np.empty(count)
    at = 0
    while at < count:
        end = at + int(rng.integers(30, 160))
        sigma[at:end] = rng.choice([0.0006, 0.0012, 0.0018, 0.0035], p=[0.2, 0.4, 0.3, 0.1])
        drift[at:end] = rng.choice([-0.35, 0.0, 0.0, 0.35])
        pull[at:end] = rng.choice([0.0, 0.0, 0.05])
        at = end
    shocks = rng.standard_t(5, (count, parts)) * (sigma / np.sqrt(parts))[:, None]
    shocks += (drift * sigma / parts)[:, None]
    steps = shocks.sum(axis=1)
    level = anchor = 0.0
    close = np.empty(count)
    for i in range(count):
        anchor += 0.05 * (level - anchor)
        level += steps[i] - pull[i] * (level - anchor)
        close[i] = level
    open_ = np.concatenate(([0.0], close[:-1]))
    wander = open_[:, None] + np.cumsum(shocks, axis=1)
    high = np.maximum(np.maximum(wander.max(axis=1), open_), close)
    low = np.minimum(np.minimum(wander.min(axis=1), open_), close)
    volume = rng.gamma(1.5, 40.0, count) * (1.0 + 500.0 * np.abs(steps))
    times = (start + np.arange(count) * CANDLE_MS).tolist()
    figures = [price * np.exp(column) for column in (open_, high, low, close)]
    return list(map(Candle, times, *(c.tolist() for c in (*figures, volume))))


def scaled(candles: Iterable[Candle], k: float) -> list[Candle]:
    """Return candles with prices times k and volumes divided by k."""
    return [Candle(t, o * k, h * k, lo * k, c * k, v / k) for t, o, h, lo, c, v in candles]


def instrument(pair: Pair = BTC, **changes: Any) -> Instrument:
    base = Instrument(
        pair=pair,
        tick_size=Decimal("0.001"),
        step_size=Decimal("0.0001"),
        min_quantity=Decimal("0.0001"),
        min_notional=Decimal(5),
        taker_fee=Decimal("0.0005"),
        maker_fee=Decimal("0.0002"),
        maintenance_margin_rate=Decimal("0.004"),
        max_leverage=125,
        sector="large_cap",
    )
    return replace(base, **changes)


def scaled_instrument(k: Decimal, pair: Pair = BTC) -> Instrument:
    """Return the instrument of a market whose prices are k times as high."""
    base = instrument(pair)
    return replace(
        base,
        tick_size=base.tick_size * k,
        step_size=base.step_size / k,
        min_quantity=base.min_quantity / k,
    )


EXPLORING = Edge(0, 0.0, None, 0.0, None, 1.0, False)
PROVEN = Edge(100, 0.6, 1.8, 12.0, 0.378, 1.0, False)
LOSING = Edge(60, 0.35, 1.1, -6.0, -0.24, 1.0, False)
ACCOUNT = AccountState(10_000.0, 10_000.0, 10_000.0, 0.0, ())


def context(**changes: Any) -> Context:
    strategy = changes.get("strategy", STRATEGY)
    base = Context(
        account=ACCOUNT,
        edge=EXPLORING,
        breaker=OPEN,
        withheld_by="",
        withheld_reason="",
        strategy=strategy,
        weights=regime_weights(strategy),
        limits=LIMITS,
        correlation=lambda: CorrelationModel((BTC, ETH)),
        instruments={BTC: instrument(BTC), ETH: instrument(ETH)},
        open_pairs=frozenset(),
        shadow_pairs=frozenset(),
        closed_to_entries="",
        breaker_lacks_edge=False,
    )
    return base._replace(**changes)


def no_edge(**changes: Any) -> Context:
    """Return the context of an account without an edge: proposals go to the shadow book."""
    given = {"edge": LOSING, "withheld_by": "expectancy", "withheld_reason": "no edge"} | changes
    return context(**given)


def run(
    candles: Sequence[Candle],
    around: Context | None = None,
    traded: Instrument | None = None,
    pair: Pair = BTC,
) -> list[Decision]:
    """Decide every candle through the real scanner; entries are not carried out."""
    around = around or context()
    rules = traded or instrument(pair)
    scanner = Scanner([pair], CANDLE_MS, {pair: rules})
    decisions = []
    for candle in candles:
        scanner.close_candles({pair: candle})
        decisions.append(decide(scanner.inputs(pair, candle.time + CANDLE_MS), around))
    return decisions


def proposals(decisions: Iterable[Decision]) -> list[Decision]:
    return [d for d in decisions if d.proposal.side is not None]


def trace_bytes(decision: Decision) -> bytes:
    return orjson.dumps(decision_record(decision))


def digest(decisions: Iterable[Decision]) -> str:
    """Return one hash over every decision's whole trace."""
    total = sha256()
    for decision in decisions:
        total.update(trace_bytes(decision))
    return total.hexdigest()


# By hand: indicators of one candle, a decision's inputs, a position.


def indicators(**changes: Any) -> Indicators:
    """Return a candle about which every indicator is neutral; price 100, ATR 1."""
    base = Indicators(
        time=NOW,
        candles=2_000,
        open=100.0,
        high=100.5,
        low=99.5,
        close=100.0,
        volume=10.0,
        rsi=50.0,
        macd=0.0,
        macd_signal=0.0,
        macd_hist=0.0,
        stoch_k=50.0,
        stoch_d=50.0,
        ema9=100.0,
        ema20=100.0,
        ema50=100.0,
        ema200=100.0,
        sma20=100.0,
        bb_upper=102.0,
        bb_middle=100.0,
        bb_lower=98.0,
        atr=1.0,
        adx=20.0,
        plus_di=20.0,
        minus_di=20.0,
        cci=0.0,
        mfi=50.0,
        obv=0.0,
        obv_slope=0.0,
        vwap=100.0,
        vwap_distance=0.0,
        mc_up=0.5,
        mc_low=-0.01,
        mc_mid=0.0,
        mc_high=0.01,
        mc_error=0.01,
        gk=0.3,
        gk_median=0.3,
        z_score=0.0,
        slope=0.0,
        bb_width_ratio=1.0,
        htf_15m=0,
        htf_1h=0,
        notes=(),
    )
    return base._replace(**changes)


def rising(**changes: Any) -> Indicators:
    """Return a candle of a healthy trend up: V1 proposes a long and the rules confirm it."""
    given = {
        "rsi": 66.0,
        "stoch_k": 78.0,
        "cci": 140.0,
        "macd_hist": 0.4,
        "ema9": 99.5,
        "ema20": 98.5,
        "ema50": 96.0,
        "bb_upper": 101.5,
        "bb_middle": 99.0,
        "bb_lower": 96.5,
        "adx": 38.0,
        "plus_di": 35.0,
        "minus_di": 12.0,
        "mfi": 70.0,
        "vwap_distance": 0.02,
        "obv_slope": 0.6,
        "mc_up": 0.7,
        "z_score": 0.8,
        "slope": 0.002,
        "bb_width_ratio": 1.6,
        "htf_15m": 1,
        "htf_1h": 1,
    } | changes
    return indicators(**given)


def mirrored(ind: Indicators) -> Indicators:
    """Return the same candle upside down: what was long is short and the other way round."""

    def flip(price: float) -> float:
        return 2.0 * ind.close - price

    return ind._replace(
        open=flip(ind.open),
        high=flip(ind.low),
        low=flip(ind.high),
        rsi=100.0 - ind.rsi,
        macd=-ind.macd,
        macd_signal=-ind.macd_signal,
        macd_hist=-ind.macd_hist,
        stoch_k=100.0 - ind.stoch_k,
        stoch_d=100.0 - ind.stoch_d,
        ema9=flip(ind.ema9),
        ema20=flip(ind.ema20),
        ema50=flip(ind.ema50),
        ema200=flip(ind.ema200),
        sma20=flip(ind.sma20),
        bb_upper=flip(ind.bb_lower),
        bb_middle=flip(ind.bb_middle),
        bb_lower=flip(ind.bb_upper),
        plus_di=ind.minus_di,
        minus_di=ind.plus_di,
        cci=-ind.cci,
        mfi=100.0 - ind.mfi,
        obv_slope=-ind.obv_slope,
        vwap_distance=-ind.vwap_distance,
        mc_up=1.0 - ind.mc_up,
        z_score=-ind.z_score,
        slope=-ind.slope,
        htf_15m=-ind.htf_15m,
        htf_1h=-ind.htf_1h,
    )


def falling(**changes: Any) -> Indicators:
    return mirrored(rising())._replace(**changes)


def state(
    regime: Regime = Regime.TREND_UP,
    confidence: float = 0.7,
    multiplier: float | None = None,
    **changes: Any,
) -> RegimeState:
    chosen = risk_multiplier(regime, 0.3, 38.0) if multiplier is None else multiplier
    return RegimeState(regime, confidence, chosen, START)._replace(**changes)


def inputs(ind: Indicators | None = None, **changes: Any) -> PairInputs:
    """Return what a decision on BTC looks at: a trend up, unless told otherwise."""
    returns = np.random.default_rng(7).standard_t(5, 500) * 0.003
    base = PairInputs(BTC, NOW, ind or rising(), state(), instrument(), lambda: returns)
    return base._replace(**changes)


def position(side: Side = Side.LONG, **changes: Any) -> Position:
    """Return a position entered at 100 with a risk of 1 a unit and a target at 2 R."""
    entry, sign = Decimal(100), side.sign
    base = Position(
        id="p1",
        pair=BTC,
        side=side,
        quantity=Decimal(2),
        initial_quantity=Decimal(2),
        entry_price=entry,
        opened=NOW,
        stop_price=entry - sign,
        target_price=entry + 2 * sign,
        risk_per_unit=Decimal(1),
        leverage=10,
        regime=Regime.TREND_UP if side is Side.LONG else Regime.TREND_DOWN,
        confidence=0.6,
        strategy="default",
        strategy_version=1,
        entry_equity=Decimal(10_000),
        thesis=("adx", "macd", "ema_alignment"),
        best_price=entry,
        client_order_ids=(),
    )
    return replace(base, **changes)
