"""Read a Gemini answer chunk by chunk. Both client libraries name these parts alike."""

from __future__ import annotations

from typing import Any

from engine.assistant.errors import Blocked, ChatError, Dropped, Empty, Malformed, Truncated
from engine.assistant.port import Usage

_BLOCKING = frozenset(
    ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY")
)


class AnswerReading:
    """Collects what a stream of chunks says about text, end and tokens."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._texts = 0
        self._end = ""
        self._blocked = ""

    def read(self, chunk: Any) -> str:
        """Return the text of a chunk ("" when it has none); thoughts are not part of it."""
        self._note_usage(getattr(chunk, "usage_metadata", None))
        reason = _name(getattr(getattr(chunk, "prompt_feedback", None), "block_reason", None))
        self._blocked = reason or self._blocked
        candidates = getattr(chunk, "candidates", None) or ()
        if not candidates:
            return ""
        first = candidates[0]
        self._end = _name(getattr(first, "finish_reason", None)) or self._end
        parts = getattr(getattr(first, "content", None), "parts", None) or ()
        text = "".join(
            str(getattr(part, "text", "") or "")
            for part in parts
            if not getattr(part, "thought", False)
        )
        self._texts += bool(text)
        return text

    def verdict(self) -> ChatError | None:
        """Return what is wrong with the answer, once its stream has ended; None when nothing is."""
        if self._blocked or self._end in _BLOCKING:
            return Blocked(self._blocked or self._end)
        if self._end == "MAX_TOKENS":
            return Truncated()
        if not self._texts:
            return Empty()
        if not self._end:
            return Dropped()
        return None if self._end == "STOP" else Malformed(f"it ended with {self._end}")

    def finish(self) -> None:
        """Raise what is wrong with the answer, once its stream has ended."""
        if (wrong := self.verdict()) is not None:
            raise wrong

    def _note_usage(self, usage: Any) -> None:
        prompt = int(getattr(usage, "prompt_token_count", 0) or 0)
        answer = int(getattr(usage, "candidates_token_count", 0) or 0)
        if prompt or answer:
            self.usage = Usage(prompt, answer)


def _name(value: Any) -> str:
    """Return an enum member's name, "" for none and for "unspecified"."""
    if value is None:
        return ""
    name = str(getattr(value, "name", value))
    return "" if name.endswith("_UNSPECIFIED") or name == "0" else name
