"""The money of the one account: wallet, positions, margins, income."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from tests.exchange_server.instruments import Rules
from tests.exchange_server.prices import Prices
from tests.exchange_server.state import ZERO, Income, Order, Position, SymbolSettings, Trade, money


@dataclass
class Account:
    """Balances in USDT; positions by (symbol, position side), BOTH in one-way mode."""

    rules: dict[str, Rules]
    prices: Prices
    wallet: Decimal = Decimal(10_000)
    hedged: bool = False
    multi_assets: bool = False
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    settings: dict[str, SymbolSettings] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    incomes: list[Income] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: count(700_001))

    def __post_init__(self) -> None:
        self.initial = self.wallet
        for symbol in self.rules:
            self.settings[symbol] = SymbolSettings()

    def position(self, symbol: str, side: str) -> Position:
        """Return the position, an empty one when there is none."""
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def open_positions(self) -> list[Position]:
        return [item for item in self.positions.values() if item.quantity]

    def isolated(self, position: Position) -> bool:
        return self.settings[position.symbol].margin_type == "ISOLATED"

    def mark(self, symbol: str) -> Decimal:
        return self.prices.quotes[symbol].mark

    def notional(self, position: Position) -> Decimal:
        """Return the signed notional at the mark price."""
        return position.quantity * self.mark(position.symbol)

    def unrealized(self, position: Position) -> Decimal:
        return money(position.unrealized(self.mark(position.symbol)))

    def initial_margin(self, position: Position) -> Decimal:
        leverage = self.settings[position.symbol].leverage
        return money(abs(self.notional(position)) / leverage)

    def maintenance_margin(self, position: Position) -> Decimal:
        notional = abs(self.notional(position))
        bracket = self.rules[position.symbol].bracket(notional)
        return money(notional * bracket.maintenance - bracket.cum) if notional else ZERO

    @property
    def cross_wallet(self) -> Decimal:
        return self.wallet - sum((p.isolated_wallet for p in self.open_positions()), ZERO)

    @property
    def unrealized_total(self) -> Decimal:
        return sum((self.unrealized(p) for p in self.open_positions()), ZERO)

    @property
    def available(self) -> Decimal:
        """Return what new positions may use as margin."""
        cross = [p for p in self.open_positions() if not self.isolated(p)]
        margin = sum((self.initial_margin(p) for p in cross), ZERO)
        profit = sum((self.unrealized(p) for p in cross), ZERO)
        return max(ZERO, self.cross_wallet + profit - margin)

    def liquidation_price(self, position: Position) -> Decimal:
        """Return the mark price of liquidation, zero when there is none.

        Source: the exchange's formula for one position, others of a cross account held still.
        """
        if not position.quantity:
            return ZERO
        bracket = self.rules[position.symbol].bracket(abs(self.notional(position)))
        if self.isolated(position):
            collateral = position.isolated_wallet
        else:
            others = [
                p for p in self.open_positions() if not self.isolated(p) and p is not position
            ]
            collateral = self.cross_wallet + sum(
                (self.unrealized(p) - self.maintenance_margin(p) for p in others), ZERO
            )
        size = abs(position.quantity)
        divisor = size * bracket.maintenance - position.quantity
        price = (collateral + bracket.cum - position.cost) / divisor
        return max(ZERO, price)

    def book(self, order: Order, trade: Trade) -> None:
        """Apply one execution: position, realised profit, fee. A one-way position may flip."""
        request = order.request
        position = self.position(request.symbol, request.position_side)
        signed = trade.quantity if trade.side == "BUY" else -trade.quantity
        closing = ZERO
        if position.quantity * signed < 0:
            closing = min(abs(signed), abs(position.quantity)).copy_sign(signed)
            self._close(position, closing, trade)
        opening = signed - closing
        if opening:
            position.quantity += opening
            position.cost += opening * trade.price
            if self.isolated(position):
                leverage = self.settings[position.symbol].leverage
                position.isolated_wallet += money(abs(opening) * trade.price / leverage)
        position.updated = trade.time
        self.trades.append(trade)
        if trade.pnl:
            self.earn("REALIZED_PNL", trade.symbol, trade.pnl, trade.time, str(trade.trade_id))
        self.earn("COMMISSION", trade.symbol, -trade.fee, trade.time, str(trade.trade_id))

    def _close(self, position: Position, closing: Decimal, trade: Trade) -> None:
        """Realise profit on ``closing`` (signed against the position), before fees.

        The cost taken out is rounded to eight decimals and the rest stays in the position, so
        profits over a position's life sum exactly to sales minus purchases.
        """
        whole = closing == -position.quantity
        taken = position.cost if whole else money(position.cost * -closing / position.quantity)
        freed = position.isolated_wallet
        if not whole:
            freed = money(freed * abs(closing) / abs(position.quantity))
        trade.pnl = money(-closing * trade.price - taken)
        position.quantity += closing
        position.cost -= taken
        position.isolated_wallet -= freed
        position.realized += trade.pnl

    def earn(self, kind: str, symbol: str, amount: Decimal, time: int, trade_id: str = "") -> None:
        """Move the wallet and write the income line."""
        self.wallet += amount
        self.incomes.append(Income(kind, symbol, amount, time, next(self.ids), trade_id))
