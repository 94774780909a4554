"""The venue port: what the engine asks of an exchange, and the closed set of its failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

from engine.model.market import Instrument, Pair
from engine.model.orders import ApprovedOrder, Fill, OrderKind, OrderState, ReduceOrder
from engine.model.signal import Side

VenueOrderRequest: TypeAlias = ApprovedOrder | ReduceOrder


class Refusal(StrEnum):
    """Why a venue definitely did not execute a request."""

    INSUFFICIENT_MARGIN = "insufficient margin"
    MIN_NOTIONAL = "minimum notional"
    PRECISION = "precision"
    REDUCE_ONLY = "reduce-only"
    WOULD_TRIGGER = "would trigger at once"
    LEVERAGE = "leverage"
    RATE_LIMIT = "rate limit"
    CLOCK = "clock"
    PERMISSION = "permission"
    UNKNOWN_SYMBOL = "unknown symbol"
    OTHER = "other"


class VenueError(Exception):
    """A venue failure; the subclass is the recovery policy."""


class NotExecuted(VenueError):
    """The venue definitely refused: final, nothing happened."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(f"{refusal}: {detail}")
        self.refusal = refusal


class UnknownOutcome(VenueError):
    """No evidence whether the request was executed: query by client order id, never re-send."""


class Retryable(VenueError):
    """A read failed, or nothing was sent; try again after ``after_ms``."""

    def __init__(self, after_ms: int, detail: str) -> None:
        super().__init__(detail)
        self.after_ms = after_ms


class Fatal(VenueError):
    """Nothing will work until a person acts (wrong key, wrong mode)."""


@dataclass(frozen=True, slots=True)
class Account:
    """Wallet balance, equity (balance + unrealised PnL) and free margin, in quote currency."""

    balance: Decimal
    equity: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position as the venue sees it."""

    pair: Pair
    side: Side
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    liquidation_price: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What the venue knows of one order, with every fill so far."""

    client_order_id: str
    pair: Pair
    kind: OrderKind
    state: OrderState
    quantity: Decimal
    filled: Decimal
    trigger_price: Decimal | None
    fills: tuple[Fill, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """Funding exchanged at one instant; ``amount`` positive = paid by us."""

    pair: Pair
    time: int
    amount: Decimal
    rate: Decimal


VenueEvent: TypeAlias = Fill | OrderReport | FundingPayment


class Venue(Protocol):
    """An exchange account. Writes raise ``VenueError``; reads raise Retryable or Fatal."""

    @property
    def instruments(self) -> Mapping[Pair, Instrument]:
        """Return the trading rules of every pair traded here."""

    async def account(self) -> Account:
        """Return balance, equity and free margin."""

    async def positions(self) -> Sequence[VenuePosition]:
        """Return the open positions."""

    async def open_orders(self, pair: Pair | None = None) -> Sequence[OrderReport]:
        """Return resting orders, conditional ones included."""

    async def set_leverage(self, pair: Pair, leverage: int) -> None:
        """Set leverage and isolated margin for one pair; already set counts as success."""

    async def submit(self, order: VenueOrderRequest) -> OrderReport:
        """Send one order. Market orders come back with their fills."""

    async def cancel(self, pair: Pair, client_order_id: str) -> OrderReport:
        """Cancel a resting order and return its final report (it may have filled instead)."""

    async def find(self, pair: Pair, client_order_id: str) -> OrderReport | None:
        """Look an order up by client id; None when the venue knows no such order."""

    def mark_price(self, pair: Pair) -> Decimal | None:
        """Return the last mark price seen, without asking the network."""

    def drain(self) -> Sequence[VenueEvent]:
        """Return what happened by itself since the last call (triggers, funding), in order."""

    async def close(self) -> None:
        """Release connections."""
