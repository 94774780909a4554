"""The remote link: an engine behind its control socket, seen as if it were in this process.

A thread keeps a replica of the engine's snapshot: all of it once, then what changed. It connects
again by itself, for as long as it takes, and says in words how it stands.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

from engine import __version__
from engine.control.client import ControlClient, ControlError, NotRunning
from engine.control.wire import SCHEMA, WireError, patch
from engine.home import Home
from engine.model.commands import Command, CommandResult
from engine.model.snapshot import Snapshot

PERIOD_S = 0.25  # between two looks
RETRY_S = 1.0  # between two attempts to connect


class RemoteLink:
    """A ``Link`` to the engine of a home. Every method may be called from any thread."""

    def __init__(self, home: Home, period_s: float = PERIOD_S, retry_s: float = RETRY_S) -> None:
        self._home = home
        self._period_s, self._retry_s = period_s, retry_s
        self._snapshot: Snapshot | None = None
        self._cut = f"connecting to the engine in {home.root}"
        self._ended = ""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="remote link", daemon=True)

    def start(self) -> None:
        """Begin to connect; more than once is once."""
        if self._thread.ident is None:
            self._thread.start()

    def close(self, timeout: float = 2.0) -> None:
        """Hang up. The engine does not notice."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def snapshot(self) -> Snapshot | None:
        """Return the newest picture that came over."""
        return self._snapshot

    def alive(self) -> bool:
        """Return whether there is an engine, within reach or not."""
        return not self._ended

    def fate(self) -> str:
        """Return that the engine ended; empty while there is one."""
        return self._ended

    def cut(self) -> str:
        """Return why the engine cannot be reached for the moment; empty while it can."""
        return self._cut

    def send(self, command: Command) -> Future[CommandResult]:
        """Carry a command over on a connection of its own, so that a long one delays no picture."""
        future: Future[CommandResult] = Future()
        if self._cut:
            future.set_exception(RuntimeError(self._cut))
            return future
        threading.Thread(
            target=self._carry, args=(command, future), name="remote command", daemon=True
        ).start()
        return future

    def _carry(self, command: Command, future: Future[CommandResult]) -> None:
        try:
            with ControlClient(self._home.socket) as client:
                if future.set_running_or_notify_cancel():
                    future.set_result(client.do(command))
        except Exception as error:  # noqa: BLE001 - told to whoever sent the command
            future.set_exception(error)

    # In the link's thread

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                with ControlClient(self._home.socket) as client:
                    self._watch(client)
            except NotRunning:
                self._out_of_reach("nobody answers at its socket")
            except (ControlError, WireError) as error:
                self._out_of_reach(str(error))
            self._closed.wait(self._retry_s)

    def _watch(self, client: ControlClient) -> None:
        """Keep the replica until the connection breaks. Each look waits for its answer."""
        replica: Snapshot | None = None
        while not self._closed.is_set():
            answer = client.ask("snapshot", schema=SCHEMA)
            if answer["schema"] != SCHEMA:
                raise WireError(
                    f"the engine is Sigma {answer['version']} and speaks another dialect than "
                    f"this {__version__}; attach with the program it was started with"
                )
            self._snapshot = replica = patch(replica, answer)
            self._cut = self._ended = ""
            self._closed.wait(self._period_s)

    def _out_of_reach(self, why: str) -> None:
        """Say how it stands: the engine ended, or it runs and does not answer."""
        holder = self._home.holder()
        if holder is None:
            self._ended = f"no engine runs in {self._home.root}; waiting for the next one"
            self._cut = self._ended
        else:
            self._ended = ""
            self._cut = (
                f"the engine (pid {holder.get('pid', '?')}) cannot be reached ({why}); trying again"
            )
