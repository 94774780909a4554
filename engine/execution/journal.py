"""The journal: events gather here, become durable, and only then are told to anyone."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from engine.decision import Context
from engine.execution.redaction import Redact, redacted
from engine.ledger.port import Recorder, RecordError
from engine.model.decision import Decision
from engine.model.events import DecisionMade, Event

_KEPT_UNWRITTEN = 10_000
_log = logging.getLogger(__name__)


class Journal:
    """Durable first: ``flush`` records the gathered events, then publishes them.

    When recording fails, the events are still told (the operator must see them) and kept to
    be written first once recording works again; ``failing`` is what the breaker watches.
    """

    def __init__(
        self,
        recorder: Recorder,
        publish: Callable[[Sequence[Event]], None],
        redact: Redact = str,
    ) -> None:
        self.recorder = recorder
        self._redact = redact
        self.failing = False
        self._publish = publish
        self._pending: list[Event] = []
        self._unwritten: deque[Event] = deque(maxlen=_KEPT_UNWRITTEN)

    @property
    def pending(self) -> bool:
        """Return whether events wait for a flush, or for records that can be written again."""
        return bool(self._pending or self._unwritten)

    def emit(self, event: Event) -> None:
        """Gather one event, its sentences without secrets."""
        self._pending.append(redacted(event, self._redact))

    def extend(self, events: Iterable[Event]) -> None:
        """Gather several events, their sentences without secrets."""
        self._pending.extend(redacted(event, self._redact) for event in events)

    def decided(
        self, decisions: Sequence[Decision], now: int, context: Context | None = None
    ) -> None:
        """Gather the decisions of one pass, with what they were made from."""
        self._pending.extend(
            DecisionMade(time=now, decision=decision, context=context) for decision in decisions
        )

    async def flush(self) -> None:
        """Record and publish what has gathered."""
        if not self._pending and not self._unwritten:
            return
        events, self._pending = self._pending, []
        batch = [*self._unwritten, *events]
        try:
            await self.recorder.record(batch)
        except Exception as error:  # noqa: BLE001 - whatever stops recording is a HALT, no loss
            if not self.failing:
                unforeseen = None if isinstance(error, RecordError) else error
                _log.error("records cannot be written: %s", error, exc_info=unforeseen)
            self.failing = True
            self._unwritten.extend(events)
        else:
            self.failing = False
            self._unwritten.clear()
        if events:
            self._publish(events)
