"""A study: one backtest with what was run beside it, and what it says about an edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from engine.backtest.compare import Comparison
from engine.backtest.folds import Walk
from engine.backtest.intervals import MIN_DAYS, Interval, daily, per_trade, total
from engine.backtest.null_model import NullFindings
from engine.backtest.runner import BacktestResult
from engine.risk.performance import Metrics, metrics


@dataclass(frozen=True)
class Study:
    """What is reported. ``funding`` says where funding rates came from.

    ``notes`` say what to know of the data; ``unfinished`` names the parts that an interrupt left
    out or cut short.
    """

    result: BacktestResult
    strategy: str = ""
    funding: str = ""
    walk: Walk | None = None
    comparison: Comparison | None = None
    null: NullFindings | None = None
    notes: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Return whether any part did not run to its end."""
        return self.result.interrupted or bool(self.unfinished)

    @cached_property
    def figures(self) -> Metrics:
        """Return the figures of the real trades over the whole span."""
        result = self.result
        return metrics(result.trades, result.starting_balance, result.start, result.end)

    @cached_property
    def intervals(self) -> Mapping[str, Interval | None]:
        """Return net PnL, PnL per trade (quote currency) and R per trade with their intervals."""
        result = self.result
        money, counts = daily(result.trades, result.start, result.end)
        in_r, _ = daily(result.trades, result.start, result.end, in_r=True)
        return {
            "net_pnl": total(money),
            "expectancy": per_trade(money, counts),
            "expectancy_r": per_trade(in_r, counts),
        }

    @cached_property
    def edge_shown(self) -> bool:
        """Return whether trades earn beyond luck, and more than random entries where those ran."""
        r = self.intervals["expectancy_r"]
        if r is None or r.verdict <= 0:
            return False
        return self.null is None or self.null.edge_shown

    @cached_property
    def edge(self) -> str:
        """Return in plain words whether there is an edge."""
        r = self.intervals["expectancy_r"]
        if r is None:
            return "No edge can be shown or denied: there is no closed trade."
        if r.low is None or r.high is None:
            return (
                f"No edge can be shown or denied: {r.value:+.2f} R per trade, with trades on fewer "
                f"than {MIN_DAYS} days."
            )
        words = f"{r.value:+.2f} R per trade, 95 % interval {r.low:+.2f} to {r.high:+.2f}"
        if r.verdict < 0:
            sentence = f"There is no edge: it loses {words}."
        elif r.verdict == 0:
            sentence = f"No edge is shown: {words}, which zero lies within."
        elif self.null is not None and not self.null.edge_shown:
            sentence = f"No edge is shown: {words}, but random entries did about as well."
        else:
            sentence = f"An edge is likely in this span: {words}."
        return sentence + self._beside_chance()

    def _beside_chance(self) -> str:
        if self.null is None:
            return ""
        chance = self.null.chances[-1]
        if chance.p is None or chance.mean is None or chance.strategy is None:
            return ""
        return (
            f" Random entries with the same exits, costs and sizes made {chance.mean:+.2f} R, this "
            f"strategy {chance.strategy:+.2f} R (shadow trades included); chance does at least as "
            f"well with probability {chance.p:.2f}."
        )

    def deepest_fall(self) -> float:
        """Return the largest fall of equity, open positions included, as a fraction."""
        peak, deepest = float(self.result.starting_balance), 0.0
        for _, equity in self.result.equity:
            peak = max(peak, equity)
            deepest = max(deepest, (peak - equity) / peak if peak > 0 else 0.0)
        return deepest
