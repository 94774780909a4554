"""What the exchange does by itself: liquidation, auto-deleveraging, margin calls, funding."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tests.exchange_server.instruments import LIQUIDATION_FEE
from tests.exchange_server.matching import Exchange
from tests.exchange_server.state import (
    ZERO,
    AccountEvent,
    MarginCallEvent,
    Position,
    money,
)

FUNDING_MS = 8 * 3_600_000
MARGIN_CALL_RATIO = Decimal("0.8")


@dataclass
class Keeper:
    """Watches margins after every price and pays funding when its hour comes."""

    exchange: Exchange
    called: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.last_funding = self.exchange.clock.now() // FUNDING_MS * FUNDING_MS

    @property
    def next_funding(self) -> int:
        return self.last_funding + FUNDING_MS

    def check_margins(self) -> None:
        """Call, then liquidate, positions whose collateral falls to the maintenance margin."""
        account = self.exchange.account
        for position in account.open_positions():
            ratio = self._margin_ratio(position)
            key = (position.symbol, position.side)
            if ratio >= 1:
                self.liquidate(position)
            elif ratio >= MARGIN_CALL_RATIO and key not in self.called:
                self.called.add(key)
                self.exchange.tell(MarginCallEvent(position))
            elif ratio < MARGIN_CALL_RATIO:
                self.called.discard(key)

    def _margin_ratio(self, position: Position) -> Decimal:
        """Return maintenance margin over collateral; 2 when no collateral is left."""
        account = self.exchange.account
        if account.isolated(position):
            positions = [position]
            collateral = position.isolated_wallet
        else:
            positions = [p for p in account.open_positions() if not account.isolated(p)]
            collateral = account.cross_wallet
        collateral += sum((account.unrealized(p) for p in positions), ZERO)
        maintenance = sum((account.maintenance_margin(p) for p in positions), ZERO)
        return maintenance / collateral if collateral > 0 else Decimal(2)

    def liquidate(self, position: Position) -> None:
        """Close at the mark; a clearance fee at most what is left, a deficit is insured."""
        exchange, account = self.exchange, self.exchange.account
        price = account.mark(position.symbol)
        notional = abs(account.notional(position))
        isolated = account.isolated(position)
        before = position.isolated_wallet if isolated else account.cross_wallet
        wallet = account.wallet
        exchange.force(position, abs(position.quantity), price, "liquidation")
        left = before + account.wallet - wallet
        clearance = -min(money(notional * LIQUIDATION_FEE), left) if left > 0 else -left
        account.earn("INSURANCE_CLEAR", position.symbol, clearance, exchange.clock.now())
        exchange.tell(AccountEvent("INSURANCE_CLEAR", (position,), clearance))

    def deleverage(self, position: Position, quantity: Decimal, price: Decimal) -> None:
        """Close part or all of a position against the will of its owner."""
        self.exchange.force(position, quantity, price, "adl")

    def settle(self, symbol: str) -> None:
        """End a contract: its orders are cancelled, its positions closed at the mark."""
        exchange = self.exchange
        exchange.delisted.add(symbol)
        for order in exchange.books.open_orders(symbol):
            exchange.cancel(order)
        for algo in exchange.books.open_algos(symbol):
            exchange.cancel_algo(algo)
        price = exchange.account.mark(symbol)
        for position in exchange.account.open_positions():
            if position.symbol == symbol:
                exchange.force(position, abs(position.quantity), price, "settlement")

    def pay_due_funding(self) -> None:
        """Pay every funding time passed since the last one."""
        while self.exchange.clock.now() >= self.next_funding:
            self.last_funding = self.next_funding
            self.pay_funding(self.last_funding)

    def pay_funding(self, time: int) -> None:
        """Exchange funding on every position's notional at the mark; longs pay a positive rate."""
        account = self.exchange.account
        for position in account.open_positions():
            rate = self.exchange.prices.quotes[position.symbol].funding_rate
            amount = -money(account.notional(position) * rate)
            if account.isolated(position):
                position.isolated_wallet += amount
            account.earn("FUNDING_FEE", position.symbol, amount, time)
            self.exchange.tell(AccountEvent("FUNDING_FEE", (position,), amount))
