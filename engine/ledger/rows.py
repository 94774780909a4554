"""Between dataclasses and table rows: one codec, so that no field is forgotten."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import orjson

from engine.model.market import Pair
from engine.model.orders import ClosedTrade, ExitReason, Fill, OrderKind, OrderState, Position
from engine.model.signal import Side

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def dump(value: Any) -> str:
    """Return JSON text; decimals become strings. Raises ``TypeError`` for what JSON lacks."""
    return orjson.dumps(value, default=_plain).decode()


def load(text: str) -> Any:
    """Return what JSON text says."""
    return orjson.loads(text)


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError


class Codec(Generic[T]):
    """Turn instances of one dataclass into the columns of the same names, and back.

    Decimals are exact text, enums their values, tuples JSON, NaN is NULL.
    """

    def __init__(self, kind: type[T]) -> None:
        hints = get_type_hints(kind)
        self.columns = tuple(field.name for field in fields(kind))
        self._kind = kind
        self._values = attrgetter(*self.columns)
        self._encoders = tuple(_encoder(hints[name]) for name in self.columns)
        self._decoders = tuple((name, _decoder(hints[name])) for name in self.columns)

    def encode(self, item: T) -> tuple[Any, ...]:
        """Return the values of ``columns``."""
        pairs = zip(self._encoders, self._values(item), strict=True)
        return tuple([encode(value) if encode else value for encode, value in pairs])

    def decode(self, row: Any) -> T:
        """Return the instance a row (by column name) holds."""
        return self._kind(**{name: read(row[name]) for name, read in self._decoders})


def _encoder(hint: Any) -> Callable[[Any], Any] | None:
    """Return how values of a type are stored, None for as they are."""
    if get_origin(hint) is UnionType:
        inner = _encoder(_without_none(hint))
        return inner and (lambda value: None if value is None else inner(value))
    if get_origin(hint) is tuple:
        return dump
    if hint is bool:
        return int
    return None if hint in (int, float) else str  # decimals, enums and pairs are their text


def _without_none(hint: Any) -> Any:
    return next(part for part in get_args(hint) if part is not type(None))


def _decoder(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) is UnionType:
        inner = _decoder(_without_none(hint))
        return lambda value: None if value is None else inner(value)
    if get_origin(hint) is tuple:
        return lambda text: tuple(load(text))
    if hint is float:
        return lambda value: math.nan if value is None else value
    if hint in (Decimal, bool, Pair) or (isinstance(hint, type) and issubclass(hint, Enum)):
        decode: Callable[[Any], Any] = hint
        return decode
    return lambda value: value


@dataclass(frozen=True, slots=True)
class Intent:
    """An order we meant to send and how far it is known to have come.

    ``side`` is the side of the position; ``state`` is INTENT while nothing was heard. Entries
    carry ``reference_price``, ``stop_price``, ``target_price`` and ``leverage``; reducing
    orders ``reason`` and, unless at market, ``trigger_price``. ``time`` in ms UTC.
    """

    client_order_id: str
    pair: Pair
    kind: OrderKind
    side: Side
    quantity: Decimal
    time: int
    state: OrderState
    reference_price: Decimal | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    trigger_price: Decimal | None = None
    leverage: int | None = None
    reason: ExitReason | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """One stored notification; ``seq`` is what marks it read. ``time`` in ms UTC."""

    seq: int
    time: int
    level: str
    topic: str
    text: str
    read: bool


@dataclass(frozen=True, slots=True)
class ChatLine:
    """One line of the conversation: ``role`` is ``user`` or ``assistant``."""

    time: int
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class SavedStrategy:
    """One immutable version of a strategy; ``definition`` is its JSON."""

    name: str
    version: int
    created: int
    definition: str


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Balance and equity at the end of one minute, in quote currency."""

    time: int
    balance: Decimal
    equity: Decimal


@dataclass(frozen=True, slots=True)
class ComplianceEvent:
    """One audited happening; ``data`` is the whole event as JSON."""

    seq: int
    time: int
    kind: str
    severity: str
    detail: str
    data: str


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """The breaker's level as last recorded."""

    level: str
    cause: str
    detail: str
    since: int


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One proposal, compact. Prices in quote currency, None where no plan was reached."""

    time: int
    pair: Pair
    proposal: str
    action: str
    confidence: float
    score: float | None
    regime: str
    entry: float | None
    stop: float | None
    target: float | None
    quantity: Decimal
    blocked_by: str
    reason: str
    shadow: bool


TRADE = Codec(ClosedTrade)
POSITION = Codec(Position)
FILL = Codec(Fill)
INTENT = Codec(Intent)
SIGNAL = Codec(SignalRow)
NOTIFICATION = Codec(Notification)
CHAT = Codec(ChatLine)
STRATEGY = Codec(SavedStrategy)
EQUITY = Codec(EquityPoint)
COMPLIANCE = Codec(ComplianceEvent)
BREAKER = Codec(BreakerRow)
