"""The command desk: every command sent from the screen, and how far it came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from engine.model.commands import Command, CommandResult, Outcome
from engine.model.snapshot import EventView
from sigma_tui.link import Link

_KEEP = 100


@dataclass(frozen=True, slots=True)
class Report:
    """One step of a command's way: requested, acknowledged, done, refused or failed."""

    label: str
    step: str
    detail: str = ""

    @property
    def severity(self) -> str:
        """Return how loudly this is told."""
        return {"refused": "warning", "failed": "critical"}.get(self.step, "info")

    @property
    def sentence(self) -> str:
        """Return the report as one line."""
        return f"{self.label}: {self.step}" + (f" - {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True)
class _Pending:
    label: str
    future: Future[CommandResult]
    acknowledged: bool = False


class CommandDesk:
    """Sends commands and remembers, boundedly, what became of them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pending: list[_Pending] = []
        self._journal: deque[EventView] = deque(maxlen=_KEEP)
        self._count = 0

    @property
    def journal(self) -> tuple[EventView, ...]:
        """Return the reports as event lines, newest first."""
        return tuple(self._journal)

    @property
    def waiting(self) -> int:
        """Return how many commands have no outcome yet."""
        return len(self._pending)

    def send(self, command: Command, label: str, now: int) -> Report:
        """Send a command and return what to tell at once. ``now`` is the engine's clock, ms."""
        if not self._link.alive():
            return self._note(Report(label, "failed", "no engine is running"), now)
        try:
            future = self._link.send(command)
        except Exception as error:  # noqa: BLE001 - told to the operator as a failed command
            return self._note(Report(label, "failed", str(error)), now)
        self._pending.append(_Pending(label, future))
        return self._note(Report(label, "requested"), now)

    def poll(self, now: int) -> Iterator[Report]:
        """Yield what happened to pending commands since the last call."""
        still: list[_Pending] = []
        for pending in self._pending:
            if pending.future.done():
                yield self._note(_outcome(pending), now)
            elif pending.future.running() and not pending.acknowledged:
                still.append(replace(pending, acknowledged=True))
                yield self._note(Report(pending.label, "acknowledged"), now)
            else:
                still.append(pending)
        self._pending = still

    def _note(self, report: Report, now: int) -> Report:
        self._count += 1
        self._journal.appendleft(
            EventView(-self._count, now, report.severity, "command", report.sentence)
        )
        return report


def _outcome(pending: _Pending) -> Report:
    if pending.future.cancelled():
        return Report(pending.label, "failed", "the engine ended before it was carried out")
    error = pending.future.exception()
    if error is not None:
        return Report(pending.label, "failed", f"{type(error).__name__}: {error}")
    result = pending.future.result()
    step = {Outcome.DONE: "done", Outcome.REFUSED: "refused"}.get(result.outcome, "failed")
    return Report(pending.label, step, result.detail)
