"""Fixed data for the chart and the explain view, and a host app that shows them."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from decimal import Decimal

from textual.app import App, ComposeResult
from textual.widget import Widget

from engine.model.commands import Level
from engine.model.decision import (
    BreakerGate,
    Decision,
    Gate,
    LimitCheck,
    Plan,
    PortfolioCheck,
    SafetyCheck,
    Signal,
    Sizing,
    SizingMethod,
    V1Result,
    V2Result,
    Verdict,
)
from engine.model.market import Candle, Pair
from engine.model.signal import (
    Action,
    Indicators,
    Regime,
    RegimeState,
    RuleVote,
    Side,
    Strength,
    Vote,
)
from engine.model.snapshot import (
    BreakerView,
    ExpectancyView,
    HealthView,
    MonitorView,
    PairHistory,
    RiskView,
    Snapshot,
    WindowView,
)
from sigma_tui.glyphs import ASCII, UNICODE
from sigma_tui.look import Look
from sigma_tui.theme import DEFAULT_THEME, builtin_themes

PERIOD = 300_000
START = 1_749_686_400_000  # 2025-06-12 00:00 UTC
BTC, ETH = Pair.parse("BTC"), Pair.parse("ETH")


def history(count: int = 200, price: float = 104_500.0, start: int = START) -> PairHistory:
    """Return a fixed random walk with its lines; no decisions."""
    source = random.Random(3)
    candles: list[Candle] = []
    lines: list[tuple[float, float, float, float]] = []
    last = ema20 = ema50 = price
    for index in range(count):
        change = source.gauss(0, 0.0012) + 0.0006 * math.sin(index / 15)
        close = last * (1 + change)
        high = max(last, close) * (1 + abs(source.gauss(0, 0.0006)))
        low = min(last, close) * (1 - abs(source.gauss(0, 0.0006)))
        volume = abs(source.gauss(80, 40)) * (1 + abs(change) * 400)
        candles.append(Candle(start + index * PERIOD, last, high, low, close, volume))
        ema20 += (close - ema20) * 2 / 21
        ema50 += (close - ema50) * 2 / 51
        window = [candle.close for candle in candles[-20:]]
        mean = sum(window) / len(window)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in window) / len(window))
        lines.append((ema20, ema50, mean + 2 * deviation, mean - 2 * deviation))
        last = close
    e20, e50, upper, lower = zip(*lines, strict=True) if lines else ((), (), (), ())
    return PairHistory(tuple(candles), e20, e50, upper, lower, ())


def now_of(shown: PairHistory) -> int:
    """Return the close time of the newest candle."""
    return shown.candles[-1].time + PERIOD


def levels_of(shown: PairHistory) -> list[tuple[str, float, str]]:
    """Return the levels of a long position a little below the newest close."""
    close = shown.candles[-1].close
    return [
        ("entry", close * 0.997, "entry"),
        ("stop", close * 0.993, "stop"),
        ("target", close * 1.005, "target"),
        ("trail", close * 0.9932, "trail"),
    ]


def indicators(time: int = START, **changes: object) -> Indicators:
    """Return a rising market's indicators."""
    calm = Indicators(
        time=time, candles=3_200, open=149.1, high=150.4, low=148.9, close=150.2, volume=8_400.0,
        rsi=63.4, macd=0.61, macd_signal=0.44, macd_hist=0.17, stoch_k=71.0, stoch_d=66.2,
        ema9=149.6, ema20=149.1, ema50=148.2, ema200=146.0, sma20=149.0, bb_upper=150.9,
        bb_middle=149.0, bb_lower=147.1, atr=1.02, adx=33.8, plus_di=28.1, minus_di=14.9,
        cci=104.0, mfi=64.0, obv=912_331.0, obv_slope=0.31, vwap=148.7, vwap_distance=0.0101,
        mc_up=0.66, mc_low=-0.0121, mc_mid=0.0021, mc_high=0.0166, mc_error=0.011, gk=0.41,
        gk_median=0.38, z_score=1.27, slope=0.00082, bb_width_ratio=1.14, htf_15m=1, htf_1h=1,
        notes=(),
    )  # fmt: skip
    return calm._replace(**changes)


def gates_of(decision: Decision) -> tuple[Gate, ...]:
    """Return a fixed trace, so that pictures do not change with the engine's wording."""
    gates = [
        Gate("scanner", Verdict.PASS, "BTC closed a candle", {"time": "2025-06-12"}),
        Gate("indicators", Verdict.PASS, "3200 candles, clean data", decision.indicators._asdict()),
        Gate("regime", Verdict.PASS, "Regime: TREND_UP (conf=0.85, risk_mult=1.30)",
             {"regime": "TREND_UP", "confidence": 0.85, "risk_multiplier": 1.3}),
        Gate("v1", Verdict.PASS, "ENTER_LONG: score +0.484, confidence 0.97", {"score": 0.484}),
        Gate("v2", Verdict.PASS, "STRONG, confirmation 54%: 7 for, 1 against, 5 neutral", {}),
        Gate("orchestrator", Verdict.PASS, "ENTER_LONG: confidence 1.00 (V1 x 1.1)",
             {"confidence": 1.0, "multiplier": 1.1, "veto": "", "htf_15m": 1, "htf_1h": 1}),
    ]  # fmt: skip
    if decision.blocked_by == "costs":
        return (*gates, Gate("costs", Verdict.BLOCK, decision.reason, {"entry": 150.2}))
    return (
        *gates,
        Gate("costs", Verdict.PASS, "stop 148.36, target 153.88 (2.0 R)", {"entry": 150.2}),
        Gate("expectancy", Verdict.PASS, "45 closed trades, Kelly 0.520", {"trades": 45}),
        Gate("sizing", Verdict.PASS, "Position size: 108.6 | Vol penalty: 0.85", {}),
        Gate("portfolio", Verdict.REDUCE, "correlated group: reduced from 108.6 to 80.0",
             {"quantity": "80.0", "heat": 0.028, "limits": [{"name": "asset", "used": 0.12}]}),
        Gate("safety", Verdict.PASS, "all five layers passed", {"failed_layer": 0}),
        Gate("breaker", Verdict.PASS, "CLOSED: entries allowed", {"level": "CLOSED", "cause": ""}),
        Gate("execution", Verdict.PASS, "ENTER_LONG of 80.0 BTC at market", {"shadow": False}),
    )  # fmt: skip


V1 = V1Result(
    score=0.484, raw_score=0.494, volatility_factor=0.98,
    categories=(0.65, 0.66, -0.66, 0.24, 0.54, 0.56),
    weights=(0.310, 0.286, 0.057, 0.157, 0.095, 0.095),
    action=Action.ENTER_LONG, confidence=0.97,
)  # fmt: skip
V2 = V2Result(
    valid=True, confirmation=7 / 13, strength=Strength.NORMAL,
    supporting=tuple(
        RuleVote(rule, Vote.LONG, value, weight, text)
        for rule, value, weight, text in (
            ("higher_timeframe", 2.0, 1.5, "higher timeframes {:+.0f} of 2"),
            ("adx", 33.8, 1.3, "ADX {:.1f}"),
            ("ema_alignment", 1.0, 1.2, "EMA 9/20/50 alignment {:+.0f}"),
            ("macd", 0.1667, 1.1, "MACD histogram {:+.3f} ATR"),
            ("slope", 0.1207, 0.9, "regression slope {:+.3f} ATR per candle"),
            ("monte_carlo", 0.66, 0.8, "Monte Carlo P(up) {:.2f}"),
            ("obv", 0.31, 0.7, "OBV slope {:+.2f}"),
        )
    ),
    conflicting=(RuleVote("vwap", Vote.SHORT, -0.412, 0.7, "{:+.2f} ATR from VWAP"),),
    neutral=tuple(
        RuleVote(rule, Vote.NEUTRAL, value, weight, f"{rule} {{}}")
        for rule, value, weight in (
            ("rsi", 63.4, 1.1), ("z_score", 1.27, 1.0), ("bollinger", 0.632, 1.0),
            ("stochastic", 71.0, 0.9), ("mfi", 64.0, 0.8),
        )
    ),
    reason="",
)  # fmt: skip


def entry(pair: Pair = BTC, time: int = START) -> Decision:
    """Return an accepted long entry that a portfolio limit has reduced."""
    state = RegimeState(Regime.TREND_UP, 0.85, 1.3, time - 9 * PERIOD)
    plan = Plan(
        side=Side.LONG, entry=150.2, stop=148.36, target=153.88, reward_risk=2.0,
        cost_fraction=0.0016, cost_share_of_r=0.13, net_reward_risk=1.65, target_first=0.43,
        target_first_error=0.0156, worthwhile=True,
    )  # fmt: skip
    fraction = 0.02 * 1.3 * 0.85
    sizing = Sizing(
        method=SizingMethod.EMPIRICAL_KELLY, kelly=0.52, trades=45, base_fraction=0.02,
        regime_multiplier=1.3, volatility_penalty=0.85, degradation_factor=1.0,
        breaker_factor=1.0, risk_fraction=min(0.02, fraction), equity=10_000.0,
        money_at_risk=10_000.0 * min(0.02, fraction), stop_distance=1.84,
        quantity=Decimal("108.6"), reason="",
    )  # fmt: skip
    portfolio = PortfolioCheck(
        verdict=Verdict.REDUCE, quantity=Decimal("80.0"),
        checks=(
            LimitCheck("open positions", 1, 2, 3),
            LimitCheck("asset", 0.0, 0.12, 0.40),
            LimitCheck("correlated group", 0.49, 0.60, 0.60),
            LimitCheck("sector", 0.20, 0.31, 0.50),
            LimitCheck("adjusted heat", 0.012, 0.027, 0.06),
        ),
        heat=0.028, adjusted_heat=0.027,
        reason="correlated group: 108.6 would use 63.9 % of 60 %; reduced to 80.0",
    )  # fmt: skip
    layers = ("symbol allowed", "leverage 10 <= 20", "size reasonable", "margin covered",
              "24 h loss 0.4 % < 5 %")  # fmt: skip
    return Decision(
        pair=pair, time=time, indicators=indicators(time), regime=state, v1=V1, v2=V2,
        signal=Signal(Action.ENTER_LONG, 1.0, 1.1, "", "confirmed by the rules"),
        plan=plan, sizing=sizing, portfolio=portfolio,
        safety=SafetyCheck(True, 0, layers, ""),
        breaker=BreakerGate(Verdict.PASS, Level.CLOSED.value, "", 0.33, 1.0, ""),
        proposal=Action.ENTER_LONG, action=Action.ENTER_LONG, quantity=Decimal("80.0"),
        confidence=1.0, blocked_by="", reason="confirmed by the rules",
    )  # fmt: skip


def waiting(pair: Pair = BTC, time: int = START) -> Decision:
    """Return a pass that V1 ended: a score too small to propose anything."""
    quiet = indicators(time, rsi=51.0, adx=17.0, close=149.1)
    state = RegimeState(Regime.RANGE, 0.6, 0.8, time - 20 * PERIOD)
    scored = V1._replace(score=0.061, raw_score=0.062, action=Action.WAIT, confidence=0.12)
    reason = f"V1 score {scored.score:+.3f} is within +/- 0.20"
    return Decision(
        pair=pair, time=time, indicators=quiet, regime=state, v1=scored, v2=None,
        signal=Signal(Action.WAIT, scored.confidence, 1.0, "", reason), plan=None, sizing=None,
        portfolio=None, safety=None, breaker=None, proposal=Action.WAIT, action=Action.WAIT,
        quantity=Decimal(0), confidence=scored.confidence, blocked_by="", reason=reason,
    )  # fmt: skip


def blocked(pair: Pair = BTC, time: int = START) -> Decision:
    """Return a proposal that the cost gate refused."""
    made = entry(pair, time)
    assert made.plan is not None
    plan = made.plan._replace(
        net_reward_risk=0.94, cost_share_of_r=0.52, worthwhile=False, target_first_error=0.0
    )
    reason = "net reward is 0.94 x net risk, below 1.20: costs take 52% of R"
    return changed(
        made, plan=plan, sizing=None, portfolio=None, safety=None, action=Action.WAIT,
        quantity=Decimal(0), blocked_by="costs", reason=reason,
    )  # fmt: skip


def changed(decision: Decision, **changes: object) -> Decision:
    """Replace fields whether decisions are named tuples or dataclasses."""
    if hasattr(decision, "_replace"):
        return decision._replace(**changes)
    return replace(decision, **changes)


def snapshot(histories: dict[Pair, PairHistory], seq: int = 1) -> Snapshot:
    """Return a snapshot that holds these histories and is otherwise empty."""
    nothing = WindowView("all", 0, None, None, None, None, None, None, None, None, None, None)
    return Snapshot(
        seq=seq, time=START, wall_time=START, speed=1.0, exchange="sim", mode="SIMULATED",
        account="paper", state="running", entries_paused=False, detail="", strategy="default",
        equity=10_000.0, balance=10_000.0, day_pnl=0.0, heat=0.0, max_heat=0.06, data_time=START,
        last_cycle=START, last_cycle_ms=2.0, candle_period_ms=PERIOD, market=(), positions=(),
        shadow_positions=(),
        breaker=BreakerView(Level.CLOSED, "", START, None, False, "", ()),
        expectancy=ExpectancyView("exploration", 0.005, (), nothing, False, ()),
        risk=RiskView((), 0.0, 0.0, 0.0, 0.0, 0.05, (), ()),
        monitor=MonitorView("healthy", "", (), START),
        health=HealthView((), 0.0, (), 0, 0, 0, 0, "", 0.0, 0.0),
        decisions=(), trades=(), events=(), history=histories, unread=0,
    )  # fmt: skip


def with_decisions(*decisions: Decision) -> PairHistory:
    """Return a history with these decisions, oldest first."""
    return replace(history(30), decisions=decisions)


class Host(App[None]):
    """One widget on a blank screen, drawn with the default theme."""

    def __init__(self, widget: Widget, ascii: bool = False) -> None:
        super().__init__()
        theme = builtin_themes()[DEFAULT_THEME]
        self.look = Look(theme.palette, ASCII if ascii else UNICODE)
        self.register_theme(theme.textual)
        self._widget = widget

    def compose(self) -> ComposeResult:
        yield self._widget

    def on_mount(self) -> None:
        self.theme = DEFAULT_THEME
        self._widget.focus()
