"""The fault matrix against the real client: what is raised, and what the venue makes of it."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

import pytest

from engine.model.orders import Fill, OrderState
from engine.venues.exchange.client import Keys, replace_host
from engine.venues.exchange.limiter import Blocked, Priority, RateGate
from engine.venues.exchange.session import Session, SessionConfig
from engine.venues.port import Fatal, NotExecuted, Refusal, Retryable, UnknownOutcome
from tests.exchange.live import BTC, KEYS, drained, eventually, live, streaming
from tests.exchange_server import ExchangeServer

EXECUTED = [
    ("http", {"status": 500, "executed": True}),
    ("http", {"status": 502, "executed": True}),
    ("http", {"status": 504, "executed": True}),
    ("error", {"code": -1007, "executed": True}),
    ("error", {"code": -1008, "executed": True}),
    ("error", {"code": -1000, "executed": True}),
    ("reset", {"when": "mid"}),
    ("reset", {"when": "after"}),
    ("body", {"shape": "truncated"}),
    ("body", {"shape": "text"}),
    ("body", {"shape": "empty"}),
]
NOT_EXECUTED = [
    ("http", {"status": 500}),
    ("http", {"status": 503}),
    ("error", {"code": -1007}),
    ("error", {"code": -1008}),
    ("maintenance", {}),
    ("reset", {"when": "before"}),
]


@pytest.mark.parametrize(("kind", "options"), EXECUTED)
async def test_an_executed_order_without_a_reply_is_unknown_and_found(
    kind: str, options: dict[str, object]
) -> None:
    async with live() as desk:
        desk.server.faults.add(kind, method="POST", path="/order", **options)
        order = desk.entry()
        with pytest.raises(UnknownOutcome):
            await desk.venue.submit(order)
        report = await desk.venue.find(BTC, order.client_order_id)
        assert report is not None
        assert report.state is OrderState.FILLED
        assert report.filled == sum(fill.quantity for fill in report.fills) == order.quantity
        assert len(desk.fills) == 1  # nothing was sent twice


@pytest.mark.parametrize(("kind", "options"), NOT_EXECUTED)
async def test_an_order_that_never_arrived_is_unknown_and_not_found(
    kind: str, options: dict[str, object]
) -> None:
    async with live() as desk:
        desk.server.faults.add(kind, method="POST", path="/order", **options)
        order = desk.entry()
        with pytest.raises(UnknownOutcome):
            await desk.venue.submit(order)
        assert await desk.venue.find(BTC, order.client_order_id) is None
        assert desk.fills == []


async def test_a_stop_of_unknown_outcome_is_found() -> None:
    async with live() as desk:
        stop = desk.stop(await desk.position())
        desk.server.faults.add("reset", method="POST", path="/algoOrder", when="mid")
        with pytest.raises(UnknownOutcome):
            await desk.venue.submit(stop)
        report = await desk.venue.find(BTC, stop.client_order_id)
        assert report is not None
        assert report.state is OrderState.ACKNOWLEDGED


async def test_an_order_that_hangs_is_unknown() -> None:
    async with live() as desk:
        desk.session.trading.timeout = 300
        desk.server.faults.add("latency", method="POST", path="/order", ms=600, when="after")
        order = desk.entry()
        with pytest.raises(UnknownOutcome):
            await desk.venue.submit(order)
        await asyncio.sleep(0.4)
        assert await desk.venue.find(BTC, order.client_order_id) is not None


async def test_fills_that_cannot_be_read_leave_the_order_unknown_until_they_can() -> None:
    async with live() as desk:
        fault = desk.server.faults.add("http", path="/userTrades", status=500, count=None)
        order = desk.entry()
        with pytest.raises(UnknownOutcome):
            await desk.venue.submit(order)
        with pytest.raises(Retryable):
            await desk.venue.find(BTC, order.client_order_id)
        desk.server.faults.remove(fault)
        report = await desk.venue.find(BTC, order.client_order_id)
        assert report is not None
        assert report.state is OrderState.FILLED


async def test_a_duplicate_client_id_is_unknown() -> None:
    async with live() as desk:
        position = await desk.position()
        stop = desk.stop(position)
        await desk.venue.submit(stop)
        with pytest.raises(UnknownOutcome):
            await desk.venue.submit(stop)
        assert len(await desk.venue.open_orders()) == 1


async def test_a_cancelled_wait_lets_the_order_go_on() -> None:
    async with live() as desk:
        desk.server.faults.add("latency", method="POST", path="/order", ms=200)
        order = desk.entry()
        task = asyncio.create_task(desk.venue.submit(order))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: desk.fills)
        report = await desk.venue.find(BTC, order.client_order_id)
        assert report is not None
        assert report.filled == order.quantity


async def test_a_wrong_clock_is_set_right_and_the_order_sent_once() -> None:
    async with live() as desk:
        desk.server.world.clock.offset_ms = -8_000  # we are 8 s ahead now
        report = await desk.venue.submit(desk.entry())
        assert report.state is OrderState.FILLED
        assert len(desk.fills) == 1
        assert desk.session.offset_ms == pytest.approx(8_000, abs=500)
        assert desk.calls.offsets[-1] == pytest.approx(8_000, abs=500)


@pytest.mark.parametrize("status", [429, 418])
async def test_too_many_requests_stop_all_traffic_for_the_time_told(status: int) -> None:
    async with live() as desk:
        desk.server.faults.add("http", path="/fapi/v3/account", status=status, retry_after=1)
        with pytest.raises(Retryable):
            await desk.venue.account()
        asked = len(desk.calls.calls)
        with pytest.raises(Retryable) as waiting:
            await desk.venue.positions()
        assert 0 < waiting.value.after_ms <= 1_000
        with pytest.raises(NotExecuted) as refused:
            await desk.venue.submit(desk.entry())
        assert refused.value.refusal is Refusal.RATE_LIMIT
        assert len(desk.calls.calls) == asked  # nothing was sent
        await asyncio.sleep(1.05)
        assert (await desk.venue.submit(desk.entry())).state is OrderState.FILLED


def test_weight_is_kept_in_reserve_for_orders() -> None:
    now = 600_000
    gate = RateGate(lambda: now, limit=100)
    gate.heard(200, {"X-MBX-USED-WEIGHT-1M": "60"})
    with pytest.raises(Blocked):
        gate.enter(Priority.DATA)
    gate.enter(Priority.ACCOUNT)
    gate.heard(200, {"X-MBX-USED-WEIGHT-1M": "85"})
    with pytest.raises(Blocked):
        gate.enter(Priority.ACCOUNT)
    gate.enter(Priority.ORDER)
    now += 60_000
    gate.enter(Priority.DATA)


@pytest.mark.parametrize("shape", ["truncated", "text", "empty"])
async def test_a_broken_reply_is_never_read_as_no_positions(shape: str) -> None:
    async with live() as desk:
        await desk.position()
        desk.server.faults.add("body", path="/positionRisk", shape=shape)
        with pytest.raises(Retryable):
            await desk.venue.positions()
        assert len(await desk.venue.positions()) == 1


# The user stream


async def test_polling_tells_what_a_silent_stream_did_not_and_revives_it() -> None:
    async with live() as desk, streaming(desk) as user:
        position = await desk.position()
        await desk.venue.submit(desk.stop(position))
        desk.server.streams.stalled = "user"
        desk.venue.drain()
        desk.move("0.985")
        fill = (await drained(desk.venue, 2))[0]
        assert isinstance(fill, Fill)
        assert fill.quantity == position.quantity
        desk.server.streams.stalled = None
        assert user.reconnects == 0  # three seconds of silence about a fill make it suspect


async def test_a_dropped_stream_comes_back_and_loses_nothing() -> None:
    async with live() as desk, streaming(desk) as user:
        position = await desk.position()
        await asyncio.sleep(0.1)
        desk.venue.drain()
        desk.server.streams.drop()
        await desk.session.trading.create_order(str(BTC), "market", "sell", 0.004)
        events = await drained(desk.venue, 1)
        assert isinstance(events[0], Fill)
        assert events[0].quantity == Decimal("0.004")
        assert user.reconnects >= 1
        await eventually(lambda: any(c.listen_key for c in desk.server.streams.connections))
        assert position.quantity == Decimal("0.01")


async def test_a_dead_listen_key_is_replaced() -> None:
    async with live() as desk, streaming(desk) as user:
        made = desk.server.world.listen_keys.made
        desk.server.world.listen_keys.kill()
        desk.server.streams.drop()
        await eventually(lambda: desk.server.world.listen_keys.made > made)
        await eventually(lambda: any(c.listen_key for c in desk.server.streams.connections))
        assert user.reconnects >= 1


async def test_no_fill_is_lost_or_told_twice_whatever_happens_to_the_stream() -> None:
    async with live() as desk, streaming(desk):
        sent = 0
        fills: list[Fill] = []
        for number in range(12):
            if number % 4 == 1:
                desk.server.streams.drop()
            desk.server.streams.stalled = "user" if number % 4 == 2 else None
            report = await desk.venue.submit(desk.entry(quantity="0.002"))
            assert report.state is OrderState.FILLED
            sent += 1
        desk.server.streams.stalled = None

        def all_told() -> bool:
            fills.extend(event for event in desk.venue.drain() if isinstance(event, Fill))
            return len(fills) >= sent

        await eventually(all_told)
        await asyncio.sleep(0.3)
        fills.extend(event for event in desk.venue.drain() if isinstance(event, Fill))
        assert sorted(f.fill_id for f in fills) == sorted(
            f"BTC-{row['trade_id']}" for row in desk.fills
        )


# Bad input


@pytest.mark.parametrize("exchange", ["binance", "weex"])
async def test_wrong_key(exchange: str) -> None:
    with pytest.raises(Fatal) as refused:
        async with live(exchange, keys=Keys("nobody", "test-secret", "test-pass")):
            pass
    assert "key" in str(refused.value)


async def test_wrong_secret_and_passphrase() -> None:
    with pytest.raises(Fatal, match="secret"):
        async with live("binance", keys=Keys("test-key", "wrong")):
            pass
    with pytest.raises(Fatal, match="WEEX_API_PASSPHRASE"):
        async with live("weex", keys=Keys("test-key", "test-secret", "wrong")):
            pass


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"withdraw": True}, "withdraw"),
        ({"futures": False}, "futures"),
        ({"ip_allowed": False}, "IP address"),
    ],
)
async def test_a_key_that_may_too_much_or_too_little(change: dict[str, bool], words: str) -> None:
    async with ExchangeServer(seed=7, history_days=3) as server:
        key = server.world.keys["test-key"]
        for name, value in change.items():
            setattr(key, name, value)
        session = Session(SessionConfig("binance", "live", (BTC,), KEYS, server.url))
        try:
            with pytest.raises(Fatal, match=words):
                await session.open()
        finally:
            await session.close()


async def test_a_withdrawal_key_may_be_allowed_and_missing_keys_are_named() -> None:
    async with ExchangeServer(seed=7, history_days=3) as server:
        server.world.keys["test-key"].withdraw = True
        config = SessionConfig("binance", "live", (BTC,), KEYS, server.url, allow_withdrawals=True)
        session = Session(config)
        try:
            await session.open()
            assert BTC in session.instruments
        finally:
            await session.close()
        session = Session(SessionConfig("weex", "live", (BTC,), Keys(), server.url))
        with pytest.raises(Fatal, match="WEEX_API_KEY and WEEX_API_SECRET"):
            await session.open()
        await session.close()


async def test_no_network_at_start_is_retryable() -> None:
    session = Session(SessionConfig("binance", "live", (BTC,), KEYS, "http://127.0.0.1:9"))
    try:
        with pytest.raises(Retryable):
            await session.open()
    finally:
        await session.close()


async def test_weex_simulation_is_refused_with_the_reason() -> None:
    session = Session(SessionConfig("weex", "testnet", (BTC,), KEYS))
    with pytest.raises(Fatal, match="no stop and no target"):
        await session.open()
    await session.close()


async def test_paper_needs_no_key() -> None:
    async with live(mode="paper", keys=Keys()) as desk:
        assert BTC in desk.session.instruments


# Addresses, secrets, observation


def test_addresses_keep_their_paths() -> None:
    found = replace_host(
        {
            "fapiPrivateV3": "https://fapi.binance.com/fapi/v3",
            "fapiData": "https://fapi.binance.com/futures/data",
            "ws": {"linear": "wss://fstream.binance.com/ws"},
            "wx": {"contract": "wss://ws-contract.weex.com/v3/ws"},
        },
        "http://127.0.0.1:8000",
    )
    assert found == {
        "fapiPrivateV3": "http://127.0.0.1:8000/fapi/v3",
        "fapiData": "http://127.0.0.1:8000/futures/data",
        "ws": {"linear": "ws://127.0.0.1:8000/ws"},
        "wx": {"contract": "ws://127.0.0.1:8000/contract/v3/ws"},
    }


async def test_no_secret_reaches_an_error_or_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with live() as desk:
        desk.session.trading.timeout = 100
        desk.server.faults.add("latency", path="/positionRisk", ms=300)
        with pytest.raises(Retryable) as late:
            await desk.venue.positions()
        shown = f"{late.value!r} {late.value.__cause__!r}" + caplog.text
    assert "signature=" not in shown.replace("signature=***", "")
    assert "test-key" not in shown
    assert "test-secret" not in shown


async def test_every_call_is_observed() -> None:
    async with live() as desk:
        await desk.venue.account()
        endpoint, ms, ok = desk.calls.calls[-1]
        assert endpoint == "GET /fapi/v3/account"
        assert ms > 0
        assert ok
        desk.server.faults.add("http", path="/fapi/v3/account", status=500)
        with pytest.raises(Retryable):
            await desk.venue.account()
        assert desk.calls.calls[-1][2] is False
        assert desk.calls.weights[-1] > 0
