"""The bias probe: no decision may depend on candles that come after it.

The run is repeated on data cut off at several instants. Up to each cut every decision must be
the same, indicators, gates, sizes and sentences included; whatever differs has looked ahead.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.backtest.runs import Ground, Progress, Run, run_one
from engine.market.series import CandleSet
from engine.model.decision import Decision
from engine.model.market import Pair
from engine.strategy import Strategy

CUTS = 5
_FIELDS = (
    "indicators",
    "regime",
    "v1",
    "v2",
    "signal",
    "plan",
    "sizing",
    "portfolio",
    "safety",
    "breaker",
    "proposal",
    "action",
    "quantity",
    "confidence",
    "blocked_by",
    "reason",
    "shadow",
)


class Disagreement(NamedTuple):
    """The first decision that differs: with all data, and with data up to ``cut`` only."""

    pair: Pair
    time: int
    cut: int
    field: str
    whole: str
    truncated: str


class LookaheadReport(NamedTuple):
    """What the probe found: ``compared`` decisions over all cuts (ms UTC)."""

    cuts: tuple[int, ...]
    compared: int
    disagreement: Disagreement | None
    interrupted: bool = False


class _Differs(Exception):
    """A truncated run has come to a decision that the whole run took otherwise, or not there."""

    def __init__(self, index: int, decision: Decision) -> None:
        super().__init__(index)
        self.index = index
        self.decision = decision


class _Reached(Exception):
    """A run has come to the decision that was asked for."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision


def check_lookahead(
    ground: Ground, strategy: Strategy, progress: Progress, cuts: int = CUTS
) -> LookaheadReport:
    """Compare the run over all candles with runs over the candles up to ``cuts`` instants."""
    candles = ground.candles
    instants = _instants(candles, ground.limits.warmup_candles, cuts)
    digests = array("q")
    times = array("q")

    def remember(decisions: Sequence[Decision]) -> None:
        digests.extend(map(_digest, decisions))
        times.extend(decision.time for decision in decisions)

    parts = len(instants) / 2 + 1  # of work: the whole run, and on average half of it per cut
    whole = run_one(ground, Run(strategy), lambda share: progress(share / parts), remember)
    compared, done = 0, 1.0
    for cut in instants:
        if whole.interrupted:
            return LookaheadReport(instants, compared, None, True)
        size = (cut - candles.start) / (candles.end - candles.start)
        comparing = _Comparing(digests)
        run = Run(strategy, until=cut)

        def tell(share: float, done: float = done, size: float = size) -> None:
            progress(min(1.0, (done + share * size) / parts))

        try:
            ran = run_one(ground, run, tell, comparing.see)
        except _Differs as found:
            return LookaheadReport(
                instants, compared + found.index, _explain(ground, strategy, cut, found)
            )
        compared, done = compared + comparing.seen, done + size
        if ran.interrupted:
            return LookaheadReport(instants, compared, None, True)
        if comparing.seen < (expected := sum(time <= cut for time in times)):
            missing = f"{expected - comparing.seen} decisions fewer than with all data"
            gone = Disagreement(candles.pairs[0], cut, cut, "decisions", str(expected), missing)
            return LookaheadReport(instants, compared, gone)
    return LookaheadReport(instants, compared, None)


def _instants(candles: CandleSet, warmup: int, cuts: int) -> tuple[int, ...]:
    """Return where to cut, evenly over what follows the warm-up."""
    count = (candles.end - candles.start) // candles.timeframe_ms
    first = min(warmup, count // 2)  # before it nothing is decided
    numbers = {first + (count - first) * k // (cuts + 1) for k in range(1, cuts + 1)}
    return tuple(candles.start + number * candles.timeframe_ms for number in sorted(numbers))


class _Comparing:
    """Holds the decisions of a truncated run against those of the whole one, in order."""

    def __init__(self, digests: array[int]) -> None:
        self._digests = digests
        self.seen = 0

    def see(self, decisions: Sequence[Decision]) -> None:
        """Compare one pass. Raises ``_Differs``."""
        for decision in decisions:
            if self.seen >= len(self._digests) or _digest(decision) != self._digests[self.seen]:
                raise _Differs(self.seen, decision)
            self.seen += 1


def _digest(decision: Decision) -> int:
    """Return a number that is equal for equal decisions. Of one process only."""
    return hash((decision.pair, decision.time, *(getattr(decision, f) for f in _FIELDS)))


def _explain(ground: Ground, strategy: Strategy, cut: int, found: _Differs) -> Disagreement:
    """Run the whole once more up to the decision in question and name what differs first."""
    truncated = found.decision
    seen = 0

    def look(decisions: Sequence[Decision]) -> None:
        nonlocal seen
        if seen + len(decisions) > found.index:
            raise _Reached(decisions[found.index - seen])
        seen += len(decisions)

    try:
        run_one(ground, Run(strategy), None, look)
    except _Reached as reached:
        field, one, two = _first_difference(reached.decision, truncated)
    else:
        field, one, two = "decision", "none", "one more"
    return Disagreement(truncated.pair, truncated.time, cut, field, one, two)


def _first_difference(whole: Decision, truncated: Decision) -> tuple[str, str, str]:
    """Return the first field that differs, down to the single figure, with both values."""
    for name in ("pair", "time", *_FIELDS):
        one, two = getattr(whole, name), getattr(truncated, name)
        if one != two:
            return _inside(name, one, two)
    return "decision", "the same at the second look", "the same at the second look"


def _inside(name: str, one: Any, two: Any) -> tuple[str, str, str]:
    for part in getattr(one, "_fields", ()) if type(one) is type(two) else ():
        a, b = getattr(one, part), getattr(two, part)
        if a != b:
            return f"{name}.{part}", str(a), str(b)
    return name, str(one), str(two)
