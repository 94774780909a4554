"""One call of the Binance dialect: its parameters, checked as they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from tests.exchange_server.errors import ApiError
from tests.exchange_server.keys import ApiKey
from tests.exchange_server.world import World

Params = dict[str, str]
SUCCESS = {"code": 200, "msg": "success"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, its parameters from query and body together."""

    params: Params
    key: ApiKey | None = None

    def symbol(self, world: World) -> str:
        name = self.required("symbol")
        world.exchange.symbol_rules(name)
        return name

    def required(self, name: str) -> str:
        value = self.params.get(name, "")
        if not value:
            text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
            raise ApiError(-1102, text)
        return value

    def number(self, name: str) -> Decimal:
        try:
            return Decimal(self.params.get(name) or 0)
        except InvalidOperation:
            raise ApiError(-1102, f"Illegal characters found in parameter '{name}'.") from None

    def integer(self, name: str) -> int | None:
        value = self.params.get(name)
        return int(value) if value else None

    def flag(self, name: str) -> bool:
        return self.params.get(name, "").lower() == "true"

    def limit(self, default: int, most: int = 1000) -> int:
        return min(self.integer("limit") or default, most)

    def window(self) -> tuple[int, int]:
        start, end = self.integer("startTime"), self.integer("endTime")
        return start or 0, end if end is not None else 2**62


Handler: TypeAlias = Callable[[Call], Any]
Routes: TypeAlias = dict[tuple[str, str], tuple[str, Handler]]
