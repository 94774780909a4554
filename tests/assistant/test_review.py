"""The second opinion can veto and nothing else; no answer is no opinion."""

from __future__ import annotations

import pytest

from engine.assistant import errors
from engine.assistant.port import ChatModel
from engine.assistant.review import GATE, Opinion, Reviewer, review_gate, reviewed
from engine.ledger.redact import Redactor
from engine.model.decision import Decision, Verdict
from engine.model.signal import Action
from tests.assistant.scripted import SECRETS, ScriptedModel
from tests.cockpit.sample import snapshot
from tests.gemini_server import server as reply
from tests.gemini_server.server import GeminiServer

PICTURE = snapshot()
ENTRY: Decision = PICTURE.decisions[0]._replace(action=Action.ENTER_LONG, blocked_by="")


async def review(model: object, **options: float) -> Reviewer:
    made = Reviewer(lambda: model, Redactor(SECRETS), **options)  # type: ignore[arg-type, return-value]
    assert await made.open() == ""
    return made


async def test_a_veto_blocks_and_says_why() -> None:
    reviewer = await review(ScriptedModel('{"veto": true, "reason": "funding is extreme"}'))
    opinion = await reviewer.opinion(ENTRY, PICTURE)
    after = reviewed(ENTRY, opinion)
    assert after.action is Action.WAIT
    assert after.blocked_by == GATE
    assert "funding is extreme" in after.reason
    assert review_gate(opinion).verdict is Verdict.BLOCK


async def test_no_objection_changes_nothing() -> None:
    reviewer = await review(ScriptedModel('{"veto": false, "reason": "fine"}'))
    opinion = await reviewer.opinion(ENTRY, PICTURE)
    assert reviewed(ENTRY, opinion) is ENTRY
    assert review_gate(opinion).detail == "no objection: fine"


@pytest.mark.parametrize(
    "answer",
    [
        errors.Quota(30),
        errors.Unavailable("503."),
        errors.Blocked("SAFETY"),
        "not json",
        '{"veto": "yes"}',
        '{"veto": 1}',
        '{"action": "ENTER_SHORT"}',
        "[]",
        "x" * 100_000,
    ],
)
async def test_anything_else_is_no_opinion(answer: str | errors.ChatError) -> None:
    reviewer = await review(ScriptedModel(answer))
    opinion = await reviewer.opinion(ENTRY, PICTURE)
    assert not opinion.given
    assert reviewed(ENTRY, opinion) is ENTRY
    gate = review_gate(opinion)
    assert gate.verdict is Verdict.PASS
    assert gate.detail.startswith("no opinion: ")


async def test_too_late_is_no_opinion_and_nobody_is_asked_again_at_once() -> None:
    model = ScriptedModel(None, '{"veto": true, "reason": "x"}')
    reviewer = await review(model, deadline_s=0.05)
    assert "no answer within 0.05 s" in (await reviewer.opinion(ENTRY, PICTURE)).reason
    assert "so soon" in (await reviewer.opinion(ENTRY, PICTURE)).reason
    assert len(model.asked) == 1


async def test_no_key_is_said_once_and_harms_nothing() -> None:
    def no_key() -> ChatModel:
        raise errors.NoKey

    reviewer = Reviewer(no_key, Redactor(SECRETS))
    assert "GEMINI_API_KEY" in await reviewer.open()
    assert not (await reviewer.opinion(ENTRY, PICTURE)).given


async def test_a_waiting_decision_stays_as_it_is() -> None:
    waiting = ENTRY._replace(action=Action.WAIT, blocked_by="costs", reason="costs")
    assert reviewed(waiting, Opinion(True, True, "no", 1.0)) is waiting


async def test_both_libraries(model: ChatModel, gemini: GeminiServer) -> None:
    reviewer = await review(model)
    gemini.plan(reply.text('{"veto": true, ', '"reason": "two stops in a row"}'))
    opinion = await reviewer.opinion(ENTRY, PICTURE)
    assert (opinion.given, opinion.veto) == (True, True)
    assert gemini.requests[0].body["generationConfig"]["responseMimeType"] == "application/json"
