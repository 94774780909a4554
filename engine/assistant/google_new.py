"""Gemini through google-genai: natively asynchronous; preferred when it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from google import genai
from google.genai import errors as api
from google.genai import types

from engine.assistant.errors import (
    ChatError,
    Dropped,
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

_LIST_S = 5.0
_LISTED = 100
_FAILED_TRANSPORTS = ("aiohttp", "httpx", "httpx2", "httpcore", "httpcore2")


class Gemini:
    """One model behind google-genai. ``url`` replaces the service's address."""

    sdk = "google-genai"

    def __init__(self, key: str, model: str, url: str = "", stall_s: float = STALL_S) -> None:
        self._model, self._stall_s = model, stall_s
        # Kept for as long as this object: a client that nobody refers to closes itself.
        self._client = genai.Client(
            api_key=key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=url or None,
                api_version="v1beta",  # as google-generativeai; v1 lacks some of the fields
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )

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
        config = types.GenerateContentConfig(
            system_instruction=system,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            http_options=types.HttpOptions(timeout=int(deadline_s * 1000)),
        )
        if json_schema is not None:
            config.response_mime_type = "application/json"
            config.response_schema = reduced(json_schema)
        contents: list[Any] = [
            types.Content(
                role="model" if m.role is Role.ASSISTANT else "user",
                parts=[types.Part(text=m.text)],
            )
            for m in messages
        ]
        return paced(self._answer(contents, config), deadline_s, self._stall_s)

    async def _answer(
        self, contents: list[Any], config: types.GenerateContentConfig
    ) -> AsyncGenerator[Chunk, None]:
        reading = AnswerReading()
        stream: Any = None
        try:
            stream = await self._client.aio.models.generate_content_stream(
                model=self._model, contents=contents, config=config
            )
            async for chunk in stream:
                if text := reading.read(chunk):
                    yield TextDelta(text)
        except Exception as error:  # noqa: BLE001 - every failure becomes a typed one
            failure = _typed(error, self._model)
            if isinstance(failure, UnknownModel):
                failure = UnknownModel(self._model, await self._models())
            raise failure from None
        finally:
            if stream is not None:
                await stream.aclose()
        yield reading.usage
        reading.finish()

    async def _models(self) -> list[str]:
        found: list[str] = []
        try:
            async with asyncio.timeout(_LIST_S):
                async for item in await self._client.aio.models.list():
                    found.append(str(item.name or "").removeprefix("models/"))
                    if len(found) == _LISTED:
                        break
        except Exception:  # noqa: BLE001, S110 - a courtesy: the answer is still "no such model"
            pass
        return found

    async def aclose(self) -> None:
        """Close the client's connections."""
        await self._client.aio.aclose()


def _typed(error: Exception, model: str) -> ChatError:
    """Return what an exception of the library, or of the transport below it, means."""
    if isinstance(error, ChatError):
        return error
    if isinstance(error, api.APIError):
        return from_status(int(error.code or 500), error.details, str(error.message), model)
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return Stalled(STALL_S)
    name = type(error).__name__
    if name in ("ClientPayloadError", "RemoteProtocolError", "ReadError", "IncompleteReadError"):
        return Dropped()
    if isinstance(error, OSError) or type(error).__module__.split(".")[0] in _FAILED_TRANSPORTS:
        return Unavailable("no connection.")
    return Malformed(name)
