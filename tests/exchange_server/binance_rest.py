"""The Binance USD-M dialect: which path needs which authority, and who answers it."""

from __future__ import annotations

from typing import Any

from tests.exchange_server.binance_account import AccountCalls
from tests.exchange_server.binance_call import Call, Routes
from tests.exchange_server.binance_market import MarketData
from tests.exchange_server.binance_orders import OrderCalls
from tests.exchange_server.errors import ApiError
from tests.exchange_server.incoming import Incoming, Reply
from tests.exchange_server.keys import check_key, check_signature, check_time
from tests.exchange_server.world import World


class BinanceRest:
    """Answers paths under /fapi and /sapi; a route is public, needs a key or a signature."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes: Routes = {
            **MarketData(world).routes,
            **AccountCalls(world).routes,
            **OrderCalls(world).routes,
        }

    def knows(self, method: str, path: str) -> bool:
        return (method, path) in self.routes

    def answer(self, incoming: Incoming) -> Reply:
        """Authorise and handle one request; a refusal is a reply with its code."""
        try:
            return 200, self._answer(incoming)
        except ApiError as error:
            return error.status, {"code": error.code, "msg": error.message}

    def _answer(self, incoming: Incoming) -> Any:
        security, handler = self.routes[incoming.method, incoming.path]
        key = None
        if security != "public":
            key = check_key(self.world.keys, incoming.headers.get("X-MBX-APIKEY"))
            if incoming.path.startswith("/fapi") and not key.futures:
                raise ApiError(-2015)
        if security == "signed":
            assert key is not None
            check_signature(key, incoming.query, incoming.body)
            check_time(incoming.params, self.world.clock.now())
        return handler(Call(incoming.params, key))
