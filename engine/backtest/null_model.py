"""The null model: entries at random moments on a random side, everything after them the same.

What a strategy earns beyond this is its edge; what both earn comes from costs, exits and luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from engine.backtest.runner import BacktestResult
from engine.decision import Context, PairInputs, pass_gates
from engine.model.decision import Decision, Signal
from engine.model.signal import Action, Side
from engine.signals import v1, v2
from engine.signals.orchestrator import WAITING

QUANTILES = 101
SIGNIFICANT = 0.05
_RANGE = 2.0**64
_QUIET = Signal(Action.WAIT, 0.0, 1.0, "", "the null model proposes nothing here")


@dataclass(frozen=True, slots=True)
class NullModel:
    """Proposes an entry with probability ``rate`` at every candle after the warm-up.

    The draw depends on seed, pair and candle alone, so it is the same in every process.
    Confidences are drawn from ``confidences``, those of the strategy it stands beside. Regime,
    costs, sizing, limits, breaker and exits treat its proposals like any other.
    """

    seed: int
    rate: float
    confidences: tuple[float, ...]

    def decide(self, inputs: PairInputs, context: Context) -> Decision:
        """Stand in for ``engine.decision.decide``."""
        ind = inputs.indicators
        if ind is None or ind.candles < context.limits.warmup_candles:
            return _nothing(inputs, WAITING)
        moment, coin, rank = self._draw(inputs)
        if moment >= self.rate:
            return _nothing(inputs, _QUIET)
        side = Side.LONG if coin < 0.5 else Side.SHORT
        confidence = self.confidences[int(rank * len(self.confidences))]
        strategy = context.strategy
        scored = v1.score(ind, context.weights[inputs.regime.regime], strategy)
        judged = v2.evaluate(ind, inputs.regime.regime, side, strategy, confidence)
        signal = Signal(Action.enter(side), confidence, 1.0, "", f"drawn by seed {self.seed}")
        return pass_gates(inputs, context, ind, scored, judged, signal)

    def _draw(self, inputs: PairInputs) -> tuple[float, float, float]:
        """Return three independent numbers in [0, 1)."""
        words = f"{self.seed} {inputs.pair} {inputs.time}".encode()
        digest = blake2b(words, digest_size=24).digest()
        one, two, three = (
            int.from_bytes(digest[i : i + 8], "big") / _RANGE for i in range(0, 24, 8)
        )
        return min(one, 1 - 2**-53), min(two, 1 - 2**-53), min(three, 1 - 2**-53)


def _nothing(inputs: PairInputs, signal: Signal) -> Decision:
    return Decision(
        pair=inputs.pair,
        time=inputs.time,
        indicators=inputs.indicators,
        regime=inputs.regime,
        v1=None,
        v2=None,
        signal=signal,
        plan=None,
        sizing=None,
        portfolio=None,
        safety=None,
        breaker=None,
        proposal=Action.WAIT,
        action=Action.WAIT,
        quantity=Decimal(0),
        confidence=0.0,
        blocked_by="",
        reason=signal.reason,
    )


def first_null(result: BacktestResult) -> NullModel:
    """Return a null model that proposes as often as the strategy did. Its seed is a trial's."""
    rate = result.proposals / max(1, result.decisions)
    levels = np.linspace(0.0, 1.0, QUANTILES)
    return NullModel(0, rate, tuple(np.quantile(result.confidences, levels).tolist()))


def calibrated(model: NullModel, wanted: BacktestResult, got: BacktestResult) -> NullModel:
    """Return the model with the rate that should trade as often as the strategy.

    Proposals of a strategy come in clusters of which one is entered, those of chance do not.
    """
    factor = trades_of(wanted) / max(1, trades_of(got))
    return NullModel(model.seed, min(1.0, model.rate * factor), model.confidences)


def trades_of(result: BacktestResult) -> int:
    """Return how many trades were followed, with money or in shadow."""
    return len(result.trades) + len(result.shadow_trades)


class Chance(NamedTuple):
    """One figure of the strategy among those of the null seeds.

    ``p`` = share of all (strategy included) that are at least as good: small = hard to get by
    chance. ``low`` and ``high`` hold the middle 95 % of the ``seeds``.
    """

    name: str
    strategy: float | None
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    seeds: tuple[float, ...] = ()


class NullFindings(NamedTuple):
    """What the null model found. ``trades`` is the mean over the seeds, shadow trades included."""

    seeds: int
    trades: float
    strategy_trades: int
    chances: tuple[Chance, ...]

    @property
    def edge_shown(self) -> bool:
        """Return whether the strategy beats random entries by more than luck, per trade."""
        p = self.chances[-1].p
        return p is not None and p < SIGNIFICANT


def judge(result: BacktestResult, nulls: Sequence[BacktestResult]) -> NullFindings:
    """Hold a strategy against the runs of the null model; ``nulls`` is not empty."""
    every = [_figures(null) for null in nulls]
    chances = tuple(
        _chance(name, own, [figures[name] for figures in every])
        for name, own in _figures(result).items()
    )
    trades = sum(map(trades_of, nulls)) / len(nulls)
    return NullFindings(len(nulls), trades, trades_of(result), chances)


def _figures(result: BacktestResult) -> dict[str, float | None]:
    real = [trade.r_multiple for trade in result.trades]
    every = real + [trade.r_multiple for trade in result.shadow_trades]
    return {
        "net PnL": float(sum((trade.pnl for trade in result.trades), Decimal(0))),
        "R per trade": _mean(real),
        "R per trade, shadow included": _mean(every),
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _chance(name: str, own: float | None, seeds: Sequence[float | None]) -> Chance:
    known = [value for value in seeds if value is not None]
    if own is None or not known:
        return Chance(name, own, None, None, None, None)
    low, high = np.percentile(known, (2.5, 97.5)).tolist()
    at_least = sum(value >= own for value in known)
    return Chance(
        name, own, _mean(known), low, high, (1 + at_least) / (1 + len(known)), tuple(known)
    )
