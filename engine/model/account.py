"""What the decision core may know of the account and of its own record. Floats: for gates only."""

from __future__ import annotations

from typing import NamedTuple

from engine.model.market import Pair
from engine.model.signal import Side


class Exposure(NamedTuple):
    """One open position as risk sees it: notional and risk at its stop, in quote currency."""

    pair: Pair
    side: Side
    notional: float
    risk_at_stop: float


class AccountState(NamedTuple):
    """The account at decision time, in quote currency.

    ``day_loss`` is the rolling 24 h loss (realised + open) as a fraction of the equity 24 h ago,
    0 when in profit.
    """

    equity: float
    balance: float
    available: float
    day_loss: float
    exposures: tuple[Exposure, ...]


class Edge(NamedTuple):
    """What the closed trades say, as sizing needs it.

    Figures over the newest 100 closed trades of the active strategy; ``payoff`` and ``kelly``
    are None while there are no wins or no losses. ``shadow_reentry`` is True while the newest
    30 shadow trades justify exploration again.
    """

    trades: int
    win_rate: float
    payoff: float | None
    expectancy: float
    kelly: float | None
    degradation_factor: float
    shadow_reentry: bool
