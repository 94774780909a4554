"""Commands in the imperative: the one way anybody steers the engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.model.market import Pair


class Level(StrEnum):
    """The circuit breaker's levels, mildest first."""

    __hash__ = str.__hash__  # as for the enumerations of ``engine.model.signal``

    CLOSED = "CLOSED"
    ALERT = "ALERT"
    THROTTLE = "THROTTLE"
    HALT = "HALT"
    SHUTDOWN = "SHUTDOWN"

    @property
    def rank(self) -> int:
        """Return 0 for CLOSED up to 4 for SHUTDOWN."""
        return _RANK[self]


_RANK = {level: rank for rank, level in enumerate(Level)}


class Source(StrEnum):
    """Who sent a command."""

    KEY = "key"
    CLI = "cli"
    SOCKET = "socket"
    ASSISTANT = "assistant"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command carries: who sent it and why."""

    source: Source
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTrading(Command):
    """Allow new entries. ``acknowledge`` clears an unclean stop or a SHUTDOWN latch."""

    acknowledge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTrading(Command):
    """Take no new entries and stop scanning; open positions stay managed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEntries(Command):
    """Hold new entries off (or let them again with ``resume``), scanning goes on."""

    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip(Command):
    """Raise the breaker to a level."""

    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Override(Command):
    """Pin the breaker at a level for a time (seconds). Needs a reason."""

    level: Level
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover(Command):
    """Force the breaker to CLOSED. Needs a reason; refused from SHUTDOWN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePosition(Command):
    """Close one pair's position at market; in a disputed pair what the exchange shows."""

    pair: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt(Command):
    """Take what the exchange shows in a disputed pair for our own, and guard it."""

    pair: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Command):
    """Halt entries durably, cancel all orders and close every position at market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown(Command):
    """End the engine in order. ``flatten`` closes the positions first."""

    flatten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyStrategy(Command):
    """Decide by a saved strategy from now on; ``version`` None means its newest."""

    name: str
    version: int | None = None


class ReplayAction(StrEnum):
    """What can be done to the time of a simulated or recorded market."""

    PAUSE = "pause"
    RESUME = "resume"
    STEP = "step"
    JUMP = "jump"
    SPEED = "speed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayControl(Command):
    """Steer the time of a simulated or recorded market; refused on an exchange.

    ``until`` (ms UTC) is where JUMP runs ahead to, ``speed`` the simulated / real time of SPEED.
    """

    action: ReplayAction
    until: int | None = None
    speed: float | None = None


class Outcome(StrEnum):
    """How far a command came."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command, with a sentence for the person who sent it."""

    outcome: Outcome
    detail: str
