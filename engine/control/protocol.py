"""The words of the control socket: JSON lines, requests one way, answers and events the other.

Requests: ``{"id", "ask": NAME, ...}``, ``{"id", "do": {"command": NAME, ...}}`` and
``{"id", "follow": "events"}``. Each is answered by one line with the same ``id`` and ``answer``,
``result`` or ``error``; a follower then gets a line with ``event`` for everything that happens,
and one with ``dropped`` where it was too slow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from engine.model.commands import (
    Adopt,
    ApplyStrategy,
    ClosePosition,
    Command,
    Flatten,
    Level,
    Override,
    PauseEntries,
    Recover,
    ReplayAction,
    ReplayControl,
    Shutdown,
    Source,
    StartTrading,
    StopTrading,
    Trip,
)
from engine.model.market import Pair

MAX_LINE = 65_536  # bytes of one request
MAX_REASON = 500
MAX_SECONDS = 7 * 86_400
MAX_NAME = 40
MAX_VERSION = 1_000_000
MAX_TIME = 10**14  # ms since 1970
_LONGEST_PATH = 100  # bytes; systems allow 104 to 108
_SENDERS = (Source.KEY, Source.CLI, Source.SOCKET, Source.ASSISTANT)

COMMANDS: dict[str, type[Command]] = {
    "start": StartTrading,
    "stop": StopTrading,
    "pause": PauseEntries,
    "trip": Trip,
    "override": Override,
    "recover": Recover,
    "close": ClosePosition,
    "adopt": Adopt,
    "flatten": Flatten,
    "shutdown": Shutdown,
    "apply": ApplyStrategy,
    "replay": ReplayControl,
}
_NAMES = {kind: name for name, kind in COMMANDS.items()}


class ProtocolError(Exception):
    """A line makes no sense; the message says which part."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: exactly one of ``ask``, ``do`` and ``follow`` is set."""

    id: Any
    ask: str = ""
    do: Mapping[str, Any] | None = None
    follow: str = ""
    options: Mapping[str, Any] | None = None


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as one line."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def decode(line: bytes) -> dict[str, Any]:
    """Return the object on a line. Raises ``ProtocolError``."""
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"not a line of JSON ({error})") from None
    if not isinstance(message, dict):
        raise ProtocolError("a request is a JSON object")
    return message


def request_of(message: Mapping[str, Any]) -> Request:
    """Return the request a message holds. Raises ``ProtocolError``."""
    kinds = [name for name in ("ask", "do", "follow") if name in message]
    if len(kinds) != 1:
        raise ProtocolError("a request has exactly one of ask, do and follow")
    identity, body = message.get("id"), message[kinds[0]]
    if kinds[0] == "do":
        if not isinstance(body, dict):
            raise ProtocolError('do takes an object such as {"command": "stop"}')
        return Request(identity, do=body)
    if not isinstance(body, str):
        raise ProtocolError(f"{kinds[0]} takes a name")
    if kinds[0] == "follow":
        return Request(identity, follow=body)
    rest = {key: value for key, value in message.items() if key not in ("id", "ask")}
    return Request(identity, ask=body, options=rest)


def command_of(body: Mapping[str, Any]) -> Command:
    """Return the command that ``do`` describes. Raises ``ProtocolError``."""
    name = body.get("command")
    kind = COMMANDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ProtocolError(f"command {name!r} is none of {', '.join(COMMANDS)}")
    known = {item.name for item in fields(kind)}
    given = {key: value for key, value in body.items() if key != "command"}
    if strange := sorted(set(given) - known):
        raise ProtocolError(f"{name} does not take {', '.join(strange)}")
    values: dict[str, Any] = {"source": Source.SOCKET}
    values |= {key: _field(key, value) for key, value in given.items()}
    try:
        return kind(**values)
    except TypeError:
        missing = [
            key
            for key in ("pair", "level", "seconds", "name", "action")
            if key in known - values.keys()
        ]
        raise ProtocolError(f"{name} needs {' and '.join(missing)}") from None


def body_of(command: Command) -> dict[str, Any]:
    """Return what ``do`` holds for a command."""
    values = {item.name: getattr(command, item.name) for item in fields(command)}
    return {"command": _NAMES[type(command)], **{k: v for k, v in values.items() if v != ""}}


def _field(name: str, value: Any) -> Any:
    if name == "source" and value in _SENDERS:
        return Source(value)
    if name == "reason" and isinstance(value, str) and len(value) <= MAX_REASON:
        return " ".join(value.split())
    if name == "level" and isinstance(value, str) and value.upper() in Level.__members__:
        return Level[value.upper()]
    if name == "pair" and isinstance(value, str):
        try:
            return Pair.parse(value)
        except ValueError as error:
            raise ProtocolError(str(error)) from None
    if name == "seconds" and type(value) is int and 0 < value <= MAX_SECONDS:
        return value
    if name == "name" and isinstance(value, str) and 0 < len(value) <= MAX_NAME:
        return value
    if name == "version" and (value is None or (type(value) is int and 0 < value <= MAX_VERSION)):
        return value
    if name == "action" and value in list(ReplayAction):
        return ReplayAction(value)
    if name == "until" and (value is None or (type(value) is int and 0 < value < MAX_TIME)):
        return value
    if name == "speed" and (value is None or (type(value) in (int, float) and 0 < value < 1e12)):
        return value
    if name in ("acknowledge", "resume", "flatten") and isinstance(value, bool):
        return value
    raise ProtocolError(f"{name} cannot be {value!r}; {_ALLOWED[name]}")


_ALLOWED = {
    "source": f"it is one of {', '.join(_SENDERS)}",
    "reason": f"it is a text of at most {MAX_REASON} characters",
    "level": f"it is one of {', '.join(Level)}",
    "pair": "it is a text such as BTC",
    "seconds": f"it is a whole number from 1 to {MAX_SECONDS}",
    "name": f"it is a text of at most {MAX_NAME} characters",
    "version": f"it is a whole number from 1 to {MAX_VERSION}, or left out",
    "action": f"it is one of {', '.join(ReplayAction)}",
    "until": "it is a time in ms since 1970, or left out",
    "speed": "it is a number above 0, or left out",
    "acknowledge": "it is true or false",
    "resume": "it is true or false",
    "flatten": "it is true or false",
}


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Yield a name for a socket path that fits the system's limit, however deep the home lies.

    Raises ``OSError`` when the directory is missing or the path cannot be shortened.
    """
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
