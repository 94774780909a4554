"""A position that nobody knows: what is blocked, what is shown, and the two ways out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from engine.model.commands import Adopt, ClosePosition, Level, Outcome, Source
from engine.model.orders import ExitReason
from sigma_tui.__main__ import main
from tests.exchange.live import BTC, ETH, eventually
from tests.exchange.running import Running, exchange, running
from tests.exchange_server import ExchangeServer

CLI = Source.CLI


@asynccontextmanager
async def disputed(home: Path) -> AsyncIterator[tuple[ExchangeServer, Running]]:
    """Run an engine while somebody has opened 0.01 BTC by hand."""
    async with exchange() as server, running(home, server.url) as run:
        server.world.external_order("BTCUSDT", "SELL", Decimal("0.01"))
        await run.reconcile()
        yield server, run


async def test_it_is_shown_and_takes_no_new_risk(tmp_path: Path) -> None:
    async with disputed(tmp_path) as (_, run):
        trader = run.engine.trader
        assert trader.disputed == {BTC: "nothing; venue short 0.01"}
        assert trader.watch.level is Level.HALT
        await eventually(lambda: run.snapshots and run.snapshots[-1].disputed)
        assert run.snapshots[-1].disputed == ((BTC, "nothing; venue short 0.01"),)
        context = trader._context(run.engine.clock.now())
        assert context.disputed == {BTC}


async def test_it_is_adopted(tmp_path: Path) -> None:
    async with disputed(tmp_path) as (server, run):
        result = await run.engine.command(Adopt(source=CLI, pair=BTC, reason="mine"))
        assert (result.outcome, result.detail) == (Outcome.DONE, "BTC: adopted short 0.01")
        assert run.engine.trader.disputed == {}
        position = run.engine.trader.book.positions[BTC]
        resting = {a.request.client_id for a in server.world.exchange.books.open_algos()}
        assert resting == {position.stop_order_id, position.target_order_id}
        again = await run.engine.command(Adopt(source=CLI, pair=BTC))
        assert (again.outcome, again.detail) == (Outcome.REFUSED, "nothing is disputed in BTC")


async def test_it_is_closed(tmp_path: Path) -> None:
    async with disputed(tmp_path) as (server, run):
        result = await run.engine.command(ClosePosition(source=CLI, pair=BTC, reason="not mine"))
        assert result.outcome is Outcome.DONE
        assert server.ledger().positions == []
        assert server.world.exchange.books.open_algos() == []
        assert run.engine.trader.disputed == {}
        [trade] = await run.engine.ledger.closed_trades()
        assert trade.exit_reason is ExitReason.OPERATOR


async def test_where_nothing_is_disputed_nothing_is_adopted(tmp_path: Path) -> None:
    async with disputed(tmp_path) as (_, run):
        assert (await run.engine.command(Adopt(source=CLI, pair=ETH))).outcome is Outcome.REFUSED


async def test_an_exchange_that_does_not_answer_leaves_it_disputed(tmp_path: Path) -> None:
    async with disputed(tmp_path) as (server, run):
        server.faults.add("http", path="/fapi/v3/positionRisk", status=500, count=20)
        result = await run.engine.command(Adopt(source=CLI, pair=BTC))
        assert result.outcome is Outcome.FAILED
        server.faults.clear()
        assert BTC in run.engine.trader.disputed
        assert BTC not in run.engine.trader.book.positions


async def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def sigma(*words: str) -> int:
        return main([*words, "--home", str(tmp_path)])

    async with disputed(tmp_path) as (_, run):
        await eventually(lambda: run.snapshots and run.snapshots[-1].disputed)
        assert await asyncio.to_thread(sigma, "status", "--json") == 0
        assert json.loads(capsys.readouterr().out)["disputed"] == {BTC: "nothing; venue short 0.01"}
        assert await asyncio.to_thread(sigma, "adopt", "BTC") == 2
        said = capsys.readouterr().err
        assert "take over what the exchange shows in BTC" in said
        assert "nothing; venue short 0.01" in said
        assert run.engine.trader.disputed
        assert await asyncio.to_thread(sigma, "adopt", "BTC", "--yes", "--reason", "mine") == 0
        assert "adopted short 0.01" in capsys.readouterr().out
        assert await asyncio.to_thread(sigma, "adopt", "ETH", "--yes") == 4
