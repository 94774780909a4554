"""What one full decision costs: candle in, indicators, signals, gates; by the number of pairs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import mean, median

from benchmarks.candles import generated
from benchmarks.table import Row, per_call, tanh_ns
from engine.assembly import assemble, paper_venue
from engine.backtest.runner import TradeJournal
from engine.clock import MarketClock
from engine.decision import decide
from engine.market.recorded import RecordedMarket
from engine.model.decision import Decision
from engine.model.signal import Action
from engine.risk.limits import RiskLimits
from engine.strategy import Strategy
from engine.trace import gates
from engine.trader import Trader

WARM_UP = 520
PAIRS = (1, 8, 100, 500)
PASSES = 1_000  # decisions in a run, twenty passes at least


class Rehearsal:
    """A trader on streams, as it runs live, that has just warmed up; steps wait to be taken."""

    def __init__(self, count: int, passes: int) -> None:
        market = RecordedMarket(generated(count, WARM_UP + passes))
        steps = list(market.steps())
        self.steps = steps[WARM_UP:]
        self.clock = MarketClock()
        limits = replace(RiskLimits(), allowed_pairs=market.pairs, warmup_candles=WARM_UP - 10)
        self.trader: Trader = assemble(
            pairs=market.pairs,
            candle_ms=market.candle_ms,
            strategy=Strategy(),
            limits=limits,
            venue=paper_venue(market.pairs, Decimal(1_000_000)),
            balance=Decimal(1_000_000),
            journal=TradeJournal(),
            clock=self.clock,
        )
        self.trader.switches.started = True
        for step in steps[:WARM_UP]:
            self.trader.scanner.see_prices(step.time, step.bars)
            self.trader.scanner.close_candles(step.closed)

    async def decide(self, count: int, made: list[Decision] | None = None) -> tuple[float, float]:
        """Take steps and decide every pair; return (us a pair, calls of tanh a pair), medians.

        With ``made`` every trace is rendered as well, and the decisions are kept there.
        """
        spent, baseline = [], [tanh_ns()]
        for step in (self.steps.pop(0) for _ in range(count)):
            begin = time.process_time()
            self.clock.set(step.time)
            decisions = await self.trader.step(step)
            if made is not None:
                for decision in decisions:
                    gates(decision)
            spent.append((time.process_time() - begin) / len(decisions))
            if made is not None:
                made += decisions
        baseline.append(tanh_ns())
        return median(spent) * 1e6, median(spent) * 1e9 / mean(baseline)


def rows(runs: int, most: int = 500) -> Iterator[Row]:
    """Yield the cost a pair by the number of pairs, with the trace kept lazily and rendered."""
    each: dict[int, float] = {}
    for count in (n for n in PAIRS if n <= most):
        passes = max(PASSES // count, 20) * max(1, runs)
        rehearsal = Rehearsal(count, 2 * passes)
        decisions: list[Decision] = []
        name = f"full decision, {count} pair{'s' * (count > 1)}"
        cost, ratio = asyncio.run(rehearsal.decide(passes))
        each[count] = ratio
        yield Row(f"{name}, trace lazy", cost, "us a pair", "<= 50", ratio, "tanh call")
        if count == 500:
            yield Row("  the whole pass", cost * count / 1e3, "ms", "<= 30")
        cost, ratio = asyncio.run(rehearsal.decide(passes, decisions))
        yield Row(f"{name}, trace rendered", cost, "us a pair", "<= 150", ratio, "tanh call")
        if count == 8:
            yield from _proposals(rehearsal, decisions, runs)
    if 8 in each and 500 in each:
        yield Row("cost a pair at 500 pairs / at 8", each[500] / each[8], "", "<= 1.2")


def _proposals(rehearsal: Rehearsal, made: list[Decision], runs: int) -> Iterator[Row]:
    """Yield what a proposal costs alone, from V1 to the gates, by how far it comes."""
    proposed = [d for d in made if d.proposal is not Action.WAIT]
    trader = rehearsal.trader
    context = trader._context(rehearsal.clock.now())._replace(open_pairs=frozenset())
    now = rehearsal.clock.now()
    for name, chosen in (
        ("a proposal stopped by a gate", [d for d in proposed if d.sizing is None]),
        ("a proposal through every gate, 1,000 paths", [d for d in proposed if d.sizing]),
    ):
        if not chosen:
            continue
        given = [
            trader.scanner.inputs(d.pair, now)._replace(indicators=d.indicators, regime=d.regime)
            for d in chosen[:200]
        ]

        def work(given: Sequence[object] = given) -> None:
            for inputs in given:
                decide(inputs, context)  # type: ignore[arg-type]

        cost, ratio = per_call(work, len(given), max(3, runs))
        yield Row(f"deciding {name}", cost, "us", "", ratio, "tanh call")
