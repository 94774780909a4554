"""The server in a process of its own, steered over its control endpoint."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.exchange.server_clients import BTC, binance
from tests.exchange_server import Remote, ServerProcess, ServerThread

CHILD = """
import asyncio, os, signal, sys
from tests.exchange.server_clients import BTC, binance

async def trade() -> None:
    client = binance(sys.argv[1])
    await client.create_order(BTC, "market", "buy", 0.01)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(trade())
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess("--seed", "3", "--history-days", "1") as process:
        yield process


async def test_it_outlives_a_client_killed_after_its_order(server: ServerProcess) -> None:
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, server.url)
    assert await killed.wait() == -9
    ledger = server.ledger()
    assert [fill["quantity"] for fill in ledger["fills"]] == ["0.01"]
    client = binance(server.url)
    try:
        (position,) = await client.fetch_positions()
        assert position["contracts"] == 0.01
        await client.create_order(BTC, "market", "sell", 0.01, params={"reduceOnly": True})
    finally:
        await client.close()
    after = server.ledger()
    money = {key: Decimal(after[key]) for key in ("initial", "balance", "realized", "fees")}
    assert money["balance"] == money["initial"] + money["realized"] - money["fees"]


def test_verbs_steer_it_and_wrong_ones_say_why(server: ServerProcess) -> None:
    remote = Remote(server.url)
    remote.set_price("ETHUSDT", "3100.55")
    assert remote.call("state")["prices"]["ETHUSDT"]["last"] == "3100.55"
    remote.call("step", seconds=60, count=3)
    assert remote.call("state")["prices"]["ETHUSDT"]["last"] != "3100.55"
    remote.call("fault", kind="http", status=503, path="/fapi/v1/time", count=2)
    (fault,) = remote.call("faults")["faults"]
    assert (fault["kind"], fault["count"]) == ("http", 2)
    remote.call("clear-faults")
    assert remote.call("faults") == {"faults": []}
    with pytest.raises(ValueError, match="unknown verb"):
        remote.call("explode")
    with pytest.raises(ValueError, match="unknown fault"):
        remote.call("fault", kind="earthquake")
    with pytest.raises(ValueError, match="-4003"):
        remote.call("external", symbol="BTCUSDT", side="BUY", quantity="0")


async def test_a_thread_serves_beside_the_event_loop_of_the_test() -> None:
    with ServerThread(seed=3, history_days=1) as server:
        client = binance(server.url)
        try:
            await client.create_order(BTC, "market", "buy", 0.01)
        finally:
            await client.close()
        assert len(server.run(lambda inside: inside.ledger().fills)) == 1
        server.run(lambda inside: inside.set_price("BTCUSDT", "61000"))
        assert server.ledger()["positions"][0]["unrealized"] == "9.99900000"
