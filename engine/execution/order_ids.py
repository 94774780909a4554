"""Client order ids: derived from the intent, so that the same intent can never have two."""

from __future__ import annotations

from engine.model.market import Pair
from engine.model.orders import OrderKind, Position

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LETTER = {OrderKind.ENTRY: "e", OrderKind.STOP: "s", OrderKind.TARGET: "t", OrderKind.EXIT: "x"}
MAX_LENGTH = 36  # what Binance accepts


def base36(number: int) -> str:
    """Return a non-negative number in base 36."""
    if number < 0:
        raise ValueError(f"{number} is negative")
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if number == 0:
            return digits


def entry_id(tag: str, pair: Pair, decided: int) -> str:
    """Return the id of the entry that a decision at ``decided`` (ms UTC) makes in a pair."""
    return _checked(f"sg{tag}-{pair.base}-{base36(decided)}-e")


def reducing_id(position: Position, kind: OrderKind, number: int) -> str:
    """Return the id of the ``number``-th order that guards or closes a position."""
    return _checked(f"{position.id}-{_LETTER[kind]}{base36(number)}")


def position_id(entry: str) -> str:
    """Return the id of the position that an entry order opens."""
    return entry.removesuffix("-e")


def _checked(identifier: str) -> str:
    if len(identifier) > MAX_LENGTH:
        raise ValueError(f"client order id {identifier} is longer than {MAX_LENGTH} characters")
    return identifier
