"""A model that answers from a script, and a conversation around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from engine.assistant.errors import ChatError
from engine.assistant.history import NoHistory
from engine.assistant.port import Chunk, Message, TextDelta, Usage
from engine.assistant.session import ChatSession, Done, Drafted, Failed, Update
from engine.assistant.sight import SnapshotSight
from engine.ledger.redact import Redactor
from engine.model.snapshot import Snapshot

SECRETS = ("AIzaSyTestKey-not-a-real-one-123456", "binance-secret-9876543210")


class ScriptedModel:
    """Answers in turn: a string (streamed in pieces of ``step``), an error, or None for never."""

    name = "scripted"

    def __init__(self, *answers: str | ChatError | None, step: int = 7) -> None:
        self._answers = list(answers)
        self._step = step
        self.asked: list[list[Message]] = []
        self.systems: list[str] = []
        self.closed = 0

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        system: str,
        json_schema: Mapping[str, Any] | None = None,
        deadline_s: float,
    ) -> AsyncIterator[Chunk]:
        self.asked.append(list(messages))
        self.systems.append(system)
        answer = self._answers.pop(0)
        try:
            if answer is None:
                yield TextDelta("I begin")
                await asyncio.Event().wait()
            if isinstance(answer, ChatError):
                raise answer
            assert answer is not None
            for start in range(0, len(answer), self._step):
                yield TextDelta(answer[start : start + self._step])
                await asyncio.sleep(0)
            yield Usage(100, len(answer))
        finally:
            self.closed += 1

    async def aclose(self) -> None:
        pass


def conversation(
    model: Any, picture: Snapshot | None, history: Any = None, **options: Any
) -> ChatSession:
    def opened() -> Any:
        if isinstance(model, Exception):
            raise model
        return model

    sight = SnapshotSight(lambda: picture, Redactor(SECRETS))
    return ChatSession(opened, sight, history or NoHistory(), Redactor(SECRETS), **options)


async def ask(session: ChatSession, text: str) -> list[Update]:
    return [update async for update in session.ask(text)]


def last(updates: list[Update]) -> Done | Failed:
    end = updates[-1]
    assert isinstance(end, (Done, Failed))
    return end


def drafts(updates: list[Update]) -> list[Drafted]:
    return [item for item in updates if isinstance(item, Drafted)]
