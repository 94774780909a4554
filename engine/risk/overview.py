"""The overview of risk: how much of every limit is used right now. Pure, for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from engine.model.account import AccountState, Exposure
from engine.model.market import Instrument, Pair
from engine.risk.correlation import CorrelationModel
from engine.risk.limits import RiskLimits
from engine.risk.portfolio import heat


class LimitUse(NamedTuple):
    """A limit: its name, how much is used and what is allowed (fractions of equity or counts)."""

    name: str
    used: float
    limit: float


class RiskOverview(NamedTuple):
    """Every limit, the plain heat and the heat after correlation (fractions of equity)."""

    limits: tuple[LimitUse, ...]
    heat: float
    adjusted_heat: float


def overview(
    account: AccountState,
    correlation: CorrelationModel,
    limits: RiskLimits,
    instruments: Mapping[Pair, Instrument],
) -> RiskOverview:
    """Return the use of every limit; of assets, sectors and groups the fullest one is named."""
    held = account.exposures

    def margin(items: list[Exposure]) -> float:
        notional = math.fsum(item.notional for item in items)
        return notional / (limits.leverage * account.equity) if account.equity > 0 else 0.0

    assets = [(item.pair.base, margin([item])) for item in held]
    sectors: dict[str, list[Exposure]] = {}
    for item in held:
        sectors.setdefault(instruments[item.pair].sector, []).append(item)
    groups = [
        (
            item.pair.base,
            margin(
                [
                    other
                    for other in held
                    if correlation.between(item.pair, other.pair) >= limits.group_correlation
                ]
            ),
        )
        for item in held
    ]
    asset, asset_used = max(assets, key=lambda pair: pair[1], default=("", 0.0))
    sector, sector_used = max(
        ((name, margin(items)) for name, items in sectors.items()),
        key=lambda pair: pair[1],
        default=("", 0.0),
    )
    group, group_used = max(groups, key=lambda pair: pair[1], default=("", 0.0))
    adjusted = _adjusted(held, correlation) / account.equity if account.equity > 0 else 0.0
    return RiskOverview(
        (
            LimitUse("open positions", len(held), limits.max_open_positions),
            LimitUse(_named("asset", asset), asset_used, limits.max_asset_exposure),
            LimitUse(_named("group", group), group_used, limits.max_group_exposure),
            LimitUse(_named("sector", sector), sector_used, limits.max_sector_exposure),
        ),
        heat(account) if account.equity > 0 else 0.0,
        adjusted,
    )


def _adjusted(held: tuple[Exposure, ...], correlation: CorrelationModel) -> float:
    """Return sqrt(r' C r) over signed risks at the stops, in quote currency."""
    total = math.fsum(
        a.side.sign
        * a.risk_at_stop
        * b.side.sign
        * b.risk_at_stop
        * (1.0 if a.pair == b.pair else correlation.between(a.pair, b.pair))
        for a in held
        for b in held
    )
    return math.sqrt(max(0.0, total))


def _named(kind: str, name: str) -> str:
    return f"{kind} {name}" if name else kind
