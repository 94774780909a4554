"""How a command fails: each kind carries its exit code; the message is the one line shown."""

from __future__ import annotations

DONE, FAILED, USAGE, NO_ENGINE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130


class CommandError(Exception):
    """A command failed while running."""

    code = FAILED


class UsageError(CommandError):
    """The command was asked for something that cannot be; the message says what can."""

    code = USAGE


class NoEngineError(CommandError):
    """The command needs a running engine, or records that are not there yet."""

    code = NO_ENGINE


class RefusedError(CommandError):
    """A safety rule of the engine refused the command."""

    code = REFUSED
