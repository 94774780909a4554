"""Every key of the table does what the table says, in a running app."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.model import commands as c
from sigma_tui.screens.cockpit import CockpitView
from sigma_tui.screens.dialogs import Dialog
from sigma_tui.screens.leave import Departure, LeaveDialog
from sigma_tui.screens.overlays import HelpOverlay, ThemePicker
from sigma_tui.screens.view import View
from sigma_tui.widgets.chat import ChatPane
from sigma_tui.widgets.positions import PositionsPanel
from tests.cockpit.conftest import Cockpit, settled, text_of
from tests.cockpit.fake_link import FakeLink
from tests.cockpit.sample import BTC, XRP, breaker

COMMANDS = (
    ("s", c.StartTrading(source=c.Source.KEY)),
    ("x", c.StopTrading(source=c.Source.KEY)),
    ("p", c.PauseEntries(source=c.Source.KEY)),
    ("h y", c.Trip(source=c.Source.KEY, level=c.Level.HALT, reason="operator")),
    ("F y", c.Flatten(source=c.Source.KEY, reason="operator")),
    ("c y", c.ClosePosition(source=c.Source.KEY, pair=BTC)),
    ("h right enter", c.Trip(source=c.Source.KEY, level=c.Level.HALT, reason="operator")),
    ("r o k space y enter", c.Recover(source=c.Source.KEY, reason="ok y")),
    ("o 3 0 tab n e w s enter",
     c.Override(source=c.Source.KEY, level=c.Level.HALT, seconds=1800, reason="news")),
    ("o shift+tab left tab 5 tab z enter",
     c.Override(source=c.Source.KEY, level=c.Level.THROTTLE, seconds=300, reason="z")),
)  # fmt: skip


async def test_engine_keys_send_their_commands(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (_, pilot):
        for keys, command in COMMANDS:
            await pilot.press(*keys.split())
            assert link.sent == [command], keys
            link.sent.clear()


def steer(action: str, **values: Any) -> c.ReplayControl:
    return c.ReplayControl(source=c.Source.KEY, action=c.ReplayAction(action), **values)


async def test_time_is_steered_where_it_can_be(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(picture, mode="SIMULATED", exchange="sim", speed=60.0)
    async with cockpit() as (_, pilot):
        await pilot.press("space", "n", "plus", "minus")
        assert link.sent == [
            steer("pause"),
            steer("step"),
            steer("speed", speed=120.0),
            steer("speed", speed=30.0),
        ]
        link.sent.clear()
        await pilot.press("J", *"2031-01-02 03:04", "enter")
        (sent,) = link.sent
        assert sent == steer("jump", until=1_925_089_440_000)


async def test_time_that_stands_still_goes_on(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(picture, mode="SIMULATED", exchange="sim", speed=0.0)
    async with cockpit() as (app, pilot):
        assert "STANDS STILL" in text_of(app)
        await pilot.press("plus", "space")
        assert link.sent == [steer("resume")]
        link.sent.clear()
        await pilot.press("J", *"1999-01-01", "enter")
        assert link.sent == []
        assert isinstance(app.screen, Dialog)


async def test_the_time_of_an_exchange_is_left_alone(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(picture, mode="PAPER", exchange="binance", speed=1.0)
    async with cockpit() as (app, pilot):
        await pilot.press("space", "n", "plus", "minus", "J")
        assert link.sent == []
        assert not isinstance(app.screen, Dialog)


async def test_pause_resumes_what_is_paused(cockpit: Cockpit, link: FakeLink, picture: Any) -> None:
    link.current = replace(picture, entries_paused=True)
    async with cockpit() as (app, pilot):
        assert "PAUSED" in text_of(app)
        await pilot.press("p")
        assert link.sent == [c.PauseEntries(source=c.Source.KEY, resume=True)]


async def test_start_acknowledges_a_shutdown_only_when_confirmed(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(picture, state="shutdown", breaker=breaker(c.Level.SHUTDOWN))
    async with cockpit() as (_, pilot):
        await pilot.press("s", "enter")
        assert link.sent == []
        await pilot.press("s", "y")
        assert link.sent == [c.StartTrading(source=c.Source.KEY, acknowledge=True)]


async def test_close_takes_the_position_under_the_cursor(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (app, pilot):
        app.query_one(PositionsPanel).table.focus()
        await pilot.press("down", "c", "y")
        assert link.sent == [c.ClosePosition(source=c.Source.KEY, pair=XRP)]


async def test_a_disputed_pair_is_adopted_or_closed_when_confirmed(
    cockpit: Cockpit, link: FakeLink, picture: Any
) -> None:
    link.current = replace(picture, positions=(), disputed=((XRP, "nothing; venue short 0.01"),))
    async with cockpit() as (app, pilot):
        assert "XRP disputed: nothing; venue short 0.01; a adopts, c closes" in text_of(app)
        await pilot.press("a", "enter", "c", "enter")
        assert link.sent == []
        await pilot.press("a", "y", "c", "y")
        assert link.sent == [
            c.Adopt(source=c.Source.KEY, pair=XRP, reason="operator"),
            c.ClosePosition(source=c.Source.KEY, pair=XRP),
        ]


async def test_adopt_without_a_dispute_says_so(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("a")
        assert link.sent == []
        assert any("Nothing is disputed" in note.message for note in app._notifications)


async def test_close_without_a_position_says_so(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("down", "c")
        await pilot.pause()
        assert not isinstance(app.screen, Dialog)
        assert link.sent == []


VIEWS = (
    ("2", "view-explain", "TRACE"),
    ("3", "view-trades", "Closed trades"),
    ("4", "view-risk", "Exposure against limits"),
    ("5", "view-strategies", "entry_score"),
    ("6", "view-health", "Exchange endpoints"),
    ("1", "view-cockpit", "Circuit breaker"),
    ("e", "view-explain", "TRACE"),
)


async def test_number_keys_switch_views_and_the_strip_stays(cockpit: Cockpit) -> None:
    async with cockpit() as (app, pilot):
        for key, view, words in VIEWS:
            await pilot.press(key)
            await settled(pilot)
            assert app.view.id == view
            shown = text_of(app)
            assert words in shown
            assert "panel failed" not in shown
            assert "SIGMA" in shown.splitlines()[0]
        mounted = set(app.query(View))
        await pilot.press("4", "6")
        assert set(app.query(View)) == mounted  # hidden and shown, never mounted again


async def test_enter_in_the_market_explains_the_pair(cockpit: Cockpit) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("down", "enter")
        await settled(pilot)
        assert app.view.id == "view-explain"
        assert "ETH" in text_of(app).splitlines()[3]


async def test_help_theme_chat_and_palette_open_and_close(cockpit: Cockpit) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpOverlay)
        await pilot.press("escape", "t")
        assert isinstance(app.screen, ThemePicker)
        await pilot.press("escape", "slash")
        assert app.query_one(ChatPane).display
        await pilot.press("escape")
        await pilot.press("slash")
        await pilot.pause()
        assert not app.query_one(ChatPane).display
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert "CommandPalette" in type(app.screen).__name__


async def test_theme_picker_previews_keeps_and_restores(cockpit: Cockpit) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("t", "down")
        await pilot.pause()
        assert app.theme != "sigma-dark"
        await pilot.press("escape")
        await pilot.pause()
        assert app.theme == "sigma-dark"
        await pilot.press("t", "down", "enter")
        await pilot.pause()
        assert app.theme == "sigma-ansi"
        assert app.look.palette == app.loaded[app.theme].palette


async def test_slot_and_zoom(cockpit: Cockpit) -> None:
    async with cockpit(size=(80, 24)) as (app, pilot):
        view = app.view
        assert isinstance(view, CockpitView)
        before = {panel.id for panel in view.panels()}
        await pilot.press("v", "v")
        await settled(pilot)
        assert {panel.id for panel in view.panels()} != before
        await pilot.press("z")
        await settled(pilot)
        assert [panel.id for panel in view.panels()] == ["market"]
        await pilot.press("z")
        await settled(pilot)
        assert len(list(view.panels())) > 1


async def test_trades_sort_reverse_and_filter(cockpit: Cockpit) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("3", "comma", "comma", "comma")
        await settled(pilot)
        table = app.query_one("#trades-table")
        first = table.get_row_at(0)[3].plain  # type: ignore[attr-defined]
        await pilot.press("full_stop")
        await settled(pilot)
        last = table.get_row_at(0)[3].plain  # type: ignore[attr-defined]
        assert "+" in first
        assert "-" in last
        await pilot.press("f", *"eth")
        await settled(pilot)
        pairs = {table.get_row_at(i)[1].plain.strip() for i in range(table.row_count)}  # type: ignore[attr-defined]
        assert pairs == {"ETH"}
        await pilot.press("escape")
        await settled(pilot)
        assert table.row_count == len(app.snapshot.trades)  # type: ignore[attr-defined, union-attr]


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_quit_asks_and_enter_stays(cockpit: Cockpit, link: FakeLink, key: str) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press(key)
        assert isinstance(app.screen, LeaveDialog)
        await pilot.press("enter")
        await pilot.pause()
        assert not isinstance(app.screen, LeaveDialog)
        assert app.return_value is None
        assert link.sent == []


async def test_leaving_keeps_the_engine(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("q", "up", "up", "up", "enter")
        await pilot.pause()
        assert app.return_value is Departure.KEEP
        assert link.sent == []


@pytest.mark.parametrize(("ups", "flatten"), [(2, False), (1, True)])
async def test_leaving_waits_for_the_engine_to_end(
    cockpit: Cockpit, link: FakeLink, ups: int, flatten: bool
) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("q", *["up"] * ups, "enter")
        await settled(pilot)
        assert link.sent == [c.Shutdown(source=c.Source.KEY, flatten=flatten, reason="operator")]
        assert app.return_value is None
        link.ending = "stopped in order"
        app.tick()
        await pilot.pause()
        assert app.return_value is (Departure.FLATTEN if flatten else Departure.STOP)


async def test_a_refused_shutdown_lets_the_screen_stay(cockpit: Cockpit, link: FakeLink) -> None:
    async with cockpit() as (app, pilot):
        await pilot.press("q", "up", "enter")
        link.futures[0].set_result(c.CommandResult(c.Outcome.REFUSED, "orders are in flight"))
        await settled(pilot)
        assert app.return_value is None
        link.ending = "killed"
        app.tick()
        await pilot.pause()
        assert app.return_value is None
        assert "ENDED" in text_of(app)
