"""Request weights as the exchange counts and reports them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.exchange_server.clock import Clock

HEAVY = {
    "/fapi/v1/klines": 5,
    "/fapi/v2/account": 5,
    "/fapi/v3/account": 5,
    "/fapi/v2/balance": 5,
    "/fapi/v3/balance": 5,
    "/fapi/v2/positionRisk": 5,
    "/fapi/v3/positionRisk": 5,
    "/fapi/v1/allOrders": 5,
    "/fapi/v1/userTrades": 5,
    "/fapi/v1/income": 30,
    "/fapi/v1/positionSide/dual": 30,
    "/fapi/v1/ticker/24hr": 40,
}


@dataclass
class Weights:
    """Weight and orders of the running minute; ``limit`` None = counted, never refused."""

    clock: Clock
    limit: int | None = None
    minute: int = 0
    weight: int = 0
    orders: int = 0

    def count(self, method: str, path: str) -> None:
        """Count one request."""
        minute = self.clock.now() // 60_000
        if minute != self.minute:
            self.minute, self.weight, self.orders = minute, 0, 0
        self.weight += HEAVY.get(path, 1)
        if method == "POST" and path.lower().endswith("order"):
            self.orders += 1

    @property
    def exceeded(self) -> bool:
        return self.limit is not None and self.weight > self.limit

    @property
    def retry_after(self) -> int:
        """Return the seconds until the minute is over."""
        return 60 - self.clock.now() // 1000 % 60

    def headers(self) -> dict[str, str]:
        return {
            "X-MBX-USED-WEIGHT-1M": str(self.weight),
            "X-MBX-ORDER-COUNT-1M": str(self.orders),
        }
