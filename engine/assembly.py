"""Assembly: the one place where a trader is put together, whatever it trades on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.clock import Clock
from engine.execution.book import Book
from engine.execution.desk import OrderDesk
from engine.execution.journal import Journal
from engine.model.market import Pair
from engine.protection.breaker import CircuitBreaker
from engine.protection.watch import Watch
from engine.risk.limits import RiskLimits
from engine.risk.track_record import TrackRecord
from engine.scanner import Pipeline, Scanner
from engine.strategy import Strategy
from engine.trader import Trader
from engine.venues.instruments import simulated_instruments
from engine.venues.port import Venue
from engine.venues.simulated import SimulatedVenue

SHADOW_WEALTH = 1_000


def paper_venue(
    pairs: Sequence[Pair],
    balance: Decimal,
    funding_rates: Mapping[Pair, Sequence[tuple[int, Decimal]]] | None = None,
) -> SimulatedVenue:
    """Return a simulated account with the trading rules of the pairs."""
    return SimulatedVenue(simulated_instruments(pairs), balance, funding_rates=funding_rates)


def assemble(
    *,
    pairs: Sequence[Pair],
    candle_ms: int,
    strategy: Strategy,
    limits: RiskLimits,
    venue: Venue,
    balance: Decimal,
    journal: Journal,
    clock: Clock,
    breaker: CircuitBreaker | None = None,
    record: TrackRecord | None = None,
    tag: str = "",
    pipelines: Mapping[Pair, Pipeline] | None = None,
) -> Trader:
    """Put a trader together on a venue; its shadow trades always run on a simulated one.

    ``balance`` (quote currency) is what the account starts with; ``tag`` marks client
    order ids of this account. ``pipelines`` replace the indicator streams by something equal.
    """
    instruments = venue.instruments
    # Shadow trades are sized from the real equity and judged in R: their own account must
    # never be what stops them, however long it has been losing.
    shadow_venue = SimulatedVenue(instruments, balance * SHADOW_WEALTH, name="shadow")
    breaker = breaker or CircuitBreaker(throttled_confidence=limits.throttled_confidence)
    watch = Watch(breaker, clock, candle_ms)
    record = record or TrackRecord()
    simulated = [shadow_venue]
    if isinstance(venue, SimulatedVenue):
        simulated.insert(0, venue)
    book = Book(OrderDesk(venue, journal, clock, watch, shadow=False), journal, clock)
    shadow_book = Book(
        OrderDesk(shadow_venue, journal, clock, None, shadow=True), journal, clock, shadow=True
    )
    trader = Trader(
        scanner=Scanner(pairs, candle_ms, instruments, pipelines),
        book=book,
        shadow_book=shadow_book,
        simulated=simulated,
        journal=journal,
        clock=clock,
        watch=watch,
        record=record,
        strategy=strategy,
        limits=limits,
        instruments=instruments,
        tag=tag,
    )
    return trader
