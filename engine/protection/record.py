"""The breaker's durable form: what a restart needs, validated and sealed with a digest.

A record that was torn, edited by hand or written by another version is refused as a whole:
nothing of it could be trusted to be no looser than the truth.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from engine.model.commands import Level
from engine.protection.triggers import Trigger

VERSION: Literal[1] = 1
_STRICT = ConfigDict(extra="forbid")
Instant = Annotated[int, Field(ge=0, le=2**53)]  # ms UTC, or a duration in ms


class BreakerRecordError(ValueError):
    """The stored breaker cannot be trusted; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Latch:
    """A level held until the operator recovers: tripped by hand, or for want of a record."""

    level: Level
    cause: str
    reason: str
    since: Instant


@dataclass(frozen=True, slots=True, config=_STRICT)
class Pin:
    """An operator's override of the level until a time (ms UTC).

    ``ceiling`` is True where the pin was set below the automatic level: it holds milder causes
    down. Otherwise it is a floor, and anything more severe still takes effect.
    """

    level: Level
    ceiling: bool
    until: Instant
    reason: str
    since: Instant


@dataclass(frozen=True, slots=True, config=_STRICT)
class Hold:
    """An operator's hold on new entries until a time (ms UTC)."""

    until: Instant
    reason: str
    since: Instant


@dataclass(frozen=True, slots=True, config=_STRICT)
class LadderRecord:
    """One trigger's ladder as it stood."""

    level: Level
    reading: Level
    value: Annotated[float, Field(allow_inf_nan=False)]
    since: Instant
    read_at: Instant
    healthy_ms: Instant
    detail: str = ""


@dataclass(frozen=True, slots=True, config=_STRICT)
class BreakerRecord:
    """Everything durable. ``saved`` is when; ``level`` is the level in force then."""

    version: Literal[1]
    saved: Instant
    level: Level
    cause: str
    since: Instant
    expires: int | None
    ladders: dict[Trigger, LadderRecord]
    latch: Latch | None = None
    pin: Pin | None = None
    hold: Hold | None = None
    acknowledge: str = ""  # why the operator must acknowledge before entries are taken
    failures_in_a_row: int = Field(default=0, ge=0)
    orders: list[tuple[int, bool]] = field(default_factory=list)
    equity: list[tuple[int, float]] = field(default_factory=list)


_ADAPTER: TypeAdapter[BreakerRecord] = TypeAdapter(BreakerRecord)


def dump(record: BreakerRecord) -> dict[str, Any]:
    """Return a record as JSON-able data with its digest."""
    data: dict[str, Any] = _ADAPTER.dump_python(record, mode="json")
    return {**data, "digest": _digest(data)}


def load(state: object) -> BreakerRecord:
    """Read what ``dump`` gave. Raises ``BreakerRecordError`` for anything else."""
    if not isinstance(state, dict):
        raise BreakerRecordError(f"it is {type(state).__name__}, not an object")
    version = state.get("version")
    if version != VERSION:
        raise BreakerRecordError(f"its version is {version!r}; this program reads {VERSION}")
    rest = {key: value for key, value in state.items() if key != "digest"}
    try:
        record = _ADAPTER.validate_python(rest)
        digest = _digest(_ADAPTER.dump_python(record, mode="json"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BreakerRecordError(f"{where}: {first['msg']}") from None
    except (ValueError, TypeError) as error:  # a number JSON cannot hold
        raise BreakerRecordError(str(error)) from None
    if state.get("digest") != digest:
        raise BreakerRecordError("its digest does not match: torn, or edited by hand")
    return record


def level_claimed(state: object) -> Level:
    """Return the level an unreadable record still names, CLOSED where it names none."""
    named = state.get("level") if isinstance(state, dict) else None
    return Level(named) if isinstance(named, str) and named in tuple(Level) else Level.CLOSED


def _digest(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
