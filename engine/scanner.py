"""The scanner: every pair's indicators and regime, moved on by its own closed candles."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.decision import PairInputs
from engine.indicators.pipeline import IndicatorPipeline
from engine.model.decision import Decision
from engine.model.market import Candle, Instrument, Pair
from engine.model.signal import Indicators, RegimeState
from engine.regime import UNKNOWN, advance
from engine.risk.correlation import CorrelationModel

CORRELATION_PERIOD_MS = 4 * 3_600_000
CHART_CANDLES = 400


class Pipeline(Protocol):
    """Turns closed candles into indicators: a stream, or a recording's batch equal to it."""

    def update(self, candle: Candle) -> Indicators | None:
        """Take one closed candle; return its indicators, None while warming up."""

    def returns(self) -> NDArray[np.float64]:
        """Return the last 500 log returns (fewer while warming up), oldest first."""


@dataclass(slots=True)
class PairState:
    """What is known of one pair after its last closed candle."""

    pipeline: Pipeline
    regime: RegimeState = UNKNOWN
    indicators: Indicators | None = None
    decision: Decision | None = None
    price: float = 0.0
    priced: int = 0  # time of the last price, ms
    decided: int = 0  # close time of the last candle
    chart: deque[Indicators] = field(default_factory=lambda: deque(maxlen=CHART_CANDLES))


class Scanner:
    """All pairs of one market. Feeding it is the only thing that changes it."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        candle_ms: int,
        instruments: Mapping[Pair, Instrument],
        pipelines: Mapping[Pair, Pipeline] | None = None,
    ) -> None:
        pipelines = pipelines or {pair: IndicatorPipeline(candle_ms) for pair in pairs}
        self.pairs = tuple(pairs)
        self.candle_ms = candle_ms
        self.instruments = instruments
        self.states = {pair: PairState(pipelines[pair]) for pair in pairs}
        self._correlation = CorrelationModel(self.pairs)
        self._measured = False

    def seed(self, history: Mapping[Pair, Sequence[Candle]]) -> None:
        """Warm every pair up on the closed candles before the first step."""
        for pair, candles in history.items():
            for candle in candles:
                self._close(pair, candle)

    def see_prices(self, time: int, bars: Mapping[Pair, Candle]) -> None:
        """Note the newest price of every pair that has one."""
        states = self.states
        for pair, bar in bars.items():
            state = states[pair]
            state.price = bar.close
            state.priced = time

    def close_candles(self, closed: Mapping[Pair, Candle]) -> None:
        """Move indicators and regimes on by candles of the decision timeframe that closed."""
        time = 0
        for pair, candle in closed.items():
            self._close(pair, candle)
            time = candle.time + self.candle_ms
        if time and time % CORRELATION_PERIOD_MS == 0:
            self._measure_correlation()

    def inputs(self, pair: Pair, time: int) -> PairInputs:
        """Return what a decision on a pair looks at."""
        state = self.states[pair]
        rules, returns = self.instruments[pair], state.pipeline.returns
        found = (pair, time, state.indicators, state.regime, rules, returns)
        return tuple.__new__(PairInputs, found)

    def correlation(self) -> CorrelationModel:
        """Return the correlations, measured at 00, 04, 08 ... UTC of market time."""
        if not self._measured:
            self._measure_correlation()
        return self._correlation

    def _measure_correlation(self) -> None:
        # A pair that lags behind would be compared with the wrong candles: it keeps its prior.
        self._measured = True
        newest = max(state.decided for state in self.states.values())
        self._correlation.update(
            {p: s.pipeline.returns() for p, s in self.states.items() if s.decided == newest}
        )

    def stale(self, now: int, pairs: Iterable[Pair]) -> float:
        """Return the age in ms of the oldest price among some pairs, 0 for none."""
        return max((now - self.states[pair].priced for pair in pairs), default=0) if pairs else 0

    def _close(self, pair: Pair, candle: Candle) -> None:
        state = self.states[pair]
        time = candle.time + self.candle_ms
        state.indicators = ind = state.pipeline.update(candle)
        if ind is not None and ind.time == time:  # otherwise the candle was left out
            state.chart.append(ind)
        state.regime = advance(state.regime, ind, time)
        if state.decided < time:
            state.decided = time
        if state.priced < time:
            state.price, state.priced = candle.close, time
