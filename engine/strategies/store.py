"""Saved strategies: immutable versions over the ledger, the active one, and the way back.

The built-in strategy is always there as ``default`` version 1 and cannot be saved over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from engine.ledger.rows import SavedStrategy
from engine.strategies.validation import StrategyError, dump_strategy, parse_strategy
from engine.strategy import Strategy

BUILT_IN = Strategy()
MAX_VERSIONS = 1_000  # of all strategies of a home
STATE_KEY = "strategy"
_KEPT_BEFORE = 20  # how far back rollback can go


class StrategyRecords(Protocol):
    """The four methods of the ledger that strategies need."""

    async def save_strategy(self, name: str, version: int, definition: str, time: int) -> None:
        """Keep one version; only once."""

    async def strategies(self) -> list[SavedStrategy]:
        """Return every saved version, by name and version."""

    async def get_state(self, key: str) -> Any:
        """Return the value under a key, None when there is none."""

    async def put_state(self, key: str, value: Any) -> None:
        """Keep a JSON-able value under a key."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One version as listed. ``created`` in ms UTC, 0 = built in; ``problem``: it is unreadable."""

    name: str
    version: int
    created: int
    description: str
    active: bool
    problem: str = ""


class StrategyStore:
    """The strategies of one home. Every method may raise ``RecordError`` when storage fails."""

    def __init__(self, records: StrategyRecords) -> None:
        self._records = records

    async def save(self, strategy: Strategy, time: int) -> Strategy:
        """Keep a strategy as the next version of its name (``time``: ms UTC) and return it.

        Saving what the newest version already says returns that one. Raises ``StrategyError``
        for the built-in name and when there are too many versions.
        """
        if strategy.name == BUILT_IN.name:
            raise StrategyError(f'name = "{BUILT_IN.name}": built in; choose another name')
        rows = await self._records.strategies()
        if len(rows) >= MAX_VERSIONS:
            raise StrategyError(f"{len(rows)} versions are kept, at most {MAX_VERSIONS:,} may be")
        mine = [row for row in rows if row.name == strategy.name]
        number = max((row.version for row in mine), default=0) + 1
        made = replace(strategy, version=number)
        if mine and (newest := _read(mine[-1])) == replace(made, version=newest.version):
            return newest
        await self._records.save_strategy(made.name, number, dump_strategy(made), time)
        return made

    async def list(self) -> tuple[Kept, ...]:
        """Return every version, the built-in first; an unreadable one carries its problem."""
        return listed(await self._records.strategies(), await self._records.get_state(STATE_KEY))

    async def get(self, name: str, version: int | None = None) -> Strategy:
        """Return one version, the newest where none is named. Raises ``StrategyError``."""
        return found(await self._records.strategies(), name, version)

    async def active(self) -> tuple[Strategy, str]:
        """Return the active strategy, and a warning when it is not the one that was applied."""
        pointer = await self._records.get_state(STATE_KEY)
        return active_of(await self._records.strategies(), pointer)

    async def activate(self, name: str, version: int | None = None) -> Strategy:
        """Point at a version, so that a restart takes it, and return it."""
        strategy = await self.get(name, version)
        state = _pointer(await self._records.get_state(STATE_KEY))
        now = [strategy.name, strategy.version]
        if now != state["now"]:
            before = [*state["before"], state["now"]][-_KEPT_BEFORE:]
            await self._records.put_state(STATE_KEY, {"now": now, "before": before})
        return strategy

    async def rollback(self) -> Strategy:
        """Go back to what was active before, and return it. Raises ``StrategyError`` at the end."""
        state = _pointer(await self._records.get_state(STATE_KEY))
        if not state["before"]:
            raise StrategyError("no earlier strategy to roll back to")
        *before, now = state["before"]
        strategy = await self.get(str(now[0]), int(now[1]))
        await self._records.put_state(STATE_KEY, {"now": now, "before": before})
        return strategy


# Over rows, for whoever reads the database without an engine


def found(rows: Iterable[SavedStrategy], name: str, version: int | None) -> Strategy:
    """Return one version out of rows, the newest where none is named. Raises ``StrategyError``."""
    if name == BUILT_IN.name and version in (None, BUILT_IN.version):
        return BUILT_IN
    every = list(rows)
    mine = [row for row in every if row.name == name]
    if not mine:
        names = ", ".join(dict.fromkeys((BUILT_IN.name, *(row.name for row in every))))
        raise StrategyError(f"no strategy is named {name[:40]!r}; there are: {names}")
    for row in reversed(mine):
        if version in (None, row.version):
            return _read(row)
    versions = ", ".join(str(row.version) for row in mine[-10:])
    raise StrategyError(f"{name} has no version {version}; there are: {versions}")


def active_of(rows: Sequence[SavedStrategy], pointer: Any) -> tuple[Strategy, str]:
    """Return the active strategy and a warning; an unreadable one falls back to the built-in."""
    name, version = _pointer(pointer)["now"]
    try:
        return found(rows, str(name), int(version)), ""
    except StrategyError as error:
        return BUILT_IN, f"strategy {name} v{version} cannot be used ({error}); the built-in is"


def listed(rows: Iterable[SavedStrategy], pointer: Any) -> tuple[Kept, ...]:
    """Return rows as a list for people, the built-in first."""
    now = tuple(_pointer(pointer)["now"])
    first = Kept(
        BUILT_IN.name,
        BUILT_IN.version,
        0,
        BUILT_IN.description,
        now == (BUILT_IN.name, BUILT_IN.version),
    )
    kept = [first]
    for row in rows:
        description, problem = "", ""
        try:
            description = _read(row).description
        except StrategyError as error:
            problem = str(error)
        active = (row.name, row.version) == now
        kept.append(Kept(row.name, row.version, row.created, description, active, problem))
    return tuple(kept)


def _read(row: SavedStrategy) -> Strategy:
    try:
        strategy = parse_strategy(row.definition)
    except StrategyError as error:
        raise StrategyError(f"{row.name} v{row.version} cannot be read: {error}") from None
    if (strategy.name, strategy.version) != (row.name, row.version):
        raise StrategyError(f"{row.name} v{row.version} names another strategy inside")
    return strategy


def _pointer(value: Any) -> dict[str, Any]:
    """Return the stored pointer, or that of a home that never applied anything."""
    if isinstance(value, dict) and isinstance(value.get("now"), list) and len(value["now"]) == 2:
        before = value.get("before")
        return {"now": value["now"], "before": before if isinstance(before, list) else []}
    return {"now": [BUILT_IN.name, BUILT_IN.version], "before": []}
