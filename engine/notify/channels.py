"""The channels outside: one address each, reached through apprise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from engine.model.events import Severity
from engine.notify.addresses import AddressError, service, split_addresses
from engine.notify.message import Message

_KIND = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "failure",
    Severity.EMERGENCY: "failure",
}


class DeliveryError(Exception):
    """A channel did not take a message; the sentence says why."""


class Channel(Protocol):
    """Carries messages somewhere; ``send`` may take its time and runs in a thread of its own."""

    @property
    def name(self) -> str:
        """Return how the channel is called on screen, without secrets."""

    def send(self, message: Message) -> None:
        """Deliver one message. Raises ``DeliveryError``."""


class AppriseChannel:
    """One address that apprise knows how to reach (https://github.com/caronc/apprise/wiki)."""

    def __init__(self, name: str, target: Any) -> None:
        self._name = name
        self._target = target

    @property
    def name(self) -> str:
        """Return the service and the place in NOTIFY_URLS, e.g. ``tgram://*** (1)``."""
        return self._name

    def send(self, message: Message) -> None:
        """Deliver one message; apprise bounds connecting and reading (4 s each by default)."""
        import apprise

        capture: Any = apprise.LogCapture
        with capture(level=logging.WARNING, fmt="%(message)s") as said:
            delivered = self._target.notify(
                title=title_of(message), body=message.text, notify_type=_KIND[message.level]
            )
            reason = " ".join(str(said.getvalue()).split())
        if not delivered:
            raise DeliveryError(reason or "the service did not take it")


def title_of(message: Message) -> str:
    """Return a message's headline, e.g. ``Sigma CRITICAL: breaker``."""
    loud = str(message.level).upper() if message.level is not Severity.INFO else "info"
    return f"Sigma {loud}: {message.topic}"


def open_channels(text: str) -> list[AppriseChannel]:
    """Return a channel for every address of NOTIFY_URLS; none for an empty text.

    Loads apprise. Raises ``AddressError`` naming the first entry that apprise cannot use.
    """
    addresses = split_addresses(text)
    if not addresses:
        return []
    import apprise

    apprise.logger.propagate = False  # each attempt's words are taken, told once and redacted
    return _opened(addresses, apprise.Apprise.instantiate)


def _opened(addresses: Sequence[str], instantiate: Callable[..., Any]) -> list[AppriseChannel]:
    channels = []
    for number, address in enumerate(addresses, 1):
        name = f"{service(address)} ({number})"
        target = instantiate(address, suppress_exceptions=True)
        if target is None:
            raise AddressError(
                f"entry {number} of {len(addresses)} ({service(address)}): not an address that "
                "apprise understands; docs/notifications.md shows the common ones"
            )
        channels.append(AppriseChannel(name, target))
    return channels
