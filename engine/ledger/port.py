"""The recorder port: the engine's only way to make something durable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.model.events import Event
from engine.model.orders import ApprovedOrder, ReduceOrder


class RecordError(Exception):
    """Something could not be written; the breaker halts on it."""


class Recorder(Protocol):
    """Writes intents before orders leave, and events before anyone sees them."""

    async def intend(
        self, order: ApprovedOrder | ReduceOrder, time: int, *, shadow: bool = False
    ) -> None:
        """Make an intent durable. Raises ``RecordError``: then the order must not leave."""

    async def record(self, events: Sequence[Event]) -> None:
        """Make events durable, in order. Raises ``RecordError``."""
