"""The server with a stand-in engine: bounds, bad clients, a beginning and an end in order."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from engine.control import server as server_module
from engine.control.protocol import MAX_LINE
from engine.control.server import ControlServer
from engine.home import HomeError
from engine.model.commands import Command, CommandResult, Outcome, StopTrading
from engine.model.events import Noticed, Severity


class Talk:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, line: bytes) -> dict:
        self.writer.write(line + b"\n")
        return await self.read()

    async def read(self) -> dict:
        return orjson.loads(await asyncio.wait_for(self.reader.readline(), 20))

    async def ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 20) == b""


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - the server has no event for tests to wait on
            await asyncio.sleep(0.01)


class Stand:
    """A server and what it was told to do."""

    def __init__(self, path: Path) -> None:
        self.done: list[Command] = []
        self.answer: Callable[[Command], Awaitable[CommandResult]] = self._done
        self.server = ControlServer(path, facts=lambda: None, command=self._do)

    async def _do(self, command: Command) -> CommandResult:
        self.done.append(command)
        return await self.answer(command)

    async def _done(self, command: Command) -> CommandResult:
        return CommandResult(Outcome.DONE, "as you say")

    async def connect(self) -> Talk:
        return Talk(*await asyncio.open_unix_connection(str(self.server.path)))


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    found = Stand(tmp_path / "engine.sock")
    await found.server.start()
    yield found
    await found.server.close()


def notice(number: int) -> Noticed:
    return Noticed(time=number, level=Severity.INFO, topic="count", detail=str(number))


async def test_the_socket_is_for_its_owner_only_and_goes_with_the_server(stand, tmp_path):
    path = tmp_path / "engine.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await stand.server.close()
    await stand.server.close()
    assert not path.exists()


async def test_a_socket_left_behind_is_replaced(tmp_path):
    path = tmp_path / "engine.sock"
    crashed = Stand(path)
    await crashed.server.start()
    os.rename(path, tmp_path / "kept")
    await crashed.server.close()
    os.rename(tmp_path / "kept", path)
    stand = Stand(path)
    await stand.server.start()
    talk = await stand.connect()
    assert (await talk.ask(b'{"id":1,"do":{"command":"stop"}}'))["result"]["outcome"] == "done"
    await stand.server.close()


async def test_what_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "engine.sock"
    path.write_text("mine")
    with pytest.raises(HomeError, match="in the way"):
        await Stand(path).server.start()
    assert path.read_text() == "mine"


async def test_commands_are_carried_out_and_answered(stand):
    talk = await stand.connect()
    reply = await talk.ask(b'{"id":"a","do":{"command":"stop","reason":"lunch"}}')
    assert reply == {"id": "a", "result": {"outcome": "done", "detail": "as you say"}}
    assert isinstance(stand.done[0], StopTrading)
    assert stand.done[0].reason == "lunch"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hello", "not a line of JSON"),
        (b"[1]", "a JSON object"),
        (b"{}", "exactly one"),
        (b'{"ask":"secrets"}', "none of status"),
        (b'{"follow":"me"}', "only events"),
        (b'{"do":{"command":"close"}}', "needs pair"),
        (b"\xff\xfe", "not a line of JSON"),
    ],
)
async def test_nonsense_is_explained_and_the_talk_goes_on(stand, line, said):
    talk = await stand.connect()
    reply = await talk.ask(line)
    assert reply["error"]["code"] == "usage"
    assert said in reply["error"]["detail"]
    assert (await talk.ask(b'{"do":{"command":"stop"}}'))["result"]["outcome"] == "done"
    assert len(stand.done) == 1


async def test_before_there_is_a_picture(stand):
    talk = await stand.connect()
    assert (await talk.ask(b'{"id":3,"ask":"status"}'))["error"]["code"] == "unavailable"


async def test_a_failing_command_is_told_and_hurts_nobody(stand):
    async def broken(command: Command) -> CommandResult:
        raise ZeroDivisionError("oh")

    stand.answer = broken
    talk = await stand.connect()
    reply = await talk.ask(b'{"id":1,"do":{"command":"stop"}}')
    assert reply["error"] == {"code": "failed", "detail": "ZeroDivisionError: oh"}
    assert "result" not in reply


async def test_an_endless_line_ends_the_connection(stand):
    talk = await stand.connect()
    talk.writer.write(b"x" * (MAX_LINE * 2))
    assert "at most" in (await talk.read())["error"]["detail"]
    other = await stand.connect()
    assert "error" in await other.ask(b"{}")


async def test_clients_are_bounded(stand, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_CLIENTS", 3)
    talks = [await stand.connect() for _ in range(3)]
    for talk in talks:
        await talk.ask(b"{}")
    extra = await stand.connect()
    assert (await extra.read())["error"]["code"] == "busy"
    talks[0].writer.close()
    await until(lambda: stand.server.clients < 3)
    again = await stand.connect()
    assert (await again.ask(b"{}"))["error"]["code"] == "usage"


async def test_followers_get_every_event_in_order(stand):
    talk = await stand.connect()
    assert await talk.ask(b'{"id":9,"follow":"events"}') == {
        "id": 9,
        "answer": {"following": "events"},
    }
    stand.server.publish([notice(1), notice(2)])
    stand.server.publish([notice(3)])
    for number in (1, 2, 3):
        message = await talk.read()
        assert message["id"] == 9
        assert message["event"]["detail"] == str(number)
        assert message["event"]["type"] == "info"


async def test_a_reader_that_stalls_loses_events_and_is_told(stand, monkeypatch):
    """What waits is bounded, the engine never waits, and another follower misses nothing."""
    slow, quick = await stand.connect(), await stand.connect()
    await slow.ask(b'{"follow":"events"}')
    await quick.ask(b'{"follow":"events"}')
    total = 20_000
    seen = 0
    for number in range(0, total, 500):
        stand.server.publish([notice(n) for n in range(number, number + 500)])
        for _ in range(500):
            assert (await quick.read())["event"]["detail"] == str(seen)
            seen += 1
    assert seen == total
    received, dropped = 0, 0
    while received + dropped < total:
        message = await slow.read()
        received += "event" in message
        dropped += message.get("dropped", 0)
    assert dropped > 0
    assert received + dropped == total


async def test_a_client_that_hangs_up_is_forgotten(stand):
    talk = await stand.connect()
    await talk.ask(b'{"follow":"events"}')
    talk.writer.transport.abort()
    while stand.server.clients:
        stand.server.publish([notice(1)])
        await asyncio.sleep(0.01)
    assert stand.server.clients == 0


async def test_the_end_hangs_up_on_those_who_wait(stand):
    """A command that will never be carried out gets no answer, only the end of the line."""

    async def forever(command: Command) -> CommandResult:
        return await asyncio.Event().wait()

    stand.answer = forever
    talk, follower = await stand.connect(), await stand.connect()
    await follower.ask(b'{"follow":"events"}')
    talk.writer.write(b'{"do":{"command":"stop"}}\n')
    await until(lambda: bool(stand.done))
    stand.server.publish([notice(1)])
    await stand.server.close()
    assert await talk.ended()
    assert (await follower.read())["event"]["detail"] == "1"
    assert await follower.ended()
    assert stand.server.clients == 0
