"""What a person is told of: events picked and worded for a channel."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.model.events import (
    BreakerChanged,
    EngineStateChanged,
    Event,
    MonitorReported,
    Noticed,
    PositionClosed,
    PositionOpened,
    Severity,
)

RANK = {level: rank for rank, level in enumerate(Severity)}
_NUMBERS = re.compile(r"\d+")


class Message(NamedTuple):
    """One notification. ``time`` in ms UTC (engine clock).

    Messages with the same ``key`` say the same thing again; an empty key never repeats.
    """

    time: int
    level: Severity
    topic: str
    text: str
    key: str = ""


def message_of(event: Event, text: str | None) -> Message | None:
    """Return what a person is told of an event, None for what only the records need.

    ``text`` is the event in words (``engine.narrative.describe``). Everything from a warning on
    is told, and beside it real trades, every move of the breaker, the strategy monitor and the
    engine's own state.
    """
    if text is None:
        return None
    level = event.severity
    match event:
        case BreakerChanged():
            moved = event.before is not event.after
            return Message(event.time, level, "breaker", text, "" if moved else _same(text))
        case PositionOpened(position=held):
            return None if held.shadow else Message(event.time, level, "trade", text)
        case PositionClosed(trade=trade):
            return None if trade.shadow else Message(event.time, level, "trade", text)
        case EngineStateChanged():
            return Message(event.time, level, "engine", text, text)
        case MonitorReported():
            return Message(event.time, level, "strategy", text, text)
    if level is Severity.INFO:
        return None
    topic = event.topic if isinstance(event, Noticed) else "orders"
    return Message(event.time, level, topic, text, _same(text))


def _same(text: str) -> str:
    """Return what stays the same when only figures differ."""
    return _NUMBERS.sub("#", text)
