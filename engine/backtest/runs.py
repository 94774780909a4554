"""Independent runs over the same candles: here or in worker processes, with the same results."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from multiprocessing.process import BaseProcess
from typing import Any

from engine.backtest.null_model import NullModel
from engine.backtest.runner import BacktestResult, run_backtest
from engine.market.funding import Rates
from engine.market.recorded import RecordedMarket
from engine.market.series import CandleDataError, CandleSeries, CandleSet, iso
from engine.model.decision import Decision
from engine.model.market import Candle, MarketStep, Pair
from engine.risk.limits import RiskLimits
from engine.strategy import Strategy

POLL_S = 0.2

Progress = Callable[[float], None]
Watch = Callable[[Sequence[Decision]], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """What all runs of a study share. ``balance`` in quote currency."""

    candles: CandleSet
    limits: RiskLimits
    balance: Decimal
    rates: Mapping[Pair, Rates] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the candles that open in [since, until) (ms UTC), traded from ``begin`` on.

    Candles closed by ``begin`` warm up; without it the first candles are steps like all others.
    """

    strategy: Strategy = field(default_factory=Strategy)
    since: int | None = None
    until: int | None = None
    begin: int | None = None
    null: NullModel | None = None


class LateMarket(RecordedMarket):
    """A recording that is traded from an instant on; what has closed by then is history."""

    def __init__(self, candles: CandleSet, begin: int) -> None:
        detail = _slices(candles.detail, begin, None)
        super().__init__(replace(candles, detail=detail))
        self._begin = begin

    def history(self) -> Mapping[Pair, Sequence[Candle]]:
        """Return the decision candles closed by the beginning."""
        border = self._begin - self.candle_ms + 1
        return {pair: series.slice(None, border).candles() for pair, series in self.series.items()}

    def steps(self) -> Iterator[MarketStep]:
        """Iterate over what happens after the beginning."""
        return (step for step in super().steps() if step.time > self._begin)


def cut(candles: CandleSet, since: int | None, until: int | None) -> CandleSet:
    """Return the candles that open in [since, until); pairs without any are left out.

    Raises ``CandleDataError`` where nothing is left.
    """
    if since is None and until is None:
        return candles
    series = _slices(candles.series, since, until)
    if not series:
        raise CandleDataError(f"no candles between {_when(since)} and {_when(until)}")
    detail = _slices(candles.detail, since, until)
    return replace(candles, series=series, detail={p: s for p, s in detail.items() if p in series})


def _when(time: int | None) -> str:
    return "the border of the data" if time is None else iso(time)


def _slices(
    series: Mapping[Pair, CandleSeries], since: int | None, until: int | None
) -> dict[Pair, CandleSeries]:
    parts = {pair: whole.slice(since, until) for pair, whole in series.items()}
    return {pair: part for pair, part in parts.items() if len(part)}


def run_one(
    ground: Ground, run: Run, progress: Progress | None = None, watch: Watch | None = None
) -> BacktestResult:
    """Run one backtest. ``progress`` gets the share done; ``KeyboardInterrupt`` ends it early."""
    candles = cut(ground.candles, run.since, run.until)
    start = candles.start if run.begin is None else run.begin
    market = RecordedMarket(candles) if run.begin is None else LateMarket(candles, run.begin)

    def tell(now: int, end: int) -> None:
        if progress is not None:
            progress((now - start) / max(1, end - start))

    result = asyncio.run(
        run_backtest(
            market,
            strategy=run.strategy,
            limits=ground.limits,
            balance=ground.balance,
            funding_rates=dict(ground.rates),
            progress=tell,
            decide=None if run.null is None else run.null.decide,
            watch=watch,
        )
    )
    return replace(result, start=start)  # a first finer bar closes before its candle


def run_all(
    ground: Ground, runs: Sequence[Run], progress: Progress, processes: int = 1
) -> list[BacktestResult | None]:
    """Run several backtests, at most ``processes`` at a time; each result is that of ``run_one``.

    ``progress`` gets the share of all; a ``KeyboardInterrupt`` out of it ends the runs under way
    early and leaves None for those that had not begun.
    """
    if min(processes, len(runs)) < 2:
        return _one_by_one(ground, runs, progress)
    return _in_processes(ground, runs, progress, min(processes, len(runs)))


def _one_by_one(
    ground: Ground, runs: Sequence[Run], progress: Progress
) -> list[BacktestResult | None]:
    results: list[BacktestResult | None] = [None] * len(runs)
    for number, run in enumerate(runs):

        def tell(share: float, done: int = number) -> None:
            progress((done + share) / len(runs))

        results[number] = found = run_one(ground, run, tell)
        if found.interrupted:
            break
    return results


# Worker processes


def _in_processes(
    ground: Ground, runs: Sequence[Run], progress: Progress, processes: int
) -> list[BacktestResult | None]:
    context = multiprocessing.get_context("spawn")
    stop, shares = context.Event(), context.Array("d", len(runs))
    tasks, answers = context.Queue(), context.Queue()
    for task in [*enumerate(runs), *[None] * processes]:
        tasks.put(task)
    workers = [
        context.Process(target=_serve, args=(ground, tasks, answers, stop, shares), daemon=True)
        for _ in range(processes)
    ]
    results: list[BacktestResult | None] = [None] * len(runs)
    try:
        with _interrupts_held():
            for worker in workers:
                worker.start()
        for _ in runs:
            number, result = _next_answer(answers, workers, stop, lambda: progress(_mean(shares)))
            if isinstance(result, BaseException):
                raise result
            results[number] = result
    finally:
        for worker in workers:
            worker.join(0 if sys.exc_info()[0] else None)
            worker.terminate()
    return results


def _next_answer(
    answers: Any, workers: Sequence[BaseProcess], stop: Any, tell: Callable[[], None]
) -> tuple[int, Any]:
    """Wait for what a worker found; an interrupt meanwhile asks all of them to end early."""
    while True:
        try:
            if not stop.is_set():
                tell()
        except KeyboardInterrupt:
            stop.set()
        with suppress(queue.Empty):
            found: tuple[int, Any] = answers.get(timeout=POLL_S)
            return found
        if any(worker.exitcode not in (None, 0) for worker in workers):
            raise RuntimeError("a worker process of the backtest died")


def _mean(shares: Any) -> float:
    return float(sum(shares)) / len(shares)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start processes that never hear Ctrl-C, which a terminal sends to all of them.

    The mask is inherited; here, what was pressed meanwhile is heard afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(ground: Ground, tasks: Any, answers: Any, stop: Any, shares: Any) -> None:
    """Run what is asked for until nothing is left. In a worker."""
    while (task := tasks.get()) is not None:
        number, run = task

        def tell(share: float, number: int = number) -> None:
            shares[number] = share
            if stop.is_set():
                raise KeyboardInterrupt

        try:
            answers.put((number, None if stop.is_set() else run_one(ground, run, tell)))
        except Exception as error:  # noqa: BLE001 - raised where the run was asked for
            answers.put((number, error))
        shares[number] = 1.0
