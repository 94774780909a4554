"""Cards: nothing happens without the key, everything that happens went through the same dialog."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from engine.assistant.drafts import EXPIRES_MS
from engine.home import Home
from engine.ledger.store import Ledger
from engine.model.commands import ApplyStrategy, ClosePosition, Override, Recover, Source, Trip
from engine.strategies.store import StrategyStore
from sigma_tui import drafting
from sigma_tui.widgets.chat_turns import DraftCard
from tests.assistant_ui.conftest import Cockpit, asked, finished, scripted
from tests.cockpit.conftest import settled, text_of
from tests.cockpit.fake_link import FakeLink


def draft(**value: Any) -> str:
    return f"As you wish.\n```sigma\n{json.dumps(value)}\n```"


async def test_a_card_shows_the_exact_effect_and_only_the_key_sends(
    cockpit: Cockpit, link: FakeLink
) -> None:
    answer = draft(draft="close", pair="BTC", reason="[bold]gone[/bold]")
    async with cockpit(scripted(link, answer)) as (app, pilot):
        pane = await asked(pilot, "close btc")
        (card,) = pane.query(DraftCard)
        assert "Sell 0.042 BTC, the whole long position, at market" in card.plain
        assert "[bold]gone[/bold]" in text_of(app)
        assert link.sent == []
        await pilot.press("y", "enter", "ctrl+y", "enter")  # Enter on a fresh dialog cancels
        await finished(pilot)
        assert link.sent == []
        assert card.open
        await pilot.press("ctrl+y")
        assert app.screen.is_modal
        assert "Its stop and target are cancelled." in text_of(app)
        await pilot.press("y")
        await settled(pilot)
        (sent,) = link.sent
        assert isinstance(sent, ClosePosition)
        assert (sent.source, sent.pair.base) == (Source.ASSISTANT, "BTC")
        assert not card.open
        assert app.desk.journal[0].text == "Close BTC: done - as asked"
        await pilot.press("ctrl+y")
        assert not app.screen.is_modal


@pytest.mark.parametrize(
    ("value", "word", "kind"),
    [
        ({"draft": "close", "pair": "BTC"}, "CLOSE", ClosePosition),
        ({"draft": "override", "level": "CLOSED", "minutes": 5}, "OVERRIDE", Override),
        ({"draft": "recover"}, "RECOVER", Recover),
        ({"draft": "apply", "strategy": "mine"}, "APPLY", ApplyStrategy),
    ],
)
async def test_live_asks_for_the_word(
    cockpit: Cockpit, link: FakeLink, picture: Any, value: dict[str, Any], word: str, kind: type
) -> None:
    link.current = replace(picture, mode="LIVE", exchange="binance")
    async with cockpit(scripted(link, draft(**value))) as (app, pilot):
        await asked(pilot, "do it")
        await pilot.press("ctrl+y", "y", "enter")
        assert app.screen.is_modal, "one letter is no word"
        await pilot.press("escape", "ctrl+y", *word, "enter")
        await settled(pilot)
        assert [type(command) for command in link.sent] == [kind]


async def test_raising_protection_needs_no_word_in_live(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(picture, mode="LIVE")
    async with cockpit(scripted(link, draft(draft="halt"))) as (_, pilot):
        await asked(pilot, "stop it")
        await pilot.press("ctrl+y", "y")
        await settled(pilot)
        assert isinstance(link.sent[0], Trip)


async def test_drop_and_expiry(
    cockpit: Cockpit, link: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cockpit(scripted(link, draft(draft="halt"), draft(draft="pause"))) as (app, pilot):
        pane = await asked(pilot, "a")
        await pilot.press("ctrl+n", "ctrl+y")
        (card,) = pane.query(DraftCard)
        assert card.plain.endswith("dropped")
        assert not app.screen.is_modal
        await asked(pilot, "b")
        later = drafting.time.time_ns() + (EXPIRES_MS + 1_000) * 1_000_000
        monkeypatch.setattr(drafting.time, "time_ns", lambda: later)
        await pilot.press("ctrl+y")
        assert not app.screen.is_modal
        assert "older than 5 minutes" in pane.query(DraftCard).last().plain
        assert link.sent == []


async def test_a_position_that_has_gone_cannot_be_closed(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    async with cockpit(scripted(link, draft(draft="close", pair="BTC"))) as (app, pilot):
        pane = await asked(pilot, "close")
        await pilot.press("ctrl+y")
        link.current = replace(picture, seq=picture.seq + 1, positions=())
        await settled(pilot)
        await pilot.press("y")
        await settled(pilot)
        assert link.sent == []
        assert "no position is open in BTC any more" in pane.plain
        assert not app.screen.is_modal


async def test_a_drafted_strategy_is_saved_and_not_applied(
    cockpit: Cockpit, link: FakeLink, home: Home
) -> None:
    answer = draft(draft="strategy", definition={"name": "calm", "entry_score": 0.3})
    async with cockpit(scripted(link, answer, home=home)) as (_, pilot):
        pane = await asked(pilot, "make one")
        await pilot.press("ctrl+y", "y")
        await finished(pilot)
        assert "saved as calm v1" in pane.plain
        assert link.sent == []
    ledger = await Ledger.open(home.database, "paper")
    store = StrategyStore(ledger)
    assert (await store.get("calm")).entry_score == 0.3
    assert (await store.active())[0].name == "default"
    await ledger.close()
