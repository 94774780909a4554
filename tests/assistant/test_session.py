"""A conversation: streaming, facts, drafts, failures, stopping, history."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.assistant import errors
from engine.assistant.drafts import DraftRefused, confirm, still_valid
from engine.assistant.history import LedgerHistory, NoHistory
from engine.assistant.port import ChatModel, Role
from engine.assistant.session import ChatSession, Delta, Done, Failed, Note, Sent
from engine.assistant.sight import RemoteSight, SnapshotSight, serve
from engine.ledger.redact import Redactor
from engine.ledger.store import Ledger
from engine.model.commands import ClosePosition, Source
from tests.assistant.conftest import KEY
from tests.assistant.scripted import SECRETS, ScriptedModel, ask, conversation, drafts, last
from tests.cockpit.sample import snapshot
from tests.gemini_server import server as reply
from tests.gemini_server.server import GeminiServer

PICTURE = snapshot()


async def test_a_plain_answer() -> None:
    model = ScriptedModel("SOL was **blocked** by `costs`.")
    updates = await ask(conversation(model, PICTURE), "why not SOL?")
    assert isinstance(updates[0], Sent)
    assert updates[0].summary.startswith("sent: ")
    shown = "".join(u.text for u in updates if isinstance(u, Delta))
    done = last(updates)
    assert isinstance(done, Done)
    assert shown == done.text == "SOL was **blocked** by `costs`."
    assert done.usage.prompt_tokens == 100
    assert 0 < done.first_s <= done.total_s
    assert done.model == "scripted"
    assert '"breaker"' in model.asked[0][-1].text


async def test_facts_are_handed_out_by_name() -> None:
    model = ScriptedModel('{"need": ["trace:BTC", "trades:2", "keys"]}', "BTC waits.", step=5)
    updates = await ask(conversation(model, PICTURE), "why BTC?")
    assert last(updates).text == "BTC waits."
    assert "".join(u.text for u in updates if isinstance(u, Delta)) == "BTC waits."
    handed = model.asked[1][-1].text
    body = json.loads(handed.split("\n")[1])
    assert set(body["facts"]) == {"trace:BTC", "trades:2"}
    assert body["refused"] == {"keys": "unknown name; ask for one of the catalogue"}
    assert isinstance(updates[1], Sent)
    assert "trace:BTC" in updates[1].summary


async def test_facts_end_after_three_rounds() -> None:
    need = '```json\n{"need": ["market"]}\n```'
    model = ScriptedModel(need, need, need, need, need)
    end = last(await ask(conversation(model, PICTURE), "?"))
    assert isinstance(end, Failed)
    assert isinstance(end.error, errors.Malformed)
    assert len(model.asked) == 4  # the question and three rounds
    assert "no further facts" in model.asked[3][-1].text


async def test_a_draft_becomes_a_card_and_nothing_else() -> None:
    pair = PICTURE.positions[0].pair
    block = json.dumps({"draft": "close", "pair": pair.base, "reason": "thesis is gone"})
    model = ScriptedModel(f"I can draft that.\n\n```sigma\n{block}\n```\nConfirm it by key.")
    updates = await ask(conversation(model, PICTURE), f"close {pair.base}")
    (card,) = drafts(updates)
    request = card.draft.request
    assert isinstance(request, ClosePosition)
    assert request.source is Source.ASSISTANT
    assert request.pair == pair
    assert card.draft.moves_money
    assert PICTURE.positions[0].quantity in card.draft.effect[0]
    end = last(updates)
    assert "sigma" not in end.text
    assert "draft that" in end.text
    assert "{" not in "".join(u.text for u in updates if isinstance(u, Delta))


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ('{"draft":"close","pair":"LTC"}', "no position is open in LTC"),
        ('{"draft":"close","pair":"; rm"}', "not a pair"),
        ('{"draft":"flatten"}', "one of close, halt"),
        ('{"draft":"start"}', "one of close, halt"),
        ('{"draft":"override","level":"CLOSED","minutes":99999}', "minutes"),
        ('{"draft":"override","level":"SHUTDOWN","minutes":5}', "level"),
        ('{"draft":"halt","secret":1}', "secret"),
        ('{"draft":"strategy","definition":{"stop_atr":99}}', "stop_atr = 99: must be from 0.5"),
        ("{broken", "not readable JSON"),
    ],
)
async def test_a_wrong_draft_is_refused_by_name(block: str, says: str) -> None:
    model = ScriptedModel(f"Here.\n```sigma\n{block}\n```")
    updates = await ask(conversation(model, PICTURE), "do it")
    assert not drafts(updates)
    (note,) = [u for u in updates if isinstance(u, Note)]
    assert says in note.sentence


@pytest.mark.parametrize(
    "error",
    [
        errors.BadKey(),
        errors.Forbidden("no"),
        errors.UnknownModel("x", ("a", "b")),
        errors.Quota(3),
        errors.Unavailable("503."),
        errors.Blocked("SAFETY"),
        errors.Empty(),
        errors.Truncated(),
        errors.Malformed(),
        errors.Dropped(),
        errors.Stalled(20),
        errors.Rejected("odd"),
        errors.NoKey(),
        errors.NotInstalled("x"),
    ],
)
async def test_every_failure_is_one_sentence_and_retry_works(error: errors.ChatError) -> None:
    model = ScriptedModel(error, "better now")
    session = conversation(model, PICTURE)
    end = last(await ask(session, "why?"))
    assert isinstance(end, Failed)
    assert end.sentence == error.sentence
    again = [u async for u in session.retry()]
    assert last(again).text == "better now"
    assert [line.text for line in session.lines] == ["why?", "better now"]
    assert len(model.asked[1]) == 1  # the failed turn does not go along


async def test_without_a_key_slash_commands_work_and_the_pane_says_how_to_add_one() -> None:
    session = conversation(errors.NoKey(), PICTURE)
    assert "GEMINI_API_KEY" in last(await ask(session, "hello")).sentence  # type: ignore[union-attr]
    end = last(await ask(session, "/breaker"))
    assert isinstance(end, Done)
    assert end.model == "no model"


async def test_stop_keeps_what_came() -> None:
    session = conversation(ScriptedModel(None), PICTURE)
    updates = []
    async for update in session.ask("talk"):
        updates.append(update)
        if isinstance(update, Delta):
            assert session.busy
            assert session.stop()
    end = last(updates)
    assert isinstance(end, Failed)
    assert isinstance(end.error, errors.Cancelled)
    assert end.text == "I begin"
    assert not session.busy
    assert not session.stop()


async def test_leaving_the_iterator_stops_the_model() -> None:
    model = ScriptedModel(None)
    session = conversation(model, PICTURE)
    stream = session.ask("talk")
    while not isinstance(await anext(stream), Delta):
        pass
    await stream.aclose()  # type: ignore[attr-defined]
    assert model.closed == 1
    assert not session.busy


async def test_one_question_at_a_time() -> None:
    session = conversation(ScriptedModel(None), PICTURE)
    first = session.ask("one")
    await anext(first)
    end = last(await ask(session, "two"))
    assert isinstance(end, Failed)
    assert "under way" in end.sentence
    assert session.busy  # the first goes on
    await first.aclose()  # type: ignore[attr-defined]


async def test_the_deadline_covers_everything() -> None:
    session = conversation(ScriptedModel(None), PICTURE, deadline_s=0.1)
    end = last(await ask(session, "talk"))
    assert isinstance(end, Failed)
    assert "No whole answer" in end.sentence


async def test_a_bug_in_a_model_is_a_sentence() -> None:
    class Broken(ScriptedModel):
        async def stream(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
            raise ZeroDivisionError
            yield

    end = last(await ask(conversation(Broken(), PICTURE), "talk"))
    assert isinstance(end, Failed)
    assert "ZeroDivisionError" in end.sentence


async def test_history_is_kept_bounded_and_redacted(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "sigma.db", "paper")
    loop = asyncio.get_running_loop()
    history = LedgerHistory(lambda: ledger, lambda: loop)
    answers = [f"answer {n}" for n in range(8)]
    session = conversation(ScriptedModel(*answers), PICTURE, history)
    for number in range(8):
        await ask(session, f"question {number}, my key is {SECRETS[0]}")
    again = conversation(ScriptedModel("fine"), PICTURE, history)
    kept = await again.load()
    assert kept[-1].text == "answer 7"
    assert kept[-2].text == "question 7, my key is ***"
    assert len(kept) == 16
    model = ScriptedModel("x")
    again._open_model = lambda: model
    await ask(again, "go on")
    assert len(model.asked[0]) == 13  # twelve earlier lines and the question
    assert model.asked[0][0].role is Role.USER
    await ledger.close()


async def test_what_is_remembered_is_bounded() -> None:
    session = conversation(ScriptedModel(), PICTURE)
    for _ in range(150):
        await ask(session, "/help")
    assert len(session.lines) == 200
    assert session.transcript().startswith("**You**\n\n/help\n\n**Sigma**\n\n- `/why PAIR`")


async def test_a_ledger_that_fails_is_no_reason_to_be_silent(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "sigma.db", "paper")
    await ledger.close()
    loop = asyncio.get_running_loop()
    session = conversation(
        ScriptedModel("hello"), PICTURE, LedgerHistory(lambda: ledger, lambda: loop)
    )
    assert await session.load() == ()
    assert last(await ask(session, "hi")).text == "hello"


async def test_no_secret_and_no_account_leave(model: ChatModel, gemini: GeminiServer) -> None:
    picture = snapshot(account="acct-7f3a", detail=f"key {SECRETS[1]}")
    gemini.plan(reply.text('{"need": ["trades:100", "positions", "health"]}'), reply.text("ok"))
    session = conversation(model, picture)
    assert last(await ask(session, f"my secret is {SECRETS[1]}")).text == "ok"
    sent = json.dumps([request.body for request in gemini.requests])
    assert SECRETS[1] not in sent
    assert KEY not in sent
    assert "acct-7f3a" not in sent
    for position in picture.positions:
        assert f'"{position.id}"' not in sent
    for trade in picture.trades:
        assert not any(name in sent for name in trade.client_order_ids)


async def test_real_libraries_end_to_end(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.text('{"need": ', '["risk"]}'), reply.text("Heat is ", "**2.4 %**."))
    session = conversation(model, PICTURE)
    done = last(await ask(session, "how hot?"))
    assert isinstance(done, Done)
    assert done.text == "Heat is **2.4 %**."
    assert done.usage.prompt_tokens == 24
    gemini.plan(reply.dropped("Half a", " sentence"))
    end = last(await ask(session, "again?"))
    assert isinstance(end, Failed)
    assert isinstance(end.error, errors.Dropped)
    assert end.text == "Half a sentence"


async def test_the_loop_is_never_held_up(model: ChatModel, gemini: GeminiServer) -> None:
    """Other tasks of the loop run on while an answer stalls."""
    gemini.plan(reply.stalled("a", "b"))
    session = conversation(model, PICTURE)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    task = asyncio.create_task(beat())
    await ask(session, "stall")
    task.cancel()
    assert beats >= 10


def test_nothing_is_imported_before_the_first_question() -> None:
    code = (
        "import sys, engine.assistant.session, engine.assistant.factory as f; f.library();"
        "print([m for m in sys.modules if m.startswith(('google.genai', 'google.generativeai', "
        "'google.api_core', 'grpc', 'pandas', 'textual'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


async def test_the_same_conversation_from_behind_a_socket() -> None:
    near = SnapshotSight(lambda: PICTURE, Redactor(SECRETS))

    async def over_the_wire(name: str, options: dict[str, object]) -> dict[str, object]:
        assert name == "assistant"
        sent = json.loads(json.dumps(options))
        return json.loads(json.dumps(await serve(sent, near, 1), default=str))  # type: ignore[no-any-return]

    pair = PICTURE.positions[0].pair.base
    script = ScriptedModel(
        '{"need": ["risk"]}', f'Yes.\n```sigma\n{{"draft":"close","pair":"{pair}"}}\n```'
    )
    session = ChatSession(
        lambda: script, RemoteSight(over_the_wire), NoHistory(), Redactor(SECRETS)
    )
    updates = await ask(session, "close it")
    (card,) = drafts(updates)
    assert card.draft.typed == f"sigma close {pair}"
    with pytest.raises(DraftRefused, match="confirm it in the cockpit"):
        confirm(card.draft)
    assert "cockpit only" in still_valid(card.draft, PICTURE, card.draft.made)
    assert last(updates).text == "Yes."
    assert "heat" in last(await ask(session, "/risk")).text
    with pytest.raises(DraftRefused):
        await RemoteSight(over_the_wire).draft({"draft": "flatten"}, 1)
    with pytest.raises(ValueError, match="see is one of"):
        await serve({"see": "everything"}, near, 1)


async def test_before_the_first_picture() -> None:
    session = conversation(ScriptedModel("x"), None)
    assert "nothing yet" in last(await ask(session, "how are we?")).sentence  # type: ignore[union-attr]
    assert "nothing yet" in last(await ask(session, "/risk")).text
