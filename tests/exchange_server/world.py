"""Everything one server holds, wired together, and the passing of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import uuid4

from tests.exchange_server.account import Account
from tests.exchange_server.clock import Clock
from tests.exchange_server.faults import Faults
from tests.exchange_server.instruments import Rules, listed
from tests.exchange_server.keeper import Keeper
from tests.exchange_server.keys import ApiKey
from tests.exchange_server.listen_keys import ListenKeys
from tests.exchange_server.matching import Exchange
from tests.exchange_server.prices import Prices
from tests.exchange_server.state import AccountEvent, Order, OrderRequest


@dataclass
class World:
    """One exchange: prices, account, matching, faults, keys. ``balance`` in USDT."""

    seed: int = 0
    balance: Decimal = Decimal(10_000)
    history_days: int = 12
    clock: Clock = field(default_factory=Clock)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    rules: dict[str, Rules] = field(default_factory=listed)

    def __post_init__(self) -> None:
        default = ApiKey()
        self.keys.setdefault(default.key, default)
        self.faults = Faults(self.seed)
        self.prices = Prices(self.rules, self.clock, self.seed, self.history_days)
        account = Account(self.rules, self.prices, self.balance)
        self.exchange = Exchange(self.rules, self.prices, self.clock, self.faults, account)
        self.keeper = Keeper(self.exchange)
        self.listen_keys = ListenKeys(self.clock)

    @property
    def account(self) -> Account:
        return self.exchange.account

    def set_price(self, symbol: str, price: Decimal, mark: Decimal | None = None) -> None:
        """Trade at a price and let everything that waits for it happen; prices lie on the tick."""
        if price <= 0 or price % self.rules[symbol].tick:
            raise ValueError(f"{price} is no price of {symbol}: tick {self.rules[symbol].tick}")
        self.prices.set(symbol, price, mark)
        self.exchange.on_price(symbol)
        self.keeper.check_margins()

    def step(self, seconds: float) -> None:
        """Move every price by a seeded walk over ``seconds``."""
        for symbol in self.rules:
            self.set_price(symbol, self.prices.walk(symbol, seconds))
        self.catch_up()

    def external_order(
        self,
        symbol: str,
        side: str,
        quantity: Decimal,
        *,
        position_side: str = "BOTH",
        reduce_only: bool = False,
    ) -> Order:
        """Trade at market as another client of the same account."""
        request = OrderRequest(
            symbol=symbol,
            side=side,
            type="MARKET",
            quantity=quantity,
            client_id=f"web_{uuid4().hex[:20]}",
            position_side=position_side,
            source="external",
            reduce_only=reduce_only,
        )
        return self.exchange.place(request)

    def deleverage(self, symbol: str, quantity: Decimal | None = None) -> None:
        """Auto-deleverage every position of a contract at the mark, whole or in part."""
        for position in self.account.open_positions():
            if position.symbol == symbol:
                size = abs(position.quantity) if quantity is None else quantity
                self.keeper.deleverage(position, size, self.account.mark(symbol))

    def liquidate(self, symbol: str) -> None:
        """Liquidate every position of a contract at the present mark."""
        for position in self.account.open_positions():
            if position.symbol == symbol:
                self.keeper.liquidate(position)

    def transfer(self, amount: Decimal) -> None:
        """Move money in or out of the wallet, as a deposit or withdrawal does."""
        self.account.earn("TRANSFER", "", amount, self.clock.now())
        reason = "DEPOSIT" if amount > 0 else "WITHDRAW"
        self.exchange.tell(AccountEvent(reason, (), amount))

    def pay_funding(self, rates: dict[str, Decimal] | None = None) -> None:
        """Pay funding now, at the given rates (fractions of notional) where there are any."""
        for symbol, rate in (rates or {}).items():
            self.prices.quotes[symbol].funding_rate = rate
        self.keeper.pay_funding(self.clock.now())

    def set_listed(self, symbol: str, listed: bool) -> None:
        """List or delist a contract: a delisted one refuses what opens, exits still work."""
        if listed:
            self.exchange.delisted.discard(symbol)
        else:
            self.exchange.delisted.add(symbol)

    def catch_up(self) -> None:
        """Do what time alone brings: funding, expiry of conditional orders, new candles."""
        self.keeper.pay_due_funding()
        self.exchange.expire()
        self.prices.roll()
