"""Run the server in its own process or thread, so that it outlives the engine under test."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tests.exchange_server.server import ExchangeServer

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]


class Remote:
    """The control endpoint of a server at ``url``, from any process; blocks, so no event loop."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Run a verb of ``Control``; raises ``ValueError`` with the server's reason."""
        request = urllib.request.Request(
            f"{self.url}/control/{verb}", data=json.dumps(arguments).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                answer: dict[str, Any] = json.load(reply)
                return answer
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None

    def ledger(self) -> dict[str, Any]:
        """Return the truthful ledger, decimals as strings."""
        return self.call("ledger")

    def set_price(self, symbol: str, price: object) -> None:
        """Trade at a price (USDT)."""
        self.call("price", symbol=symbol, price=str(price))


class ServerProcess(Remote):
    """``with ServerProcess("--seed", "7") as server``: a server in a child process.

    Arguments are those of ``python -m tests.exchange_server``; the port is a free one.
    """

    def __init__(self, *arguments: str) -> None:
        super().__init__("")
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> ServerProcess:
        command = [sys.executable, "-m", "tests.exchange_server", "--port", "0"]
        self._process = subprocess.Popen(
            [*command, *self._arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the exchange server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=10)


class ServerThread(Remote):
    """``with ServerThread(seed=7) as server``: a server in a thread with its own event loop.

    Options are those of ``ExchangeServer``. ``run`` works on the server itself, in its thread.
    """

    def __init__(self, seed: int = 0, **options: Any) -> None:
        super().__init__("")
        self._server = ExchangeServer(seed, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="exchange server")

    def run(self, work: Callable[[ExchangeServer], T]) -> T:
        """Run ``work(server)`` in the server's event loop and return what it returns."""

        async def there() -> T:
            return work(self._server)

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(timeout=10)

    def __enter__(self) -> ServerThread:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(timeout=10)
        self.url = self._server.url
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
