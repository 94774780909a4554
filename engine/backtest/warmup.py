"""The warm-up probe: after the warm-up it must not matter where the history began.

The signal layers are run on windows whose history begins late, and compared after their warm-up
with the run over the whole history. Account and sizes differ by nature and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.backtest.runs import Ground, Progress, Run, run_one
from engine.model.decision import Decision
from engine.model.market import Pair
from engine.model.signal import Indicators
from engine.strategy import Strategy

WINDOWS = 4
WINDOW_CANDLES = 500  # compared after the warm-up of each window
TOLERANCE = 1e-9  # relative
ROUNDING = 1e-12  # absolute
_FIGURES = tuple(f for f in Indicators._fields if f not in ("time", "candles", "notes"))
_FADING = "an exponential average: the candles before the beginning fade out, never to nothing"
_WHY: Mapping[str, str] = {
    "obv": "a running sum from the first candle; only its slope enters a signal",
    "vwap": "a day's VWAP begins with the day's first candle in the data",
    "vwap_distance": "a day's VWAP begins with the day's first candle in the data",
    "htf_15m": "averages of 15m candles, of which a warm-up holds a third",
    "htf_1h": "averages of 1h candles, of which a warm-up holds a twelfth",
    "gk_median": "a median over 501 candles that the warm-up may not fill",
    **dict.fromkeys(("bb_upper", "bb_middle", "bb_lower", "sma20", "z_score", "cci", "slope",
                     "bb_width_ratio", "obv_slope", "mfi"),
                    "rounding of running sums, of no consequence"),
    **dict.fromkeys(("ema9", "ema20", "ema50", "ema200", "macd", "macd_signal", "macd_hist", "rsi",
                     "atr", "adx", "plus_di", "minus_di"), _FADING),
}  # fmt: skip
_REGIME = "hysteresis: a regime adopted before the beginning is kept until three candles differ"


class Drift(NamedTuple):
    """A figure that differs: in how many decisions, by how much at most (relative), and why."""

    name: str
    decisions: int
    worst: float
    why: str


class Changed(NamedTuple):
    """A decision whose proposal depends on where the history begins."""

    pair: Pair
    time: int
    whole: str
    late: str


class WarmupReport(NamedTuple):
    """What the probe found. ``begins`` are the late beginnings (ms UTC)."""

    begins: tuple[int, ...]
    warmup: int
    compared: int
    changed: tuple[Changed, ...]
    drifts: tuple[Drift, ...]
    interrupted: bool = False


class TooShort(ValueError):
    """There are not enough candles to begin late and warm up; the message says how many."""


class _Facts(NamedTuple):
    proposal: str
    score: float
    regime: str
    indicators: Indicators


def check_warmup(ground: Ground, strategy: Strategy, progress: Progress) -> WarmupReport:
    """Compare signals after the warm-up of late beginnings with those of the whole history.

    Raises ``TooShort``.
    """
    candles, unit = ground.candles, ground.candles.timeframe_ms
    warmup = ground.limits.warmup_candles
    count = (candles.end - candles.start) // unit
    spare = count - warmup - 2
    if spare < 10:
        raise TooShort(
            f"{count:,} candles are too few to begin late and warm up over {warmup:,}; "
            "give a longer history or lower WARMUP_CANDLES"
        )
    length = min(WINDOW_CANDLES, max(1, spare // 2))
    latest = count - warmup - length
    offsets = sorted({max(1, latest * k // WINDOWS) for k in range(1, WINDOWS + 1)})
    begins = tuple(candles.start + offset * unit for offset in offsets)
    spans = [(b + warmup * unit, b + (warmup + length) * unit) for b in begins]
    whole: dict[tuple[Pair, int], _Facts] = {}
    work = (spans[-1][1] - candles.start) / unit + len(begins) * (warmup + length)
    parts = [(spans[-1][1] - candles.start) / unit / work]
    parts += [(warmup + length) / work] * len(begins)

    def remember(decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if any(begin < decision.time <= end for begin, end in spans):
                facts = _facts(decision)
                if facts is not None:
                    whole[decision.pair, decision.time] = facts

    run = Run(strategy, until=spans[-1][1])
    ran = run_one(ground, run, lambda share: progress(share * parts[0]), remember)
    differences = _Differences(whole)
    done = parts[0]
    for begin, (_, end) in zip(begins, spans, strict=True):
        if ran.interrupted:
            break

        def tell(share: float, done: float = done) -> None:
            progress(done + share * parts[1])

        late = Run(strategy, since=begin, until=end)
        ran = run_one(ground, late, tell, differences.see)
        done += parts[1]
    return WarmupReport(
        begins,
        warmup,
        differences.compared,
        tuple(differences.changed),
        differences.drifts(),
        ran.interrupted,
    )


def _facts(decision: Decision) -> _Facts | None:
    """Return what a decision's signal depends on, None while warming up."""
    if decision.indicators is None or decision.v1 is None:
        return None
    regime = str(decision.regime.regime)
    return _Facts(str(decision.proposal), decision.v1.score, regime, decision.indicators)


class _Differences:
    """Counts what differs between late decisions and those of the whole history."""

    def __init__(self, whole: Mapping[tuple[Pair, int], _Facts]) -> None:
        self._whole = whole
        self._counts: dict[str, int] = {}
        self._worst: dict[str, float] = {}
        self.compared = 0
        self.changed: list[Changed] = []

    def see(self, decisions: Sequence[Decision]) -> None:
        """Compare the decisions of a late run that are past its warm-up."""
        for decision in decisions:
            late = _facts(decision)
            known = self._whole.get((decision.pair, decision.time))
            if late is None or known is None:
                continue
            self.compared += 1
            if late.proposal != known.proposal:
                self.changed.append(
                    Changed(decision.pair, decision.time, known.proposal, late.proposal)
                )
            if late.regime != known.regime:
                self._note("regime", 1.0)
            for name in _FIGURES:
                one, two = getattr(known.indicators, name), getattr(late.indicators, name)
                if abs(one - two) > max(TOLERANCE * max(abs(one), abs(two)), ROUNDING):
                    self._note(name, abs(one - two) / max(abs(one), abs(two)))

    def _note(self, name: str, by: float) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1
        self._worst[name] = max(self._worst.get(name, 0.0), by)

    def drifts(self) -> tuple[Drift, ...]:
        """Return what differs, the most frequent first."""
        names = sorted(self._counts, key=lambda name: (-self._counts[name], name))
        return tuple(
            Drift(name, self._counts[name], self._worst[name], _why(name)) for name in names
        )


def _why(name: str) -> str:
    if name == "regime":
        return _REGIME
    return _WHY.get(name, "follows from the figures above")
