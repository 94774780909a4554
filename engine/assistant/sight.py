"""Sight: how a conversation sees the engine, in this process or behind the control socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from engine.assistant import facts, slash
from engine.assistant.context import Context, build_context
from engine.assistant.drafts import Draft, DraftRefused, read_draft
from engine.assistant.facts import Answered
from engine.model.snapshot import Snapshot
from engine.strategy import STRATEGY_SCHEMA

VIEW = "assistant"  # its name among the questions of the control socket


class Sight(Protocol):
    """What may be seen. Read-only: nothing here reaches a command."""

    async def context(self) -> Context | None:
        """Return the newest picture for the model, None before there is one."""

    async def facts(self, names: Sequence[str]) -> Answered:
        """Return the facts named; unknown ones are refused by name."""

    async def draft(self, value: Mapping[str, Any], now: int) -> Draft:
        """Return a proposal as a draft (``now``: wall clock, ms). Raises ``DraftRefused``."""

    async def slash(self, line: str) -> str:
        """Return the answer to a slash command, as Markdown."""


class SnapshotSight:
    """Sees the newest snapshot."""

    def __init__(
        self, snapshot: Callable[[], Snapshot | None], redact: Callable[[str], str]
    ) -> None:
        self._snapshot = snapshot
        self._redact = redact

    async def context(self) -> Context | None:
        """Return the newest picture; see ``Sight``."""
        snapshot = self._snapshot()
        return None if snapshot is None else build_context(snapshot, self._redact)

    async def facts(self, names: Sequence[str]) -> Answered:
        """Return the facts named; see ``Sight``."""
        snapshot = self._snapshot()
        if snapshot is None:
            return Answered('{"facts":{}}', (), tuple(names))
        active = snapshot.active
        parameters = STRATEGY_SCHEMA.dump_python(active, mode="json") if active else None
        return facts.answer(names, snapshot, self._redact, parameters)

    async def draft(self, value: Mapping[str, Any], now: int) -> Draft:
        """Return a proposal as a draft; see ``Sight``."""
        snapshot = self._snapshot()
        if snapshot is None:
            raise DraftRefused("draft: the engine has shown nothing yet")
        return read_draft(value, snapshot, now)

    async def slash(self, line: str) -> str:
        """Return the answer to a slash command; see ``Sight``."""
        return slash.answer(line, self._snapshot())


async def serve(options: Mapping[str, Any], sight: Sight, now: int) -> dict[str, Any]:
    """Answer the control socket's question ``assistant`` (``now``: wall clock, ms).

    ``options`` holds ``see``: ``context``, ``facts`` (with ``names``), ``slash`` (with
    ``line``) or ``draft`` (with ``value``). Raises ``ValueError`` for anything else.
    """
    match options:
        case {"see": "context"}:
            context = await sight.context()
            return {"context": None if context is None else asdict(context)}
        case {"see": "facts", "names": list(names)}:
            return {"facts": asdict(await sight.facts([str(name) for name in names]))}
        case {"see": "slash", "line": str(line)}:
            return {"markdown": await sight.slash(line)}
        case {"see": "draft", "value": dict(value)}:
            try:
                card = asdict(await sight.draft(value, now))
            except DraftRefused as refused:
                return {"refused": str(refused)}
            return {"draft": card | {"request": None}}  # a command never travels as a draft
    raise ValueError("see is one of context, facts, slash and draft")


class RemoteSight:
    """Sees an engine behind its socket. ``ask`` puts one question and returns its answer."""

    def __init__(self, ask: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
        self._ask = ask

    async def context(self) -> Context | None:
        """Return the newest picture; see ``Sight``."""
        found = (await self._ask(VIEW, {"see": "context"}))["context"]
        return None if found is None else Context(**found)

    async def facts(self, names: Sequence[str]) -> Answered:
        """Return the facts named; see ``Sight``."""
        found = (await self._ask(VIEW, {"see": "facts", "names": list(names)}))["facts"]
        return Answered(found["text"], tuple(found["names"]), tuple(found["refused"]))

    async def draft(self, value: Mapping[str, Any], now: int) -> Draft:
        """Return a proposal as a draft that cannot be confirmed here, only typed; see ``Sight``."""
        answer = await self._ask(VIEW, {"see": "draft", "value": dict(value)})
        if "refused" in answer:
            raise DraftRefused(answer["refused"])
        card = answer["draft"]
        return Draft(**card | {"effect": tuple(card["effect"]), "made": now})

    async def slash(self, line: str) -> str:
        """Return the answer to a slash command; see ``Sight``."""
        return str((await self._ask(VIEW, {"see": "slash", "line": line}))["markdown"])
