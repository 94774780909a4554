"""A link without an engine: shows what a test puts in, keeps what the screen sends."""

from __future__ import annotations

from concurrent.futures import Future

from engine.model.commands import Command, CommandResult, Outcome
from engine.model.snapshot import Snapshot


class FakeLink:
    """Commands stay pending until a test answers them, unless ``auto`` answers at once."""

    def __init__(self, snapshot: Snapshot | None = None, *, auto: bool = False) -> None:
        self.current = snapshot
        self.sent: list[Command] = []
        self.futures: list[Future[CommandResult]] = []
        self.auto = auto
        self.ending = ""
        self.cut_off = ""

    def snapshot(self) -> Snapshot | None:
        return self.current

    def send(self, command: Command) -> Future[CommandResult]:
        future: Future[CommandResult] = Future()
        self.sent.append(command)
        self.futures.append(future)
        if self.auto:
            future.set_result(CommandResult(Outcome.DONE, "as asked"))
        return future

    def alive(self) -> bool:
        return not self.ending

    def fate(self) -> str:
        return self.ending

    def cut(self) -> str:
        return self.cut_off
