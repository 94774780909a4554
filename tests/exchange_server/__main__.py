"""Start a loopback exchange by hand: ``python -m tests.exchange_server --port 8600``."""

from __future__ import annotations

import argparse
import asyncio
import signal
from decimal import Decimal

from tests.exchange_server.server import ExchangeServer


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.exchange_server", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=8600, help="0 takes a free one")
    add("--seed", type=int, default=0, help="of history and price walk")
    add("--balance", type=Decimal, default=Decimal(10_000), help="of the wallet, USDT")
    add("--history-days", type=int, default=12, help="of minute candles")
    add("--walk", type=float, default=0.0, help="prices walk, times real speed (0 = they stand)")
    add("--pulse", type=float, default=0.25, help="seconds between pushes and price steps")
    add("--weight-limit", type=int, default=None, help="request weight a minute before a 429")
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    """Print the URL, then run until told to stop."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with ExchangeServer(**vars(options)) as server:
        print(server.url, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
