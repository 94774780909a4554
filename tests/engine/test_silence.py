"""A market that falls silent while a position is open raises the breaker, candles or not."""

from __future__ import annotations

from decimal import Decimal

from engine.assembly import assemble, paper_venue
from engine.backtest.runner import TradeJournal
from engine.clock import MarketClock
from engine.market.synthetic import SyntheticMarket
from engine.model.commands import Level
from engine.model.market import MarketStep, Pair
from engine.risk.limits import RiskLimits
from engine.strategy import Strategy

PAIRS = tuple(Pair.parse(base) for base in ("BTC", "ETH", "SOL", "DOGE"))
START = 1_750_000_200_000


async def test_silence_with_a_position_open_halts() -> None:
    market = SyntheticMarket(PAIRS, 1, START, bar_ms=60_000, history_candles=1_600)
    clock, journal, balance = MarketClock(), TradeJournal(), Decimal(10_000)
    trader = assemble(
        pairs=PAIRS,
        candle_ms=market.candle_ms,
        strategy=Strategy(),
        limits=RiskLimits(),
        venue=paper_venue(PAIRS, balance),
        balance=balance,
        journal=journal,
        clock=clock,
    )
    trader.switches.started = True
    trader.scanner.seed(market.history())
    for step in market.steps():
        clock.set(step.time)
        await trader.step(step)
        if trader.book.positions:
            break
    assert trader.watch.level is Level.CLOSED

    quiet = clock.now()
    for seconds in range(5, 305, 5):  # the engine goes on looking, the market says nothing
        clock.set(quiet + 1_000 * seconds)
        await trader.step(MarketStep(clock.now(), {}, {}))
    assert trader.watch.level is Level.HALT
    assert "no price for 300 s" in trader.watch.breaker.view(clock.now()).cause
    assert trader.book.positions  # an exit was never the breaker's business
