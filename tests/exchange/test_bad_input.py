"""Starts that cannot be, seen from the cockpit: it stays up, says what to do, trades nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.host import EngineHost
from engine.model.commands import Source, StartTrading
from engine.model.events import Noticed
from engine.options import RunOptions
from sigma_tui.app import SigmaApp
from sigma_tui.cli.exchange_checks import exchange_findings
from tests.exchange.live import BTC, eventually
from tests.exchange.running import exchange, running, settings
from tests.exchange_server import ExchangeServer
from tests.exchange_server.hosting import ServerThread

NOWHERE = "http://127.0.0.1:9"
KEY_FAULTS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("binance", {"binance_api_key": "nobody"}, {}, "check the key itself"),
    ("binance", {"binance_api_secret": "wrong"}, {}, "secret does not belong to the key"),
    ("binance", {}, {"ip_allowed": False}, "IP address is on its list"),
    ("binance", {}, {"futures": False}, "may not trade futures"),
    ("binance", {}, {"withdraw": True}, "make one without withdrawals"),
    ("weex", {"weex_api_key": "nobody"}, {}, "WEEX_API_KEY"),
    ("weex", {"weex_api_passphrase": "wrong"}, {}, "WEEX_API_PASSPHRASE"),
    ("weex", {}, {"ip_allowed": False}, "IP address is not on the key's list"),
]


@asynccontextmanager
async def cockpit(home: Path, url: str, **changes: Any) -> AsyncIterator[tuple[SigmaApp, Any]]:
    """Run a cockpit over an engine of its own."""
    chosen = settings(url, **changes)
    options = RunOptions(home=home, start=True, confirm_live=chosen.exchange)
    host = EngineHost.of(chosen, options)
    app = SigmaApp(host, theme="sigma-dark")
    try:
        async with app.run_test(size=(160, 30)) as pilot:
            host.start()
            yield app, pilot
    finally:
        host.end("the test is over")
        assert await asyncio.to_thread(host.join, 20)


async def says(app: SigmaApp, words: str) -> None:
    """Wait until the status strip says something."""
    try:
        await eventually(lambda: words in app.strip.lines.plain, 20)
    except TimeoutError:
        raise AssertionError(f"{words!r} is not in {app.strip.lines.plain!r}") from None


@pytest.mark.parametrize(("name", "changes", "key", "words"), KEY_FAULTS)
async def test_a_key_that_will_not_do(
    tmp_path: Path, name: str, changes: dict[str, Any], key: dict[str, Any], words: str
) -> None:
    with ServerThread(seed=7, history_days=3) as server:
        if key:
            fields = {"key": "test-key", "secret": "test-secret", "passphrase": "test-pass"}
            server.call("key", **fields, **key)
        async with cockpit(tmp_path, server.url, exchange=name, **changes) as (app, pilot):
            await says(app, words)
            assert "\n" not in app.feed.ended
            await pilot.press("s")  # what is pressed now is answered, and does nothing
            await pilot.pause()
            assert app.is_running
        assert server.ledger()["fills"] == []
    [row] = [f for f in await asyncio.to_thread(_findings, server, name, changes)][-1:]
    assert row[1] == "fail"


def _findings(server: ServerThread, name: str, changes: dict[str, Any]) -> list[Any]:
    """Return what the doctor finds where nothing answers any more."""
    return exchange_findings(settings(server.url, exchange=name, **changes))


async def test_without_network_the_cockpit_says_what_it_waits_for(tmp_path: Path) -> None:
    async with cockpit(tmp_path, NOWHERE) as (app, pilot):
        await says(app, "cannot be reached, trying again")
        await pilot.press("2", "1")
        assert app.is_running
        assert app.feed.ended == ""


async def test_the_network_comes_back_and_the_engine_begins(tmp_path: Path) -> None:
    with ServerThread(seed=7, history_days=3) as server:
        server.call("fault", kind="maintenance", count=None)
        async with cockpit(tmp_path, server.url) as (app, _):
            await says(app, "trying again")
            server.call("clear-faults")
            await says(app, "LIVE")


async def test_a_symbol_that_is_not_listed_is_left_out(tmp_path: Path) -> None:
    async with (
        exchange() as server,
        running(tmp_path, server.url, allowed_symbols="BTC,ETH,PEPE") as run,
    ):
        assert [pair.base for pair in run.engine.pairs] == ["BTC", "ETH"]
        told = [e.detail for e in run.events if isinstance(e, Noticed)]
        assert any("does not trade PEPE: left out" in text for text in told)


async def test_leverage_above_the_bracket_is_told_and_takes_no_entry(tmp_path: Path) -> None:
    async with exchange() as server:
        _cap_leverage(server, 5)
        async with running(tmp_path, server.url) as run:
            told = [e.detail for e in run.events if isinstance(e, Noticed)]
            assert any("BTC allows 5x at most" in text for text in told)
            assert run.engine.trader.instruments[BTC].max_leverage == 5
            assert server.ledger().fills == []


def _cap_leverage(server: ExchangeServer, most: int) -> None:
    rules = server.world.account.rules
    first, *rest = rules["BTCUSDT"].brackets
    rules["BTCUSDT"] = replace(rules["BTCUSDT"], brackets=(replace(first, leverage=most), *rest))


async def test_a_key_revoked_while_a_position_is_open_is_told_and_management_goes_on(
    tmp_path: Path,
) -> None:
    async with exchange() as server, running(tmp_path, server.url) as run:
        server.world.external_order("BTCUSDT", "BUY", Decimal("0.01"))
        await run.reconcile()
        async with run.engine._busy:
            await run.reconciler.adopt(BTC, run.engine.clock.now())
        key = server.world.keys["test-key"]
        key.ip_allowed = False
        fills = len(server.ledger().fills)
        await asyncio.sleep(2.5)
        await run.reconcile()
        told = [e.detail for e in run.events if isinstance(e, Noticed)]
        assert any("IP address is on its list" in text for text in told)
        started = await run.engine.command(StartTrading(source=Source.CLI))
        assert started.detail
        assert len(server.ledger().fills) == fills
        assert server.world.exchange.books.open_algos(), "the stop rests at the exchange"
        assert all(restarts == 0 for _, _, restarts in run.engine._supervisor.overview())
        key.ip_allowed = True
        position = run.engine.trader.book.positions[BTC]
        server.set_price("BTCUSDT", position.stop_price)
        await eventually(lambda: BTC not in run.engine.trader.book.positions, 20)


async def test_the_doctor_of_a_sound_exchange() -> None:
    with ServerThread(seed=7, history_days=3) as server:
        found = await asyncio.to_thread(_findings, server, "binance", {})
        assert {name: status for name, status, _ in found} == {
            "exchange": "ok", "clock offset": "ok", "key permissions": "ok", "margin mode": "ok",
            "minimum notional": "ok",
        }  # fmt: skip
        server.call("hedge-mode", on=True)
        name, status, detail = (await asyncio.to_thread(_findings, server, "binance", {}))[-1]
        assert (name, status) == ("margin mode", "fail")
        assert "switch to one-way mode" in detail
        server.call("hedge-mode", on=False)
        server.call("clock", offset_ms=5_000)
        found = await asyncio.to_thread(_findings, server, "binance", {})
        assert ("clock offset", "warn") in [(name, status) for name, status, _ in found]


async def test_the_doctor_of_nothing_to_reach() -> None:
    assert exchange_findings(settings(NOWHERE, exchange="sim", trading_mode="paper"))[0][1] == "ok"
    [(name, status, _)] = await asyncio.to_thread(exchange_findings, settings(NOWHERE))
    assert (name, status) == ("exchange", "fail")


async def test_endpoints_weight_and_clock_are_shown(tmp_path: Path) -> None:
    async with exchange() as server, running(tmp_path, server.url) as run:
        await eventually(lambda: run.snapshots and run.snapshots[-1].health.endpoints)
        health = run.snapshots[-1].health
        assert any(e.name.endswith("/fapi/v1/time") for e in health.endpoints)
        assert health.weight_limit > 0
        assert abs(health.clock_offset_ms) < 1_000
