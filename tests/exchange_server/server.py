"""The HTTP server: dialects, streams and control on one port, with faults around them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.exchange_server.binance_rest import BinanceRest
from tests.exchange_server.control import Control
from tests.exchange_server.faults import HTTP_FAULTS, Faults
from tests.exchange_server.hub import Hub
from tests.exchange_server.incoming import Incoming, Reply
from tests.exchange_server.streams import Streams
from tests.exchange_server.trouble import response, troubled
from tests.exchange_server.truth import Truth
from tests.exchange_server.weex_rest import WeexRest
from tests.exchange_server.weex_streams import WeexStreams
from tests.exchange_server.weights import Weights
from tests.exchange_server.world import World

Money = Decimal | str | int
TROUBLE = tuple(kind for kind in HTTP_FAULTS if kind != "latency")


class ExchangeServer:
    """A loopback exchange: ``async with ExchangeServer(seed=7) as server``, then ``server.url``.

    ``port`` 0 takes a free one. ``pulse`` is the time between pushes in seconds; ``walk`` moves
    prices by a seeded walk at every pulse, as fast as ``walk`` times reality (0 = they stand).
    ``weight_limit`` is the request weight per minute (None = never refused). Other options go
    to ``World``. All methods belong to the event loop the server runs in.
    """

    def __init__(
        self,
        seed: int = 0,
        port: int = 0,
        *,
        pulse: float = 0.25,
        walk: float = 0.0,
        weight_limit: int | None = None,
        **options: Any,
    ) -> None:
        self.world = World(seed=seed, **options)
        self.streams = Streams(self.world)
        self.hubs: tuple[Hub, ...] = (self.streams, WeexStreams(self.world))
        self.weights = Weights(self.world.clock, weight_limit)
        self.dialects = (BinanceRest(self.world), WeexRest(self.world))
        self.control = Control(self)
        self.url = ""
        self._port, self._pulse, self._walk = port, pulse, walk
        self._runner: web.AppRunner | None = None
        self._heart: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen on 127.0.0.1."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._heart = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Close every connection."""
        if self._heart is not None:
            self._heart.cancel()
            with suppress(asyncio.CancelledError):
                await self._heart
        for hub in self.hubs:
            hub.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> ExchangeServer:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # what tests steer; ``control`` offers the same and more to other processes

    @property
    def faults(self) -> Faults:
        return self.world.faults

    def set_price(self, symbol: str, price: Money, mark: Money | None = None) -> None:
        """Trade at a price (USDT) and let what waits for it happen."""
        self.world.set_price(symbol, Decimal(price), None if mark is None else Decimal(mark))
        self._publish()

    def step(self, seconds: float = 60.0) -> None:
        """Move every price by a seeded walk over ``seconds``."""
        self.world.step(seconds)
        self._publish()

    def ledger(self) -> Truth:
        """Return what really happened."""
        return self.world.exchange.truth()

    # the server itself

    async def _beat(self) -> None:
        """Push market streams, let time do its work, walk the prices if they walk."""
        while True:
            await asyncio.sleep(self._pulse)
            self.world.catch_up()
            self.streams.expire_listen_keys()
            if self._walk:
                self.step(self._pulse * self._walk)
            else:
                self._publish()

    def _publish(self) -> None:
        for hub in self.hubs:
            hub.publish()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path, method = request.path, request.method
        if path.startswith("/control/"):
            return await self.control.handle(request)
        for hub in self.hubs:
            if hub.knows(path):
                return await hub.serve(request)
        body = await request.text()
        query = request.rel_url.raw_query_string
        incoming = Incoming(method, path, query, body, request.headers)
        self.weights.count(method, path)
        headers = self.weights.headers()
        if self.weights.exceeded:
            headers["Retry-After"] = str(self.weights.retry_after)
            return response((429, {"code": -1003, "msg": "Too many requests."}), headers)
        place = {"method": method, "path": path, "symbol": incoming.symbol}
        slow = self.faults.take("latency", **place)
        if slow is not None and slow.options.get("when") != "after":
            await asyncio.sleep(slow.options["ms"] / 1000)
        fault = self.faults.take(*TROUBLE, **place)
        if fault is not None:
            return await troubled(request, fault, lambda: self._process(incoming), headers)
        reply = self._process(incoming)
        if slow is not None and slow.options.get("when") == "after":
            await asyncio.sleep(slow.options["ms"] / 1000)
        return response(reply, headers)

    def _process(self, incoming: Incoming) -> Reply:
        self.world.catch_up()
        for dialect in self.dialects:
            if dialect.knows(incoming.method, incoming.path):
                return dialect.answer(incoming)
        text = f"Path {incoming.path}, Method {incoming.method} is invalid"
        return 404, {"code": -5000, "msg": text}
