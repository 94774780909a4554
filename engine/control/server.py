"""The control server: a Unix socket in the home, answering from the engine's own event loop.

Nobody on the other end can hold the engine up: lines, clients and what waits for a client are
bounded, and a follower that is too slow loses events and is told how many.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine import __version__
from engine.control.protocol import (
    MAX_LINE,
    ProtocolError,
    Request,
    command_of,
    decode,
    encode,
    reachable,
    request_of,
)
from engine.control.views import VIEWS, Facts
from engine.control.wire import SCHEMA, diff
from engine.home import HomeError
from engine.model.commands import Command, CommandResult
from engine.model.events import Event
from engine.model.snapshot import Snapshot
from engine.narrative import to_json

ASSISTANT = "assistant"  # a question of its own: it takes what a view may not
MAX_CLIENTS = 32
MAX_WAITING = 1_000  # messages that wait for one client
SNAPSHOT = "snapshot"  # a question whose answer depends on what this client was told before
SHARED_S = 0.2  # how long viewers share one snapshot
FLUSH_S = 0.5  # at the end, for answers under way
_log = logging.getLogger(__name__)


class ControlServer:
    """Answers queries, hands commands in and streams events. Used from the engine's loop only.

    ``facts`` returns what queries see, None before there is anything; ``command`` carries a
    command out; ``assist`` answers the question ``assistant``, raising ``ValueError`` for one
    that makes no sense. The home's lock guarantees that no other engine owns the socket.
    """

    def __init__(
        self,
        path: Path,
        *,
        facts: Callable[[], Facts | None],
        command: Callable[[Command], Awaitable[CommandResult]],
        assist: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]] | None = None,
    ) -> None:
        self.path = path
        self._assist = assist
        self._facts = facts
        self._command = command
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[Any], _Client] = {}
        self._shared: Snapshot | None = None
        self._shared_at = 0.0

    async def start(self) -> None:
        """Begin to listen; a socket file left behind is replaced. Raises ``HomeError``."""
        try:
            listener = _listener(self.path)
        except OSError as error:
            raise HomeError(
                f"{self.path}: the control socket cannot be opened ({error.strerror or error})"
            ) from error
        self._server = await asyncio.start_unix_server(
            self._connected, sock=listener, limit=MAX_LINE
        )

    async def close(self) -> None:
        """Stop listening, let answers under way leave, hang up. Twice is once."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        with suppress(OSError):
            self.path.unlink()
        leaving = [asyncio.ensure_future(c.flushed()) for c in self._clients.values()]
        if leaving:
            await asyncio.wait(leaving, timeout=FLUSH_S)
        tasks = [*leaving, *self._clients]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def publish(self, events: Sequence[Event]) -> None:
        """Pass events on to those who follow; never waits."""
        for client in self._clients.values():
            if client.following:
                client.pass_on(events)

    @property
    def clients(self) -> int:
        """Return how many are connected."""
        return len(self._clients)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        client = _Client(writer)
        if len(self._clients) >= MAX_CLIENTS:
            writer.write(encode(_error(None, "busy", f"{MAX_CLIENTS} clients are connected")))
            writer.close()
            return
        self._clients[task] = client
        sender = asyncio.create_task(client.send_waiting())
        try:
            await self._serve(reader, client)
            await client.flushed()
        except (ConnectionError, asyncio.IncompleteReadError):
            _log.debug("a control client hung up")
        finally:
            del self._clients[task]
            sender.cancel()
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, client: _Client) -> None:
        """Answer one line after the other until the client has nothing more to say."""
        while not client.gone:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                await client.say(_error(None, "usage", f"a line is at most {MAX_LINE} bytes"))
                return
            await client.say(await self._answer(line, client))

    async def _answer(self, line: bytes, client: _Client) -> dict[str, Any]:
        identity = None
        try:
            message = decode(line)
            identity = message.get("id")
            request = request_of(message)
            if request.do is not None:
                result = await self._command(command_of(request.do))
                outcome = {"outcome": str(result.outcome), "detail": result.detail}
                return {"id": identity, "result": outcome}
            if request.follow:
                return _follow(request, client)
            if request.ask == SNAPSHOT:
                return await self._mirror(request, client)
            if request.ask == ASSISTANT and self._assist is not None:
                return {"id": identity, "answer": await self._seen(request.options or {})}
            return self._view(request)
        except ProtocolError as error:
            return _error(identity, "usage", str(error))
        except Exception as error:  # noqa: BLE001 - told to the client; the engine goes on
            _log.exception("a control request failed")
            return _error(identity, "failed", f"{type(error).__name__}: {error}")

    async def _seen(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the assistant of another process; it sees what a screen sees."""
        assert self._assist is not None
        try:
            return await self._assist(options)
        except ValueError as error:
            raise ProtocolError(str(error)) from None

    def _view(self, request: Request) -> dict[str, Any]:
        view = VIEWS.get(request.ask)
        if view is None:
            raise ProtocolError(f"ask {request.ask!r} is none of {', '.join(VIEWS)}, {SNAPSHOT}")
        facts = self._facts()
        if facts is None:
            return _error(request.id, "unavailable", "the engine is still starting")
        return {"id": request.id, "answer": view(facts, request.options or {})}

    async def _mirror(self, request: Request, client: _Client) -> dict[str, Any]:
        """Answer with what changed since the snapshot this client was sent before."""
        snapshot = self._recent()
        if snapshot is None:
            return _error(request.id, "unavailable", "the engine is still starting")
        before, client.mirrored = client.mirrored, snapshot
        answer = {"schema": SCHEMA, "pid": os.getpid(), "version": __version__}
        if (request.options or {}).get("schema") != SCHEMA:
            client.mirrored = None
            return {"id": request.id, "answer": answer}
        # A first one takes about a tenth of a second: beside the loop.
        return {
            "id": request.id,
            "answer": answer | await asyncio.to_thread(diff, before, snapshot),
        }

    def _recent(self) -> Snapshot | None:
        """Return a snapshot that several viewers may share."""
        now = time.monotonic()
        if self._shared is None or now - self._shared_at > SHARED_S:
            facts = self._facts()
            self._shared, self._shared_at = facts.snapshot if facts else None, now
        return self._shared


class _Client:
    """One connection: what waits to be sent, and who follows events under which id.

    ``mirrored`` is the snapshot its replica was brought to.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.mirrored: Snapshot | None = None
        self.following = False
        self.gone = False
        self._follow_id: Any = None
        self._writer = writer
        self._waiting: asyncio.Queue[dict[str, Any] | Event] = asyncio.Queue(MAX_WAITING)
        self._dropped = 0

    def follow(self, identity: Any) -> None:
        self.following, self._follow_id = True, identity

    def pass_on(self, events: Sequence[Event]) -> None:
        """Line events up while there is room; count the rest."""
        for event in events:
            try:
                self._waiting.put_nowait(event)
            except asyncio.QueueFull:
                self._dropped += 1

    async def say(self, message: dict[str, Any]) -> None:
        """Line an answer up; waits while the client reads nothing, and only this client."""
        await self._waiting.put(message)

    async def flushed(self) -> None:
        """Wait until everything lined up has been handed to the system."""
        await self._waiting.join()

    async def send_waiting(self) -> None:
        """Send what is lined up, at the client's own pace; events become text only here."""
        while True:
            message = await self._waiting.get()
            try:
                if not self.gone:
                    await self._send(message)
            except (ConnectionError, RuntimeError):
                self.gone = True
                self.following = False
            finally:
                self._waiting.task_done()

    async def _send(self, message: dict[str, Any] | Event) -> None:
        if isinstance(message, Event):
            message = {"id": self._follow_id, "event": to_json(message)}
        self._writer.write(encode(message))
        if self._dropped and self._waiting.qsize() < MAX_WAITING // 2:
            missed, self._dropped = self._dropped, 0
            self._writer.write(encode({"id": self._follow_id, "dropped": missed}))
        await self._writer.drain()


def _follow(request: Request, client: _Client) -> dict[str, Any]:
    if request.follow != "events":
        raise ProtocolError(f"follow {request.follow!r}: only events can be followed")
    client.follow(request.id)
    return {"id": request.id, "answer": {"following": "events"}}


def _error(identity: Any, code: str, detail: str) -> dict[str, Any]:
    return {"id": identity, "error": {"code": code, "detail": detail}}


def _listener(path: Path) -> socket.socket:
    """Return a socket bound to ``path``, for its owner only. Nobody can connect before that."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(f"{path} is in the way and no socket")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with reachable(path) as name:
            listener.bind(name)
        os.chmod(path, 0o600)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
