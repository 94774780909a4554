"""What the venue needs of one exchange, and the plain facts it gets back.

A dialect knows an exchange's endpoints and words; it raises what its client raises. Amounts are
the exchange's own decimal texts, never through a float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple, Protocol

from engine.model.market import Candle, Instrument, Pair
from engine.model.orders import OrderState
from engine.venues.port import Account, FundingPayment, VenueOrderRequest, VenuePosition

OUR_PREFIX = "sg"  # every client order id of ours begins so


class OrderFacts(NamedTuple):
    """One order as the exchange tells it.

    ``state`` of a conditional order that has fired is SUBMITTED: what became of it is told by
    the order ``child_id`` it sent. ``conditional`` says whether it is, or was, a trigger order.
    """

    venue_id: str
    client_id: str
    pair: Pair
    state: OrderState
    quantity: Decimal
    filled: Decimal
    trigger: Decimal | None
    conditional: bool
    child_id: str = ""
    reduces: bool = False
    detail: str = ""


class TradeFacts(NamedTuple):
    """One execution; ``client_id`` is empty where the exchange does not tell it.

    ``fee`` in ``fee_asset``, positive = paid. ``number`` orders trades of a pair.
    """

    trade_id: str
    number: int
    order_id: str
    client_id: str
    pair: Pair
    buy: bool
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    time: int


class FundingFacts(NamedTuple):
    """One funding payment with the exchange's own id of it."""

    id: str
    payment: FundingPayment


class Nudge(Enum):
    """A message of the user stream that carries no facts but a reason to ask for them."""

    FUNDING = "funding"
    ACCOUNT = "account"
    KEY_EXPIRED = "key expired"


UserEvent = OrderFacts | TradeFacts | Nudge


class MarkFacts(NamedTuple):
    """A mark price as the stream tells it."""

    pair: Pair
    price: Decimal


class FormingCandle(NamedTuple):
    """A candle as the stream tells it, closed or not: the stream does not say which."""

    pair: Pair
    candle: Candle


MarketEvent = MarkFacts | FormingCandle


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the key may do, and what the operator should know, a sentence each."""

    may_withdraw: bool
    may_trade: bool
    notes: tuple[str, ...] = ()


class Dialect(Protocol):
    """One exchange in its own words."""

    name: str
    page: int  # candles that one request may ask for
    history: int  # candles worth asking for at a start: more would take minutes

    async def server_time(self) -> int:
        """Return the server's time (ms UTC)."""

    async def candles(
        self, pair: Pair, timeframe: str, since: int | None, limit: int
    ) -> Sequence[Candle]:
        """Return candles oldest first, the forming one included; the newest without ``since``."""

    async def marks(self) -> Mapping[Pair, Decimal]:
        """Return the mark price of every pair, by REST."""

    async def watch_marks(self, pairs: Sequence[Pair]) -> None:
        """Keep the stream of mark prices open until its next message."""

    async def watch_candles(self, pairs: Sequence[Pair], timeframe: str) -> None:
        """Keep the stream of candles open until its next message."""

    def market_event(self, message: Any) -> Sequence[MarketEvent]:
        """Translate one message of the market streams."""

    async def rules(self, pairs: Sequence[Pair], *, signed: bool) -> Mapping[Pair, Instrument]:
        """Return the trading rules; pairs that are not listed are missing.

        ``signed``: also ask for what only the account's owner may see (brackets, own fees).
        """

    async def permissions(self) -> Permissions:
        """Return what the key may do."""

    async def check_modes(self) -> None:
        """Raise ``Fatal`` with instructions when position or asset mode cannot be traded."""

    async def place(self, order: VenueOrderRequest) -> OrderFacts:
        """Send one order."""

    async def cancel(self, order: OrderFacts) -> None:
        """Cancel a resting order."""

    async def look_up(self, pair: Pair, client_id: str, *, conditional: bool) -> OrderFacts | None:
        """Return the newest order of a client id, None when the exchange knows none."""

    async def by_id(self, pair: Pair, venue_id: str) -> OrderFacts | None:
        """Return an ordinary order by the exchange's id."""

    async def resting(self) -> Sequence[OrderFacts]:
        """Return every resting order, conditional ones included."""

    async def trades_of(self, pair: Pair, venue_id: str) -> Sequence[TradeFacts]:
        """Return the executions of one ordinary order."""

    async def trades_since(self, pair: Pair, after: int | None, time: int) -> Sequence[TradeFacts]:
        """Return executions after a trade number, or since a time where that is None, in order."""

    async def positions(self) -> Sequence[VenuePosition]:
        """Return every open position of the account."""

    async def account(self) -> Account:
        """Return balance, equity and free margin."""

    async def set_leverage(self, pair: Pair, leverage: int) -> None:
        """Set isolated margin and leverage; already set is success."""

    async def funding(self, time: int) -> Sequence[FundingFacts]:
        """Return funding payments since a time, oldest first."""

    async def watch_user(self) -> None:
        """Keep the user stream open until its next message. Raises what the client raises."""

    def reset_user(self) -> None:
        """Forget the user stream's key, so that the next watch begins anew."""

    def user_event(self, message: Any) -> Sequence[UserEvent]:
        """Translate one message of the user stream."""


def number(value: Any) -> Decimal:
    """Return a decimal of the exchange's text; 0 for nothing."""
    return Decimal(str(value)) if value not in (None, "") else Decimal(0)


def trigger(value: Any) -> Decimal | None:
    """Return a trigger price, None where there is none."""
    found = number(value)
    return found if found > 0 else None


def is_ours(client_id: str) -> bool:
    """Return whether a client order id is one of ours."""
    return client_id.startswith(OUR_PREFIX)


def read_candle(row: Sequence[Any]) -> Candle:
    """Return a candle of ccxt's list (time, open, high, low, close, volume); NaN for nothing."""
    values = [float("nan") if value is None else float(value) for value in row[1:6]]
    return Candle(int(row[0]), *values)
