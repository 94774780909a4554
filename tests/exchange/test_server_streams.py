"""Websockets by unmodified ccxt.pro, and what silence and cut lines look like to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from ccxt.base import errors

from tests.exchange.server_clients import BTC, Desk, desk, eventually

WAIT = 10


@pytest.fixture
async def trading() -> AsyncIterator[Desk]:
    async with desk(pulse=0.05) as opened:
        yield opened


async def until(watch: Any, accept: Any) -> Any:
    """Watch until an answer is accepted."""
    async with asyncio.timeout(WAIT):
        while True:
            answer = await watch()
            if accept(answer):
                return answer


async def test_candles_follow_the_price(trading: Desk) -> None:
    client, server = trading.client, trading.server
    await client.watch_ohlcv(BTC, "5m")
    server.set_price("BTCUSDT", "60500")
    rows = await until(lambda: client.watch_ohlcv(BTC, "5m"), lambda rows: rows[-1][4] == 60_500)
    assert rows[-1][0] % 300_000 == 0


async def test_marks_and_best_prices(trading: Desk) -> None:
    client, server = trading.client, trading.server
    await client.watch_mark_price(BTC)
    server.set_price("BTCUSDT", "60500", mark="60400")
    await until(lambda: client.watch_mark_price(BTC), lambda t: t["markPrice"] == 60_400)
    books = await client.watch_bids_asks([BTC])
    assert (books[BTC]["bid"], books[BTC]["ask"]) == (60_500, 60_500.1)
    assert (await client.watch_ticker(BTC))["last"] == 60_500
    marks = await client.watch_mark_prices()
    assert len(marks) == 8


async def test_orders_fills_and_conditional_orders_arrive(trading: Desk) -> None:
    client, server = trading.client, trading.server
    watching = asyncio.create_task(client.watch_orders(BTC))
    await connected(trading)
    await trading.buy(newClientOrderId="entry-1")
    orders = await watching
    assert orders[-1]["clientOrderId"] == "entry-1"
    stop = await trading.stop(59_000, clientOrderId="stop-1")
    seen = await until(lambda: client.watch_orders(BTC), lambda o: o[-1]["id"] == stop["id"])
    assert (seen[-1]["status"], seen[-1]["triggerPrice"]) == ("open", 59_000)
    server.set_price("BTCUSDT", "58990")

    def finished(orders: Any) -> bool:
        return bool(orders[-1]["id"] == stop["id"] and orders[-1]["info"]["X"] == "FINISHED")

    fired = (await until(lambda: client.watch_orders(BTC), finished))[-1]
    actual = await client.fetch_order(fired["info"]["ai"], BTC)
    assert actual["average"] == 58_990
    trades = await client.fetch_my_trades(BTC)
    assert [trade["order"] for trade in trades][-1] == fired["info"]["ai"]


async def connected(trading: Desk) -> None:
    """Wait until a living user stream stands."""
    server = trading.server
    alive = server.world.listen_keys.alive
    await eventually(lambda: any(alive(c.listen_key or "") for c in server.streams.connections))


async def test_balance_and_positions_arrive(trading: Desk) -> None:
    client = trading.client
    client.options["watchPositions"]["fetchPositionsSnapshot"] = False
    balance = asyncio.create_task(client.watch_balance())
    positions = asyncio.create_task(client.watch_positions([BTC]))
    await connected(trading)
    await trading.buy()
    async with asyncio.timeout(WAIT):
        assert (await balance)["USDT"]["total"] == 9_999.6999995
        (position,) = await positions
    assert (position["side"], position["contracts"]) == ("long", 0.01)


async def test_a_cut_line_raises_a_network_error_and_the_next_watch_reconnects(
    trading: Desk,
) -> None:
    client, server = trading.client, trading.server
    await client.watch_ohlcv(BTC, "1m")
    server.streams.stalled = "market"
    watching = asyncio.create_task(until(lambda: client.watch_ohlcv(BTC, "1m"), lambda _: False))
    await asyncio.sleep(0.1)
    assert server.streams.drop() == 1
    with pytest.raises(errors.NetworkError):
        await watching
    server.streams.stalled = None
    async with asyncio.timeout(WAIT):
        assert await client.watch_ohlcv(BTC, "1m")


async def test_a_stall_keeps_the_line_open_and_says_nothing(trading: Desk) -> None:
    client, server = trading.client, trading.server
    await client.watch_bids_asks([BTC])
    server.control.perform("stream", {"action": "stall", "which": "market"})
    await asyncio.sleep(0.1)
    silent = asyncio.create_task(until(lambda: client.watch_bids_asks([BTC]), lambda _: False))
    heard = server.streams.sent
    await asyncio.sleep(0.3)
    assert server.streams.sent == heard
    assert not silent.done()
    silent.cancel()
    server.control.perform("stream", {"action": "resume"})
    async with asyncio.timeout(WAIT):
        await client.watch_bids_asks([BTC])


async def test_a_dead_listen_key_is_silent(trading: Desk) -> None:
    client, server = trading.client, trading.server
    watching = asyncio.create_task(client.watch_orders(BTC))
    await connected(trading)
    server.control.perform("stream", {"action": "kill-listen-key"})
    await trading.buy()
    await asyncio.sleep(0.2)
    assert not watching.done()
    with pytest.raises(errors.BaseError, match="-1125"):
        await client.fapiPrivatePutListenKey()
    watching.cancel()
    client.options["linear"] = {}
    again = asyncio.create_task(client.watch_orders(BTC))
    await connected(trading)
    order = await trading.sell()
    async with asyncio.timeout(WAIT):
        assert (await again)[-1]["id"] == order["id"]


class Raw:
    """A bare user stream, to read what ccxt.pro does not parse."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def event(self, kind: str) -> dict[str, Any]:
        """Return the next message of one kind."""
        async with asyncio.timeout(WAIT):
            while True:
                message: dict[str, Any] = await self.socket.receive_json()
                if message.get("e") == kind:
                    return message


@pytest.fixture
async def raw(trading: Desk) -> AsyncIterator[Raw]:
    key = (await trading.client.fapiPrivatePostListenKey())["listenKey"]
    address = f"{trading.server.url}/ws/{key}"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        yield Raw(socket)


async def test_margin_call_liquidation_and_funding_are_told(trading: Desk, raw: Raw) -> None:
    server = trading.server
    await trading.client.set_leverage(20, BTC)
    await trading.client.set_margin_mode("isolated", BTC)
    await trading.buy()
    server.world.pay_funding({"BTCUSDT": Decimal("0.001")})
    while (update := await raw.event("ACCOUNT_UPDATE"))["a"]["m"] != "FUNDING_FEE":
        assert update["a"]["m"] == "ORDER"
    assert update["a"]["B"][0]["bc"] == "-0.60000000"
    price = server.world.account.liquidation_price(server.world.account.position("BTCUSDT", "BOTH"))
    server.set_price("BTCUSDT", price.quantize(Decimal("0.1")) + 20)
    call = await raw.event("MARGIN_CALL")
    assert call["p"][0]["s"] == "BTCUSDT"
    server.set_price("BTCUSDT", price.quantize(Decimal("0.1")) - 20)
    while (update := await raw.event("ORDER_TRADE_UPDATE"))["o"]["x"] != "CALCULATED":
        pass
    assert update["o"]["c"].startswith("autoclose-")
    assert update["o"]["o"] == "LIQUIDATION"


async def test_an_expired_listen_key_says_so(trading: Desk, raw: Raw) -> None:
    trading.server.world.clock.offset_ms = 3_600_001
    message = await raw.event("listenKeyExpired")
    assert len(message["listenKey"]) == 64


async def test_a_combined_stream_wraps_and_a_wrong_name_is_refused(trading: Desk) -> None:
    address = f"{trading.server.url}/stream?streams=btcusdt@bookTicker/ethusdt@markPrice"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        message = await socket.receive_json()
        assert message["stream"] in ("btcusdt@bookTicker", "ethusdt@markPrice")
        await socket.send_json({"method": "SUBSCRIBE", "params": ["nonsense"], "id": 3})
        while "error" not in (message := await socket.receive_json()):
            assert message["data"]["s"] in ("BTCUSDT", "ETHUSDT")
        assert message["id"] == 3


async def test_a_candle_that_closes_is_sent_once_with_its_final_flag(trading: Desk) -> None:
    server = trading.server
    address = f"{server.url}/ws/btcusdt@kline_1m"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        first = await socket.receive_json()
        server.world.clock.offset_ms = 60_000
        final, following = [], first
        while following["k"]["t"] == first["k"]["t"]:
            following = await socket.receive_json()
            final += [following] if following["k"]["x"] else []
        assert [message["k"]["t"] for message in final] == [first["k"]["t"]]
