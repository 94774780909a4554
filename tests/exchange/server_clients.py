"""Unmodified ccxt clients pointed at a loopback exchange by configuration alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.venues.exchange.library import exchange_class
from tests.exchange_server import ExchangeServer

BTC = "BTC/USDT:USDT"
LINEAR = {"defaultType": "swap", "defaultSubType": "linear", "fetchMarkets": ["linear"]}


@dataclass(frozen=True, slots=True)
class Desk:
    """A server and a client that has loaded its markets."""

    server: ExchangeServer
    client: Any

    async def buy(self, amount: float = 0.01, **params: Any) -> Any:
        return await self.client.create_order(BTC, "market", "buy", amount, params=params)

    async def sell(self, amount: float = 0.01, **params: Any) -> Any:
        return await self.client.create_order(BTC, "market", "sell", amount, params=params)

    async def stop(self, trigger: float, amount: float = 0.01, **params: Any) -> Any:
        """Place a reduce-only stop that sells."""
        params = {"stopLossPrice": trigger, "reduceOnly": True, **params}
        return await self.client.create_order(BTC, "market", "sell", amount, params=params)


def point(client: Any, url: str) -> None:
    """Replace scheme and host of every address, paths kept; restore the futures error codes."""
    addresses = client.urls["api"]
    for name, address in addresses.items():
        if isinstance(address, str):
            addresses[name] = url + urlsplit(address).path
    if "ws" in addresses:
        streams = url.replace("http", "ws", 1)
        contract = f"{streams}/contract/v3/ws"  # ccxt tells the account by this word
        addresses["ws"] = {**addresses["ws"], "linear": f"{streams}/ws", "contract": contract}
    linear = client.exceptions.get("linear")
    if linear:
        client.exceptions["exact"].update(linear["exact"])


def binance(url: str, **config: Any) -> Any:
    """Return a Binance client for USD-M futures at ``url``, REST and websocket."""
    settings = {
        "apiKey": "test-key",
        "secret": "test-secret",
        "enableRateLimit": False,
        "timeout_on_exit": 0,
        "options": {**LINEAR, "fetchCurrencies": False},
        **config,
    }
    client = exchange_class("binance")(settings)
    client.has["fetchCurrencies"] = False
    point(client, url)
    return client


def weex(url: str, **config: Any) -> Any:
    """Return a WEEX client for perpetuals at ``url``."""
    settings = {
        "apiKey": "test-key",
        "secret": "test-secret",
        "password": "test-pass",
        "enableRateLimit": False,
        "timeout_on_exit": 0,
        "options": {"defaultType": "swap"},
        **config,
    }
    client = exchange_class("weex")(settings)
    client.has["fetchCurrencies"] = False
    point(client, url)
    return client


@asynccontextmanager
async def desk(make: Any = binance, **options: Any) -> AsyncIterator[Desk]:
    """Run a server with a client of one kind; ``options`` go to the server."""
    async with ExchangeServer(seed=7, history_days=1, **options) as server:
        client = make(server.url)
        try:
            await client.load_markets()
            yield Desk(server, client)
        finally:
            await client.close()


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds; TimeoutError after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nothing to subscribe to
            await asyncio.sleep(0.01)
