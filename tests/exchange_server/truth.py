"""The truthful ledger: money by cause, and the time every position stood without a stop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from tests.exchange_server.account import Account
from tests.exchange_server.state import ZERO, Algo, Position


@dataclass(slots=True)
class PositionLife:
    """One position from opening to flat; times in ms, ``closed`` None while open."""

    symbol: str
    side: str
    opened: int
    closed: int | None = None
    largest: Decimal = ZERO
    naked: list[tuple[int, int]] = field(default_factory=list)
    naked_since: int | None = None

    def longest_naked_ms(self, now: int) -> int:
        """Return the longest stretch without a working stop for the whole quantity."""
        spans = [end - start for start, end in self.naked]
        if self.naked_since is not None:
            spans.append(now - self.naked_since)
        return max(spans, default=0)


@dataclass(slots=True)
class Watch:
    """Follows positions and stops; told after every change."""

    lives: list[PositionLife] = field(default_factory=list)
    current: dict[tuple[str, str], PositionLife] = field(default_factory=dict)

    def observe(self, positions: Iterable[Position], algos: Iterable[Algo], now: int) -> None:
        """Open, close and judge the position lives as things stand at ``now``."""
        stops = [algo for algo in algos if algo.open and algo.is_stop]
        for position in positions:
            key = (position.symbol, position.side)
            life = self.current.get(key)
            direction = _direction(position)
            if life is not None and life.side != direction:
                self._end(key, life, now)
                life = None
            if direction == "FLAT":
                continue
            if life is None:
                life = PositionLife(position.symbol, direction, now)
                self.current[key] = life
                self.lives.append(life)
            life.largest = max(life.largest, abs(position.quantity))
            self._judge(life, _covered(position, stops), now)

    def _judge(self, life: PositionLife, covered: bool, now: int) -> None:
        if covered and life.naked_since is not None:
            life.naked.append((life.naked_since, now))
            life.naked_since = None
        elif not covered and life.naked_since is None:
            life.naked_since = now

    def _end(self, key: tuple[str, str], life: PositionLife, now: int) -> None:
        self._judge(life, True, now)
        life.closed = now
        del self.current[key]


def _direction(position: Position) -> str:
    if not position.quantity:
        return "FLAT"
    return "LONG" if position.quantity > 0 else "SHORT"


def _covered(position: Position, stops: Iterable[Algo]) -> bool:
    """Return whether working stops cover the whole quantity."""
    closing = "SELL" if position.quantity > 0 else "BUY"
    covered = ZERO
    for algo in stops:
        request = algo.request
        if (request.symbol, request.position_side) != (position.symbol, position.side):
            continue
        if request.side != closing:
            continue
        if request.close_position:
            return True
        covered += request.quantity
    return covered >= abs(position.quantity)


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, in USDT and server ms.

    ``balance`` = ``initial`` + ``realized`` - ``fees`` + ``funding`` + ``other``.
    """

    time: int
    initial: Decimal
    balance: Decimal
    realized: Decimal
    fees: Decimal
    funding: Decimal
    other: Decimal
    fills: list[dict[str, Any]]
    positions: list[dict[str, Any]]
    lives: list[dict[str, Any]]
    longest_unprotected_ms: int

    def as_json(self) -> dict[str, Any]:
        """Return plain data, decimals as strings."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def take(account: Account, watch: Watch, now: int) -> Truth:
    """Read the ledger off the account and the watch."""
    totals: dict[str, Decimal] = {}
    for line in account.incomes:
        totals[line.kind] = totals.get(line.kind, ZERO) + line.amount
    realized = totals.pop("REALIZED_PNL", ZERO)
    fees = -totals.pop("COMMISSION", ZERO)
    funding = totals.pop("FUNDING_FEE", ZERO)
    lives = [
        {
            "symbol": life.symbol,
            "side": life.side,
            "opened": life.opened,
            "closed": life.closed,
            "largest": life.largest,
            "unprotected": [list(span) for span in life.naked],
            "unprotected_since": life.naked_since,
            "longest_unprotected_ms": life.longest_naked_ms(now),
        }
        for life in watch.lives
    ]
    return Truth(
        time=now,
        initial=account.initial,
        balance=account.wallet,
        realized=realized,
        fees=fees,
        funding=funding,
        other=sum(totals.values(), ZERO),
        fills=[_fill(trade) for trade in account.trades],
        positions=[
            {
                "symbol": item.symbol,
                "side": item.side,
                "quantity": item.quantity,
                "entry": item.entry,
                "unrealized": account.unrealized(item),
            }
            for item in account.open_positions()
        ],
        lives=lives,
        longest_unprotected_ms=max((life.longest_naked_ms(now) for life in watch.lives), default=0),
    )


def _fill(trade: Any) -> dict[str, Any]:
    return {
        "trade_id": trade.trade_id,
        "order_id": trade.order_id,
        "client_id": trade.client_id,
        "symbol": trade.symbol,
        "side": trade.side,
        "position_side": trade.position_side,
        "price": trade.price,
        "quantity": trade.quantity,
        "fee": trade.fee,
        "pnl": trade.pnl,
        "maker": trade.maker,
        "time": trade.time,
        "source": trade.source,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
