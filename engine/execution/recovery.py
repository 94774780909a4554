"""Recovery: what became of the orders that an earlier run left open, asked of the venue.

An entry that was executed while nobody listened becomes the position it was meant to be: its
intent has all that guards it. What only the decision knew (regime, confidence, thesis) is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from engine.execution.book import Book, Ticket
from engine.execution.desk import Sent
from engine.ledger.rows import Intent
from engine.model.orders import Fill, OrderKind, OrderState
from engine.model.signal import Regime
from engine.risk.safety import approved_before
from engine.venues.port import OrderReport, VenueError

_LATE = (OrderKind.ENTRY, OrderKind.EXIT)  # a second stop is harmless, a second exit is not
KnownFills = Callable[[str, bool], Awaitable[Sequence[Fill]]]


class Opener(NamedTuple):
    """Whose an entry is that fills after a restart: strategy, its version, the account's equity."""

    strategy: str
    version: int
    equity: Decimal


async def resolve(
    book: Book,
    intents: Iterable[Intent],
    known: KnownFills,
    opener: Opener = Opener("recovered", 0, Decimal(0)),  # noqa: B008 - immutable
    patience_ms: int = 0,
) -> list[str]:
    """Ask the venue for every order whose end is not on record, and take in what it says.

    ``known`` returns the recorded fills of a client order id (and whether it is a shadow
    order): they are not applied again. An order the venue does not know never reached it, or
    is over; one the venue cannot answer for blocks its pair until it can, and so does an entry
    or exit younger than ``patience_ms``, which may still be on its way. Returns a sentence for
    each order that was not as the records had it.
    """
    notes = []
    now = book.desk.clock.now()
    for intent in intents:
        if intent.shadow is not book.shadow:
            continue
        sent = Sent(
            intent.client_order_id,
            intent.pair,
            intent.kind,
            intent.quantity,
            intent.trigger_price,
        )
        if sent.kind is OrderKind.ENTRY:
            book.expect(_ticket(intent, opener))
        try:
            report = await book.desk.venue.find(sent.pair, sent.client_order_id)
        except VenueError as error:
            book.desk.doubt(sent, intent.time, f"after a restart: {error}")
            notes.append(f"{_name(sent)}: the venue does not answer ({error}); the pair is blocked")
            continue
        if report is not None and report.state is intent.state and not report.state.final:
            continue  # a stop or target that rests as it should
        # A market that resumes where it left off may be younger than its last intent.
        young = patience_ms > 0 and now - intent.time < patience_ms
        if report is None and young and sent.kind in _LATE:
            book.desk.doubt(sent, intent.time, "after a restart: the venue does not know it yet")
            notes.append(f"{_name(sent)}: not known to the venue yet; the pair is blocked")
            continue
        if report is None:
            report = _gone(sent, intent.state)
        book.remember_fills(await known(sent.client_order_id, book.shadow))
        book.desk.told(report)
        await book.learn(sent, report)
        book.lost(report)
        notes.append(f"{_name(sent)}: {intent.state} when the last run ended, now {report.state}")
    return notes


async def differences(book: Book) -> list[str]:
    """Return in a sentence each where the venue's positions differ from the book's."""
    held = {position.pair: position for position in await book.desk.venue.positions()}
    notes = []
    for pair in sorted(held.keys() | book.positions.keys()):
        ours, theirs = book.positions.get(pair), held.get(pair)
        if ours and theirs and (ours.side, ours.quantity) == (theirs.side, theirs.quantity):
            continue
        mine = f"{ours.side} {ours.quantity:f}" if ours else "nothing"
        venue = f"{theirs.side} {theirs.quantity:f}" if theirs else "nothing"
        notes.append(f"{pair.base}: the ledger has {mine}, the venue {venue}")
    return notes


def _ticket(intent: Intent, opener: Opener) -> Ticket:
    """Return what the position of a recorded entry will need."""
    assert intent.reference_price is not None
    assert intent.stop_price is not None
    assert intent.target_price is not None
    order = approved_before(
        client_order_id=intent.client_order_id,
        pair=intent.pair,
        side=intent.side,
        quantity=intent.quantity,
        entry=intent.reference_price,
        stop=intent.stop_price,
        target=intent.target_price,
        leverage=intent.leverage or 1,
    )
    return Ticket(order, Regime.UNKNOWN, 0.0, *opener, thesis=())


def _gone(sent: Sent, state: OrderState) -> OrderReport:
    """Report an order that the venue does not know."""
    never = state in (OrderState.INTENT, OrderState.UNKNOWN)
    return OrderReport(
        sent.client_order_id,
        sent.pair,
        sent.kind,
        OrderState.REJECTED if never else OrderState.CANCELLED,
        sent.quantity,
        sent.quantity * 0,
        sent.trigger_price,
        detail="after a restart: " + ("it never reached the venue" if never else "it is gone"),
    )


def _name(sent: Sent) -> str:
    return f"{sent.pair.base} {sent.kind} order {sent.client_order_id}"
