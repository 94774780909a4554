"""The snapshot: one immutable picture of the engine, all that any screen ever sees.

Built by the engine from the same events the ledger holds; newest wins. Fractions unless a
name says otherwise; money in quote currency as float, for display only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.model.commands import Level
from engine.model.decision import Decision
from engine.model.market import Candle, Pair
from engine.model.orders import ClosedTrade
from engine.model.signal import Action, Regime, Side

if TYPE_CHECKING:
    from engine.strategy import Strategy


@dataclass(frozen=True, slots=True)
class PairView:
    """One row of the market table. ``change`` over 24 h; ``updated`` = last price, ms UTC."""

    pair: Pair
    price: float
    change: float
    score: float
    confirmation: float
    confidence: float
    regime: Regime
    regime_confidence: float
    risk_multiplier: float
    regime_since: int
    adx: float
    volatility: float
    htf_15m: int
    htf_1h: int
    action: Action
    verdict: str
    candles: int  # seen since warm-up began
    decided: int
    updated: int


@dataclass(frozen=True, slots=True)
class PositionView:
    """One row of the positions table."""

    id: str
    pair: Pair
    side: Side
    quantity: str
    entry: float
    mark: float
    pnl: float
    r_multiple: float
    stop: float
    stop_resting: bool
    target: float
    target_resting: bool
    trailing: bool
    breakeven: bool
    opened: int
    limit_minutes: float
    regime_entry: Regime
    regime_now: Regime
    risk: float
    notional: float
    shadow: bool


@dataclass(frozen=True, slots=True)
class BreakerReadingView:
    """One trigger of the breaker: its reading, unit and thresholds per level (None = no such)."""

    trigger: str
    value: float
    unit: str
    alert: float | None
    throttle: float | None
    halt: float | None
    shutdown: float | None
    level: Level


@dataclass(frozen=True, slots=True)
class BreakerView:
    """The circuit breaker. ``expires`` is the end of cool-down or override, ms UTC, or None."""

    level: Level
    cause: str
    since: int
    expires: int | None
    pinned: bool
    clears: str
    readings: tuple[BreakerReadingView, ...]


@dataclass(frozen=True, slots=True)
class WindowView:
    """Expectancy over one window; None where it is not defined yet."""

    name: str
    trades: int
    win_rate: float | None
    win_rate_low: float | None
    win_rate_high: float | None
    payoff: float | None
    expectancy: float | None
    expectancy_low: float | None
    expectancy_high: float | None
    expectancy_r: float | None
    profit_factor: float | None
    kelly: float | None


@dataclass(frozen=True, slots=True)
class ExpectancyView:
    """What the closed trades say and the risk fraction it leads to."""

    method: str
    risk_fraction: float
    windows: tuple[WindowView, ...]
    shadow: WindowView
    degrading: bool
    equity_curve: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit and how much of it is used."""

    name: str
    used: float
    limit: float


@dataclass(frozen=True, slots=True)
class RiskView:
    """Exposure against every limit, heat and correlations (rows follow ``pairs``)."""

    limits: tuple[LimitView, ...]
    heat: float
    adjusted_heat: float
    net_exposure: float
    day_loss: float
    max_day_loss: float
    pairs: tuple[Pair, ...]
    correlation: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class MonitorView:
    """The strategy monitor's last report: (name, value, severity) per reading."""

    severity: str
    advice: str
    readings: tuple[tuple[str, float, str], ...]
    checked: int


@dataclass(frozen=True, slots=True)
class EventView:
    """One line of the event list."""

    seq: int
    time: int
    severity: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class EndpointView:
    """Latency and errors of one endpoint of the venue (ms)."""

    name: str
    calls: int
    errors: int
    p50: float
    p95: float
    worst: float


@dataclass(frozen=True, slots=True)
class HealthView:
    """The engine's own pulse. Sizes in bytes, times in ms."""

    endpoints: tuple[EndpointView, ...]
    clock_offset_ms: float
    tasks: tuple[tuple[str, str, int], ...]  # name, state, restarts
    queue_depth: int
    memory: int
    database_size: int
    log_size: int
    audit: str
    tick_gap_p99_ms: float
    tick_gap_max_ms: float
    weight_used: int = 0  # request weight of the exchange's running minute
    weight_limit: int = 0  # 0 while unknown


@dataclass(frozen=True, slots=True)
class PairHistory:
    """What the chart and the explain screen need of one pair. Same length, oldest first."""

    candles: tuple[Candle, ...]
    ema20: tuple[float, ...]
    ema50: tuple[float, ...]
    bb_upper: tuple[float, ...]
    bb_lower: tuple[float, ...]
    decisions: tuple[Decision, ...]  # newest last, its own length


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole picture at one instant of the engine's clock."""

    seq: int
    time: int  # engine clock, ms UTC
    wall_time: int  # wall clock when built, ms UTC
    speed: float  # simulated time / real time, 1 for live, 0 while time stands still
    exchange: str
    mode: str  # SIMULATED, PAPER, TESTNET, LIVE
    account: str
    state: str  # stopped, running, halted, shutdown, ended
    entries_paused: bool
    detail: str
    strategy: str
    equity: float
    balance: float
    day_pnl: float
    heat: float
    max_heat: float
    data_time: int  # newest price, engine clock
    last_cycle: int
    last_cycle_ms: float
    candle_period_ms: int
    market: tuple[PairView, ...]
    positions: tuple[PositionView, ...]
    shadow_positions: tuple[PositionView, ...]
    breaker: BreakerView
    expectancy: ExpectancyView
    risk: RiskView
    monitor: MonitorView
    health: HealthView
    decisions: tuple[Decision, ...]  # newest first, bounded
    trades: tuple[ClosedTrade, ...]  # newest first, bounded
    events: tuple[EventView, ...]  # newest first, bounded
    history: dict[Pair, PairHistory]  # replaced, never changed
    unread: int  # notifications not read yet
    bells: int = 0  # how often the terminal should have rung; a screen rings when it grows
    acknowledge: str = ""  # what start has to acknowledge before entries, "" for nothing
    active: Strategy | None = None  # the strategy named by ``strategy``, with its parameters
    disputed: tuple[tuple[Pair, str], ...] = ()  # where book and exchange differ, and how
