"""Run the server in its own process, so that it outlives the engine under test."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

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
