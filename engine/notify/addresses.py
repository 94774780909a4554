"""Notification addresses: NOTIFY_URLS taken apart, checked and named without their secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
# A comma parts two addresses only where another one begins: many addresses contain commas.
_BETWEEN = re.compile(r"\s+|,+(?=\s|$|[a-zA-Z][a-zA-Z0-9+.-]*://)|,+\s+")
_PARTS = re.compile(r"[/:@?&=,#\s]+")
_SHORTEST_SECRET = 6


class AddressError(ValueError):
    """An entry of NOTIFY_URLS cannot be used; the message names it without its secrets."""


def split_addresses(text: str) -> tuple[str, ...]:
    """Return the addresses of a text, parted by white space or commas.

    Raises ``AddressError`` for an entry that is no address at all.
    """
    entries = tuple(part.strip(",") for part in _BETWEEN.split(text) if part.strip(","))
    for number, entry in enumerate(entries, 1):
        if _SCHEME.match(entry) is None:
            raise AddressError(
                f"entry {number} of {len(entries)} ({_hint(entry)}) is no address; one begins with "
                "its service, such as tgram://, discord://, mailto:// or json://"
            )
    return entries


def service(address: str) -> str:
    """Return what may be shown of an address: its service, e.g. ``tgram://***``."""
    found = _SCHEME.match(address)
    return f"{found[1].lower()}://***" if found else "***"


def secrets_of(addresses: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses and every part of them that may be a token, for the redactor.

    Host names stay readable; anything else of six characters or more counts as a token.
    """
    found: list[str] = []
    for address in addresses:
        found.append(address)
        _, _, rest = address.partition("://")
        parts = [part for part in _PARTS.split(rest) if len(part) >= _SHORTEST_SECRET]
        found += [part for part in parts if "." not in part and part != "localhost"]
    return tuple(dict.fromkeys(found))


def _hint(entry: str) -> str:
    return f"{entry[:2]}***" if len(entry) > 4 else "***"
