"""A simulated week on the embedded market: every regime, every exit, and trades within minutes."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter
from decimal import Decimal

import pytest

from engine.assembly import assemble, paper_venue
from engine.backtest.runner import TradeJournal
from engine.clock import MarketClock
from engine.market.synthetic import SyntheticMarket
from engine.model.orders import ExitReason
from engine.model.signal import Regime
from engine.strategy import Strategy
from engine.trader import Trader
from tests.engine.live import BEGIN, HOUR, settings

WEEK = 7 * 24 * HOUR
MINUTE = 60_000
ALL = "BTC,ETH,SOL,BNB,XRP,ADA,DOGE,LTC"
EXITS = {
    ExitReason.STOP_LOSS,
    ExitReason.TAKE_PROFIT,
    ExitReason.TRAILING_STOP,
    ExitReason.BREAKEVEN,
    ExitReason.TIME_LIMIT,
    ExitReason.REGIME_CHANGE,
    ExitReason.REBALANCE,
    ExitReason.THESIS_INVALIDATED,
}


class Life:
    """A trader on the embedded market, unpaced, and what it went through."""

    def __init__(
        self, pairs: str = ALL, seed: int = 1, bar_ms: int = MINUTE, begin: int = BEGIN
    ) -> None:
        chosen = settings(allowed_symbols=pairs, default_symbol="BTC", warmup_candles=1_500)
        self.begin = begin
        self.market = SyntheticMarket(
            chosen.pairs, seed, begin, chosen.candle_ms, bar_ms, history_candles=1_600
        )
        self.clock = MarketClock()
        self.journal = TradeJournal()
        balance = Decimal(10_000)
        self.trader: Trader = assemble(
            pairs=self.market.pairs,
            candle_ms=self.market.candle_ms,
            strategy=Strategy(),
            limits=chosen.limits(),
            venue=paper_venue(self.market.pairs, balance),
            balance=balance,
            journal=self.journal,
            clock=self.clock,
        )
        self.trader.switches.started = True
        self.trader.scanner.seed(self.market.history())
        self.regimes: Counter[Regime] = Counter()
        self.naked = 0
        self._steps = self.market.steps()

    async def live(self, until: int, *, first_trade: bool = False) -> None:
        """Go on until an instant, or until a first trade has closed."""
        trader = self.trader
        for step in self._steps:
            if step.time > until or (first_trade and self.journal.trades):
                return
            self.clock.set(step.time)
            for decision in await trader.step(step):
                self.regimes[decision.regime.regime] += 1
            for book in (trader.book, trader.shadow_book):
                self.naked += sum(p.stop_order_id is None for p in book.positions.values())


@pytest.fixture(scope="module")
def week() -> Life:
    life = Life()
    asyncio.run(life.live(BEGIN + WEEK))
    return life


def test_every_regime_has_its_share_of_the_week(week: Life) -> None:
    total = week.regimes.total()
    assert total == 8 * 7 * 288
    assert week.regimes[Regime.UNKNOWN] == 0
    for regime in set(Regime) - {Regime.UNKNOWN}:
        assert week.regimes[regime] > 0.02 * total, week.regimes


def test_every_exit_occurs_within_the_week(week: Life) -> None:
    trades = week.journal.trades + week.journal.shadow_trades
    seen = Counter(trade.exit_reason for trade in trades)
    assert seen.keys() >= EXITS, seen
    assert ExitReason.PROTECTION_FAILED not in seen
    assert ExitReason.LIQUIDATION not in seen


def test_no_position_is_without_a_stop_between_steps(week: Life) -> None:
    assert week.naked == 0


def test_the_week_s_money_adds_up(week: Life) -> None:
    account = week.trader._simulated[0]._account
    open_costs = sum(
        p.realised_pnl - p.fees - p.funding for p in week.trader.book.positions.values()
    )
    assert account.balance == 10_000 + sum(t.pnl for t in week.journal.trades) + open_costs
    assert len({t.id for t in week.journal.trades}) == len(week.journal.trades)


def test_no_more_positions_are_open_than_allowed(week: Life) -> None:
    events = sorted(
        [(t.entry_time, 1) for t in week.journal.trades]
        + [(t.exit_time, -1) for t in week.journal.trades]
    )
    held = most = 0
    for _, change in events:
        held += change
        most = max(most, held)
    assert 1 < most <= week.trader.limits.max_open_positions


@pytest.mark.parametrize("hours", [0, 11, 25])
def test_a_first_trade_closes_within_two_minutes_at_speed_300(hours: int) -> None:
    life = Life(begin=BEGIN + hours * HOUR)
    asyncio.run(life.live(life.begin + 2 * MINUTE * 300, first_trade=True))
    assert life.journal.trades


def test_memory_does_not_grow_with_time() -> None:
    life = Life("BTC", bar_ms=5_000)
    day = 17_280 * 5_000  # 17,280 steps

    async def main() -> list[int]:
        await life.live(BEGIN + day)  # every bounded list is filled in the first day
        tracemalloc.start()
        try:
            sizes = []
            for part in range(2, 4):
                await life.live(BEGIN + part * day)
                life.journal.trades.clear()
                life.journal.shadow_trades.clear()
                sizes.append(tracemalloc.get_traced_memory()[0])
            return sizes
        finally:
            tracemalloc.stop()

    first, second = asyncio.run(main())
    assert second - first < 1_000_000, (first, second)
