"""Websocket connections, whatever they speak: queues, silence and cut lines."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from tests.exchange_server.state import UserEvent
from tests.exchange_server.world import World

MAX_QUEUE = 10_000


@dataclass(eq=False)
class Connection:
    """One client connection; ``names`` are its streams.

    ``listen_key`` (WEEX: the API key) is what its user stream was opened with, None without one.
    """

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    combined: bool = False
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


class Hub(ABC):
    """All connections of a dialect. ``stalled`` keeps them open and says nothing.

    It is ``market``, ``user``, ``all`` or None; ``sent`` counts the messages that left.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.connections: set[Connection] = set()
        self.stalled: str | None = None
        self.sent = 0
        world.exchange.listeners.append(self.on_user_event)

    @staticmethod
    @abstractmethod
    def knows(path: str) -> bool:
        """Return whether a path is a stream of this dialect."""

    @abstractmethod
    def open(self, connection: Connection, request: web.Request) -> None:
        """Read streams and user from the address and headers of a new connection."""

    @abstractmethod
    def command(self, connection: Connection, command: dict[str, Any]) -> None:
        """Handle a message of the client."""

    @abstractmethod
    def messages(self, name: str) -> list[Any]:
        """Return what a market stream has to say now."""

    @abstractmethod
    def tell(self, event: UserEvent) -> None:
        """Send an account change to the user streams."""

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Run one connection until it ends."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket, request.transport)
        self.open(connection, request)
        self.connections.add(connection)
        writer = asyncio.create_task(self._write(connection))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self.command(connection, orjson.loads(message.data))
        finally:
            self.connections.discard(connection)
            writer.cancel()
        return socket

    async def _write(self, connection: Connection) -> None:
        with suppress(ConnectionError):
            while True:
                data = await connection.queue.get()
                await connection.socket.send_str(data.decode())
                self.sent += 1

    def publish(self) -> None:
        """Send the present of every subscribed market stream."""
        if self.stalled in ("market", "all"):
            return
        wanted = {name for connection in self.connections for name in connection.names}
        for name in sorted(wanted):
            for message in self.messages(name):
                for connection in self.connections:
                    if name in connection.names:
                        connection.send(message, name)

    def on_user_event(self, event: UserEvent) -> None:
        """Pass an account change on, unless user streams are stalled."""
        if self.stalled not in ("user", "all"):
            self.tell(event)

    def drop(self) -> int:
        """Cut every connection; return how many there were."""
        connections = list(self.connections)
        for connection in connections:
            connection.abort()
        return len(connections)
