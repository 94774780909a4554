"""What can go wrong between a question and its answer: a closed set, each with its sentence.

The sentence is what the pane shows. None of these concerns the engine: it trades on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from engine.assistant.text import one_line

_LISTED_MODELS = 12
_RETRY_IN = re.compile(r"retry in ([0-9.]+)\s*s", re.IGNORECASE)


class ChatError(Exception):
    """An answer that did not come; ``sentence`` says why and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NoKey(ChatError):
    """No key is set."""

    def __init__(self) -> None:
        super().__init__(
            "No Gemini key is set. Add GEMINI_API_KEY to .env or the environment and start again; "
            "slash commands such as /why BTC work without one."
        )


class NotInstalled(ChatError):
    """Neither client library can be imported."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"The Gemini library cannot be loaded ({one_line(detail, 120)}); install "
            "google-genai or google-generativeai."
        )


class BadKey(ChatError):
    """The service does not know the key."""

    def __init__(self) -> None:
        super().__init__("Gemini does not accept the key. Check GEMINI_API_KEY.")


class Forbidden(ChatError):
    """The key may not do this."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Gemini forbids it for this key or place: {_said(detail)}")


class UnknownModel(ChatError):
    """The model does not exist; ``models`` are those that do, as far as they could be listed."""

    def __init__(self, name: str, models: Iterable[str] = ()) -> None:
        self.models = tuple(models)
        known = ", ".join(self.models[:_LISTED_MODELS])
        more = (
            f" and {len(self.models) - _LISTED_MODELS} more" if self.models[_LISTED_MODELS:] else ""
        )
        choice = f" Set GEMINI_MODEL to one of: {known}{more}." if known else " Set GEMINI_MODEL."
        super().__init__(f"Gemini has no model named {one_line(name, 60)}.{choice}")


class Quota(ChatError):
    """Too many requests; ``retry_after`` in seconds, None where the service does not say."""

    def __init__(self, retry_after: float | None) -> None:
        self.retry_after = retry_after
        when = "later" if retry_after is None else f"in {retry_after:.0f} s"
        super().__init__(f"The Gemini quota is used up. Try again {when}.")


class Rejected(ChatError):
    """The service refused the request itself."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Gemini refused the request: {_said(detail)}")


class Unavailable(ChatError):
    """The service cannot be reached or is failing."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Gemini is not available: {_said(detail)} Try again with retry.")


class Blocked(ChatError):
    """A safety filter withheld the answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Gemini withheld the answer ({one_line(reason, 60)}). Ask differently.")


class Empty(ChatError):
    """The answer holds no text."""

    def __init__(self) -> None:
        super().__init__("Gemini gave an empty answer. Try again with retry.")


class Truncated(ChatError):
    """The answer was cut at a length limit; what came before it stands."""

    def __init__(self) -> None:
        super().__init__("The answer was cut at its length limit. Ask for less at a time.")


class Malformed(ChatError):
    """The answer cannot be read."""

    def __init__(self, detail: str = "") -> None:
        what = f" ({one_line(detail, 120)})" if detail else ""
        super().__init__(f"The answer cannot be read{what}. Try again with retry.")


class Dropped(ChatError):
    """The connection ended in the middle of the answer."""

    def __init__(self) -> None:
        super().__init__("The connection broke in the middle of the answer. Try again with retry.")


class Stalled(ChatError):
    """No answer, or no more of it, in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Nothing came from Gemini for {seconds:.3g} s. Try again with retry.")


class Cancelled(ChatError):
    """The operator stopped the answer."""

    def __init__(self) -> None:
        super().__init__("Stopped.")


def from_status(code: int, body: Any, message: str, model: str) -> ChatError:
    """Return the error an HTTP status means; ``body`` is its JSON (or anything).

    Follows the error table of the Gemini API: 400 with API_KEY_INVALID is a bad key, 429
    carries a RetryInfo.
    """
    error = _error_of(body)
    text = str(error.get("message") or message)
    reasons = json.dumps(error.get("details", ""), default=str)
    if code == 401 or "API_KEY_INVALID" in reasons or "API key not valid" in text:
        return BadKey()
    if code == 403 or error.get("status") == "FAILED_PRECONDITION":
        return Forbidden(text)
    if code == 404:
        return UnknownModel(model)
    if code == 429:
        return Quota(_retry_after(error, text))
    if code in (408, 504):
        return Unavailable("it ran out of time.")
    if code >= 500:
        return Unavailable(f"error {code}: {_said(text)}")
    return Rejected(f"error {code}: {text}")


def _error_of(body: Any) -> Mapping[str, Any]:
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error", body)
    return inner if isinstance(inner, Mapping) else {}


def _retry_after(error: Mapping[str, Any], text: str) -> float | None:
    details = error.get("details")
    for item in details if isinstance(details, list) else ():
        delay = item.get("retryDelay") if isinstance(item, Mapping) else None
        if isinstance(delay, str) and re.fullmatch(r"[0-9.]{1,12}s", delay):
            return float(delay[:-1])
    found = _RETRY_IN.search(text)
    return float(found.group(1).rstrip(".")) if found else None


def _said(text: str) -> str:
    line = one_line(text, 200)
    return line if line.endswith((".", "!", "?")) else f"{line}."
