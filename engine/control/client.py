"""A client of the control socket: synchronous and small, for the command line and for scripts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engine.control.protocol import ProtocolError, body_of, decode, encode, reachable
from engine.model.commands import Command, CommandResult, Outcome

ANSWER_S = 10.0
COMMAND_S = 60.0


class NotRunning(Exception):
    """Nobody listens at the socket."""


class ControlError(Exception):
    """The engine did not answer, or said that the request makes no sense."""


class ControlClient:
    """One connection to a running engine. Use as a context manager.

    Raises ``NotRunning`` when nobody listens and ``ControlError`` for anything else.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._next = 0
        try:
            self._socket.settimeout(ANSWER_S)
            with reachable(path) as name:
                self._socket.connect(name)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            self._socket.close()
            raise NotRunning(f"no engine is running in {path.parent}") from error
        except OSError as error:
            self._socket.close()
            raise ControlError(f"{path}: {error.strerror or error}") from error
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def ask(self, name: str, **options: Any) -> dict[str, Any]:
        """Return the answer to a query (``engine.control.views.VIEWS``)."""
        answer: dict[str, Any] = self._exchange({"ask": name, **options}, ANSWER_S)["answer"]
        return answer

    def do(self, command: Command) -> CommandResult:
        """Have a command carried out and return what became of it."""
        reply = self._exchange({"do": body_of(command)}, COMMAND_S)["result"]
        return CommandResult(Outcome(reply["outcome"]), str(reply["detail"]))

    def follow(self) -> Iterator[dict[str, Any]]:
        """Yield events as they happen until the engine ends.

        Where events were lost, a ``warning`` says how many.
        """
        self._exchange({"follow": "events"}, ANSWER_S)
        self._socket.settimeout(None)
        while True:
            try:
                line = self._lines.readline()
            except OSError:
                return
            if not line:
                return
            message = decode(line)
            if "event" in message:
                yield message["event"]
            elif "dropped" in message:
                missed = message["dropped"]
                text = f"{missed} events were dropped: this reader is too slow"
                yield {"type": "warning", "event": "EventsDropped", "count": missed, "text": text}

    def _exchange(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        self._next += 1
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(encode({"id": self._next, **request}))
            while True:
                line = self._lines.readline()
                if not line:
                    raise ControlError("the engine ended before it answered")
                reply = decode(line)
                if reply.get("id") == self._next or reply.get("id") is None:
                    break
        except TimeoutError:
            raise ControlError(
                f"the engine did not answer within {timeout:g} s; it may still do what was asked"
            ) from None
        except (OSError, ProtocolError) as error:
            raise ControlError(f"the connection to the engine broke ({error})") from error
        if "error" in reply:
            raise ControlError(str(reply["error"]["detail"]))
        return reply
