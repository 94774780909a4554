"""Events in the past tense: everything that happened, written before it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from engine.model.commands import Command, CommandResult, Level
from engine.model.decision import Decision
from engine.model.market import Pair
from engine.model.orders import ClosedTrade, ExitReason, Fill, OrderKind, OrderState, Position


class Severity(StrEnum):
    """How loudly an event is told."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event carries: when (ms UTC, engine clock). ``wire`` is its outside name."""

    wire: ClassVar[str] = "info"
    time: int

    @property
    def severity(self) -> Severity:
        """Return how loudly this is told."""
        return Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStateChanged(Event):
    """The engine started, stopped, halted or shut down."""

    wire: ClassVar[str] = "status_update"
    state: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade(Event):
    """One pair was decided on a closed candle."""

    wire: ClassVar[str] = "signal_generated"
    decision: Decision
    context: Any = None  # what the pass was made from (``engine.decision.Context``), for records


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDenied(Event):
    """Our own safety checker refused an order; it never left."""

    wire: ClassVar[str] = "warning"
    pair: Pair
    layer: int
    reason: str

    @property
    def severity(self) -> Severity:
        """Return WARNING: an earlier gate let something through."""
        return Severity.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanged(Event):
    """An order moved along its life."""

    client_order_id: str
    pair: Pair
    kind: OrderKind
    state: OrderState
    quantity: Decimal
    trigger_price: Decimal | None
    detail: str = ""
    shadow: bool = False

    @property
    def severity(self) -> Severity:
        """Return WARNING for a refused or unknown order."""
        bad = self.state in (OrderState.REJECTED, OrderState.UNKNOWN)
        return Severity.WARNING if bad else Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled(Event):
    """A fill arrived."""

    fill: Fill
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionOpened(Event):
    """A position was opened."""

    wire: ClassVar[str] = "new_trade"
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChanged(Event):
    """A position's quantity, stop, target, trail, fees or funding changed."""

    wire: ClassVar[str] = "status_update"
    position: Position
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionClosed(Event):
    """A position was closed and became a trade."""

    wire: ClassVar[str] = "trade_closed"
    position_id: str
    trade: ClosedTrade
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitDecided(Event):
    """The position pass decided to leave a position; the figures are in ``detail``."""

    pair: Pair
    reason: ExitReason
    detail: str
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPaid(Event):
    """Funding was exchanged on a position (negative = received)."""

    pair: Pair
    amount: Decimal
    rate: Decimal
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceChanged(Event):
    """The wallet balance changed."""

    wire: ClassVar[str] = "balance_update"
    balance: Decimal
    equity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged(Event):
    """The circuit breaker moved."""

    wire: ClassVar[str] = "circuit_breaker_alert"
    before: Level
    after: Level
    cause: str
    detail: str

    @property
    def severity(self) -> Severity:
        """Return a severity that rises with the level reached."""
        if self.after.rank <= self.before.rank:
            return Severity.INFO
        return {
            Level.ALERT: Severity.WARNING,
            Level.THROTTLE: Severity.WARNING,
            Level.HALT: Severity.CRITICAL,
            Level.SHUTDOWN: Severity.EMERGENCY,
        }.get(self.after, Severity.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorReported(Event):
    """The strategy monitor gave a new severity."""

    wire: ClassVar[str] = "performance_update"
    monitor_severity: str
    detail: str
    readings: tuple[tuple[str, float, str], ...] = ()

    @property
    def severity(self) -> Severity:
        """Return WARNING unless the strategy is healthy."""
        return Severity.INFO if self.monitor_severity == "healthy" else Severity.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHandled(Event):
    """A command was carried out, refused or failed."""

    command: Command
    result: CommandResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed(Event):
    """Anything else worth telling, in one sentence."""

    level: Severity
    topic: str
    detail: str

    @property
    def severity(self) -> Severity:
        """Return the level given."""
        return self.level


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A bounded run came to its end; ``summary`` is what the command line prints."""

    wire: ClassVar[str] = "status_update"
    summary: dict[str, Any]
