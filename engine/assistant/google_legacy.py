"""Gemini through google-generativeai: blocking, so it runs in a thread of its own.

End-of-life library: used for text and JSON only, over REST, without its retries (it would
retry a 503 for ten minutes).
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import requests

from engine.assistant.errors import (
    Blocked,
    ChatError,
    Dropped,
    Empty,
    Malformed,
    Stalled,
    Unavailable,
    UnknownModel,
    from_status,
)
from engine.assistant.pacing import STALL_S, paced
from engine.assistant.port import Chunk, Message, Role, TextDelta
from engine.assistant.reading import AnswerReading
from engine.assistant.schema import reduced

# Both announce their own end on import, to a terminal that belongs to somebody else.
warnings.filterwarnings("ignore", r"\s*(All support for|You are using a Python)", FutureWarning)
api: Any = import_module("google.api_core.exceptions")
genai: Any = import_module("google.generativeai")

_LIST_S = 5.0
_DONE = object()


class LegacyGemini:
    """One model behind google-generativeai. ``url`` replaces the service's address."""

    sdk = "google-generativeai"

    def __init__(self, key: str, model: str, url: str = "", stall_s: float = STALL_S) -> None:
        self._key, self._model, self._url, self._stall_s = key, model, url, stall_s

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self._model

    def stream(
        self,
        messages: Sequence[Message],
        *,
        system: str,
        json_schema: Mapping[str, Any] | None = None,
        deadline_s: float,
    ) -> AsyncIterator[Chunk]:
        """Stream the answer; see ``engine.assistant.port.ChatModel``."""
        config: dict[str, Any] = {}
        if json_schema is not None:
            config = {
                "response_mime_type": "application/json",
                "response_schema": reduced(json_schema),
            }
        contents = [
            {"role": "model" if m.role is Role.ASSISTANT else "user", "parts": [m.text]}
            for m in messages
        ]
        # Bounds every read of the socket, so that an abandoned thread ends by itself.
        silence = min(deadline_s, self._stall_s)

        def ask() -> Any:
            self._configure()
            model = genai.GenerativeModel(self._model, system_instruction=system)
            return model.generate_content(
                contents,
                generation_config=config or None,
                stream=True,
                request_options={"timeout": max(deadline_s, silence), "retry": None},
            )

        return paced(self._answer(ask), deadline_s, self._stall_s)

    async def _answer(self, ask: Callable[[], Any]) -> AsyncGenerator[Chunk, None]:
        reading = AnswerReading()
        worker = _Worker(ask, self._model)
        try:
            async for chunk in worker.chunks():
                if text := reading.read(chunk):
                    yield TextDelta(text)
        except UnknownModel:
            raise UnknownModel(self._model, await asyncio.to_thread(self._models)) from None
        finally:
            worker.abandon()
        yield reading.usage
        reading.finish()

    def _configure(self) -> None:
        """Point the library, whose configuration is global, at this model's service."""
        options = {"api_endpoint": self._url} if self._url else None
        genai.configure(api_key=self._key, transport="rest", client_options=options)

    def _models(self) -> list[str]:
        try:
            found = genai.list_models(request_options={"timeout": _LIST_S, "retry": None})
            return [m.name.removeprefix("models/") for m in found]
        except (api.GoogleAPIError, requests.RequestException, ValueError):
            return []  # the list is a courtesy: the answer is still "no such model"

    async def aclose(self) -> None:
        """Do nothing: connections end with their answers."""


class _Worker:
    """Runs one blocking stream in a daemon thread and hands its chunks to the event loop."""

    def __init__(self, ask: Callable[[], Any], model: str) -> None:
        self._ask, self._model = ask, model
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._abandoned = threading.Event()
        threading.Thread(target=self._run, name="gemini", daemon=True).start()

    async def chunks(self) -> AsyncIterator[Any]:
        """Yield the chunks. Raises the ``ChatError`` the stream ended with."""
        while (item := await self._queue.get()) is not _DONE:
            if isinstance(item, ChatError):
                raise item
            yield item

    def abandon(self) -> None:
        """Let the thread end at its next chunk or timeout."""
        self._abandoned.set()

    def _run(self) -> None:
        try:
            for chunk in self._ask():
                if self._abandoned.is_set():
                    return
                self._hand(chunk)
            self._hand(_DONE)
        except Exception as error:  # noqa: BLE001 - every failure becomes a typed one
            self._hand(_typed(error, self._model))

    def _hand(self, item: Any) -> None:
        if not self._abandoned.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)


def _typed(error: Exception, model: str) -> ChatError:
    """Return what an exception of the library means."""
    if isinstance(error, api.GoogleAPICallError):
        body: Any = None
        if error.response is not None:
            try:
                body = error.response.json()
            except ValueError:
                body = None  # an error page instead of JSON: the status says enough
        return from_status(int(error.code or 500), body, str(error.message), model)
    if isinstance(error, genai.types.BlockedPromptException):
        reading = AnswerReading()
        reading.read(error.args[0])
        return reading.verdict() or Blocked("prompt")
    if isinstance(error, StopIteration):
        return Empty()  # how the library reports a stream without a single chunk
    text = f"{error}"
    if isinstance(error, requests.Timeout) or "Read timed out" in text:
        return Stalled(STALL_S)
    if isinstance(error, requests.exceptions.ChunkedEncodingError) or "Unfinished stream" in text:
        return Dropped()
    if isinstance(error, (requests.RequestException, OSError)):
        return Unavailable("no connection.")
    if isinstance(error, api.GoogleAPIError):
        return Unavailable(text)
    return Malformed(type(error).__name__)
