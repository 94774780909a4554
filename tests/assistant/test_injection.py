"""Nothing hostile reaches a command, leaks a secret or steers the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text
from textual.widgets import Markdown

from engine.assistant import drafts as drafting
from engine.assistant import slash
from engine.assistant.context import MAX_CHARS, build_context
from engine.assistant.drafts import ApplyRequest, SaveRequest, confirm
from engine.assistant.session import Delta, Done, Drafted, Failed, Note
from engine.assistant.text import MAX_ANSWER
from engine.ledger.redact import Redactor
from engine.model.commands import Command, Level, Override, Source, Trip
from engine.model.orders import ClosedTrade
from engine.model.snapshot import EventView, Snapshot
from engine.strategies.validation import StrategyError, parse_strategy
from tests.assistant.injection_corpus import MODEL_ANSWERS, OUTSIDE_TEXTS, STRATEGY_TEXTS
from tests.assistant.scripted import SECRETS, ScriptedModel, ask, conversation
from tests.cockpit.sample import snapshot

PICTURE = snapshot()
_STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def harmless(text: str, limit: int = MAX_ANSWER + 10) -> None:
    assert not _STEERS.search(text)
    assert len(text) <= limit
    assert not any(secret in text for secret in SECRETS)
    text.encode()  # no lone surrogate
    Console(file=io.StringIO(), width=80).print(Text(text))


def test_the_corpus_is_large_enough() -> None:
    assert len(MODEL_ANSWERS) + len(OUTSIDE_TEXTS) + len(STRATEGY_TEXTS) >= 60


@pytest.mark.parametrize(
    ("name", "step"),
    [
        (name, step)
        for name, text in MODEL_ANSWERS.items()
        for step in (3, 100_000)
        if step > 3 or len(text) < 20_000  # huge answers come in large pieces
    ],
)
async def test_a_hostile_answer_stays_text(
    name: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = MODEL_ANSWERS[name]
    confirmed: list[object] = []
    monkeypatch.setattr(drafting, "confirm", confirmed.append)
    session = conversation(ScriptedModel(text, *["that is all"] * 4, step=step), PICTURE)
    updates = await ask(session, "what now?")
    assert not confirmed  # nobody but a key confirms
    assert isinstance(updates[-1], (Done, Failed))
    for update in updates:
        match update:
            case Delta(text=shown) | Note(sentence=shown):
                harmless(shown)
            case Done(text=shown) | Failed(text=shown):
                harmless(shown)
                assert not any(mark in shown for mark in ("](", "][", "]:", "<http"))
            case Drafted(draft=draft):
                for part in (draft.title, draft.reason, *draft.effect):
                    harmless(part, 600)
                    assert "\n" not in part
                allowed(draft.request)
    assert sum(isinstance(u, Drafted) for u in updates) <= 3
    for line in session.lines:
        harmless(line.text, MAX_ANSWER + 200)
    for turn in session._model.asked:  # type: ignore[union-attr]
        assert not any(secret in message.text for message in turn for secret in SECRETS)


def allowed(request: Command | ApplyRequest | SaveRequest) -> None:
    """A draft is one of the few that may be drafted, marked as the assistant's."""
    if isinstance(request, Command):
        assert request.source is Source.ASSISTANT
        assert request.reason.startswith("assistant's draft")
    if isinstance(request, Override):
        assert request.seconds <= 86_400


async def test_a_lying_reason_does_not_change_the_effect() -> None:
    picture = replace(PICTURE, breaker=replace(PICTURE.breaker, level=Level.HALT, cause="loss"))
    session = conversation(ScriptedModel(MODEL_ANSWERS["draft lying reason"]), picture)
    (card,) = [u for u in await ask(session, "?") if isinstance(u, Drafted)]
    assert card.draft.lifts_protection
    assert any("LIFTS PROTECTION: HALT was caused by: loss" in line for line in card.draft.effect)


async def test_only_confirm_turns_a_draft_into_a_command() -> None:
    session = conversation(ScriptedModel(MODEL_ANSWERS["draft escape reason"]), PICTURE)
    (card,) = [u for u in await ask(session, "halt!") if isinstance(u, Drafted)]
    command = confirm(card.draft)
    assert isinstance(command, Trip)
    assert command.level is Level.HALT
    harmless(command.reason, 300)


def poisoned(text: str) -> Snapshot:
    """Return a snapshot with hostile text wherever text from outside can stand."""
    first = PICTURE.trades[0]
    assert isinstance(first, ClosedTrade)
    decision = PICTURE.decisions[0]._replace(reason=text)
    return replace(
        PICTURE,
        detail=text,
        strategy=text,
        market=tuple(replace(row, verdict=text) for row in PICTURE.market),
        breaker=replace(PICTURE.breaker, cause=text, clears=text),
        monitor=replace(PICTURE.monitor, advice=text),
        events=tuple(EventView(n, 1, "info", "Noticed", text) for n in range(50)),
        trades=(replace(first, strategy=text), *PICTURE.trades),
        decisions=(decision, *PICTURE.decisions),
        history={
            pair: replace(kept, decisions=(*kept.decisions, decision))
            for pair, kept in PICTURE.history.items()
        },
    )


@pytest.mark.parametrize("name", OUTSIDE_TEXTS)
async def test_hostile_text_in_the_engine_s_facts(name: str) -> None:
    picture = poisoned(OUTSIDE_TEXTS[name])
    context = build_context(picture, Redactor(SECRETS))
    harmless(context.text, MAX_CHARS)
    harmless(context.summary, 200)
    for line in ("/why BTC", "/positions", "/risk", "/breaker", "/expectancy", "/explain v1"):
        answer = slash.answer(line, picture)
        harmless(answer.replace(SECRETS[0], "").replace(SECRETS[1], ""))  # the screen is local
        Markdown(answer)
    every = '{"need": ["events:100", "trades:100", "monitor", "breaker", "market", "trace:BTC"]}'
    model = ScriptedModel(every, "nothing to say")
    await ask(conversation(model, picture), "what do you see?")
    for turn in model.asked:
        for message in turn:
            harmless(message.text, 200_000)


@pytest.mark.parametrize("name", OUTSIDE_TEXTS)
async def test_hostile_questions(name: str) -> None:
    session = conversation(ScriptedModel("no"), PICTURE)
    for text in (OUTSIDE_TEXTS[name], f"/why {OUTSIDE_TEXTS[name]}", f"/{OUTSIDE_TEXTS[name]}"):
        updates = await ask(session, text)
        assert not any(isinstance(u, Drafted) for u in updates)
        for update in updates:
            if isinstance(update, (Delta, Done)):
                harmless(update.text)


@pytest.mark.parametrize("name", STRATEGY_TEXTS)
def test_hostile_strategies_are_refused_in_words_that_are_safe_to_show(name: str) -> None:
    with pytest.raises(StrategyError) as caught:
        parse_strategy(STRATEGY_TEXTS[name], tuple(row.pair for row in PICTURE.market))
    harmless(str(caught.value), 2_000)


def test_a_draft_grows_old() -> None:
    made = drafting.read_draft({"draft": "halt"}, PICTURE, 1_000)
    assert drafting.still_valid(made, PICTURE, 2_000) == ""
    assert "older than 5 minutes" in drafting.still_valid(made, PICTURE, 400_000)
    pair = PICTURE.positions[0].pair
    close = drafting.read_draft({"draft": "close", "pair": pair.base}, PICTURE, 1_000)
    assert drafting.still_valid(close, PICTURE, 2_000) == ""
    assert "not" in drafting.still_valid(close, replace(PICTURE, positions=()), 2_000) or (
        "no position is open" in drafting.still_valid(close, replace(PICTURE, positions=()), 2_000)
    )
    other = (replace(PICTURE.positions[0], quantity="9"), *PICTURE.positions[1:])
    assert "has changed" in drafting.still_valid(close, replace(PICTURE, positions=other), 2_000)
