"""The chat model port: text in, text streamed out. Every model the assistant uses is behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Role(StrEnum):
    """Who said something, in the words the ledger keeps."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the service counts them; 0 where it does not say."""

    prompt_tokens: int = 0
    answer_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens, self.answer_tokens + other.answer_tokens
        )


Chunk = TextDelta | Usage


class ChatModel(Protocol):
    """A model that answers in text. It is never given functions to call."""

    @property
    def name(self) -> str:
        """Return the model's name, as the pane shows it."""

    def stream(
        self,
        messages: Sequence[Message],
        *,
        system: str,
        json_schema: Mapping[str, Any] | None = None,
        deadline_s: float,
    ) -> AsyncIterator[Chunk]:
        """Stream the answer to the last message: text pieces, then one usage record.

        With ``json_schema`` the answer is JSON text. ``deadline_s`` bounds the whole answer (s).
        Raises a ``ChatError`` of ``engine.assistant.errors``, and nothing else but
        cancellation. Close the iterator to abandon the answer.
        """

    async def aclose(self) -> None:
        """Let go of connections. Twice is once."""
