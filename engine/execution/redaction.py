"""Events without secrets: what a venue or a crash said is cleaned before anybody keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.model.events import CommandHandled, DecisionMade, Event

Redact = Callable[[str], str]
_TEXTS = ("detail", "reason", "cause")


def redacted(event: Event, redact: Redact) -> Event:
    """Return an event whose sentences hold no secret; the same one where there was none.

    Decisions are left alone: their sentences are made of our own figures.
    """
    if isinstance(event, DecisionMade):
        return event
    if isinstance(event, CommandHandled):
        return replace(
            event,
            command=_cleaned(event.command, redact),
            result=_cleaned(event.result, redact),
        )
    cleaned: Event = _cleaned(event, redact)
    return cleaned


def _cleaned(item: Any, redact: Redact) -> Any:
    changes = {}
    for name in _TEXTS:
        text = getattr(item, name, None)
        # Reasons may be words of the vocabulary (an enum), which hold nothing to hide.
        if type(text) is str and text and (clean := redact(text)) != text:
            changes[name] = clean
    return replace(item, **changes) if changes else item
