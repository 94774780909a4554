"""The control endpoint: steer a running server from another process.

``POST /control/NAME`` with a JSON object of arguments; ``GET`` for what only reads. Arguments
that are amounts are strings. Every answer is a JSON object; a wrong call answers 400 with why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from tests.exchange_server import binance_views
from tests.exchange_server.errors import ApiError
from tests.exchange_server.keys import ApiKey

if TYPE_CHECKING:
    from tests.exchange_server.server import ExchangeServer

Json = dict[str, Any]


class Control:
    """The verbs, one method each; ``perform`` runs one by name."""

    def __init__(self, server: ExchangeServer) -> None:
        self.server = server
        self.verbs: dict[str, Callable[..., Json | None]] = {
            "ledger": self.ledger,
            "state": self.state,
            "price": self.price,
            "step": self.step,
            "fault": self.fault,
            "faults": self.faults,
            "clear-faults": self.clear_faults,
            "stream": self.stream,
            "external": self.external,
            "external-cancel": self.external_cancel,
            "funding": self.funding,
            "adl": self.adl,
            "liquidate": self.liquidate,
            "list": self.list_symbol,
            "delist": self.delist,
            "settle": self.settle,
            "revise": self.revise,
            "clock": self.clock,
            "transfer": self.transfer,
            "hedge-mode": self.hedge_mode,
            "multi-assets": self.multi_assets,
            "key": self.key,
        }

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one control request."""
        name = request.path.removeprefix("/control/")
        body = await request.read()
        try:
            status, answer = 200, self.perform(name, orjson.loads(body) if body else {})
        except (ApiError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            status, answer = 400, {"error": f"{type(error).__name__}: {error}"}
        body = orjson.dumps(answer)
        return web.Response(status=status, body=body, content_type="application/json")

    def perform(self, name: str, arguments: Json) -> Json:
        """Run a verb; raises ``ValueError`` for an unknown one."""
        if name not in self.verbs:
            raise ValueError(f"unknown verb {name!r}; known: {', '.join(sorted(self.verbs))}")
        return self.verbs[name](**arguments) or {"ok": True}

    def ledger(self) -> Json:
        """Return the truthful ledger."""
        return self.server.ledger().as_json()

    def state(self) -> Json:
        """Return orders, conditional orders and prices as they stand."""
        books = self.server.world.exchange.books
        return {
            "time": self.server.world.clock.now(),
            "orders": [binance_views.order(item) for item in books.open_orders()],
            "algo_orders": [binance_views.algo(item) for item in books.open_algos()],
            "prices": {
                symbol: {"last": str(quote.last), "mark": str(quote.mark)}
                for symbol, quote in self.server.world.prices.quotes.items()
            },
            "connections": sum(len(hub.connections) for hub in self.server.hubs),
        }

    def price(self, symbol: str, price: str, mark: str | None = None) -> None:
        """Trade at a price."""
        self.server.set_price(symbol, price, mark)

    def step(self, seconds: float = 60.0, count: int = 1) -> None:
        """Walk every price ``count`` times over ``seconds``."""
        for _ in range(count):
            self.server.step(seconds)

    def fault(self, kind: str, **options: Any) -> None:
        """Add a fault; the options of ``Faults.add``."""
        self.server.faults.add(kind, **options)

    def faults(self) -> Json:
        """Return the active faults."""
        return {"faults": [asdict(fault) for fault in self.server.faults.rules]}

    def clear_faults(self) -> None:
        """Remove every fault."""
        self.server.faults.clear()

    def stream(self, action: str, which: str = "all") -> Json | None:
        """Drop connections, stall or resume them, or kill the listen keys silently."""
        hubs = self.server.hubs
        match action:
            case "drop":
                return {"dropped": sum(hub.drop() for hub in hubs)}
            case "stall":
                if which not in ("market", "user", "all"):
                    raise ValueError(f"stall market, user or all, not {which!r}")
                for hub in hubs:
                    hub.stalled = which
            case "resume":
                for hub in hubs:
                    hub.stalled = None
            case "kill-listen-key":
                return {"killed": len(self.server.world.listen_keys.kill())}
            case _:
                raise ValueError(f"unknown stream action {action!r}")
        return None

    def external(
        self,
        symbol: str,
        side: str,
        quantity: str,
        position_side: str = "BOTH",
        reduce_only: bool = False,
    ) -> Json:
        """Trade at market as another client of the account."""
        order = self.server.world.external_order(
            symbol,
            side,
            Decimal(quantity),
            position_side=position_side,
            reduce_only=reduce_only,
        )
        return binance_views.order(order)

    def external_cancel(self, symbol: str) -> Json:
        """Cancel every waiting order of a contract, as another client or a person would."""
        exchange = self.server.world.exchange
        orders = exchange.books.open_orders(symbol)
        algos = exchange.books.open_algos(symbol)
        for order in orders:
            exchange.cancel(order)
        for algo in algos:
            exchange.cancel_algo(algo)
        return {"cancelled": len(orders) + len(algos)}

    def funding(self, rates: dict[str, str] | None = None) -> None:
        """Pay funding now; rates as fractions by symbol."""
        given = {symbol: Decimal(rate) for symbol, rate in (rates or {}).items()}
        self.server.world.pay_funding(given)

    def adl(self, symbol: str, quantity: str | None = None) -> None:
        """Auto-deleverage a position."""
        size = None if quantity is None else Decimal(quantity)
        self.server.world.deleverage(symbol, size)

    def liquidate(self, symbol: str) -> None:
        """Liquidate a position at the present mark."""
        self.server.world.liquidate(symbol)

    def list_symbol(self, symbol: str) -> None:
        """List a contract again."""
        self.server.world.set_listed(symbol, True)

    def delist(self, symbol: str) -> None:
        """Delist a contract: what opens is refused, exits still work."""
        self.server.world.set_listed(symbol, False)

    def settle(self, symbol: str) -> None:
        """End a contract: orders cancelled, positions closed at the mark, nothing opens again."""
        self.server.world.keeper.settle(symbol)

    def revise(self, symbol: str, open_time: int, close: float) -> None:
        """Correct the close of a past minute."""
        self.server.world.prices.revise(symbol, open_time, close)

    def clock(self, offset_ms: int) -> None:
        """Set the exchange's clock off the machine's."""
        self.server.world.clock.offset_ms = offset_ms

    def transfer(self, amount: str) -> None:
        """Move money in (positive) or out of the wallet."""
        self.server.world.transfer(Decimal(amount))

    def hedge_mode(self, on: bool) -> None:
        """Set the account's position mode, as a person does in the app."""
        self.server.world.account.hedged = on

    def multi_assets(self, on: bool) -> None:
        """Set the account's multi-assets mode."""
        self.server.world.account.multi_assets = on

    def key(self, **fields: Any) -> None:
        """Add or replace an API key; the fields of ``ApiKey``."""
        key = ApiKey(**fields)
        self.server.world.keys[key.key] = key
