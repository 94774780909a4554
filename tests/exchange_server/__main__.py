"""Start the server by hand: ``python -m tests.exchange_server --port 8600``."""

from __future__ import annotations

import argparse
import asyncio
from decimal import Decimal

from tests.exchange_server.server import ExchangeServer


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.exchange_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--balance", type=Decimal, default=Decimal(10_000), help="USDT")
    parser.add_argument("--history-days", type=int, default=35)
    parser.add_argument(
        "--walk", type=float, default=1.0, help="seconds between price steps, 0 off"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="price movement, x real volatility"
    )
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    """Run until interrupted, prices walking."""
    server = ExchangeServer(
        options.seed, options.port, balance=options.balance, history_days=options.history_days
    )
    async with server:
        print(server.url, flush=True)
        while True:
            await asyncio.sleep(options.walk or 60)
            if options.walk:
                server.step(options.walk * options.speed)


if __name__ == "__main__":
    try:
        asyncio.run(serve(arguments()))
    except KeyboardInterrupt:
        print("stopped")
