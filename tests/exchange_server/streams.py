"""Websocket connections of the Binance dialect: market streams and user data."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from tests.exchange_server import stream_views as views
from tests.exchange_server.prices import DAY, INTERVALS, MINUTE
from tests.exchange_server.state import UserEvent
from tests.exchange_server.world import World

PATH = re.compile(r"^(/(public|market|private))?/(ws|stream)(/(?P<tail>.*))?$")
STREAM = re.compile(
    r"^(?:!(?:bookTicker|markPrice@arr(?:@1s)?|(?:miniT|t)icker@arr)"
    r"|[a-z0-9]+@(?:kline_\w+|markPrice(?:@1s)?|bookTicker|ticker|miniTicker))$"
)
MAX_QUEUE = 10_000


@dataclass(eq=False)
class Connection:
    """One client connection; ``names`` are its market streams, ``listen_key`` its user stream."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    combined: bool
    names: set[str] = field(default_factory=set)
    listen_key: str | None = None
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(MAX_QUEUE))

    def send(self, data: Any, stream: str | None = None) -> None:
        """Queue one message, wrapped in its stream's name on a combined connection."""
        if self.combined and stream is not None:
            data = {"stream": stream, "data": data}
        self.queue.put_nowait(orjson.dumps(data))

    def abort(self) -> None:
        """Cut the line without a closing handshake."""
        if self.transport is not None:
            self.transport.abort()


class Streams:
    """All connections. ``stalled`` keeps them open and says nothing: market, user or all."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connections: set[Connection] = set()
        self.stalled: str | None = None
        self.sent = 0
        self._opens: dict[tuple[str, str], int] = {}
        world.exchange.listeners.append(self.on_user_event)

    @staticmethod
    def knows(path: str) -> bool:
        return PATH.match(path) is not None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Run one connection until it ends."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket, request.transport, "/stream" in request.path)
        self._open(connection, request)
        self.connections.add(connection)
        writer = asyncio.create_task(self._write(connection))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._command(connection, orjson.loads(message.data))
        finally:
            self.connections.discard(connection)
            writer.cancel()
        return socket

    def _open(self, connection: Connection, request: web.Request) -> None:
        match = PATH.match(request.path)
        tail = (match["tail"] if match else None) or ""
        names = request.query.get("streams", "").split("/") + tail.split("/")
        connection.names |= {name for name in names if STREAM.match(name)}
        key = request.query.get("listenKey") or tail
        if self.world.listen_keys.alive(key):
            connection.listen_key = key

    async def _write(self, connection: Connection) -> None:
        with suppress(ConnectionError):
            while True:
                data = await connection.queue.get()
                await connection.socket.send_str(data.decode())
                self.sent += 1

    def _command(self, connection: Connection, command: dict[str, Any]) -> None:
        names, reference = command.get("params") or [], command.get("id")
        match command.get("method"):
            case "SUBSCRIBE" if all(STREAM.match(name) for name in names):
                connection.names |= set(names)
                connection.send({"result": None, "id": reference})
            case "UNSUBSCRIBE":
                connection.names -= set(names)
                connection.send({"result": None, "id": reference})
            case "LIST_SUBSCRIPTIONS":
                connection.send({"result": sorted(connection.names), "id": reference})
            case _:
                error = {"code": 2, "msg": "Invalid request: invalid stream"}
                connection.send({"error": error, "id": reference})

    # publishing

    def publish(self) -> None:
        """Send the present of every subscribed market stream."""
        if self.stalled in ("market", "all"):
            return
        wanted = {name for connection in self.connections for name in connection.names}
        for name in sorted(wanted):
            for message in self._messages(name):
                for connection in self.connections:
                    if name in connection.names:
                        connection.send(message, name)

    def _messages(self, name: str) -> list[Any]:
        """Return what a stream has to say now; a kline stream first ends candles that closed."""
        target, _, kind = name.partition("@")
        if target.startswith("!"):
            each = [self._single(symbol, target[1:]) for symbol in self.world.rules]
            return each if target == "!bookTicker" else [each]
        symbol = target.upper()
        if symbol not in self.world.rules:
            return []
        if kind.startswith("kline_"):
            return self._klines(symbol, kind.removeprefix("kline_"))
        return [self._single(symbol, kind.partition("@")[0])]

    def _single(self, symbol: str, kind: str) -> Any:
        prices, now = self.world.prices, self.world.clock.now()
        quote = prices.quotes[symbol]
        if kind == "markPrice":
            return views.mark_price(symbol, quote, now, self.world.keeper.next_funding)
        if kind == "bookTicker":
            return views.book_ticker(symbol, quote, now)
        hours = prices.klines(symbol, "1h", now - DAY, None, 25)
        day = (
            hours[0][0],
            hours[0][1],
            max(row[2] for row in hours),
            min(row[3] for row in hours),
            hours[-1][4],
            sum(row[5] for row in hours),
        )
        return views.ticker(symbol, quote, day, now, mini=kind == "miniTicker")

    def _klines(self, symbol: str, interval: str) -> list[Any]:
        if interval not in INTERVALS:
            return []
        now, rules = self.world.clock.now(), self.world.rules[symbol]
        span = INTERVALS[interval] * MINUTE
        rows = self.world.prices.klines(symbol, interval, None, None, 2)
        seen = self._opens.get((symbol, interval), rows[-1][0])
        self._opens[symbol, interval] = rows[-1][0]
        messages = [
            views.kline(rules, interval, span, row, now, closed=True)
            for row in rows[:-1]
            if row[0] >= seen
        ]
        return [*messages, views.kline(rules, interval, span, rows[-1], now, closed=False)]

    def on_user_event(self, event: UserEvent) -> None:
        """Send an account change to every living user stream."""
        if self.stalled in ("user", "all"):
            return
        message = None
        for connection in self.connections:
            key = connection.listen_key
            if key is None or not self.world.listen_keys.alive(key):
                continue
            if message is None:
                now = self.world.clock.now()
                message = views.user_event(event, self.world.account, now)
            connection.send(message, key)

    def expire_listen_keys(self) -> None:
        """Tell user streams whose key ran out."""
        now = self.world.clock.now()
        for connection in self.connections:
            key = connection.listen_key
            if key is not None and self.world.listen_keys.expired(key):
                message = {"e": "listenKeyExpired", "E": now, "listenKey": key}
                connection.send(message, key)
                connection.listen_key = None

    def drop(self) -> int:
        """Cut every connection; return how many there were."""
        connections = list(self.connections)
        for connection in connections:
            connection.abort()
        return len(connections)
