"""A loopback exchange for tests and rehearsals: Binance USD-M and WEEX dialects."""

from tests.exchange_server.hosting import Remote, ServerProcess, ServerThread
from tests.exchange_server.keys import ApiKey
from tests.exchange_server.server import ExchangeServer

__all__ = ["ApiKey", "ExchangeServer", "Remote", "ServerProcess", "ServerThread"]
