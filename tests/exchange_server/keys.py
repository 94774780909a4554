"""API keys and what each of them may do; signatures and timestamps of signed requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from tests.exchange_server.errors import ApiError

FUTURE_TOLERANCE_MS = 1000
DEFAULT_WINDOW_MS = 5000


@dataclass(slots=True)
class ApiKey:
    """A key with its permissions; ``ip_allowed`` False = the request comes from a wrong address."""

    key: str = "test-key"
    secret: str = "test-secret"
    passphrase: str = "test-pass"
    futures: bool = True
    withdraw: bool = False
    ip_allowed: bool = True
    ip_restricted: bool = True


def check_key(keys: dict[str, ApiKey], name: str | None) -> ApiKey:
    """Return the key; -2014 for none, -2015 for an unknown one, a wrong address or no futures."""
    if not name:
        raise ApiError(-2014)
    key = keys.get(name)
    if key is None or not key.ip_allowed:
        raise ApiError(-2015)
    return key


def check_signature(key: ApiKey, query: str, body: str) -> None:
    """Check the HMAC-SHA256 over query and body, the signature itself taken out; -1022."""
    signed: list[str] = []
    given = ""
    for part in (query + body if not (query and body) else f"{query}&{body}").split("&"):
        name, _, value = part.partition("=")
        if name == "signature":
            given = value
        else:
            signed.append(part)
    text = "&".join(signed).encode()
    expected = hmac.new(key.secret.encode(), text, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, given):
        raise ApiError(-1022)


def check_time(params: dict[str, str], now: int) -> None:
    """Raise -1021 when the timestamp is ahead of the server or older than recvWindow."""
    try:
        stamp = int(params["timestamp"])
    except (KeyError, ValueError):
        raise ApiError(-1102, "Mandatory parameter 'timestamp' was not sent.") from None
    window = int(params.get("recvWindow", DEFAULT_WINDOW_MS))
    if stamp > now + FUTURE_TOLERANCE_MS:
        text = "Timestamp for this request was 1000ms ahead of the server's time."
        raise ApiError(-1021, text)
    if stamp < now - window:
        raise ApiError(-1021)


def passphrase_signature(secret: str, text: str) -> str:
    """Return the base64 HMAC-SHA256 that the WEEX dialect signs with."""
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
