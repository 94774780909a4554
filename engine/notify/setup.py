"""The notifier that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.ledger.redact import Redactor
from engine.model.events import Severity
from engine.notify.addresses import AddressError
from engine.notify.admission import Rules
from engine.notify.channels import AppriseChannel, open_channels
from engine.notify.message import Message
from engine.notify.notifier import Notifier
from engine.notify.quiet import QuietHours
from engine.settings import Settings, SettingsError


def channels_of(settings: Settings) -> list[AppriseChannel]:
    """Return the channels of NOTIFY_URLS. Loads apprise where there is one.

    Raises ``SettingsError`` naming an entry that cannot be used, without its secrets.
    """
    try:
        return open_channels(settings.notify_urls.get_secret_value())
    except AddressError as error:
        raise SettingsError(f"NOTIFY_URLS: {error}") from None


def notifier_of(
    settings: Settings, channels: Sequence[AppriseChannel], keep: Callable[[Message], None]
) -> Notifier:
    """Return a notifier over channels, under the settings' level and quiet hours."""
    rules = Rules(Severity(settings.notify_level), QuietHours.parse(settings.quiet_hours))
    return Notifier(channels, redact=Redactor(settings.secrets()), rules=rules, keep=keep)
