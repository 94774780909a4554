"""With real money, shadow evidence re-opens exploration only at the operator's word."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from engine.assembly import assemble, paper_venue
from engine.backtest.runner import NoRecorder
from engine.clock import MarketClock
from engine.commander import Commander
from engine.execution.journal import Journal
from engine.model.commands import Outcome, Recover, Source
from engine.model.decision import SizingMethod
from engine.model.events import Event, Noticed
from engine.model.market import Pair
from engine.risk.sizing import risk_fraction
from engine.settings import Settings
from engine.strategy import Strategy
from engine.trader import Trader
from tests.risk.builders import trade

BTC = Pair.parse("BTC")


def live_limits() -> Settings:
    return Settings(
        _env_file=None,
        exchange="binance",
        trading_mode="live",
        binance_api_key="k",
        binance_api_secret="s",
    )


def assembled(told: list[Event]) -> tuple[Trader, MarketClock]:
    clock = MarketClock(1_750_000_000_000)
    trader = assemble(
        pairs=(BTC,),
        candle_ms=300_000,
        strategy=Strategy(),
        limits=live_limits().limits(),
        venue=paper_venue((BTC,), Decimal(10_000)),
        balance=Decimal(10_000),
        journal=Journal(NoRecorder(), told.extend),
        clock=clock,
    )
    return trader, clock


async def test_exploration_reopens_only_when_the_operator_recovers() -> None:
    told: list[Event] = []
    trader, clock = assembled(told)
    for _ in range(40):
        trader.closed(trade(-10))
    for _ in range(30):
        trader.closed(replace(trade(20), shadow=True))

    def method() -> SizingMethod:
        return risk_fraction(trader.record.edge(trader.limits), trader.limits)[0]

    assert method() is SizingMethod.NO_EDGE
    await trader.journal.flush()
    asked = [e for e in told if isinstance(e, Noticed) and e.topic == "expectancy"]
    assert len(asked) == 1

    commander = Commander(trader, clock, lambda why: None, None)
    result = await commander.handle(Recover(source=Source.KEY, reason="the shadows earned"))
    assert result.outcome is Outcome.DONE
    assert "re-opened" in result.detail
    assert method() is SizingMethod.SHADOW_REENTRY

    for _ in range(30):  # the evidence is used up by as many real trades
        trader.closed(trade(-10))
    assert method() is SizingMethod.NO_EDGE
    assert not trader.allow_reentry()
