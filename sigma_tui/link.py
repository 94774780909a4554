"""The link: all that the screen knows of an engine, be it in this process or behind a socket."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from engine.model.commands import Command, CommandResult
from engine.model.snapshot import Snapshot


class Link(Protocol):
    """Pictures in, commands out. Every method returns at once and may be called from the screen.

    A command's future goes ``running`` when the engine has taken the command (acknowledged) and
    is set when it was carried out, refused or failed.
    """

    def snapshot(self) -> Snapshot | None:
        """Return the newest picture, or None before the first one."""

    def send(self, command: Command) -> Future[CommandResult]:
        """Hand a command to the engine."""

    def alive(self) -> bool:
        """Return whether an engine is at the other end."""

    def fate(self) -> str:
        """Return why the engine ended, in a sentence; empty while it lives."""

    def cut(self) -> str:
        """Return why pictures cannot come for the moment, in a sentence; empty while they can."""
