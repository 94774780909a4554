"""The WEEX dialect by unmodified ccxt: what a perpetuals venue uses of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from ccxt.base import errors

from tests.exchange.server_clients import BTC, Desk, desk, eventually, weex
from tests.exchange_server import ApiKey

TRIGGER = {"trigger": True}


@pytest.fixture
async def trading() -> AsyncIterator[Desk]:
    async with desk(weex, pulse=0.05) as opened:
        yield opened


async def long_with_attached_exits(trading: Desk) -> Any:
    params = {"stopLoss": {"triggerPrice": 59_000}, "takeProfit": {"triggerPrice": 62_000}}
    return await trading.buy(clientOrderId="entry-1", **params)


async def test_markets_and_time(trading: Desk) -> None:
    market = trading.client.market(BTC)
    assert market["precision"]["amount"] == 0.001
    assert market["limits"]["amount"]["min"] == 0.001
    now = await trading.client.fetch_time({"type": "swap"})
    assert abs(now - trading.client.milliseconds()) < 5_000


async def test_candles_ignore_since_unless_historical(trading: Desk) -> None:
    newest = await trading.client.fetch_ohlcv(BTC, "5m", limit=50)
    since = newest[0][0] - 20 * 300_000
    raw = await trading.client.contractGetCapiV3MarketKlines(
        {"symbol": "BTCUSDT", "interval": "5m", "limit": 50, "startTime": since}
    )
    assert int(raw[0][0]) == newest[0][0]
    history = await trading.client.fetch_ohlcv(BTC, "5m", since, 10, {"historical": True})
    assert [row[0] for row in history] == [since + i * 300_000 for i in range(10)]


async def test_prices(trading: Desk) -> None:
    trading.server.set_price("BTCUSDT", "61000", mark="60990")
    assert (await trading.client.fetch_ticker(BTC))["last"] == 61_000
    assert (await trading.client.fetch_mark_price(BTC))["markPrice"] == 60_990
    assert (await trading.client.fetch_funding_rate(BTC))["fundingRate"] == 0.0001
    books = await trading.client.fetch_bids_asks([BTC])
    assert books[BTC]["bid"] == 61_000


async def test_a_new_order_tells_only_its_ids(trading: Desk) -> None:
    order = await trading.buy(clientOrderId="entry-1")
    assert (order["status"], order["filled"], order["average"]) == (None, None, None)
    assert order["clientOrderId"] == "entry-1"
    found = await trading.client.fetch_order(order["id"], BTC)
    assert (found["status"], found["filled"], found["average"]) == ("closed", 0.01, 60000.1)
    (trade,) = await trading.client.fetch_my_trades(BTC)
    assert (trade["order"], trade["fee"]["cost"]) == (order["id"], 0.3000005)
    with pytest.raises(errors.ArgumentsRequired):
        await trading.client.fetch_order(None, BTC, {"clientOrderId": "entry-1"})
    assert (await trading.client.fetch_balance({"type": "swap"}))["USDT"]["total"] < 10_000


async def test_a_sell_without_reduce_only_opens_a_short_beside_the_long(trading: Desk) -> None:
    await trading.buy(0.02)
    await trading.sell(0.01)
    sides = {p["side"]: p["contracts"] for p in await trading.client.fetch_positions()}
    assert sides == {"long": 0.02, "short": 0.01}
    await trading.sell(0.02, reduceOnly=True)
    (position,) = await trading.client.fetch_positions()
    assert position["side"] == "short"


async def test_attached_stop_and_target_rest_after_a_market_entry(trading: Desk) -> None:
    await long_with_attached_exits(trading)
    orders = await trading.client.fetch_open_orders(BTC, params=TRIGGER)
    prices = {(o["stopLossPrice"], o["takeProfitPrice"], o["side"]) for o in orders}
    assert prices == {(59_000, None, "sell"), (None, 62_000, "sell")}
    assert trading.server.ledger().longest_unprotected_ms < 1_000
    trading.server.set_price("BTCUSDT", "62000")
    assert await trading.client.fetch_positions() == []
    assert await trading.client.fetch_open_orders(BTC, params=TRIGGER) == []
    assert trading.server.ledger().realized == Decimal("19.999")


async def test_an_attached_stop_on_the_wrong_side_refuses_the_entry(trading: Desk) -> None:
    with pytest.raises(errors.BadRequest):
        await trading.buy(stopLoss={"triggerPrice": 61_000})
    assert trading.server.ledger().fills == []


async def test_a_separate_stop_is_placed_seen_cancelled_and_fired(trading: Desk) -> None:
    await trading.buy()
    stop = await trading.stop(59_000, clientOrderId="stop-1")
    (seen,) = await trading.client.fetch_open_orders(BTC, params=TRIGGER)
    assert (seen["id"], seen["status"], seen["triggerPrice"]) == (stop["id"], "open", 59_000)
    await trading.client.cancel_order(stop["id"], BTC, TRIGGER)
    with pytest.raises(errors.OrderNotFound):
        await trading.client.cancel_order(stop["id"], BTC, TRIGGER)
    second = await trading.stop(59_000, clientOrderId="stop-2")
    trading.server.set_price("BTCUSDT", "58990")
    assert await trading.client.fetch_positions() == []
    history = await trading.client.fetch_canceled_and_closed_orders(BTC)
    fired = next(order for order in history if order["id"] == second["id"])
    assert (fired["status"], fired["filled"], fired["average"]) == ("closed", 0.01, 58_990)
    trades = await trading.client.fetch_my_trades(BTC)
    assert [t["side"] for t in trades if t["order"] == second["id"]] == ["sell"]


async def test_limit_orders_rest_and_are_cancelled(trading: Desk) -> None:
    order = await trading.client.create_order(BTC, "limit", "buy", 0.01, 50_000)
    assert [o["id"] for o in await trading.client.fetch_open_orders(BTC)] == [order["id"]]
    await trading.client.cancel_order(order["id"], BTC)
    assert (await trading.client.fetch_order(order["id"], BTC))["status"] == "canceled"
    with pytest.raises(errors.OrderNotFound):
        await trading.client.cancel_order(order["id"], BTC)
    with pytest.raises(errors.InvalidOrder, match="-3200"):
        await trading.client.fetch_order("123", BTC)


async def test_leverage_margin_mode_and_position_mode(trading: Desk) -> None:
    client = trading.client
    await client.set_margin_mode("isolated", BTC)
    await client.set_leverage(10, BTC, {"marginMode": "isolated"})
    assert (await client.fetch_leverage(BTC))["longLeverage"] == 10
    assert (await client.fetch_margin_mode(BTC))["marginMode"] == "isolated"
    assert (await client.fetch_position_mode(BTC))["hedged"] is False
    await trading.buy()
    (position,) = await client.fetch_positions_for_symbol(BTC)
    assert (position["marginMode"], position["leverage"]) == ("isolated", 10)
    assert position["entryPrice"] == 60000.1
    with pytest.raises(errors.InvalidOrder, match="-3313"):
        await client.set_leverage(500, BTC)


async def test_funding_is_listed(trading: Desk) -> None:
    await trading.buy()
    trading.server.world.pay_funding({"BTCUSDT": Decimal("0.001")})
    (payment,) = await trading.client.fetch_funding_history(BTC)
    assert payment["amount"] == -0.6


@pytest.mark.parametrize(
    ("key", "config", "raised"),
    [
        (ApiKey(), {"apiKey": "unknown"}, errors.AuthenticationError),
        (ApiKey(), {"secret": "wrong"}, errors.AuthenticationError),
        (ApiKey(), {"password": "wrong"}, errors.AuthenticationError),
        (ApiKey(futures=False), {}, errors.PermissionDenied),
        (ApiKey(ip_allowed=False), {}, errors.PermissionDenied),
    ],
)
async def test_keys(
    trading: Desk, key: ApiKey, config: dict[str, str], raised: type[Exception]
) -> None:
    trading.server.world.keys[key.key] = key
    client = weex(trading.server.url, **config)
    try:
        with pytest.raises(raised):
            await client.fetch_balance({"type": "swap"})
    finally:
        await client.close()


async def test_refusals(trading: Desk) -> None:
    with pytest.raises(errors.InsufficientFunds):
        await trading.buy(10)
    with pytest.raises(errors.BadRequest):
        await trading.sell(reduceOnly=True)
    with pytest.raises(errors.BadRequest):
        await trading.buy(0.001)
    trading.server.world.clock.offset_ms = 60_000
    with pytest.raises(errors.BadRequest, match="-1046"):
        await trading.buy()


async def test_faults_strike_here_too(trading: Desk) -> None:
    order = {"method": "POST", "path": "/capi/v3/order"}
    trading.server.faults.add("reset", **order, when="after")
    with pytest.raises(errors.ExchangeNotAvailable):
        await trading.buy()
    trading.server.faults.add("body", **order, shape="truncated")
    assert (await trading.buy())["id"] is None
    assert len(trading.server.ledger().fills) == 2


async def test_streams_of_market_and_account(trading: Desk) -> None:
    client, server = trading.client, trading.server
    await client.watch_ohlcv_for_symbols([[BTC, "5m"]])
    await client.watch_tickers([BTC])
    fills = asyncio.create_task(client.watch_my_trades(BTC))
    changes = asyncio.create_task(client.watch_orders(BTC))
    private = server.hubs[1].connections
    await eventually(lambda: any({"fill", "orders"} <= line.names for line in private))
    server.set_price("BTCUSDT", "60500")
    order = await trading.buy()
    async with asyncio.timeout(10):
        while (await client.watch_tickers([BTC]))[BTC]["last"] != 60_500:
            pass
        candles = await client.watch_ohlcv_for_symbols([[BTC, "5m"]])
        assert candles[BTC]["5m"][-1][4] == 60_500
        assert [trade["order"] for trade in await fills] == [order["id"]]
        assert [seen["id"] for seen in await changes] == [order["id"]]
    server.control.perform("stream", {"action": "stall"})
    waiting = asyncio.create_task(client.watch_my_trades(BTC))
    await trading.buy()
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert server.control.perform("stream", {"action": "drop"})["dropped"] == 2
    with pytest.raises(errors.NetworkError):
        await waiting


async def test_a_private_stream_with_a_wrong_signature_is_refused(trading: Desk) -> None:
    trading.client.secret = "wrong"
    with pytest.raises(errors.BadRequest):
        await trading.client.watch_my_trades(BTC)
