"""Redaction: no key, signature or passphrase survives in a text that leaves the program."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST_SECRET = 4  # anything shorter would blot out ordinary words

# What names a secret: in a query string, a header, a dictionary's text or JSON.
_NAMES = (
    r"signature|listen[_-]?key|api[_-]?key|x-mbx-apikey|x-goog-api-key|api[_-]?secret"
    r"|access[_-](?:key|sign|passphrase|token)|secret(?:[_-]?key)?|pass(?:phrase|word)|auth[_-]?token"
)
_NAMED = re.compile(
    rf"""((?<![a-z])["']?\b(?:[a-z]+[_-])?(?:{_NAMES})["']?\s*[:=]\s*)   # name and separator
         (?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&"'<>(){{}}\[\]]+)  # quoted or bare value""",
    re.IGNORECASE | re.VERBOSE,
)
_QUERY_KEY = re.compile(r"([?&](?:key|token)=)[^&\s\"'<>]+", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"""(\bauthorization["']?\s*[:=]\s*["']?)(?:(?:bearer|basic|token)\s+)?[^\s,;"'<>]+""",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+(?=@)", re.IGNORECASE)
_BOT = re.compile(r"\bbot\d{6,}:[\w-]{20,}")


class Redactor:
    """Replace secrets in a text by ``***``: the known ones, and what looks like one by its name.

    ``secrets`` are the values themselves (key, secret, passphrase, notification URL); they are
    found as they are and URL-encoded. Values under four characters are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        forms = {
            form for secret in known for form in (secret, quote(secret, ""), quote_plus(secret))
        }
        longest_first = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets; applying it twice changes nothing more."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
        text = _NAMED.sub(rf"\1{MASK}", text)
        text = _QUERY_KEY.sub(rf"\1{MASK}", text)
        text = _USER_INFO.sub(rf"\1{MASK}", text)
        return _BOT.sub(f"bot{MASK}", text)
