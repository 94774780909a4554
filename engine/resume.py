"""Resume: what a restart needs of the run before, and going on where that run ended."""

from __future__ import annotations

from decimal import Decimal
from heapq import merge
from typing import Any

from engine.execution import recovery
from engine.execution.desk import EVIDENCE_MS
from engine.ledger.store import Ledger
from engine.risk.track_record import TrackRecord
from engine.settings import SettingsError
from engine.trader import Trader
from engine.venues.simulated import SimulatedVenue

_SHADOW_TRADES = 100  # as many as a track record keeps


def dump(trader: Trader, venue: SimulatedVenue | None, now: int, *, clean: bool) -> dict[str, Any]:
    """Return what a restart needs, as JSON-able data; ``clean`` marks an orderly end.

    ``venue`` is the account's venue if it is simulated: an exchange remembers by itself.
    """
    return {
        "clock": now,
        "clean": clean,
        "breaker": trader.watch.breaker.state(),
        "equity": trader.equity.dump(),
        "best": {**trader.book.best_prices(), **trader.shadow_book.best_prices()},
        "venue": venue.snapshot() if venue is not None else None,
        "shadow_venue": trader.shadow_venue.snapshot(),
    }


async def track_record(ledger: Ledger, strategy: str) -> TrackRecord:
    """Return the record of a strategy's trades, real and shadow, in the order they closed.

    All its versions count. The order matters: real trades use up the evidence of the shadow
    trades before them.
    """
    real = await ledger.closed_trades(strategy=strategy)
    shadow = await ledger.closed_trades(_SHADOW_TRADES, shadow=True, strategy=strategy)
    return TrackRecord(merge(real, shadow, key=lambda trade: trade.exit_time))


async def take_up(
    trader: Trader,
    venue: SimulatedVenue | None,
    ledger: Ledger,
    left: dict[str, Any],
    now: int,
    equity: Decimal = Decimal(0),
) -> list[str]:
    """Give a trader the accounts, positions, marks and orders that a run has ``left``.

    ``equity`` (quote currency) is what positions that open only now are measured against.

    Orders whose end is not on record are asked for, and venue and ledger are compared: what
    does not agree raises the breaker. Returns what the operator should know, in sentences.
    Raises ``SettingsError`` for a position in a pair that is no longer traded.
    """
    try:
        if venue is not None:
            venue.restore(left["venue"])
        trader.shadow_venue.restore(left["shadow_venue"])
    except ValueError as error:
        raise SettingsError(
            f"the account cannot be taken up ({error}); start with the pairs it was left with, "
            "or choose another --home"
        ) from error
    trader.equity.load(left["equity"])
    notes: list[str] = []
    intents = await ledger.unresolved_intents()
    opener = recovery.Opener(trader.strategy.name, trader.strategy.version, equity)
    for book in (trader.book, trader.shadow_book):
        book.adopt(await ledger.open_positions(shadow=book.shadow), left.get("best"))
        simulated = book.shadow or venue is not None  # an exchange is reconciled later on
        patience_ms = 0 if simulated else EVIDENCE_MS  # a simulated venue is never late
        notes += await recovery.resolve(book, intents, ledger.fills, opener, patience_ms)
        found = await recovery.differences(book) if simulated else []
        if found and not book.shadow:
            trader.journal.extend(trader.watch.breaker.record_mismatch(True, now))
        notes += found
    trader.journal.extend(trader.watch.resume(now, trader.record, trader.limits))
    return notes
