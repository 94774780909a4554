"""Split a streamed answer into what is shown and what is a request in JSON.

The model answers in Markdown. A reply that is one JSON object asks for facts
(``{"need": [...]}``); fenced ``sigma`` blocks hold drafts. Neither is shown as text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from engine.assistant.text import MAX_ANSWER, inert_markdown, printable

FENCE = "```sigma"
_MAX_DRAFTS = 3
_MAX_BLOCK = 66_000  # characters of one JSON block: a strategy has at most 64 kB
_BLOCK = re.compile(r"```sigma[^\S\n]*\n(.*?)(?:\n[^\S\n]*```|\Z)", re.DOTALL)
_WRAPPED = re.compile(r"\A```(?:json|sigma)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
_LOOKED_AT = 1_000  # characters in which an answer shows whether it is JSON
_OPENINGS = ("{", "```json", FENCE)


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer: its text, the facts it needs, its drafts, and what could not be read."""

    text: str
    need: tuple[str, ...] | None
    drafts: tuple[dict[str, Any], ...]
    problems: tuple[str, ...]
    too_long: bool


class ReplyReader:
    """Feed it pieces of an answer; it returns what may be shown at once."""

    def __init__(self) -> None:
        self._whole = ""
        self._shown = 0
        self._fenced = False
        self._is_text = False
        self.too_long = False

    def feed(self, piece: str) -> str:
        """Take the next piece; return the text that may be shown now (clean, "" often)."""
        room = MAX_ANSWER + _MAX_BLOCK - len(self._whole)
        self.too_long = self.too_long or len(piece) > room
        self._whole += piece[: max(0, room)]
        if self._may_be_json() or self._fenced:
            return ""
        end = self._whole.find(FENCE, self._shown)
        if end >= 0:
            self._fenced = True  # nothing after a draft is shown before the answer is whole
        else:
            end = len(self._whole) - _fence_begun(self._whole)
        fresh = self._whole[self._shown : end] if end > self._shown else ""
        if self._shown + len(fresh) > MAX_ANSWER:
            fresh, self.too_long = fresh[: max(0, MAX_ANSWER - self._shown)], True
        self._shown += len(fresh)
        return printable(fresh)

    def finish(self) -> Reply:
        """Return the whole answer, taken apart."""
        alone = _alone(self._whole)
        if alone is not None:
            return self._request(alone)
        drafts: list[dict[str, Any]] = []
        problems: list[str] = []
        for block in _BLOCK.findall(self._whole):
            value = read_object(block)
            if value is None:
                problems.append("a draft in the answer is not readable JSON; it was left out")
            elif len(drafts) == _MAX_DRAFTS:
                problems.append(
                    f"more than {_MAX_DRAFTS} drafts in one answer; the rest was left out"
                )
                break
            else:
                drafts.append(value)
        text = inert_markdown(_BLOCK.sub("", self._whole)).strip()
        return Reply(text, None, tuple(drafts), tuple(problems), self.too_long)

    def _request(self, text: str) -> Reply:
        """Read an answer that is one JSON object and nothing else."""
        value = read_object(text)
        if value is not None and "need" in value:
            need = value["need"]
            names = [str(item) for item in need] if isinstance(need, list) else [str(need)]
            return Reply("", tuple(names), (), (), self.too_long)
        if value is not None and "draft" in value:
            return Reply("", None, (value,), (), self.too_long)
        if value is None and ('"need"' in text or '"draft"' in text):
            return Reply("", None, (), ("the answer is not readable JSON",), self.too_long)
        return Reply(inert_markdown(f"```json\n{text}\n```"), None, (), (), self.too_long)

    def _may_be_json(self) -> bool:
        """Return whether the answer so far could still be one JSON object: hold it back."""
        if not self._is_text:
            start = self._whole[:_LOOKED_AT].lstrip()
            possible = any(start.startswith(o) or o.startswith(start) for o in _OPENINGS)
            self._is_text = not possible
        return not self._is_text


def read_object(text: str) -> dict[str, Any] | None:
    """Return a JSON object, None for anything else, over-long or over-deep text included."""
    if len(text) > _MAX_BLOCK:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _alone(text: str) -> str | None:
    """Return the answer's JSON when it is nothing but one object, fenced or not."""
    stripped = text.strip()
    if len(stripped) <= _MAX_BLOCK and (wrapped := _WRAPPED.match(stripped)):
        inner = str(wrapped.group(1)).strip()
        return inner if inner.startswith("{") and "```" not in inner else None
    return stripped if stripped.startswith("{") else None


def _fence_begun(text: str) -> int:
    """Return how many characters at the end could be the beginning of a draft's fence."""
    return next((n for n in range(len(FENCE) - 1, 0, -1) if text.endswith(FENCE[:n])), 0)
