"""Position accounting: fills in, positions and closed trades out. Pure, exact, in Decimal.

Money is kept to 8 decimals of the quote currency, as exchanges keep it: every fill's profit is
rounded once (``money``), sums are exact from then on, so neither the order of partial closes nor
their number can move a total. Average entry prices that do not terminate carry 28 significant
digits (an error below 1e-16 of quote currency on a notional of 1e12), computed in a local context
of 40 digits so that a caller's decimal context has no say. Averaging is by cost: a partial close
leaves the entry price alone, an addition re-weights it over what is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

from engine.model.orders import ApprovedOrder, ClosedTrade, ExitReason, Fill, Position
from engine.model.signal import Regime, Side

MONEY_UNIT = Decimal("0.00000001")
_ZERO = Decimal(0)
_DIGITS = 40
_PRICE_DIGITS = 28


def money(amount: Decimal) -> Decimal:
    """Round an amount of quote currency to 8 decimals, half to even."""
    with localcontext(prec=_DIGITS):
        return amount.quantize(MONEY_UNIT, ROUND_HALF_EVEN)


def gross_profit(
    side: Side, entry_price: Decimal, exit_price: Decimal, quantity: Decimal
) -> Decimal:
    """Return the profit before costs of closing a quantity, in quote currency to 8 decimals."""
    with localcontext(prec=_DIGITS):
        return money((exit_price - entry_price) * quantity * side.sign)


def average_price(
    quantity: Decimal, price: Decimal, added_quantity: Decimal, added_price: Decimal
) -> Decimal:
    """Return the quantity-weighted mean of two prices, to 28 significant digits."""
    with localcontext(prec=_DIGITS):
        cost = quantity * price + added_quantity * added_price
        return _ratio(cost, quantity + added_quantity)


def open_position(
    order: ApprovedOrder,
    fills: Sequence[Fill],
    *,
    position_id: str,
    regime: Regime,
    confidence: float,
    strategy: str,
    strategy_version: int,
    entry_equity: Decimal,
    thesis: tuple[str, ...] = (),
    shadow: bool = False,
) -> Position:
    """Make the position that the fills of an approved entry opened.

    Repeated fills count once. ``risk_per_unit`` is the distance of the real average entry from
    the order's stop. Raises ``ValueError`` without fills or with one of another pair or side.
    """
    first, *more = _opening_fills(order, fills)
    position = Position(
        id=position_id,
        pair=order.pair,
        side=order.side,
        quantity=first.quantity,
        initial_quantity=first.quantity,
        entry_price=first.price,
        opened=first.time,
        stop_price=order.stop_price,
        target_price=order.target_price,
        risk_per_unit=abs(first.price - order.stop_price),
        leverage=order.leverage,
        regime=regime,
        confidence=confidence,
        strategy=strategy,
        strategy_version=strategy_version,
        entry_equity=entry_equity,
        thesis=thesis,
        best_price=first.price,
        client_order_ids=(first.client_order_id,),
        fees=first.fee,
        shadow=shadow,
    )
    for fill in more:
        position = apply_entry_fill(position, fill)
    return replace(position, best_price=position.entry_price)


def apply_entry_fill(position: Position, fill: Fill) -> Position:
    """Add a fill to a position: average price, average initial risk, fee.

    The initial risk of the addition is its distance from where the stop rests now.
    Raises ``ValueError`` when the fill is of another pair or reduces the position.
    """
    _expect(position, fill, buy=position.side is Side.LONG)
    return replace(
        position,
        quantity=position.quantity + fill.quantity,
        initial_quantity=position.initial_quantity + fill.quantity,
        entry_price=average_price(
            position.quantity, position.entry_price, fill.quantity, fill.price
        ),
        risk_per_unit=average_price(
            position.initial_quantity,
            position.risk_per_unit,
            fill.quantity,
            abs(fill.price - position.stop_price),
        ),
        fees=position.fees + fill.fee,
        client_order_ids=_with(position.client_order_ids, fill.client_order_id),
    )


def apply_exit_fill(position: Position, fill: Fill) -> tuple[Position | None, ClosedTrade | None]:
    """Reduce a position by a fill: what is left of it, or the trade it became.

    Exactly one of the two is None. Raises ``ValueError`` when the fill is of another pair, adds
    to the position, or is larger than it: take a flip apart with ``split_fill`` first.
    """
    _expect(position, fill, buy=position.side is Side.SHORT)
    if fill.quantity > position.quantity:
        raise ValueError(
            f"fill {fill.fill_id} of {fill.quantity} is larger than the {position.quantity} "
            f"open in {position.pair}; split it first"
        )
    with localcontext(prec=_DIGITS):
        reduced = replace(
            position,
            quantity=position.quantity - fill.quantity,
            realised_pnl=position.realised_pnl
            + gross_profit(position.side, position.entry_price, fill.price, fill.quantity),
            exit_notional=position.exit_notional + fill.price * fill.quantity,
            fees=position.fees + fill.fee,
            client_order_ids=_with(position.client_order_ids, fill.client_order_id),
        )
    if reduced.quantity > 0:
        return reduced, None
    return None, _closed(reduced, fill)


def split_fill(position: Position, fill: Fill) -> tuple[Fill, Fill | None]:
    """Take a reducing fill apart: what closes the position, and what opens the other side.

    The fee is shared by quantity (the two parts sum to it exactly). The remainder is None unless
    the fill is larger than the position; it keeps the fill id with ``:flip`` appended.
    """
    if fill.quantity <= position.quantity:
        return fill, None
    with localcontext(prec=_DIGITS):
        fee = money(fill.fee * position.quantity / fill.quantity)
    closing = replace(fill, quantity=position.quantity, fee=fee)
    remainder = replace(
        fill,
        fill_id=f"{fill.fill_id}:flip",
        quantity=fill.quantity - position.quantity,
        fee=fill.fee - fee,
        reason=None,
    )
    return closing, remainder


def apply_funding(position: Position, amount: Decimal) -> Position:
    """Charge funding to a position: ``amount`` in quote currency, positive = paid by us."""
    return replace(position, funding=position.funding + amount)


def settle(position: Position, fills: Iterable[Fill]) -> tuple[Position | None, ClosedTrade | None]:
    """Apply exit fills that may come repeated and in any order; the totals do not depend on it.

    Raises ``ValueError`` when together they are larger than the position.
    """
    current = position
    ordered = in_order(fills)
    for index, fill in enumerate(ordered):
        left, trade = apply_exit_fill(current, fill)
        if left is None:
            if index + 1 < len(ordered):
                raise ValueError(f"fills go on after {position.pair} {position.id} was closed")
            return None, trade
        current = left
    return current, None


def in_order(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """Return fills sorted by time and fill id, each id once (the first report counts)."""
    return FillBook(fills).ordered()


class FillBook:
    """The fills of one order or position, whatever the order and number of their reports."""

    __slots__ = ("_fills",)

    def __init__(self, fills: Iterable[Fill] = ()) -> None:
        self._fills: dict[str, Fill] = {}
        for fill in fills:
            self.add(fill)

    def add(self, fill: Fill) -> bool:
        """Take a fill in; return whether it is new.

        Raises ``ValueError`` when a known id comes back with another quantity, price or fee.
        """
        known = self._fills.get(fill.fill_id)
        if known is None:
            self._fills[fill.fill_id] = fill
            return True
        if (known.quantity, known.price, known.fee) != (fill.quantity, fill.price, fill.fee):
            raise ValueError(f"fill {fill.fill_id} was reported twice with different figures")
        return False

    def ordered(self) -> tuple[Fill, ...]:
        """Return the fills by time, then id."""
        return tuple(sorted(self._fills.values(), key=lambda fill: (fill.time, fill.fill_id)))

    @property
    def quantity(self) -> Decimal:
        """Return the quantity filled, in base currency."""
        return sum((fill.quantity for fill in self._fills.values()), _ZERO)


def _closed(position: Position, last: Fill) -> ClosedTrade:
    """Turn a position with nothing open into its trade."""
    with localcontext(prec=_DIGITS):
        pnl = position.realised_pnl - position.fees - position.funding
        risk = position.risk_per_unit * position.initial_quantity
        return ClosedTrade(
            id=position.id,
            pair=position.pair,
            side=position.side,
            entry_time=position.opened,
            exit_time=last.time,
            entry_price=_average_entry(position),
            exit_price=_ratio(position.exit_notional, position.initial_quantity),
            quantity=position.initial_quantity,
            fees=position.fees,
            funding=position.funding,
            pnl=pnl,
            r_multiple=float(pnl / risk) if risk else 0.0,
            exit_reason=last.reason or ExitReason.EXTERNAL,
            regime=position.regime,
            confidence=position.confidence,
            strategy=position.strategy,
            strategy_version=position.strategy_version,
            entry_equity=position.entry_equity,
            client_order_ids=position.client_order_ids,
            shadow=position.shadow,
        )


def _average_entry(position: Position) -> Decimal:
    """Return the mean price of everything bought (or sold) to open.

    It differs from the position's own price only where additions came after partial closes;
    then it follows from what was paid in all: exits - side x gross profit.
    """
    cost = position.exit_notional - position.side.sign * position.realised_pnl
    if abs(cost - position.entry_price * position.initial_quantity) < Decimal("0.0001"):
        return position.entry_price
    return _ratio(cost, position.initial_quantity)


def _ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    return Context(prec=_PRICE_DIGITS, rounding=ROUND_HALF_EVEN).divide(numerator, denominator)


def _opening_fills(order: ApprovedOrder, fills: Sequence[Fill]) -> tuple[Fill, ...]:
    ordered = in_order(fills)
    if not ordered:
        raise ValueError(f"order {order.client_order_id} has no fills to open a position with")
    for fill in ordered:
        if fill.pair != order.pair or fill.buy is not (order.side is Side.LONG):
            raise ValueError(f"fill {fill.fill_id} does not belong to {order.client_order_id}")
    return ordered


def _expect(position: Position, fill: Fill, *, buy: bool) -> None:
    if fill.pair != position.pair or fill.buy is not buy or fill.quantity <= 0:
        raise ValueError(
            f"fill {fill.fill_id} ({'buy' if fill.buy else 'sell'} {fill.quantity} {fill.pair}) "
            f"cannot be applied to the {position.side} position in {position.pair}"
        )


def _with(ids: tuple[str, ...], new: str) -> tuple[str, ...]:
    return ids if new in ids else (*ids, new)
