"""One contract, two client libraries, the real ones, against the loopback service."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from engine.assistant import errors
from engine.assistant.port import ChatModel, Message, Role, TextDelta, Usage
from tests.assistant.conftest import KEY, MODEL
from tests.gemini_server import server as reply
from tests.gemini_server.server import GeminiServer

ASKED = (Message(Role.USER, "why not SOL?"),)


async def ask(
    model: ChatModel, messages: tuple[Message, ...] = ASKED, **options: object
) -> tuple[str, list[Usage]]:
    texts, usages = [], []
    settings = {"system": "be brief", "deadline_s": 5.0} | options
    async for chunk in model.stream(messages, **settings):  # type: ignore[arg-type]
        if isinstance(chunk, TextDelta):
            texts.append(chunk.text)
        else:
            usages.append(chunk)
    return "|".join(texts), usages


async def test_streams_text_then_usage(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.text("Because ", "the edge ", "is **thin** — “no”."))
    text, usages = await ask(model)
    assert text == "Because |the edge |is **thin** — “no”."
    assert usages == [Usage(12, 5)]


async def test_pieces_arrive_as_they_are_sent(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.stalled("first", "second"))  # google-generativeai reads one piece ahead
    stream = model.stream(ASKED, system="s", deadline_s=5)
    assert await anext(stream) == TextDelta("first")  # while the answer is far from finished
    await stream.aclose()  # type: ignore[attr-defined]


async def test_sends_conversation_system_text_and_key(
    model: ChatModel, gemini: GeminiServer
) -> None:
    gemini.plan(reply.text("yes"))
    turns = (
        Message(Role.USER, "one"),
        Message(Role.ASSISTANT, "two"),
        Message(Role.USER, "three"),
    )
    await ask(model, turns, system="you are careful")
    sent = gemini.requests[0]
    assert [c["role"] for c in sent.body["contents"]] == ["user", "model", "user"]
    assert sent.last_text == "three"
    assert sent.system == "you are careful"
    assert sent.key == KEY
    assert KEY not in sent.path
    assert f"models/{MODEL}:streamGenerateContent" in sent.path
    assert "tools" not in sent.body


async def test_asks_for_json_by_schema(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.text('{"a": ', "1}"))
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "required": ["a"],
        "$defs": {"A": {"type": "number", "minimum": 0, "description": "the a"}},
    }
    text, _ = await ask(model, json_schema=schema)
    assert json.loads(text.replace("|", "")) == {"a": 1}
    config = gemini.requests[0].body["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert "a" in config["responseSchema"]["properties"]


@pytest.mark.parametrize(
    ("planned", "kind"),
    [
        (reply.bad_key(), errors.BadKey),
        (reply.status(403, "denied", "PERMISSION_DENIED"), errors.Forbidden),
        (
            reply.status(400, "User location is not supported", "FAILED_PRECONDITION"),
            errors.Forbidden,
        ),
        (reply.status(400, "contents is not set", "INVALID_ARGUMENT"), errors.Rejected),
        (reply.status(404, "models/x is not found", "NOT_FOUND"), errors.UnknownModel),
        (reply.quota(), errors.Quota),
        (reply.status(500, "oops", "INTERNAL"), errors.Unavailable),
        (reply.status(503, "overloaded", "UNAVAILABLE"), errors.Unavailable),
        (reply.status(504, "deadline", "DEADLINE_EXCEEDED"), errors.Unavailable),
        (reply.page(502), errors.Unavailable),
        (reply.blocked_prompt(), errors.Blocked),
        (reply.blocked_answer(), errors.Blocked),
        (reply.empty(), errors.Empty),
        (reply.objects(), errors.Empty),
        (reply.text("cut", end="MAX_TOKENS"), errors.Truncated),
        (reply.text("odd", end="OTHER"), errors.Malformed),
        (reply.text("no end", end=""), errors.Dropped),
        (reply.malformed(), errors.Malformed),
        (reply.dropped("half"), errors.Dropped),
        (reply.stalled(), errors.Stalled),
        (reply.stalled("half"), errors.Stalled),
    ],
)
async def test_every_fault_has_its_type(
    model: ChatModel, gemini: GeminiServer, planned: reply.Reply, kind: type[errors.ChatError]
) -> None:
    gemini.plan(planned)
    with pytest.raises(errors.ChatError) as caught:
        await ask(model, deadline_s=0.6 if kind is errors.Stalled else 5.0)
    assert type(caught.value) is kind
    assert len(gemini.requests) == 1  # nothing is asked twice behind the operator's back
    assert caught.value.sentence
    assert KEY not in caught.value.sentence


async def test_unauthenticated_is_a_bad_key(model: ChatModel, gemini: GeminiServer) -> None:
    refusal = reply.status(401, "who are you", "UNAUTHENTICATED")
    gemini.plan(refusal, refusal, refusal)  # google-auth asks again after a 401
    with pytest.raises(errors.BadKey):
        await ask(model)


async def test_text_before_a_fault_is_not_lost(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.dropped("half an ", "answer"))
    got = []

    async def listen() -> None:
        async for chunk in model.stream(ASKED, system="s", deadline_s=5):
            got.append(chunk)

    with pytest.raises(errors.Dropped):
        await listen()
    assert "".join(c.text for c in got if isinstance(c, TextDelta)) == "half an answer"


async def test_unknown_model_names_those_there_are(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.status(404, "models/x is not found", "NOT_FOUND"))
    with pytest.raises(errors.UnknownModel) as caught:
        await ask(model)
    assert caught.value.models == reply.MODELS
    assert "gemini-2.5-pro" in caught.value.sentence


async def test_quota_says_when(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.quota("17s"))
    with pytest.raises(errors.Quota) as caught:
        await ask(model)
    assert caught.value.retry_after == 17.0
    assert "17 s" in caught.value.sentence


async def test_nobody_listening(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.__exit__()
    with pytest.raises(errors.Unavailable):
        await ask(model)


async def test_cancelling_lets_go_at_once(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.stalled("first", "second"), reply.text("second answer"))
    started = asyncio.Event()

    async def listen() -> None:
        async for _ in model.stream(ASKED, system="s", deadline_s=30):
            started.set()

    task = asyncio.create_task(listen())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    text, _ = await ask(model)  # the model is as good as new
    assert text == "second answer"


async def test_no_key_in_any_log(
    model: ChatModel, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gemini.plan(reply.text("fine"), reply.bad_key())
    await ask(model)
    with pytest.raises(errors.BadKey):
        await ask(model)
    assert KEY not in caplog.text
