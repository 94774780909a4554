"""Every operation a perpetuals venue needs, by unmodified ccxt against the loopback exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from ccxt.base import errors

from tests.exchange.server_clients import BTC, Desk, binance, desk
from tests.exchange_server import ApiKey

TRIGGER = {"trigger": True}


@pytest.fixture
async def trading() -> AsyncIterator[Desk]:
    async with desk() as opened:
        yield opened


async def test_markets_carry_steps_limits_and_minimum_notional(trading: Desk) -> None:
    market = trading.client.market(BTC)
    assert len(trading.client.markets) == 8
    assert market["precision"] == {"amount": 0.001, "price": 0.1, "base": 1e-8, "quote": 1e-8}
    assert market["limits"]["cost"]["min"] == 100
    assert market["active"]
    assert market["linear"]


async def test_candles_agree_between_timeframes_and_end_with_the_forming_one(
    trading: Desk,
) -> None:
    five = await trading.client.fetch_ohlcv(BTC, "5m", limit=20)
    now = await trading.client.fetch_time()
    assert five[-1][0] <= now < five[-1][0] + 300_000
    one = await trading.client.fetch_ohlcv(BTC, "1m", since=five[0][0], limit=50)
    assert [row[0] for row in one[::5]] == [row[0] for row in five[:10]]
    for index, candle in enumerate(five[:10]):
        minutes = one[index * 5 : index * 5 + 5]
        assert candle[1] == minutes[0][1]
        assert candle[2] == max(row[2] for row in minutes)
        assert candle[3] == min(row[3] for row in minutes)
        assert candle[4] == minutes[-1][4]


async def test_a_price_shows_in_candle_ticker_book_and_mark(trading: Desk) -> None:
    trading.server.set_price("BTCUSDT", "61234.5", mark="61200")
    client = trading.client
    assert (await client.fetch_ohlcv(BTC, "1m", limit=1))[0][4] == 61234.5
    assert (await client.fetch_ticker(BTC))["last"] == 61234.5
    book = (await client.fetch_bids_asks([BTC]))[BTC]
    assert (book["bid"], book["ask"]) == (61234.5, 61234.6)
    rate = await client.fetch_funding_rate(BTC)
    assert (rate["markPrice"], rate["fundingRate"]) == (61200, 0.0001)
    assert (await client.fetch_order_book(BTC, 5))["bids"][0][0] == 61234.5
    assert len(await client.fetch_funding_rate_history(BTC, limit=10)) == 10


async def test_a_market_order_opens_a_position_and_pays_a_fee(trading: Desk) -> None:
    await trading.client.set_leverage(10, BTC)
    await trading.client.set_margin_mode("isolated", BTC)
    order = await trading.buy(newClientOrderId="entry-1")
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.01, 60000.1)
    (position,) = await trading.client.fetch_positions([BTC])
    assert (position["side"], position["contracts"]) == ("long", 0.01)
    assert (position["entryPrice"], position["marginMode"]) == (60000.1, "isolated")
    # 60000.1 - 6000.01 of margin, kept up by 0.4 % maintenance: 54000.09 / 0.996
    assert position["liquidationPrice"] == pytest.approx(54216.957, abs=0.01)
    balance = (await trading.client.fetch_balance())["USDT"]
    assert balance["total"] == pytest.approx(10_000 - 0.3000005 - 0.001, abs=1e-6)
    (trade,) = await trading.client.fetch_my_trades(BTC)
    assert (trade["order"], trade["fee"]["cost"]) == (order["id"], 0.3000005)


async def test_orders_are_found_by_id_and_by_client_id(trading: Desk) -> None:
    order = await trading.buy(newClientOrderId="entry-1")
    by_client = await trading.client.fetch_order("", BTC, {"origClientOrderId": "entry-1"})
    assert by_client["id"] == order["id"]
    assert (await trading.client.fetch_order(order["id"], BTC))["clientOrderId"] == "entry-1"
    assert [o["id"] for o in await trading.client.fetch_orders(BTC)] == [order["id"]]
    with pytest.raises(errors.OrderNotFound):
        await trading.client.fetch_order("", BTC, {"origClientOrderId": "never-sent"})


async def test_a_client_id_may_be_used_again_once_its_order_is_over(trading: Desk) -> None:
    await trading.buy(newClientOrderId="again")
    await trading.buy(newClientOrderId="again")
    assert len(trading.server.ledger().fills) == 2
    resting = {"newClientOrderId": "resting"}
    await trading.client.create_order(BTC, "limit", "buy", 0.01, 50_000, resting)
    with pytest.raises(errors.InvalidOrder, match="-4116"):
        await trading.buy(newClientOrderId="resting")


async def test_a_stop_is_only_visible_with_trigger(trading: Desk) -> None:
    await trading.buy()
    stop = await trading.stop(59_000, clientOrderId="stop-1")
    assert (stop["status"], stop["triggerPrice"]) == ("open", 59_000)
    assert await trading.client.fetch_open_orders(BTC) == []
    (seen,) = await trading.client.fetch_open_orders(BTC, params=TRIGGER)
    assert (seen["id"], seen["clientOrderId"], seen["reduceOnly"]) == (stop["id"], "stop-1", True)
    with pytest.raises(errors.OrderNotFound):
        await trading.client.cancel_order(stop["id"], BTC)
    await trading.client.cancel_order("", BTC, {**TRIGGER, "clientOrderId": "stop-1"})
    found = await trading.client.fetch_order(stop["id"], BTC, TRIGGER)
    assert found["status"] == "canceled"
    with pytest.raises(errors.OrderNotFound):
        await trading.client.cancel_order(stop["id"], BTC, TRIGGER)


async def test_a_fired_stop_reads_closed_and_its_fill_belongs_to_the_actual_order(
    trading: Desk,
) -> None:
    await trading.buy()
    await trading.stop(59_000, clientOrderId="stop-1", workingType="MARK_PRICE")
    trading.server.set_price("BTCUSDT", "58990", mark="59000.1")
    assert await trading.client.fetch_positions() != []
    trading.server.set_price("BTCUSDT", "58990", mark="59000")
    fired = await trading.client.fetch_order("", BTC, {**TRIGGER, "clientOrderId": "stop-1"})
    assert (fired["status"], fired["filled"]) == ("closed", 0)
    actual = await trading.client.fetch_order(fired["info"]["actualOrderId"], BTC)
    assert (actual["status"], actual["filled"], actual["average"]) == ("closed", 0.01, 58_990)
    assert await trading.client.fetch_positions() == []
    assert [o["status"] for o in await trading.client.fetch_orders(BTC, params=TRIGGER)] == [
        "closed"
    ]


async def test_the_target_of_a_closed_position_stays_and_is_rejected_when_reached(
    trading: Desk,
) -> None:
    await trading.buy()
    await trading.stop(59_000)
    target = await trading.client.create_order(
        BTC, "market", "sell", 0.01, params={"takeProfitPrice": 62_000, "reduceOnly": True}
    )
    trading.server.set_price("BTCUSDT", "59000")
    (orphan,) = await trading.client.fetch_open_orders(BTC, params=TRIGGER)
    assert orphan["id"] == target["id"]
    trading.server.set_price("BTCUSDT", "62000")
    rejected = await trading.client.fetch_order(target["id"], BTC, TRIGGER)
    assert rejected["status"] == "rejected"
    assert trading.server.ledger().positions == []


async def test_a_close_position_stop_covers_any_size_and_ends_with_the_position(
    trading: Desk,
) -> None:
    await trading.buy()
    params = {"stopLossPrice": 59_000, "closePosition": True}
    stop = await trading.client.create_order(BTC, "market", "sell", 0, params=params)
    await trading.buy()
    assert trading.server.ledger().lives[0]["unprotected_since"] is None
    await trading.sell(0.02, reduceOnly=True)
    ended = await trading.client.fetch_order(stop["id"], BTC, TRIGGER)
    assert ended["status"] == "expired"


async def test_a_conditional_order_expires_at_its_good_till_time(trading: Desk) -> None:
    await trading.buy()
    till = trading.server.world.clock.now() + 700_000
    stop = await trading.stop(59_000, timeInForce="GTD", goodTillDate=till)
    trading.server.world.clock.offset_ms = 700_001
    trading.server.world.catch_up()
    assert trading.server.world.exchange.books.algo(int(stop["id"])).status == "EXPIRED"


async def test_a_limit_order_rests_and_fills_as_maker(trading: Desk) -> None:
    order = await trading.client.create_order(BTC, "limit", "buy", 0.01, 59_500)
    assert [o["id"] for o in await trading.client.fetch_open_orders(BTC)] == [order["id"]]
    trading.server.set_price("BTCUSDT", "59400")
    filled = await trading.client.fetch_order(order["id"], BTC)
    assert (filled["status"], filled["average"]) == ("closed", 59_500)
    (trade,) = await trading.client.fetch_my_trades(BTC)
    assert (trade["takerOrMaker"], trade["fee"]["cost"]) == ("maker", 0.119)


async def test_a_reduce_only_order_never_flips_the_position(trading: Desk) -> None:
    await trading.buy()
    order = await trading.sell(0.05, reduceOnly=True)
    assert (order["status"], order["filled"]) == ("expired", 0.01)
    assert await trading.client.fetch_positions() == []


async def test_a_plain_order_flips_the_position(trading: Desk) -> None:
    await trading.buy()
    await trading.sell(0.03)
    (position,) = await trading.client.fetch_positions()
    assert (position["side"], position["contracts"]) == ("short", 0.02)
    assert [life["side"] for life in trading.server.ledger().lives] == ["LONG", "SHORT"]


@pytest.mark.parametrize(
    ("amount", "params", "raised", "code"),
    [
        (10, {}, errors.InsufficientFunds, -2019),
        (0.001, {}, errors.InvalidOrder, -4164),
        (0.01, {"reduceOnly": True}, errors.InvalidOrder, -2022),
        (0.01, {"positionSide": "LONG"}, errors.OperationRejected, -4061),
        (0.01, {"newClientOrderId": "x" * 37}, errors.BadRequest, -4015),
        (0.01, {"quantity": "0.0015"}, errors.BadRequest, -1111),
        (0.01, {"quantity": "0"}, errors.BadRequest, -4003),
        (0.01, {"symbol": "NOPEUSDT"}, errors.BadSymbol, -1121),
        (0.01, {"stopLossPrice": 60_500}, errors.OrderImmediatelyFillable, -2021),
    ],
)
async def test_refusals(
    trading: Desk, amount: float, params: dict[str, object], raised: type[Exception], code: int
) -> None:
    side = "sell" if "reduceOnly" in params or "stopLossPrice" in params else "buy"
    with pytest.raises(raised, match=str(code)):
        await trading.client.create_order(BTC, "market", side, amount, params=params)
    assert trading.server.ledger().fills == []


async def test_reduce_only_beside_orders_that_close_everything_is_refused(trading: Desk) -> None:
    await trading.buy()
    close = {"reduceOnly": True}
    await trading.client.create_order(BTC, "limit", "sell", 0.01, 70_000, close)
    with pytest.raises(errors.OperationRejected, match="-4118"):
        await trading.sell(reduceOnly=True)


async def test_stops_are_not_taken_by_the_plain_order_endpoint(trading: Desk) -> None:
    request = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01"}
    with pytest.raises(errors.BaseError, match="-4120"):
        await trading.client.fapiPrivatePostOrder({**request, "stopPrice": "59000"})


async def test_leverage_is_bounded_by_bracket_and_position(trading: Desk) -> None:
    with pytest.raises(errors.BadRequest, match="-4028"):
        await trading.client.set_leverage(80, "SOL/USDT:USDT")
    tiers = await trading.client.fetch_leverage_tiers([BTC])
    assert tiers[BTC][0]["maxLeverage"] == 125
    assert tiers[BTC][1]["maintenanceMarginRate"] == 0.005
    await trading.client.set_leverage(125, BTC)
    with pytest.raises(errors.BaseError, match="-2027"):
        await trading.buy(10)


async def test_margin_mode_changes_only_without_position_and_says_when_it_is_set(
    trading: Desk,
) -> None:
    await trading.client.set_margin_mode("isolated", BTC)
    with pytest.raises(errors.MarginModeAlreadySet):
        await trading.client.set_margin_mode("isolated", BTC)
    assert (await trading.client.fetch_margin_mode(BTC))["marginMode"] == "isolated"
    await trading.buy()
    with pytest.raises(errors.BaseError, match="-4048"):
        await trading.client.set_margin_mode("cross", BTC)


async def test_hedge_mode_is_reported_and_refuses_one_way_orders(trading: Desk) -> None:
    assert (await trading.client.fetch_position_mode())["hedged"] is False
    trading.server.control.perform("hedge-mode", {"on": True})
    assert (await trading.client.fetch_position_mode())["hedged"] is True
    with pytest.raises(errors.OperationRejected, match="-4061"):
        await trading.buy()
    await trading.client.set_position_mode(False)
    await trading.buy()
    with pytest.raises(errors.BaseError, match="-4068"):
        await trading.client.set_position_mode(True)


@pytest.mark.parametrize(
    ("key", "config", "raised", "code"),
    [
        (ApiKey(), {"apiKey": "unknown"}, errors.AuthenticationError, -2015),
        (ApiKey(), {"secret": "wrong"}, errors.AuthenticationError, -1022),
        (ApiKey(futures=False), {}, errors.AuthenticationError, -2015),
        (ApiKey(ip_allowed=False), {}, errors.AuthenticationError, -2015),
    ],
)
async def test_keys(
    trading: Desk, key: ApiKey, config: dict[str, str], raised: type[Exception], code: int
) -> None:
    trading.server.world.keys[key.key] = key
    client = binance(trading.server.url, **config)
    try:
        with pytest.raises(raised, match=str(code)):
            await client.fetch_balance()
    finally:
        await client.close()


async def test_permissions_of_a_key_are_reported(trading: Desk) -> None:
    trading.server.world.keys["test-key"] = ApiKey(withdraw=True, futures=False)
    restrictions = await trading.client.sapiGetAccountApiRestrictions()
    assert restrictions["enableWithdrawals"] is True
    assert restrictions["enableFutures"] is False


@pytest.mark.parametrize("offset", [-1500, 12_000])
async def test_a_clock_that_is_off_is_refused_until_synchronised(
    trading: Desk, offset: int
) -> None:
    trading.server.world.clock.offset_ms = offset
    with pytest.raises(errors.InvalidNonce, match="-1021"):
        await trading.client.fetch_balance()
    await trading.client.load_time_difference()
    assert (await trading.client.fetch_balance())["USDT"]["total"] == 10_000


async def test_funding_is_paid_by_longs_and_listed_as_income(trading: Desk) -> None:
    await trading.buy()
    trading.server.world.pay_funding({"BTCUSDT": Decimal("0.001")})
    (payment,) = await trading.client.fetch_funding_history(BTC)
    assert payment["amount"] == -0.6
    kinds = {line["incomeType"] for line in await trading.client.fapiPrivateGetIncome()}
    assert kinds == {"FUNDING_FEE", "COMMISSION"}
    assert trading.server.ledger().funding == Decimal("-0.6")


async def test_funding_falls_due_every_eight_hours(trading: Desk) -> None:
    await trading.buy()
    trading.server.world.clock.offset_ms = 24 * 3_600_000
    await trading.client.load_time_difference()
    payments = await trading.client.fetch_funding_history(BTC)
    assert len(payments) == 3
    assert all(payment["timestamp"] % (8 * 3_600_000) == 0 for payment in payments)


async def test_a_delisted_contract_lets_out_but_not_in(trading: Desk) -> None:
    await trading.buy()
    trading.server.world.set_listed("BTCUSDT", False)
    with pytest.raises(errors.BaseError, match="-4140"):
        await trading.buy()
    await trading.sell(reduceOnly=True)
    assert not (await trading.client.load_markets(True))[BTC]["active"]


async def test_used_weight_is_reported_and_can_be_limited(trading: Desk) -> None:
    await trading.client.fetch_time()
    assert int(trading.client.last_response_headers["X-MBX-USED-WEIGHT-1M"]) >= 2
    trading.server.weights.limit = 1
    with pytest.raises(errors.DDoSProtection):
        await trading.client.fetch_balance()
    assert 0 < int(trading.client.last_response_headers["Retry-After"]) <= 60


async def test_a_settled_contract_closes_positions_and_cancels_orders(trading: Desk) -> None:
    await trading.buy()
    stop = await trading.stop(59_000)
    trading.server.control.perform("settle", {"symbol": "BTCUSDT"})
    assert await trading.client.fetch_positions() == []
    assert (await trading.client.fetch_order(stop["id"], BTC, TRIGGER))["status"] == "canceled"
    last = trading.server.ledger().fills[-1]
    assert last["client_id"].startswith("settlement_autoclose-")
    with pytest.raises(ValueError, match="tick"):
        trading.server.set_price("BTCUSDT", "60000.05")
