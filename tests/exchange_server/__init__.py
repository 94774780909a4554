"""A loopback exchange for tests and rehearsals: Binance USD-M and WEEX dialects."""

from tests.exchange_server.server import ExchangeServer

__all__ = ["ExchangeServer"]
