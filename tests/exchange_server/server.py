"""The HTTP server: one catch-all handler, with faults around it."""

from __future__ import annotations

from decimal import Decimal
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from tests.exchange_server.binance_rest import BinanceRest
from tests.exchange_server.errors import ApiError
from tests.exchange_server.faults import Faults
from tests.exchange_server.truth import Truth
from tests.exchange_server.world import World


class ExchangeServer:
    """A loopback exchange: ``async with ExchangeServer(seed=7) as server`` then ``server.url``.

    ``port`` 0 takes a free one. All methods belong to the event loop the server runs in.
    """

    def __init__(self, seed: int = 0, port: int = 0, **options: Any) -> None:
        self.world = World(seed=seed, **options)
        self.binance = BinanceRest(self.world)
        self._port = port
        self._runner: web.AppRunner | None = None
        self.url = ""

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

    async def stop(self) -> None:
        """Close every connection."""
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

    # what tests steer

    @property
    def faults(self) -> Faults:
        return self.world.faults

    def set_price(
        self, symbol: str, price: Decimal | str | int, mark: Decimal | str | int | None = None
    ) -> None:
        """Trade at a price (USDT) and let what waits for it happen."""
        self.world.set_price(symbol, Decimal(price), None if mark is None else Decimal(mark))

    def step(self, seconds: float = 60.0) -> None:
        """Move every price by a seeded walk over ``seconds``."""
        self.world.step(seconds)

    def ledger(self) -> Truth:
        """Return what really happened."""
        return self.world.exchange.truth()

    # requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path, method = request.path, request.method
        body = await request.text()
        params = dict(parse_qsl(request.query_string, keep_blank_values=True))
        params |= dict(parse_qsl(body, keep_blank_values=True))
        self.world.catch_up()
        if not self.binance.knows(method, path):
            return _reply(404, {"code": -5000, "msg": f"Path {path}, Method {method} is invalid"})
        raw = (request.rel_url.raw_query_string, body)
        api_key = request.headers.get("X-MBX-APIKEY")
        try:
            return _reply(200, self.binance.answer(method, path, params, raw, api_key))
        except ApiError as error:
            return _reply(error.status, {"code": error.code, "msg": error.message})


def _reply(status: int, data: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(data), content_type="application/json")
