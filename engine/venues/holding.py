"""One isolated position of the simulated venue: margin, liquidation, and what a bar triggers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from engine.execution.accounting import average_price, gross_profit, money
from engine.model.market import Candle, Instrument, Pair
from engine.model.orders import ExitReason, OrderKind, OrderState
from engine.model.signal import Side
from engine.venues.port import OrderReport, VenuePosition


def decimal(value: float) -> Decimal:
    """Return the shortest decimal that reads back as the float."""
    return Decimal(str(float(value)))


@dataclass(frozen=True, slots=True)
class Resting:
    """A stop or target waiting for its trigger. ``sequence`` is the order of submission."""

    client_order_id: str
    pair: Pair
    kind: OrderKind
    reason: ExitReason
    quantity: Decimal
    trigger_price: Decimal
    sequence: int

    def report(self, state: OrderState = OrderState.ACKNOWLEDGED, detail: str = "") -> OrderReport:
        """Describe the order with nothing filled."""
        return OrderReport(
            client_order_id=self.client_order_id,
            pair=self.pair,
            kind=self.kind,
            state=state,
            quantity=self.quantity,
            filled=Decimal(0),
            trigger_price=self.trigger_price,
            detail=detail,
        )


@dataclass(slots=True)
class Holding:
    """A position on isolated margin with its resting orders.

    ``margin`` in quote currency is all it can lose, fees aside; ``mark`` is the last close seen.
    ``liquidation_price`` is where the venue takes the position over, None if nowhere.
    """

    instrument: Instrument
    side: Side
    quantity: Decimal
    entry_price: Decimal
    margin: Decimal
    leverage: int
    mark: float
    resting: list[Resting] = field(default_factory=list)
    liquidation_price: Decimal | None = field(init=False)
    _quiet: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._refresh()

    @property
    def mark_price(self) -> Decimal:
        """Return the mark as a Decimal."""
        return decimal(self.mark)

    @property
    def bankruptcy_price(self) -> Decimal:
        """Return the price at which the margin is gone, rounded to the tick before it."""
        return self._tick_before(self.entry_price - self.side.sign * self.margin / self.quantity)

    def unrealised_pnl(self) -> Decimal:
        """Return the profit at the mark, in quote currency."""
        return gross_profit(self.side, self.entry_price, self.mark_price, self.quantity)

    def add(self, quantity: Decimal, price: Decimal) -> None:
        """Enlarge the position by a fill, posting its initial margin."""
        self.entry_price = average_price(self.quantity, self.entry_price, quantity, price)
        self.quantity += quantity
        self.margin += money(quantity * price / self.leverage)
        self._refresh()

    def reduce(self, quantity: Decimal) -> None:
        """Make the position smaller, releasing margin in proportion."""
        left = self.quantity - quantity
        self.margin = money(self.margin * left / self.quantity)
        self.quantity = left
        self._refresh()

    def rest(self, order: Resting) -> None:
        """Let a stop or target wait with the position."""
        self.resting.append(order)
        self._refresh()

    def drop(self, order: Resting) -> None:
        """Take a stop or target away."""
        self.resting.remove(order)
        self._refresh()

    def view(self) -> VenuePosition:
        """Describe the position as the port does."""
        return VenuePosition(
            pair=self.instrument.pair,
            side=self.side,
            quantity=self.quantity,
            entry_price=self.entry_price,
            mark_price=self.mark_price,
            liquidation_price=self.liquidation_price,
        )

    def reached(self, bar: Candle) -> list[Resting | None]:
        """Return what a bar reaches, in the order it is taken to happen; None is liquidation.

        Against the position first, since a bar does not tell whether its high or its low came
        first: the levels nearest to where price came from, a stop before liquidation at the same
        level, the older order first. Targets follow.
        """
        low, high = min(bar[1:5]), max(bar[1:5])
        if self._quiet[0] < low and high < self._quiet[1]:
            return []
        sign = self.side.sign
        worst, best = (low, high) if sign > 0 else (-high, -low)
        against: list[tuple[float, int, Resting | None]] = []
        towards: list[tuple[float, int, Resting | None]] = []
        for order in self.resting:
            level = sign * float(order.trigger_price)
            if order.kind is OrderKind.STOP:
                if level >= worst:
                    against.append((-level, order.sequence, order))
            elif level <= best:
                towards.append((level, order.sequence, order))
        if self.liquidation_price is not None:
            level = sign * float(self.liquidation_price)
            if level >= worst:
                last = max((order.sequence for order in self.resting), default=0) + 1
                against.append((-level, last, None))
        return [item[2] for item in sorted(against) + sorted(towards)]

    def _refresh(self) -> None:
        """Work out again what depends on size, margin and resting orders.

        Liquidation is where margin + profit = maintenance margin, as Binance has it for one
        isolated position in the first tier: (entry -/+ margin per unit) / (1 -/+ rate).
        ``_quiet`` are the nearest levels below and above: strictly between them nothing happens.
        """
        levels = [order.trigger_price for order in self.resting]
        self.liquidation_price = None
        if self.quantity > 0:
            sign = self.side.sign
            bare = self.entry_price - sign * self.margin / self.quantity
            price = bare / (1 - sign * self.instrument.maintenance_margin_rate)
            if price > 0:
                self.liquidation_price = self._tick_before(price)
                levels.append(self.liquidation_price)
        middle = self.mark_price
        self._quiet = (
            max((float(level) for level in levels if level <= middle), default=-math.inf),
            min((float(level) for level in levels if level > middle), default=math.inf),
        )

    def _tick_before(self, price: Decimal) -> Decimal:
        """Round a price the market meets on its way against the position to the tick before it."""
        rounding = ROUND_CEILING if self.side is Side.LONG else ROUND_FLOOR
        tick = self.instrument.tick_size
        return (price / tick).to_integral_value(rounding) * tick
