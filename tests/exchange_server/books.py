"""Every order and conditional order ever taken, found quickly."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.exchange_server.state import Algo, Order


@dataclass
class Books:
    """Orders and conditional orders, oldest first; the open ones are kept apart."""

    orders: list[Order] = field(default_factory=list)
    algos: list[Algo] = field(default_factory=list)
    _resting: dict[int, Order] = field(default_factory=dict)
    _waiting: dict[int, Algo] = field(default_factory=dict)
    _by_id: dict[int, Order] = field(default_factory=dict)
    _by_client: dict[tuple[str, str], Order] = field(default_factory=dict)
    _algo_by_id: dict[int, Algo] = field(default_factory=dict)
    _algo_by_client: dict[str, Algo] = field(default_factory=dict)

    def add(self, order: Order) -> None:
        """Take an order in; the newest of a client id is the one that is found."""
        self.orders.append(order)
        self._resting[order.order_id] = order
        self._by_id[order.order_id] = order
        self._by_client[order.request.symbol, order.request.client_id] = order

    def add_algo(self, algo: Algo) -> None:
        """Take a conditional order in."""
        self.algos.append(algo)
        self._waiting[algo.algo_id] = algo
        self._algo_by_id[algo.algo_id] = algo
        self._algo_by_client[algo.request.client_id] = algo

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Return resting orders, forgetting those that ended since the last call."""
        self._resting = {key: order for key, order in self._resting.items() if order.open}
        return [o for o in self._resting.values() if symbol in (None, o.request.symbol)]

    def open_algos(self, symbol: str | None = None) -> list[Algo]:
        """Return waiting conditional orders, forgetting those that ended."""
        self._waiting = {key: algo for key, algo in self._waiting.items() if algo.open}
        return [a for a in self._waiting.values() if symbol in (None, a.request.symbol)]

    def order(self, order_id: int) -> Order | None:
        return self._by_id.get(order_id)

    def order_by_client(self, symbol: str, client_id: str) -> Order | None:
        return self._by_client.get((symbol, client_id))

    def algo(self, algo_id: int) -> Algo | None:
        return self._algo_by_id.get(algo_id)

    def algo_by_client(self, client_id: str) -> Algo | None:
        return self._algo_by_client.get(client_id)
