"""The track record: one strategy's closed trades, its shadow trades, and what follows for size."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum

from engine.model.account import Edge
from engine.model.market import DAY_MS
from engine.model.orders import ClosedTrade
from engine.risk.expectancy import RunningTotals, WindowStats, stats_of, window_stats
from engine.risk.limits import RiskLimits

EDGE_WINDOW = 100
RECENT_WINDOW = 30
KEPT = 500
SHADOW_EVIDENCE = 30
_SHADOW_KEPT = 100
_HOUR_MS = 3_600_000
_WIN_RATE_DROP = 0.20
_EXPECTANCY_DROP = 0.30


class Breakdown(StrEnum):
    """What the trades can be broken down by."""

    PAIR = "pair"
    REGIME = "regime"
    EXIT_REASON = "exit_reason"
    HOUR = "hour"

    @property
    def key(self) -> Callable[[ClosedTrade], str]:
        """Return what names a trade's group; the hour is that of entry, ``00`` to ``23`` UTC."""
        match self:
            case Breakdown.PAIR:
                return lambda trade: trade.pair
            case Breakdown.REGIME:
                return lambda trade: trade.regime
            case Breakdown.EXIT_REASON:
                return lambda trade: trade.exit_reason
            case Breakdown.HOUR:
                return lambda trade: f"{trade.entry_time % DAY_MS // _HOUR_MS:02d}"


class TrackRecord:
    """Closed trades of one strategy over all pairs, newest last; shadow trades kept apart.

    Memory is bounded: the newest 500 trades and 100 shadow trades are kept, older ones live on
    in the exact sums of the ``all`` window. Adding is constant work; windows are computed when
    first asked for after a trade.
    """

    def __init__(self, trades: Iterable[ClosedTrade] = ()) -> None:
        self._trades: deque[ClosedTrade] = deque(maxlen=KEPT)
        self._all = RunningTotals()
        self._shadow: deque[ClosedTrade] = deque(maxlen=_SHADOW_KEPT)
        self._shadow_evidence = 0  # shadow trades since evidence was last used up
        self._real_since_shadow = 0
        self._degradation_factor = 1.0
        self._windows: dict[int, WindowStats] = {}  # computed since the last trade, by size
        self._edge: Edge | None = None
        for trade in trades:
            self.add(trade)

    def add(self, trade: ClosedTrade) -> None:
        """Add a trade that has just closed, real or shadow.

        Raises ``ValueError`` when its PnL or R multiple is not a finite number.
        """
        if not (trade.pnl.is_finite() and math.isfinite(trade.r_multiple)):
            raise ValueError(f"trade {trade.id} has pnl {trade.pnl} and R {trade.r_multiple}")
        self._edge = None
        if trade.shadow:
            self._shadow.append(trade)
            self._shadow_evidence += 1
            self._real_since_shadow = 0
            return
        self._windows.clear()
        self._trades.append(trade)
        self._all.add(trade)
        self._real_since_shadow += 1
        if self._real_since_shadow >= SHADOW_EVIDENCE:
            self._shadow_evidence = 0

    @property
    def trades(self) -> tuple[ClosedTrade, ...]:
        """Return the newest 500 real trades, newest last."""
        return tuple(self._trades)

    @property
    def degradation_factor(self) -> float:
        """Return the factor on size that the strategy monitor has set, 1 when healthy."""
        return self._degradation_factor

    @degradation_factor.setter
    def degradation_factor(self, factor: float) -> None:
        if not 0.0 <= factor <= 1.0:
            raise ValueError(f"a degradation factor lies in [0, 1], not {factor}")
        self._degradation_factor = factor
        self._edge = None

    def window(self, size: int) -> WindowStats:
        """Return the figures over the newest ``size`` trades, 500 at most."""
        if size not in self._windows:
            self._windows[size] = window_stats(list(self._trades)[-size:], str(size))
        return self._windows[size]

    def windows(self) -> tuple[WindowStats, ...]:
        """Return the windows ``30``, ``100``, ``500`` and ``all``."""
        newest = self.window(KEPT)
        everything = (
            replace(newest, name="all")
            if self._all.trades <= KEPT
            else stats_of(self._all.totals(), (), "all")
        )
        return self.window(RECENT_WINDOW), self.window(EDGE_WINDOW), newest, everything

    @property
    def shadow(self) -> WindowStats:
        """Return the newest 30 shadow trades; they are judged in R, never in money."""
        return window_stats(list(self._shadow)[-SHADOW_EVIDENCE:], "shadow")

    @property
    def shadow_reentry(self) -> bool:
        """Return whether the newest 30 shadow trades justify exploration.

        Their mean R is positive and their evidence is not used up: it is once 30 real trades
        have closed since the newest of them, and then 30 new ones are needed.
        """
        if self._shadow_evidence < SHADOW_EVIDENCE:
            return False
        newest = list(self._shadow)[-SHADOW_EVIDENCE:]
        return math.fsum(trade.r_multiple for trade in newest) > 0.0

    def edge(self, limits: RiskLimits) -> Edge:
        """Return what sizing needs, over the newest 100 trades."""
        if self._edge is None:
            window = self.window(EDGE_WINDOW)
            self._edge = Edge(
                trades=window.trades,
                win_rate=window.win_rate or 0.0,
                payoff=window.payoff,
                expectancy=window.expectancy or 0.0,
                kelly=window.kelly,
                degradation_factor=self._degradation_factor,
                shadow_reentry=self.shadow_reentry,
            )
        if self._edge.shadow_reentry and not limits.shadow_reentry:
            return self._edge._replace(shadow_reentry=False)
        return self._edge

    @property
    def degrading(self) -> bool:
        """Return whether the newest 30 trades are clearly worse than the newest 100.

        Win rate more than 20 % or expectancy more than 30 % below, relative to the 100-trade
        figure's size; never before the two windows differ.
        """
        recent, base = self.window(RECENT_WINDOW), self.window(EDGE_WINDOW)
        if recent.trades == base.trades:
            return False
        return _fell(recent.win_rate, base.win_rate, _WIN_RATE_DROP) or _fell(
            recent.expectancy, base.expectancy, _EXPECTANCY_DROP
        )

    def breakdown(self, by: Breakdown) -> dict[str, WindowStats]:
        """Return the figures of the newest 500 trades by group, names in order."""
        groups: dict[str, list[ClosedTrade]] = {}
        for trade in self._trades:
            groups.setdefault(str(by.key(trade)), []).append(trade)
        return {name: window_stats(groups[name], name) for name in sorted(groups)}

    def expectancy_line(self) -> str:
        """Return the log line ``Expectancy: $18.50 per trade (n=45)`` of the newest 100."""
        window = self.window(EDGE_WINDOW)
        if window.expectancy is None:
            return "Expectancy: unknown (n=0)"
        sign = "-" if window.expectancy < 0.0 else ""
        return f"Expectancy: {sign}${abs(window.expectancy):.2f} per trade (n={window.trades})"

    def kelly_line(self) -> str:
        """Return the log line ``Kelly inputs: WR=0.68, PR=2.15, Kelly=0.531, n=45``."""
        window = self.window(EDGE_WINDOW)
        return (
            f"Kelly inputs: WR={_shown(window.win_rate, 2)}, PR={_shown(window.payoff, 2)}, "
            f"Kelly={_shown(window.kelly, 3)}, n={window.trades}"
        )


def _fell(recent: float | None, base: float | None, share: float) -> bool:
    """Return whether ``recent`` lies more than ``share`` of ``base``'s size below it."""
    if recent is None or base is None:
        return False
    return base - recent > share * abs(base) + 1e-12 * abs(base)


def _shown(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"
