"""Trading rules of the eight listed contracts, close to the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

D = Decimal

MAKER_FEE = D("0.0002")
TAKER_FEE = D("0.0005")
LIQUIDATION_FEE = D("0.0125")


@dataclass(frozen=True, slots=True)
class Bracket:
    """One leverage bracket: up to ``cap`` notional, at most ``leverage``."""

    number: int
    leverage: int
    floor: Decimal
    cap: Decimal
    maintenance: Decimal
    cum: Decimal


@dataclass(frozen=True, slots=True)
class Rules:
    """Steps, limits and brackets of one contract. Prices and notionals in USDT."""

    symbol: str
    base: str
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    start_price: Decimal
    daily_volatility: float
    brackets: tuple[Bracket, ...]

    @property
    def price_decimals(self) -> int:
        return max(0, -self.tick.normalize().as_tuple().exponent)  # type: ignore[operator]

    @property
    def quantity_decimals(self) -> int:
        return max(0, -self.step.normalize().as_tuple().exponent)  # type: ignore[operator]

    def bracket(self, notional: Decimal) -> Bracket:
        """Return the bracket a position of this notional falls into."""
        for bracket in self.brackets:
            if notional <= bracket.cap:
                return bracket
        return self.brackets[-1]

    def largest_notional(self, leverage: int) -> Decimal:
        """Return the largest position allowed at a leverage."""
        return max(b.cap for b in self.brackets if b.leverage >= leverage)


def _brackets(*rows: tuple[int, str, str]) -> tuple[Bracket, ...]:
    """Build brackets from (leverage, cap, maintenance rate); ``cum`` keeps it continuous."""
    built: list[Bracket] = []
    floor, cum, previous = D(0), D(0), D(0)
    for number, (leverage, cap, rate) in enumerate(rows, start=1):
        maintenance = D(rate)
        cum += floor * (maintenance - previous)
        built.append(Bracket(number, leverage, floor, D(cap), maintenance, cum))
        floor, previous = D(cap), maintenance
    return tuple(built)


_LARGE = _brackets(
    (125, "300000", "0.004"),
    (100, "800000", "0.005"),
    (75, "3000000", "0.0065"),
    (50, "12000000", "0.01"),
    (20, "70000000", "0.02"),
    (5, "300000000", "0.1"),
)
_MEDIUM = _brackets(
    (75, "10000", "0.005"),
    (50, "100000", "0.0065"),
    (40, "750000", "0.01"),
    (25, "3000000", "0.02"),
    (10, "10000000", "0.05"),
    (2, "50000000", "0.125"),
)


def _rules(
    base: str,
    tick: str,
    step: str,
    notional: str,
    price: str,
    volatility: float,
    brackets: tuple[Bracket, ...] = _MEDIUM,
) -> Rules:
    return Rules(
        symbol=f"{base}USDT",
        base=base,
        tick=D(tick),
        step=D(step),
        min_quantity=D(step),
        max_quantity=D(step) * 1_000_000,
        min_notional=D(notional),
        start_price=D(price),
        daily_volatility=volatility,
        brackets=brackets,
    )


def listed() -> dict[str, Rules]:
    """Return the rules of every listed contract by symbol."""
    rules = (
        _rules("BTC", "0.1", "0.001", "100", "60000", 0.03, _LARGE),
        _rules("ETH", "0.01", "0.001", "20", "3000", 0.04, _LARGE),
        _rules("SOL", "0.01", "0.01", "5", "150", 0.05),
        _rules("BNB", "0.01", "0.01", "5", "600", 0.03),
        _rules("XRP", "0.0001", "0.1", "5", "0.6", 0.05),
        _rules("ADA", "0.0001", "1", "5", "0.45", 0.05),
        _rules("DOGE", "0.00001", "1", "5", "0.12", 0.06),
        _rules("LTC", "0.01", "0.001", "20", "80", 0.04),
    )
    return {item.symbol: item for item in rules}
