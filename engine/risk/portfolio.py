"""Portfolio risk: what the limits over all open positions leave of a proposed size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from engine.model.account import AccountState, Exposure
from engine.model.decision import LimitCheck, PortfolioCheck, Verdict
from engine.model.market import Instrument, Pair
from engine.model.signal import Side
from engine.risk.correlation import CorrelationModel
from engine.risk.limits import RiskLimits
from engine.risk.sizing import exact, too_small

__all__ = ["CorrelationModel", "check_portfolio", "heat", "one_sided", "rebalance_needed"]


class _Linear(NamedTuple):
    """A limit linear in the quantity; ``per_unit`` is what one unit of the base asset adds."""

    name: str
    used: float
    per_unit: float
    limit: float

    def after(self, quantity: float) -> float:
        return self.used + self.per_unit * quantity

    def room(self) -> float:
        """Return the largest quantity within the limit; negative when none is."""
        return (self.limit - self.used) / self.per_unit


class _Heat(NamedTuple):
    """Correlation-adjusted heat over the quantity: sqrt(x^2 + 2 b x + used^2).

    x = ``per_unit`` x quantity is the new risk, b = ``cross`` the sum of the open signed risks,
    each times its correlation with the new one.
    """

    name: str
    used: float
    per_unit: float
    cross: float
    limit: float

    def after(self, quantity: float) -> float:
        x = self.per_unit * quantity
        return math.sqrt(max(0.0, x * x + 2.0 * self.cross * x + self.used * self.used))

    def room(self) -> float:
        """Return the larger root of after(quantity) = limit; negative when there is none."""
        square = self.cross * self.cross - self.used * self.used + self.limit * self.limit
        return (math.sqrt(square) - self.cross) / self.per_unit if square >= 0.0 else -1.0


_Curves: TypeAlias = tuple[_Linear | _Heat, ...]


def check_portfolio(
    *,
    pair: Pair,
    side: Side,
    quantity: Decimal,
    entry: float,
    stop: float,
    account: AccountState,
    correlation: CorrelationModel,
    limits: RiskLimits,
    instruments: Mapping[Pair, Instrument],
    leverage: int,
) -> PortfolioCheck:
    """Hold a size against every portfolio limit; reduce it to what fits, or block it.

    Exposure is initial margin / equity at ``leverage``. Every check is a fraction of equity,
    but ``open positions`` is a count and ``position notional`` a multiple of equity. ``after``
    and both heats count the quantity granted or, for a block, the quantity asked for.
    """
    instrument = instruments.get(pair)
    if instrument is None or not _usable(quantity, entry, stop, leverage, account):
        reason = "a price, size, account figure or trading rule is missing or out of range"
        return PortfolioCheck(Verdict.BLOCK, Decimal(0), (), 0.0, 0.0, reason)

    held = {item.pair for item in account.exposures}
    positions = LimitCheck(
        "open positions", len(held), len(held | {pair}), limits.max_open_positions
    )
    adjusted = _adjusted_heat(pair, side, abs(entry - stop), account, correlation, limits.max_heat)
    curves: _Curves = (
        *_exposures(pair, side, entry, leverage, account, correlation, limits, instruments),
        adjusted,
    )
    plain = heat(account)

    def result(verdict: Verdict, granted: Decimal, reason: str) -> PortfolioCheck:
        size = float(granted if granted else quantity)
        checks = [LimitCheck(c.name, c.used, c.after(size), c.limit) for c in curves]
        return PortfolioCheck(
            verdict,
            granted,
            (positions, *checks),
            plain + adjusted.per_unit * size,
            adjusted.after(size),
            reason,
        )

    if positions.after > positions.limit:
        return result(
            Verdict.BLOCK, Decimal(0), f"open positions: {len(held)} of {positions.limit} are open"
        )
    broken = _broken(curves, quantity)
    if not broken:
        return result(Verdict.PASS, quantity, "")
    names = ", ".join(broken)
    fitting = min(float(quantity), *(curve.room() for curve in curves))
    granted = instrument.round_quantity(exact(max(0.0, fitting)))
    if granted > 0 and _broken(curves, granted):
        granted -= instrument.step_size  # a float rounding left the last step a hair over
    why = too_small(granted, entry, instrument)
    if why:
        return result(Verdict.BLOCK, Decimal(0), f"{names}: no room ({why})")
    if _broken(curves, granted):
        # Only a hedge too small to bring an excessive heat down comes here.
        return result(Verdict.BLOCK, Decimal(0), f"{names}: no size fits")
    share = float(granted / quantity)
    return result(Verdict.REDUCE, granted, f"{names}: reduced to {share:.0%} of the size")


def heat(account: AccountState) -> float:
    """Return the sum of the open risks at their stops / equity; infinite without equity."""
    risk = sum(map(_risk, account.exposures))
    if account.equity > 0.0:
        return risk / account.equity
    return math.inf if risk else 0.0


def one_sided(account: AccountState, limits: RiskLimits) -> float:
    """Return the net exposure: signed initial margins / equity, positive when net long.

    Without equity there is nothing to balance against, and it is 0.
    """
    if account.equity <= 0.0:
        return 0.0
    net = sum(item.side.sign * item.notional for item in account.exposures)
    return net / (limits.leverage * account.equity)


def rebalance_needed(account: AccountState, limits: RiskLimits) -> bool:
    """Return whether the account is so one-sided that its heavy side should shrink."""
    return abs(one_sided(account, limits)) > limits.one_sided


def _usable(
    quantity: Decimal, entry: float, stop: float, leverage: int, account: AccountState
) -> bool:
    if not quantity.is_finite():
        return False
    figures = [float(quantity), entry, stop, float(leverage), account.equity]
    open_figures = [f for item in account.exposures for f in (item.notional, item.risk_at_stop)]
    return all(map(math.isfinite, figures + open_figures)) and min(figures) > 0 and entry != stop


def _broken(curves: _Curves, quantity: Decimal) -> list[str]:
    size = float(quantity)
    return [curve.name for curve in curves if curve.after(size) > curve.limit]


def _risk(item: Exposure) -> float:
    """Return the risk at the stop; a stop that locks a profit in risks nothing."""
    return max(0.0, item.risk_at_stop)


def _exposures(
    pair: Pair,
    side: Side,
    entry: float,
    leverage: int,
    account: AccountState,
    correlation: CorrelationModel,
    limits: RiskLimits,
    instruments: Mapping[Pair, Instrument],
) -> tuple[_Linear, ...]:
    """Return the limits on margin by asset, group, sector and net, and on the notional.

    The group is the new pair and every open one correlated with it at or above the limit.
    """
    buying_power = leverage * account.equity
    sector = instruments[pair].sector

    def margin(items: Iterable[Exposure]) -> float:
        return sum(abs(item.notional) for item in items) / buying_power

    same = [item for item in account.exposures if item.pair.base == pair.base]
    group = [
        item
        for item in account.exposures
        if correlation.between(pair, item.pair) >= limits.group_correlation
    ]
    sectoral = [
        item
        for item in account.exposures
        if item.pair in instruments and instruments[item.pair].sector == sector
    ]
    per_unit = entry / buying_power
    notional = sum(abs(item.notional) for item in same) / account.equity
    return (
        _Linear("one asset", margin(same), per_unit, limits.max_asset_exposure),
        _Linear("correlated group", margin(group), per_unit, limits.max_group_exposure),
        _Linear("sector", margin(sectoral), per_unit, limits.max_sector_exposure),
        # An entry that made the book one-sided would be rebalanced away at the next pass.
        _Linear(
            "net exposure",
            side.sign * one_sided(account, limits),
            per_unit,
            limits.entry_one_sided,
        ),
        _Linear(
            "position notional", notional, entry / account.equity, limits.max_notional_multiple
        ),
    )


def _adjusted_heat(
    pair: Pair,
    side: Side,
    distance: float,
    account: AccountState,
    correlation: CorrelationModel,
    limit: float,
) -> _Heat:
    risks = [
        (item.pair, item.side.sign * _risk(item) / account.equity) for item in account.exposures
    ]
    squared = sum(ra * rb * correlation.between(a, b) for a, ra in risks for b, rb in risks)
    cross = side.sign * sum(risk * correlation.between(pair, other) for other, risk in risks)
    return _Heat(
        "correlation-adjusted heat",
        math.sqrt(max(0.0, squared)),
        distance / account.equity,
        cross,
        limit,
    )
