"""Both client libraries against the loopback service."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterator

import pytest

from engine.assistant.port import ChatModel
from tests.gemini_server.server import GeminiServer

KEY = "AIzaSyTestKey-not-a-real-one-123456"
MODEL = "gemini-2.5-flash"


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server


@pytest.fixture(params=["google-generativeai", "google-genai"])
async def model(request: pytest.FixtureRequest, gemini: GeminiServer) -> AsyncIterator[ChatModel]:
    made: ChatModel
    if request.param == "google-genai":
        if importlib.util.find_spec("google.genai") is None:
            pytest.skip("google-genai is not installed (optional extra: assistant)")
        from engine.assistant.google_new import Gemini

        made = Gemini(KEY, MODEL, gemini.url, stall_s=0.4)
    else:
        from engine.assistant.google_legacy import LegacyGemini

        made = LegacyGemini(KEY, MODEL, gemini.url, stall_s=0.4)
    yield made
    await made.aclose()
