"""Order vocabulary: approved orders, order life, fills, positions and closed trades.

All quantities, prices, fees and profits are ``Decimal``; times are ms UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Self

from engine.model.market import Pair
from engine.model.signal import Regime, Side

_SEAL = object()


class OrderKind(StrEnum):
    """What an order is for; reduce-only for everything but an entry."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    EXIT = "exit"


class OrderState(StrEnum):
    """The life of an order. UNKNOWN means no evidence yet, never "probably not"."""

    INTENT = "INTENT"
    SUBMITTED = "SUBMITTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"

    @property
    def final(self) -> bool:
        """Return whether no further change can follow."""
        return self in (OrderState.FILLED, OrderState.REJECTED, OrderState.CANCELLED)


class ExitReason(StrEnum):
    """Why a position was closed or reduced."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    BREAKEVEN = "breakeven"
    TIME_LIMIT = "time_limit"
    REGIME_CHANGE = "regime_change"
    REBALANCE = "rebalance"
    THESIS_INVALIDATED = "thesis_invalidated"
    PARTIAL_TARGET = "partial_target"
    OPERATOR = "operator"
    FLATTEN = "flatten"
    LIQUIDATION = "liquidation"
    PROTECTION_FAILED = "protection_failed"
    EXTERNAL = "external"
    END_OF_DATA = "end_of_data"


@dataclass(frozen=True, slots=True)
class ApprovedOrder:
    """An entry that the safety checker has passed; it cannot be built without its seal.

    ``side`` is the position to open; ``quantity`` in base currency, on the instrument's step;
    ``reference_price`` is the price the decision saw.
    """

    client_order_id: str
    pair: Pair
    side: Side
    quantity: Decimal
    reference_price: Decimal
    stop_price: Decimal
    target_price: Decimal
    leverage: int
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise PermissionError("only the safety checker approves an entry order")


def seal_for_safety_checker() -> object:
    """Return the seal of approved orders. For ``engine.risk.safety`` alone."""
    return _SEAL


@dataclass(frozen=True, slots=True)
class Position:
    """An open position and everything its exits need.

    ``quantity`` is what is still open, ``initial_quantity`` what was opened;
    ``risk_per_unit`` = |entry - initial stop|, the R of one unit; ``stop_price`` is where the
    stop rests now; ``best_price`` the most favourable mark since entry; ``stop_order_id`` and
    ``target_order_id`` are None while no such order rests at the venue; ``realised_pnl`` is
    gross profit of partial closes; ``fees`` and ``funding`` are costs so far (funding
    negative = received); ``thesis`` names the rules that justified the entry.
    """

    id: str
    pair: Pair
    side: Side
    quantity: Decimal
    initial_quantity: Decimal
    entry_price: Decimal
    opened: int
    stop_price: Decimal
    target_price: Decimal
    risk_per_unit: Decimal
    leverage: int
    regime: Regime
    confidence: float
    strategy: str
    strategy_version: int
    entry_equity: Decimal
    thesis: tuple[str, ...]
    best_price: Decimal
    client_order_ids: tuple[str, ...]
    fees: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    realised_pnl: Decimal = Decimal(0)
    exit_notional: Decimal = Decimal(0)
    stop_order_id: str | None = None
    target_order_id: str | None = None
    trailing: bool = False
    breakeven: bool = False
    partial_taken: bool = False
    shadow: bool = False

    def unrealised_pnl(self, mark: Decimal) -> Decimal:
        """Return the gross profit of the open quantity at a mark price, in quote currency."""
        return (mark - self.entry_price) * self.side.sign * self.quantity

    def r_multiple(self, mark: Decimal) -> Decimal:
        """Return the price move since entry in multiples of the initial risk."""
        if self.risk_per_unit == 0:
            return Decimal(0)
        return (mark - self.entry_price) * self.side.sign / self.risk_per_unit


@dataclass(frozen=True, slots=True)
class ReduceOrder:
    """An order that can only reduce a position: exits, stops and targets.

    Built from the position it reduces, so that its side is opposite and its quantity never
    larger. ``trigger_price`` is None for a market exit.
    """

    client_order_id: str
    pair: Pair
    position_side: Side
    quantity: Decimal
    kind: OrderKind
    reason: ExitReason
    trigger_price: Decimal | None
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise PermissionError("build reduce-only orders with exit_at_market, stop or target")

    @classmethod
    def exit_at_market(
        cls, position: Position, client_order_id: str, quantity: Decimal, reason: ExitReason
    ) -> Self:
        """Close part or all of a position at market."""
        return cls._reduce(position, client_order_id, quantity, OrderKind.EXIT, reason, None)

    @classmethod
    def stop(cls, position: Position, client_order_id: str, price: Decimal) -> Self:
        """Rest a stop-market order for the whole open quantity."""
        return cls._reduce(
            position,
            client_order_id,
            position.quantity,
            OrderKind.STOP,
            ExitReason.STOP_LOSS,
            price,
        )

    @classmethod
    def target(cls, position: Position, client_order_id: str, price: Decimal) -> Self:
        """Rest a take-profit-market order for the whole open quantity."""
        return cls._reduce(
            position,
            client_order_id,
            position.quantity,
            OrderKind.TARGET,
            ExitReason.TAKE_PROFIT,
            price,
        )

    @classmethod
    def _reduce(
        cls,
        position: Position,
        client_order_id: str,
        quantity: Decimal,
        kind: OrderKind,
        reason: ExitReason,
        trigger: Decimal | None,
    ) -> Self:
        if not 0 < quantity <= position.quantity:
            raise ValueError(
                f"cannot reduce {position.pair} by {quantity}: {position.quantity} is open"
            )
        return cls(
            client_order_id, position.pair, position.side, quantity, kind, reason, trigger, _SEAL
        )


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. ``fee`` in quote currency, positive = paid; ``buy`` is the order's side.

    ``fill_id`` is the venue's and unique per venue, so that a repeated report counts once;
    ``reason`` is set for fills that reduce a position; ``reference_price`` is the price
    slippage is measured against (decision price or trigger).
    """

    fill_id: str
    client_order_id: str
    pair: Pair
    buy: bool
    quantity: Decimal
    price: Decimal
    fee: Decimal
    time: int
    kind: OrderKind
    reference_price: Decimal
    reason: ExitReason | None = None

    @property
    def slippage(self) -> float:
        """Return how much worse than the reference the fill was, as a fraction of price."""
        if self.reference_price == 0:
            return 0.0
        worse = self.price - self.reference_price if self.buy else self.reference_price - self.price
        return float(worse / self.reference_price)


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """A round trip, net of everything.

    ``pnl`` = gross profit - fees - funding, in quote currency; ``fees`` and ``funding`` are
    costs (funding negative = received); ``quantity`` and ``exit_price`` cover the whole trade
    (average over partial exits); ``r_multiple`` = pnl / (initial risk in quote currency).
    """

    id: str
    pair: Pair
    side: Side
    entry_time: int
    exit_time: int
    entry_price: Decimal
    exit_price: Decimal
    quantity: Decimal
    fees: Decimal
    funding: Decimal
    pnl: Decimal
    r_multiple: float
    exit_reason: ExitReason
    regime: Regime
    confidence: float
    strategy: str
    strategy_version: int
    entry_equity: Decimal
    client_order_ids: tuple[str, ...]
    shadow: bool = False
