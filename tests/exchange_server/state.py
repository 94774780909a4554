"""What the exchange holds: orders, conditional orders, positions, trades and income."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

ZERO = Decimal(0)
CENT8 = Decimal("0.00000001")


def money(value: Decimal) -> Decimal:
    """Round to the eight decimals in which the exchange books USDT."""
    return value.quantize(CENT8)


@dataclass(slots=True)
class OrderRequest:
    """A new order as a client words it. ``position_side`` is BOTH, LONG or SHORT."""

    symbol: str
    side: str
    type: str
    quantity: Decimal
    client_id: str
    price: Decimal = ZERO
    position_side: str = "BOTH"
    reduce_only: bool = False
    close_position: bool = False
    time_in_force: str = "GTC"
    source: str = "client"
    original_type: str = ""


@dataclass(slots=True)
class Trade:
    """One execution. ``pnl`` before fees, ``fee`` positive = paid, both USDT."""

    trade_id: int
    order_id: int
    symbol: str
    side: str
    position_side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    pnl: Decimal
    maker: bool
    time: int
    client_id: str
    source: str

    @property
    def quote(self) -> Decimal:
        return self.price * self.quantity


@dataclass(slots=True)
class Order:
    """An order in the matching engine."""

    order_id: int
    request: OrderRequest
    created: int
    updated: int
    status: str = "NEW"
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    trades: list[Trade] = field(default_factory=list)
    algo_id: int = 0

    @property
    def remaining(self) -> Decimal:
        return self.request.quantity - self.executed

    @property
    def average(self) -> Decimal:
        return self.quote / self.executed if self.executed else ZERO

    @property
    def open(self) -> bool:
        return self.status in ("NEW", "PARTIALLY_FILLED")


@dataclass(slots=True)
class Algo:
    """A conditional order; after firing it points at an ``Order``."""

    algo_id: int
    request: OrderRequest
    trigger_price: Decimal
    working_type: str
    created: int
    updated: int
    good_till: int = 0
    status: str = "NEW"
    order: Order | None = None
    trigger_time: int = 0
    reason: str = ""
    attached: bool = False

    @property
    def open(self) -> bool:
        return self.status == "NEW"

    @property
    def is_stop(self) -> bool:
        return self.request.type in ("STOP_MARKET", "STOP")

    @property
    def fires_upward(self) -> bool:
        """Return True when a rising price fires it: a buy stop or a sell target."""
        return self.is_stop == (self.request.side == "BUY")


@dataclass(slots=True)
class Position:
    """A position; ``quantity`` and ``cost`` carry the sign of the side, ``cost`` in USDT."""

    symbol: str
    side: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    realized: Decimal = ZERO
    updated: int = 0

    @property
    def entry(self) -> Decimal:
        return self.cost / self.quantity if self.quantity else ZERO

    def unrealized(self, mark: Decimal) -> Decimal:
        return self.quantity * mark - self.cost


@dataclass(slots=True)
class SymbolSettings:
    leverage: int = 20
    margin_type: str = "CROSSED"


@dataclass(slots=True)
class Income:
    """One line of the income history; positive = received."""

    kind: str
    symbol: str
    amount: Decimal
    time: int
    transaction: int
    trade_id: str = ""


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """An order changed. ``execution`` is NEW, TRADE, CANCELED, EXPIRED or CALCULATED."""

    order: Order
    execution: str
    trade: Trade | None = None


@dataclass(frozen=True, slots=True)
class AlgoEvent:
    """A conditional order changed; ``status`` is the status at that moment."""

    algo: Algo
    status: str


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Balance or positions changed, for a documented reason (ORDER, FUNDING_FEE ...)."""

    reason: str
    positions: tuple[Position, ...]
    change: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class MarginCallEvent:
    """A position came close to liquidation."""

    position: Position


UserEvent: TypeAlias = OrderEvent | AlgoEvent | AccountEvent | MarginCallEvent
Listener: TypeAlias = Callable[[UserEvent], None]
