"""Text, replies, context, facts, slash commands and errors, each by itself."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.assistant import errors, factory, facts, slash
from engine.assistant.context import build_context
from engine.assistant.drafts import DraftRefused, SaveRequest, read_draft
from engine.assistant.factory import library, open_model
from engine.assistant.prompt import SYSTEM
from engine.assistant.reply import ReplyReader
from engine.assistant.schema import reduced
from engine.assistant.text import clean, inert_markdown, one_line, printable
from engine.ledger.redact import Redactor
from engine.model.commands import Level, Override, PauseEntries, Recover, Trip
from engine.strategies.fields import documentation
from engine.strategy import STRATEGY_SCHEMA
from engine.trace import GATES
from tests.cockpit.sample import snapshot
from tests.conftest import ROOT

PICTURE = snapshot()
PLAIN = Redactor()

# Text


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=300), st.integers(1, 80))
def test_clean_is_bounded_printable_and_stable(text: str, limit: int) -> None:
    once = clean(text, limit)
    assert len(once) <= limit
    assert all(char == "\n" or char.isprintable() for char in once)
    assert clean(once, limit) == once


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=100), st.integers(0, 100))
def test_printable_gives_nothing_away_at_a_seam(text: str, cut: int) -> None:
    parts = printable(text[:cut]) + printable(text[cut:])
    assert all(char == "\n" or char.isprintable() for char in parts)


def test_ordinary_text_passes_unchanged() -> None:
    text = "Größe 5 µs — “naïve” café, 12 % → 価格\n- *x*"
    assert clean(text) == text
    assert one_line("a\n  b\tc", 20) == "a b c"
    assert inert_markdown("see [docs](http://x.y/z) `a`") == "see [docs] (http://x.y/z) `a`"


# Replies


@settings(deadline=None, max_examples=120)
@given(
    st.lists(
        st.sampled_from(["a ", "`", "``", "```", "sigma", "\n", '{"draft": "halt"}', "{", "json"]),
        max_size=12,
    ),
    st.integers(1, 9),
)
def test_what_is_shown_at_once_does_not_depend_on_the_pieces(parts: list[str], step: int) -> None:
    text = "".join(parts)
    whole, pieces = ReplyReader(), ReplyReader()
    shown = "".join(pieces.feed(text[i : i + step]) for i in range(0, len(text), step))
    at_once = whole.feed(text)
    assert at_once.startswith(shown)
    assert pieces.finish() == whole.finish()
    assert "```sigma" not in shown


def test_json_that_asks_for_nothing_is_shown_as_text() -> None:
    reader = ReplyReader()
    assert reader.feed('{"a": 1}') == ""
    assert reader.finish().text == '```json\n{"a": 1}\n```'


# Context and facts


def test_context_is_json_bounded_and_says_what_it_holds() -> None:
    context = build_context(PICTURE, PLAIN)
    body = json.loads(context.text)
    assert set(body) >= {"state", "positions", "market", "breaker", "expectancy", "decisions"}
    assert len(body["decisions"][0]["gates"]) > 3
    assert f"{len(body['positions'])} positions" in context.summary
    assert "kB" in context.summary


@pytest.mark.parametrize("limit", [6_000, 9_000, 14_000, 40_000])
def test_context_shrinks_to_fit(limit: int) -> None:
    context = build_context(PICTURE, PLAIN, limit)
    assert len(context.text) <= limit
    if limit >= 9_000:
        assert json.loads(context.text)["breaker"]


def test_every_fact_of_the_catalogue_is_answered() -> None:
    pair = PICTURE.market[0].pair.base
    for name, _ in facts.CATALOGUE:
        asked = name.replace("PAIR", pair).replace("N", "2") if ":" in name else name
        got = facts.answer([asked], PICTURE, PLAIN, {"stop_atr": 1.5})
        assert got.names == (asked,), got
        assert len(got.text) < facts.MAX_CHARS + 200
        assert name in SYSTEM


@pytest.mark.parametrize(
    "name",
    ["", "x", "trace", "trace:", "trace:BTC:0", "trace:BTC:101", "trades:-1", "trades:1e3",
     "trades:٣", "candles:BTC", "positions:1", "market:BTC", "strategy", "trace:BTC:1:1",
     "TRADES:2"],
)  # fmt: skip
def test_unknown_facts_are_refused(name: str) -> None:
    got = facts.answer([name], PICTURE, PLAIN)
    assert not got.names
    assert len(got.refused) == 1


def test_facts_keep_to_their_bounds() -> None:
    many = replace(PICTURE, trades=PICTURE.trades * 40, decisions=PICTURE.decisions * 40)
    got = facts.answer(["trades:100", "decisions:100", *["market"] * 20], many, PLAIN)
    body = json.loads(got.text)
    assert all(len(json.dumps(value)) <= facts.MAX_CHARS for value in body["facts"].values())
    assert "the rest" in body["refused"]


# Slash commands


def test_slash_commands_answer_from_the_snapshot() -> None:
    pair = PICTURE.positions[0].pair.base
    assert pair in slash.answer("/positions", PICTURE)
    assert "stop" in slash.answer("/positions", PICTURE)
    why = slash.answer(f"/why {PICTURE.market[0].pair.base}", PICTURE)
    assert "**scanner**" in why
    assert "heat" in slash.answer("/risk", PICTURE)
    assert str(PICTURE.breaker.level) in slash.answer("/breaker", PICTURE)
    assert "n=" in slash.answer("/expectancy", PICTURE)
    for gate in GATES:
        assert slash.answer(f"/explain {gate}", PICTURE).startswith(f"**{gate}**")
    for command, _ in slash.HELP:
        assert command in slash.answer("/help", PICTURE)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/why", "Name a pair"),
        ("/why NOPE", "not traded here"),
        ("/why b t c", "Name a pair"),
        ("/explain", "Name a gate"),
        ("/explain love", "Name a gate"),
        ("/flatten", "no command"),
        ("/", "/why PAIR"),
    ],
)
def test_wrong_commands_are_told_the_right_one(line: str, says: str) -> None:
    assert says in slash.answer(line, PICTURE)


def test_slash_commands_before_the_first_picture_and_on_an_empty_book() -> None:
    assert "nothing yet" in slash.answer("/risk", None)
    assert "/why" in slash.answer("/help", None)
    empty = replace(PICTURE, positions=(), shadow_positions=())
    assert slash.answer("/positions", empty) == "No position is open."


# Drafts


def test_each_kind_of_draft() -> None:
    closed = replace(PICTURE, breaker=replace(PICTURE.breaker, level=Level.CLOSED, pinned=False))
    halted = replace(PICTURE, breaker=replace(PICTURE.breaker, level=Level.HALT, cause="loss"))
    halt = read_draft({"draft": "halt", "reason": "news"}, closed, 1)
    assert isinstance(halt.request, Trip)
    assert halt.request.reason == "assistant's draft: news"
    assert not halt.lifts_protection
    override = read_draft({"draft": "override", "level": "ALERT", "minutes": 30}, halted, 1)
    assert isinstance(override.request, Override)
    assert override.request.seconds == 1_800
    assert override.lifts_protection
    raising = read_draft({"draft": "override", "level": "HALT", "minutes": 30}, closed, 1)
    assert not raising.lifts_protection
    recover = read_draft({"draft": "recover"}, halted, 1)
    assert isinstance(recover.request, Recover)
    assert recover.lifts_protection
    paused = read_draft({"draft": "pause"}, replace(PICTURE, entries_paused=False), 1)
    assert isinstance(paused.request, PauseEntries)
    assert not paused.request.resume
    apply = read_draft({"draft": "apply", "strategy": "careful", "version": 2}, PICTURE, 1)
    assert "careful v2" in apply.effect[0]
    assert any("stop and target" in line for line in apply.effect)
    saved = read_draft({"draft": "strategy", "definition": {"name": "x"}}, PICTURE, 1)
    assert isinstance(saved.request, SaveRequest)
    assert saved.request.strategy.name == "x"


@pytest.mark.parametrize("level", [Level.HALT, Level.SHUTDOWN])
def test_drafts_that_would_do_nothing_are_refused(level: Level) -> None:
    there = replace(PICTURE, breaker=replace(PICTURE.breaker, level=level))
    with pytest.raises(DraftRefused, match="stands at"):
        read_draft({"draft": "halt"}, there, 1)
    with pytest.raises(DraftRefused, match="paused already"):
        read_draft({"draft": "pause"}, replace(PICTURE, entries_paused=True), 1)
    closed = replace(PICTURE, breaker=replace(PICTURE.breaker, level=Level.CLOSED, pinned=False))
    with pytest.raises(DraftRefused, match="CLOSED already"):
        read_draft({"draft": "recover"}, closed, 1)
    shut = replace(PICTURE, breaker=replace(PICTURE.breaker, level=Level.SHUTDOWN))
    for value in ({"draft": "recover"}, {"draft": "override", "level": "ALERT", "minutes": 5}):
        with pytest.raises(DraftRefused, match="SHUTDOWN"):
            read_draft(value, shut, 1)


# Errors, schema, choice of library


def test_quota_without_a_delay_and_with_one_in_words() -> None:
    assert "later" in errors.from_status(429, {}, "x", "m").sentence
    told = errors.from_status(429, [{"error": {"message": "Please retry in 7.5s."}}], "x", "m")
    assert isinstance(told, errors.Quota)
    assert told.retry_after == 7.5


@pytest.mark.parametrize("body", [None, [], {}, "x", {"error": "x"}, {"error": {"details": 3}}])
def test_any_body_is_survived(body: object) -> None:
    for code in (400, 401, 403, 404, 429, 500, 302):
        assert errors.from_status(code, body, "boom", "m").sentence


def test_the_strategy_schema_is_reduced_to_plain_types() -> None:
    small = json.dumps(reduced(STRATEGY_SCHEMA.json_schema()))
    assert "$ref" not in small
    assert "minimum" not in small
    assert "mean_reversion" in small


def test_no_key_is_told_before_anything_is_imported() -> None:
    with pytest.raises(errors.NoKey):
        open_model("", "m")
    assert library() in ("google-genai", "google-generativeai")


@pytest.mark.parametrize(
    ("missing", "chosen"),
    [
        ((), "google-genai"),
        (("google.genai",), "google-generativeai"),
        (("google.genai", "google.generativeai"), ""),
    ],
)
def test_the_newer_library_is_preferred(
    missing: tuple[str, ...], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory, "find_spec", lambda name: None if name in missing else object())
    assert library() == chosen
    if not chosen:
        with pytest.raises(errors.NotInstalled, match="neither is installed"):
            open_model("some-key", "m")
    elif chosen == "google-generativeai":
        assert type(open_model("some-key", "m")).__name__ == "LegacyGemini"


def test_a_library_that_cannot_be_loaded_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "engine.assistant.google_legacy", None)
    monkeypatch.setattr(factory, "library", lambda: "google-generativeai")
    with pytest.raises(errors.NotInstalled, match="cannot be loaded"):
        open_model("some-key", "m")


def test_the_documentation_lists_every_parameter() -> None:
    text = (ROOT / "docs" / "assistant.md").read_text()
    for path, default, allowed, words in documentation():
        assert f"| `{path}` | {default} | {allowed} | {words} |" in text
