"""Every fault gives what unmodified ccxt raises on the real exchange, executed or not."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ccxt.base import errors

from tests.exchange.server_clients import BTC, Desk, desk, eventually

ORDER = {"method": "POST", "path": "/fapi/v1/order"}


@pytest.fixture
async def trading() -> AsyncIterator[Desk]:
    async with desk() as opened:
        yield opened


async def outcome(call: Any) -> Any:
    """Return the exact exception type a call raises, or its result."""
    try:
        return await call
    except errors.BaseError as error:
        return type(error)


@pytest.mark.parametrize(
    ("kind", "options", "raised", "executed"),
    [
        ("http", {"status": 500}, errors.ExchangeNotAvailable, False),
        ("http", {"status": 502}, errors.ExchangeNotAvailable, False),
        ("http", {"status": 503}, errors.ExchangeNotAvailable, False),
        ("http", {"status": 504}, errors.RequestTimeout, False),
        ("http", {"status": 502, "executed": True}, errors.ExchangeNotAvailable, True),
        ("http", {"status": 504, "executed": True}, errors.RequestTimeout, True),
        ("http", {"status": 429, "retry_after": 7}, errors.DDoSProtection, False),
        ("http", {"status": 418, "retry_after": 120}, errors.DDoSProtection, False),
        ("maintenance", {}, errors.OnMaintenance, False),
        ("error", {"code": -1021}, errors.InvalidNonce, False),
        ("error", {"code": -1007}, errors.RequestTimeout, False),
        ("error", {"code": -1007, "executed": True}, errors.RequestTimeout, True),
        ("error", {"code": -1008}, errors.OperationFailed, False),
        ("error", {"code": -2015}, errors.AuthenticationError, False),
        ("error", {"code": -2019}, errors.InsufficientFunds, False),
        ("error", {"code": -2021}, errors.OrderImmediatelyFillable, False),
        ("error", {"code": -2022}, errors.InvalidOrder, False),
        ("error", {"code": -4061}, errors.OperationRejected, False),
        ("error", {"code": -4118}, errors.OperationRejected, False),
        ("error", {"code": -4164}, errors.InvalidOrder, False),
        ("reset", {"when": "before"}, errors.ExchangeNotAvailable, False),
        ("reset", {"when": "after"}, errors.ExchangeNotAvailable, True),
        ("reset", {"when": "mid"}, errors.ExchangeError, True),
    ],
)
async def test_a_write_under_a_fault(
    trading: Desk, kind: str, options: dict[str, Any], raised: type[Exception], executed: bool
) -> None:
    fault = trading.server.faults.add(kind, **ORDER, **options)
    assert await outcome(trading.buy()) is raised
    assert fault.hits == 1
    assert len(trading.server.ledger().fills) == int(executed)
    # struck once, gone
    assert (await trading.buy())["status"] == "closed"


@pytest.mark.parametrize("shape", ["truncated", "text", "empty"])
async def test_a_broken_200_raises_nothing_although_it_executed(trading: Desk, shape: str) -> None:
    trading.server.faults.add("body", **ORDER, shape=shape)
    order = await trading.buy()
    assert order["id"] is None
    assert len(trading.server.ledger().fills) == 1
    trading.server.faults.add("body", path="positionRisk", shape=shape)
    assert await trading.client.fetch_positions() == []
    assert len(await trading.client.fetch_positions()) == 1


@pytest.mark.parametrize(("status", "seconds"), [(429, "7"), (418, "120")])
async def test_retry_after_stands_in_the_headers(trading: Desk, status: int, seconds: str) -> None:
    trading.server.faults.add("http", status=status, retry_after=int(seconds))
    assert await outcome(trading.client.fetch_time()) is errors.DDoSProtection
    assert trading.client.last_response_headers["Retry-After"] == seconds


@pytest.mark.parametrize(("when", "executed"), [("before", False), ("after", True)])
async def test_latency_beyond_the_timeout(trading: Desk, when: str, executed: bool) -> None:
    trading.client.timeout = 100
    trading.server.faults.add("latency", **ORDER, ms=400, when=when)
    assert await outcome(trading.buy()) is errors.RequestTimeout
    # the exchange never learns that its client gave up
    assert len(trading.server.ledger().fills) == int(executed)


async def test_faults_match_method_path_symbol_and_count(trading: Desk) -> None:
    fault = trading.server.faults.add("http", status=500, symbol="ETHUSDT", count=2)
    assert (await trading.buy())["status"] == "closed"
    for _ in range(2):
        raised = await outcome(trading.client.fetch_ohlcv("ETH/USDT:USDT", "1m", limit=1))
        assert raised is errors.ExchangeNotAvailable
    assert len(await trading.client.fetch_ohlcv("ETH/USDT:USDT", "1m", limit=1)) == 1
    assert fault.hits == 2


async def test_a_probable_fault_strikes_sometimes_and_until_removed(trading: Desk) -> None:
    fault = trading.server.faults.add("http", status=500, count=None, probability=0.5)
    answers = [await outcome(trading.client.fetch_time()) for _ in range(30)]
    struck = answers.count(errors.ExchangeNotAvailable)
    assert struck == fault.hits
    assert 0 < struck < 30
    trading.server.faults.remove(fault)
    assert isinstance(await trading.client.fetch_time(), int)


@pytest.mark.parametrize(
    ("rest", "status", "filled"),
    [("expire", "expired", 0.004), ("later", "open", 0.004), ("slices", "closed", 0.01)],
)
async def test_partial_fills(trading: Desk, rest: str, status: str, filled: float) -> None:
    trading.server.faults.add("partial_fill", fraction=0.4, rest=rest)
    order = await trading.buy()
    assert (order["status"], order["filled"]) == (status, filled)
    trades = await trading.client.fetch_my_trades(BTC)
    assert len(trades) == (2 if rest == "slices" else 1)
    if rest == "later":
        trading.server.set_price("BTCUSDT", "60010")
        assert (await trading.client.fetch_order(order["id"], BTC))["status"] == "closed"
        (position,) = await trading.client.fetch_positions()
        assert position["entryPrice"] == pytest.approx(0.4 * 60000.1 + 0.6 * 60010.1)


async def test_a_stop_may_fill_in_two_parts_after_firing(trading: Desk) -> None:
    await trading.buy()
    stop = await trading.stop(59_000)
    trading.server.faults.add("partial_fill", fraction=0.4, rest="later")
    trading.server.set_price("BTCUSDT", "58990")
    fired = await trading.client.fetch_order(stop["id"], BTC, {"trigger": True})
    assert fired["info"]["algoStatus"] == "TRIGGERED"
    (position,) = await trading.client.fetch_positions()
    assert position["contracts"] == 0.006
    trading.server.set_price("BTCUSDT", "58980")
    fired = await trading.client.fetch_order(stop["id"], BTC, {"trigger": True})
    assert fired["info"]["algoStatus"] == "FINISHED"
    assert await trading.client.fetch_positions() == []


async def test_slippage_worsens_the_fill(trading: Desk) -> None:
    trading.server.faults.add("slippage", percent=0.5)
    assert (await trading.buy())["average"] == pytest.approx(60300.1)


async def test_a_stop_rejected_at_its_trigger_leaves_the_position_naked(trading: Desk) -> None:
    await trading.buy()
    stop = await trading.stop(59_000)
    assert trading.server.ledger().lives[0]["unprotected_since"] is None
    trading.server.faults.add("reject_trigger")
    trading.server.set_price("BTCUSDT", "58900")
    rejected = await trading.client.fetch_order(stop["id"], BTC, {"trigger": True})
    assert rejected["status"] == "rejected"
    assert len(await trading.client.fetch_positions()) == 1
    assert trading.server.ledger().lives[0]["unprotected_since"] is not None


async def test_stale_gapped_and_nan_candles(trading: Desk) -> None:
    def spoil(shape: str) -> None:
        trading.server.faults.add("candles", symbol="BTCUSDT", shape=shape, candles=3)

    good = await trading.client.fetch_ohlcv(BTC, "5m", limit=20)
    spoil("stale")
    assert await trading.client.fetch_ohlcv(BTC, "5m", limit=20) == good[:-3]
    spoil("gapped")
    gapped = await trading.client.fetch_ohlcv(BTC, "5m", limit=20)
    assert gapped == good[:10] + good[13:]
    spoil("nan")
    broken = await trading.client.fetch_ohlcv(BTC, "5m", limit=20)
    assert math.isnan(broken[-2][4])


async def test_a_revised_candle_reads_differently_later(trading: Desk) -> None:
    before = await trading.client.fetch_ohlcv(BTC, "5m", limit=3)
    close_minute = before[-2][0] + 4 * 60_000
    revision = {"symbol": "BTCUSDT", "open_time": close_minute, "close": before[-2][4] + 50}
    trading.server.control.perform("revise", revision)
    after = await trading.client.fetch_ohlcv(BTC, "5m", limit=3)
    assert after[-2][4] == before[-2][4] + 50
    assert after[0] == before[0]


async def test_another_client_trades_and_cancels_on_the_same_account(trading: Desk) -> None:
    await trading.buy()
    await trading.stop(59_000)
    control = trading.server.control
    control.perform("external", {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.02"})
    (position,) = await trading.client.fetch_positions()
    assert position["contracts"] == 0.03
    assert trading.server.ledger().fills[-1]["source"] == "external"
    assert control.perform("external-cancel", {"symbol": "BTCUSDT"}) == {"cancelled": 1}
    assert await trading.client.fetch_open_orders(BTC, params={"trigger": True}) == []
    control.perform("transfer", {"amount": "-500"})
    assert (await trading.client.fetch_balance())["USDT"]["total"] < 9_500


async def test_a_cancelled_await_may_still_execute(trading: Desk) -> None:
    trading.server.faults.add("latency", **ORDER, ms=300, when="after")
    task = asyncio.create_task(trading.buy())
    await eventually(lambda: len(trading.server.ledger().fills) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await trading.client.fetch_positions()) == 1
