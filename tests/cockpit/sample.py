"""A rich picture of a busy engine at one fixed instant: seeded, so that it never changes."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from decimal import Decimal

from engine.model.commands import Level
from engine.model.decision import Decision
from engine.model.market import Candle, Pair
from engine.model.orders import ClosedTrade, ExitReason
from engine.model.signal import Action, Regime, RegimeState, Side
from engine.model.snapshot import (
    BreakerReadingView,
    BreakerView,
    EndpointView,
    EventView,
    ExpectancyView,
    HealthView,
    LimitView,
    MonitorView,
    PairHistory,
    PairView,
    PositionView,
    RiskView,
    Snapshot,
    WindowView,
)
from tests.cockpit_views.sample import blocked, entry, indicators, waiting

PERIOD = 300_000
NOW = 1_749_737_133_000  # 2025-06-12 14:05:33 UTC
CLOSED = NOW - NOW % PERIOD

PRICES = {
    "BTC": 104_512.4, "ETH": 2_748.35, "SOL": 157.842, "BNB": 661.07,
    "XRP": 2.2431, "ADA": 0.68124, "DOGE": 0.18934, "LTC": 87.655,
}  # fmt: skip
PAIRS = tuple(Pair.parse(base) for base in PRICES)
BTC, ETH, SOL, BNB, XRP, ADA, DOGE, LTC = PAIRS

_UP, _DOWN, _RANGE = Regime.TREND_UP, Regime.TREND_DOWN, Regime.RANGE
_MARKET = (  # change, score, V2, conf, regime, its conf, multiplier, ADX, vol, 15m, 1h, verdict
    (0.0213, 0.34, 0.62, 0.75, _UP, 0.85, 1.3, 34.1, 0.41, 1, 1, "LONG: entered at 14:00"),
    (0.0147, 0.27, 0.46, 0.59, _UP, 0.71, 1.3, 31.4, 0.48, 1, 1,
     "blocked: correlated group is full"),
    (-0.0092, -0.22, 0.22, 0.31, _RANGE, 0.64, 0.8, 16.2, 0.37, 0, -1, "WAIT: confirmation 22%"),
    (0.0004, 0.06, 0.0, 0.12, _RANGE, 0.80, 0.8, 12.9, 0.22, 0, 0, "WAIT: score within 0.20"),
    (-0.0318, -0.41, 0.58, 0.88, _DOWN, 0.77, 1.3, 38.6, 0.55, -1, -1, "SHORT: entered at 13:25"),
    (-0.0121, -0.12, 0.15, 0.24, Regime.CHOP, 0.68, 0.4, 18.3, 0.66, -1, 0, "WAIT: CHOP at 0.68"),
    (0.0466, 0.19, 0.31, 0.38, Regime.VOLATILE, 0.90, 0.3, 27.7, 1.12, 1, 1,
     "WAIT: no entry while VOLATILE"),
    (0.0, 0.0, 0.0, 0.0, Regime.UNKNOWN, 0.0, 0.0, 0.0, 0.0, 0, 0,
     "warming up: 1,212 of 1,500 candles"),
)  # fmt: skip


def market(now: int = NOW) -> tuple[PairView, ...]:
    """Return the eight rows of the market table."""
    rows = []
    for index, (pair, row) in enumerate(zip(PAIRS, _MARKET, strict=True)):
        change, score, confirm, conf, regime, rconf, mult, adx, vol, m15, h1, verdict = row
        action = (
            Action.ENTER_LONG if verdict.startswith("LONG")
            else Action.ENTER_SHORT if verdict.startswith("SHORT") else Action.WAIT
        )  # fmt: skip
        rows.append(
            PairView(
                pair, PRICES[pair.base], change, score, confirm, conf, regime, rconf, mult,
                CLOSED - (3 + 5 * index) * PERIOD, adx, vol, m15, h1, action, verdict,
                1_212 if regime is Regime.UNKNOWN else 4_000, CLOSED, now - 1_000 * (1 + index),
            )
        )  # fmt: skip
    return tuple(rows)


def positions() -> tuple[PositionView, ...]:
    """Return three open positions: a winner, a trailing short, one whose stop does not rest."""
    return (
        PositionView(
            "p-1", BTC, Side.LONG, "0.042", 103_920.5, PRICES["BTC"], 24.86, 0.79, 103_170.0, True,
            105_420.0, True, False, False, NOW - 5 * 60_000, 240, Regime.TREND_UP, Regime.TREND_UP,
            31.52, 4_389.5, False,
        ),
        PositionView(
            "p-2", XRP, Side.SHORT, "1840.0", 2.3018, PRICES["XRP"], 108.01, 1.64, 2.2672, True,
            2.2301, True, True, True, NOW - 40 * 60_000, 240, Regime.TREND_DOWN, Regime.TREND_DOWN,
            0.0, 4_127.3, False,
        ),
        PositionView(
            "p-3", SOL, Side.LONG, "9.5", 158.611, PRICES["SOL"], -7.31, -0.42, 156.780, False,
            162.270, True, False, False, NOW - 118 * 60_000, 120, Regime.RANGE, Regime.CHOP,
            17.39, 1_499.5, False,
        ),
    )  # fmt: skip


def shadows() -> tuple[PositionView, ...]:
    """Return one shadow position."""
    return (
        PositionView(
            "s-1", DOGE, Side.LONG, "5200", 0.18811, PRICES["DOGE"], 6.40, 0.52, 0.18575, False,
            0.19283, False, False, False, NOW - 15 * 60_000, 30, Regime.VOLATILE, Regime.VOLATILE,
            12.27, 984.6, True,
        ),
    )  # fmt: skip


def breaker(level: Level = Level.ALERT) -> BreakerView:
    """Return a breaker at ALERT for latency, cooling down."""
    calm = level is Level.CLOSED
    readings = (
        BreakerReadingView("exchange latency", 180.0 if calm else 612.0, "ms", 500, 1000, 3000,
                           None, Level.CLOSED if calm else Level.ALERT),
        BreakerReadingView("order failures", 0, "", 2, 3, 5, 10, Level.CLOSED),
        BreakerReadingView("failure rate", 4.0, "%", None, 30, None, None, Level.CLOSED),
        BreakerReadingView("slippage", 0.06, "%", 0.1, 0.3, 0.5, None, Level.CLOSED),
        BreakerReadingView("loss in 15 min", 0.4, "%", None, None, 5, None, Level.CLOSED),
        BreakerReadingView("data delay", 0.2, "candles", 2, None, None, None, Level.CLOSED),
        BreakerReadingView("clock offset", 41, "ms", 500, 1000, 5000, None, Level.CLOSED),
    )  # fmt: skip
    if calm:
        return BreakerView(level, "", NOW - 3 * 3_600_000, None, False, "", readings)
    return BreakerView(
        level, "exchange latency 612 ms, mean of the last 10 calls", NOW - 18_000, NOW + 42_000,
        False, "latency below 500 ms for 60 s", readings,
    )  # fmt: skip


def expectancy() -> ExpectancyView:
    """Return three windows, the shadow window and a curve."""
    source = random.Random(5)
    equity, curve = 10_000.0, []
    for index in range(120):
        equity += source.gauss(2.2, 22)
        curve.append((NOW - (120 - index) * 3_600_000, equity))
    return ExpectancyView(
        "building confidence", 0.0112,
        (
            WindowView("30", 30, 0.60, 0.42, 0.75, 1.82, 21.40, -2.10, 44.9, 0.41, 2.31, 0.380),
            WindowView("100", 86, 0.57, 0.46, 0.67, 1.64, 14.72, 3.85, 25.6, 0.29, 1.98, 0.308),
            WindowView("500", 86, 0.57, 0.46, 0.67, 1.64, 14.72, 3.85, 25.6, 0.29, 1.98, 0.308),
        ),
        WindowView("shadow", 12, 0.50, 0.25, 0.75, 1.12, -1.20, -9.9, 7.4, -0.04, 0.94, -0.05),
        False, tuple(curve),
    )  # fmt: skip


def risk() -> RiskView:
    """Return limits and a correlation matrix."""
    prior = {("BTC", "ETH"): 0.85, ("BTC", "BNB"): 0.80, ("ETH", "BNB"): 0.82,
             ("SOL", "ADA"): 0.75, ("XRP", "LTC"): 0.70}  # fmt: skip
    source = random.Random(11)
    matrix = [[1.0] * len(PAIRS) for _ in PAIRS]
    for i, left in enumerate(PAIRS):
        for j in range(i):
            value = prior.get((PAIRS[j].base, left.base), round(source.uniform(0.28, 0.66), 2))
            matrix[i][j] = matrix[j][i] = value
    return RiskView(
        (
            LimitView("asset BTC", 0.219, 0.40), LimitView("asset XRP", 0.206, 0.40),
            LimitView("asset SOL", 0.075, 0.40), LimitView("group BTC ETH BNB", 0.219, 0.60),
            LimitView("group SOL ADA", 0.075, 0.60), LimitView("sector large cap", 0.219, 0.50),
            LimitView("sector payment", 0.412, 0.50), LimitView("open positions", 3, 3),
        ),
        0.0244, 0.0187, 0.088, 0.004, 0.05, PAIRS, tuple(tuple(row) for row in matrix),
    )  # fmt: skip


def trades(count: int = 86) -> tuple[ClosedTrade, ...]:
    """Return closed trades, newest first, a few of them shadow trades."""
    source = random.Random(7)
    reasons = (ExitReason.STOP_LOSS, ExitReason.TAKE_PROFIT, ExitReason.TRAILING_STOP,
               ExitReason.TIME_LIMIT, ExitReason.REGIME_CHANGE)  # fmt: skip
    regimes = (Regime.TREND_UP, Regime.TREND_DOWN, Regime.RANGE)
    made, equity = [], Decimal(9_800)
    for index in range(count):
        pair = source.choice(PAIRS[:7])
        win = source.random() < 0.57
        r = source.uniform(0.4, 2.4) if win else -source.uniform(0.4, 1.1)
        pnl = Decimal(f"{r * 24:.4f}")
        price = Decimal(str(PRICES[pair.base]))
        end = NOW - (count - index) * 5_400_000 + 2_000_000
        made.append(
            ClosedTrade(
                f"t-{index + 1}", pair, source.choice((Side.LONG, Side.SHORT)),
                end - source.randint(10, 230) * 60_000, end, price,
                (price * Decimal("1.006")).quantize(price), Decimal("0.25"), Decimal("1.84"),
                Decimal("0.12"), pnl, r, source.choice(reasons[1:] if win else reasons[::3]),
                source.choice(regimes), 0.5 + source.random() / 2, "default", 1, equity, (),
                shadow=index % 20 == 19,
            )
        )  # fmt: skip
        if index % 20 != 19:
            equity += pnl
    return tuple(reversed(made))


def decisions() -> tuple[Decision, ...]:
    """Return the newest decisions, newest first."""
    made: list[Decision] = []
    for back in range(4):
        time = CLOSED - back * PERIOD
        made += [entry(BTC, time) if back == 0 else waiting(BTC, time), blocked(ETH, time)]
        made += [waiting(pair, time) for pair in PAIRS[2:7]]
    return tuple(made)


def events() -> tuple[EventView, ...]:
    """Return events of every severity, newest first."""
    lines = (
        (18, "warning", "breaker", "CLOSED -> ALERT: exchange latency 612 ms"),
        (33, "info", "position_opened", "BTC long 0.042 at 103,920.5, stop 103,170.0 resting"),
        (34, "info", "order_filled", "BTC entry 0.042 at 103,920.5, slippage 0.01%"),
        (61, "warning", "order_denied", "SOL long refused by layer 3: size above 3 x equity [E2]"),
        (
            95,
            "critical",
            "protection",
            "SOL stop does not rest; retrying, closing at market in 3 s",
        ),
        (412, "info", "position_closed", "ADA long closed by trailing stop: +31.20, 1.30 R"),
        (733, "info", "monitor", "strategy healthy: win rate 57%, Sharpe 1.2"),
        (1_900, "info", "engine", "started on sim, paper account, strategy default v1"),
    )
    return tuple(
        EventView(200 - i, NOW - s * 1_000, severity, kind, text)
        for i, (s, severity, kind, text) in enumerate(lines)
    )


def history(pair: Pair, count: int = 240) -> PairHistory:
    """Return a random walk that ends at the pair's price, with its lines and decisions."""
    source = random.Random(str(pair))
    moves = [source.gauss(0, 0.0011) + 0.0007 * math.sin(i / 17) for i in range(count)]
    price = PRICES[pair.base] / math.exp(sum(math.log1p(m) for m in moves))
    candles, lines, ema20, ema50 = [], [], price, price
    for index, move in enumerate(moves):
        close = price * (1 + move)
        high = max(price, close) * (1 + abs(source.gauss(0, 0.0005)))
        low = min(price, close) * (1 - abs(source.gauss(0, 0.0005)))
        time = CLOSED - (count - index) * PERIOD
        volume = abs(source.gauss(90, 30)) * (1 + 300 * abs(move))
        candles.append(Candle(time, price, high, low, close, volume))
        ema20 += (close - ema20) * 2 / 21
        ema50 += (close - ema50) * 2 / 51
        window = [candle.close for candle in candles[-20:]]
        mean = sum(window) / len(window)
        spread = math.sqrt(sum((v - mean) ** 2 for v in window) / len(window))
        lines.append((ema20, ema50, mean + 2 * spread, mean - 2 * spread))
        price = close
    e20, e50, upper, lower = zip(*lines, strict=True)
    own = tuple(d for d in reversed(decisions()) if d.pair == pair)
    return PairHistory(tuple(candles), e20, e50, upper, lower, own)


def health() -> HealthView:
    """Return a healthy engine with one restarted task."""
    return HealthView(
        (
            EndpointView("create_order", 172, 1, 84, 212, 640),
            EndpointView("fetch_positions", 12_804, 3, 61, 140, 2_210),
            EndpointView("fetch_ohlcv", 4_512, 0, 92, 310, 880),
            EndpointView("fetch_balance", 6_401, 0, 58, 612, 940),
        ),
        41.0,
        (("market", "running", 0), ("scanner", "running", 0), ("positions", "running", 0),
         ("reconcile", "running", 1), ("notifier", "waiting", 0)),
        3, 148_300_000, 22_150_000, 8_400_000, "ok: 18,204 lines, 4 files", 9.1, 61.0,
    )  # fmt: skip


def snapshot(seq: int = 1, **changes: object) -> Snapshot:
    """Return the whole picture; keyword arguments replace parts of it."""
    equity = 10_234.56
    picture = Snapshot(
        seq=seq, time=NOW, wall_time=NOW, speed=1.0, exchange="sim", mode="SIMULATED",
        account="paper", state="running", entries_paused=False, detail="", strategy="default v1",
        equity=equity, balance=10_109.00, day_pnl=123.45, heat=0.0244, max_heat=0.06,
        data_time=NOW - 1_000, last_cycle=NOW - 3_000, last_cycle_ms=14.0,
        candle_period_ms=PERIOD, market=market(), positions=positions(),
        shadow_positions=shadows(), breaker=breaker(), expectancy=expectancy(), risk=risk(),
        monitor=MonitorView(
            "minor", "Win rate is fair and losses are within their usual run. Watch SOL: two stops "
            "in a row in CHOP.",
            (("win_rate", 0.57, "healthy"), ("sharpe", 1.21, "healthy"),
             ("consecutive_losses", 2, "healthy"), ("expectancy", 14.72, "healthy"),
             ("drawdown", 0.031, "low")),
            NOW - 12_000,
        ),
        health=health(), decisions=decisions(), trades=trades(), events=events(),
        history={pair: history(pair) for pair in PAIRS}, unread=2,
    )  # fmt: skip
    return replace(picture, **changes)  # type: ignore[arg-type]


def regime_state(regime: Regime) -> RegimeState:
    """Return a regime held for nine candles."""
    return RegimeState(regime, 0.8, 1.0, CLOSED - 9 * PERIOD)


__all__ = ["NOW", "PAIRS", "PERIOD", "indicators", "snapshot"]
