"""The notifier: hears every event once it is durable and tells people of what matters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from engine.ledger.redact import Redactor
from engine.model.events import Event, Severity
from engine.notify.admission import Admission, Rules
from engine.notify.channels import Channel, DeliveryError
from engine.notify.message import Message, message_of
from engine.notify.outbox import RETRY_S, Outbox

_COCKPIT = Rules(most=200)
_BELL = Rules(least=Severity.CRITICAL, most=5, window_s=60.0)

Tally = tuple[str, str, int]


class Notifier:
    """Sends what matters to every channel; nothing here ever waits.

    ``keep`` takes what the cockpit's list shows (to be stored by whoever owns the ledger).
    ``rules`` hold for the channels outside; ``wall`` gives s since the epoch.
    """

    def __init__(
        self,
        channels: Iterable[Channel] = (),
        *,
        redact: Redactor,
        rules: Rules | None = None,
        keep: Callable[[Message], None] = lambda message: None,
        wall: Callable[[], float] = time.time,
        retries: tuple[float, ...] = RETRY_S,
    ) -> None:
        self.bells = 0  # how often the terminal should have rung so far
        self._redact = redact
        self._keep = keep
        self._wall = wall
        self._cockpit = Admission(_COCKPIT)
        self._bell = Admission(_BELL)
        self._outside = [
            (Admission(rules or Rules()), Outbox(channel, redact, retries=retries))
            for channel in channels
        ]

    def see(self, event: Event, text: str | None) -> None:
        """Take one event with its words; tell whom it concerns."""
        message = message_of(event, text)
        if message is not None:
            self.send(message)

    def send(self, message: Message) -> None:
        """Hand one message to every channel that admits it."""
        now = self._wall()
        message = message._replace(text=self._redact(message.text))
        if (kept := self._cockpit.admit(message, now)) is not None:
            self._keep(kept)
        if self._bell.admit(message, now) is not None:
            self.bells += 1
        for admission, outbox in self._outside:
            if (admitted := admission.admit(message, now)) is not None:
                outbox.offer(admitted)

    def overview(self) -> tuple[Tally, ...]:
        """Return (channel, state, messages that did not arrive) for the health screen."""
        rows = []
        for _, outbox in self._outside:
            found = outbox.delivery
            state = f"failing: {found.error}" if found.error else f"{found.sent} sent"
            rows.append((f"notify {outbox.channel.name}", state, found.failed + found.dropped))
        return tuple(rows)

    def close(self, timeout: float = 3.0) -> bool:
        """Give the last messages ``timeout`` s to arrive; return whether all were tried."""
        deadline = time.monotonic() + timeout
        closed = [o.close(max(0.0, deadline - time.monotonic())) for _, o in self._outside]
        return all(closed)


def try_channels(channels: Sequence[Channel], redact: Redactor, now: int) -> list[Tally]:
    """Send one test message over each channel, once; return (channel, problem or "", ms taken)."""
    message = Message(now, Severity.INFO, "test", "Notifications reach you here.")
    results = []
    for channel in channels:
        began = time.monotonic()
        problem = ""
        try:
            channel.send(message)
        except DeliveryError as error:
            problem = redact(str(error)) or "not delivered"
        results.append((channel.name, problem, int(1000 * (time.monotonic() - began))))
    return results
