"""Whole engines on the loopback exchange: paper, live, a restart, and starts that cannot be."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.ledger import queries
from engine.ledger.reader import LedgerReader
from engine.model.commands import Level
from engine.model.events import DecisionMade
from engine.model.orders import ExitReason
from engine.options import RunOptions
from engine.settings import SettingsError
from tests.exchange.live import BTC, eventually
from tests.exchange.running import Running, exchange, running, settings
from tests.exchange_server import ExchangeServer


@pytest.mark.parametrize(("name", "mode"), [("binance", "live"), ("binance", "paper"),
                                            ("weex", "live"), ("weex", "paper")])  # fmt: skip
async def test_it_steps_shows_marks_and_names_its_account(
    tmp_path: Path, name: str, mode: str
) -> None:
    async with (
        exchange() as server,
        running(tmp_path, server.url, exchange=name, trading_mode=mode) as run,
    ):
        engine = run.engine
        assert engine.account == f"{name}-{mode}"
        assert set(engine.pairs) == {BTC, "ETH/USDT:USDT"}
        price = Decimal("61234.5")
        server.set_price("BTCUSDT", price)
        await eventually(lambda: engine.trader.scanner.states[BTC].price == float(price))
        assert engine.trader.account.equity == 10_000
        assert all(state == "running" for _, state, _ in engine._supervisor.overview())
        assert run.stage.api.endpoints()
        assert (run.stage.simulated is None) == (mode == "live")


async def test_a_close_is_decided_once(tmp_path: Path) -> None:
    async with exchange() as server:
        clock = server.world.clock
        clock.offset_ms = 57_000 - clock.now() % 60_000  # a close in three seconds
        async with running(tmp_path, server.url) as run:
            await eventually(lambda: [e for e in run.events if isinstance(e, DecisionMade)])
            await asyncio.sleep(1.5)
            decided = [e.decision for e in run.events if isinstance(e, DecisionMade)]
            assert len({(d.pair, d.time) for d in decided}) == len(decided) == 2
            assert {d.time % 60_000 for d in decided} == {0}


async def test_a_position_opened_by_hand_halts_until_adopted_and_survives_restarts(
    tmp_path: Path,
) -> None:
    async with exchange() as server:
        async with running(tmp_path, server.url) as run:
            trading = run.stage._session.trading
            await trading.create_order(str(BTC), "market", "buy", 0.01)
            reconciler = run.stage._reconciler
            assert reconciler is not None
            reconciler._next = 0
            await eventually(lambda: BTC in reconciler.disputed)
            assert run.engine.trader.watch.level is Level.HALT
            async with run.engine._busy:
                await reconciler.adopt(BTC, run.engine.clock.now())
                await run.engine.trader.journal.flush()
            assert not reconciler.disputed
            assert run.engine.trader.book.positions[BTC].quantity == Decimal("0.01")
        assert server.ledger().positions[0]["quantity"] == Decimal("0.01")

        async with running(tmp_path, server.url) as run:  # taken up as it was left
            assert run.engine.trader.book.positions[BTC].quantity == Decimal("0.01")
            assert run.stage._reconciler is not None
            assert not run.stage._reconciler.disputed
            trading = run.stage._session.trading
        async with ClosedByHand(server) as hand:
            await hand.sell("0.01")

        async with running(tmp_path, server.url) as run:  # closed while nobody looked
            assert run.engine.trader.book.positions == {}
            assert await run.stage.venue.open_orders() == []
    with LedgerReader(tmp_path / "sigma.db", "binance-live") as reader:
        [trade] = reader.fetch(queries.closed_trades("binance-live"))
    assert trade.exit_reason is ExitReason.EXTERNAL


class ClosedByHand:
    """A person at the exchange's own site."""

    def __init__(self, server: ExchangeServer) -> None:
        from engine.venues.exchange.session import Session, SessionConfig
        from tests.exchange.live import KEYS

        self._session = Session(SessionConfig("binance", "live", (BTC,), KEYS, server.url))

    async def __aenter__(self) -> ClosedByHand:
        await self._session.open()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._session.close()

    async def sell(self, quantity: str) -> None:
        await self._session.trading.create_order(str(BTC), "market", "sell", float(quantity))


async def test_an_exchange_that_does_not_answer_for_a_while_stops_nothing(tmp_path: Path) -> None:
    async with exchange() as server, running(tmp_path, server.url) as run:
        server.faults.add("http", path="/fapi/v3/account", status=500, count=3)
        server.faults.add("http", path="/fapi/v1/openOrders", status=500, count=3)
        await run.engine.trader.refresh_account(run.engine.clock.now())
        await asyncio.sleep(2.5)
        assert all(restarts == 0 for _, _, restarts in run.engine._supervisor.overview())
        assert run.engine.trader.account.equity == 10_000


# Starts that cannot be


async def test_live_needs_the_name_typed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--confirm-live binance"):
        Engine(settings("http://127.0.0.1:9"), RunOptions(home=tmp_path))


async def test_a_wrong_key_ends_the_start_with_what_to_do(tmp_path: Path) -> None:
    async with exchange() as server:
        run = Running(tmp_path, server.url, binance_api_key="nobody")
        with pytest.raises(SettingsError, match="check the key itself"):
            await run.engine.run()


async def test_without_network_the_start_waits_and_can_be_ended(tmp_path: Path) -> None:
    run = Running(tmp_path, "http://127.0.0.1:9")
    task = asyncio.ensure_future(run.engine.run())
    await eventually(lambda: "cannot be reached" in run.engine.waiting)
    run.engine.end("enough")
    with pytest.raises(SettingsError, match="ended before it could begin"):
        await task
