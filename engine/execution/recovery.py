"""Recovery: what became of the orders that an earlier run left open, asked of the venue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from engine.execution.book import Book
from engine.execution.desk import Sent
from engine.ledger.rows import Intent
from engine.model.orders import Fill, OrderState
from engine.venues.port import OrderReport, VenueError

KnownFills = Callable[[str, bool], Awaitable[Sequence[Fill]]]


async def resolve(book: Book, intents: Iterable[Intent], known: KnownFills) -> list[str]:
    """Ask the venue for every order whose end is not on record, and take in what it says.

    ``known`` returns the recorded fills of a client order id (and whether it is a shadow
    order): they are not applied again. An order the venue does not know never reached it, or
    is over; one the venue cannot answer for blocks its pair until it can. Returns a sentence
    for each order that was not as the records had it.
    """
    notes = []
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
        try:
            report = await book.desk.venue.find(sent.pair, sent.client_order_id)
        except VenueError as error:
            book.desk.unknown[sent.client_order_id] = sent
            book.desk.tell(sent, OrderState.UNKNOWN, f"after a restart: {error}")
            notes.append(f"{_name(sent)}: the venue does not answer ({error}); the pair is blocked")
            continue
        if report is not None and report.state is intent.state and not report.state.final:
            continue  # a stop or target that rests as it should
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
