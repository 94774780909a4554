"""Where a conversation is kept: the ledger of the home, reached from another event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from engine.assistant.port import Message, Role
from engine.ledger.port import RecordError
from engine.ledger.rows import ChatLine

T = TypeVar("T")
_log = logging.getLogger(__name__)


class HistoryStore(Protocol):
    """Keeps lines of conversation. A failure to keep is told to the log, never raised."""

    async def add(self, time: int, line: Message) -> None:
        """Keep one line (``time``: wall clock, ms UTC)."""

    async def recent(self, limit: int) -> list[Message]:
        """Return the newest lines, oldest first."""


class NoHistory:
    """Keeps nothing."""

    async def add(self, time: int, line: Message) -> None:
        """Let the line go."""

    async def recent(self, limit: int) -> list[Message]:
        """Return no lines."""
        return []


class ChatLedger(Protocol):
    """The two methods of the ledger that a conversation needs."""

    async def add_chat(self, time: int, role: str, text: str) -> None:
        """Keep one line."""

    async def chat(self, limit: int = 100) -> list[ChatLine]:
        """Return the newest lines, newest last."""


class LedgerHistory:
    """The ledger's chat table. ``elsewhere`` runs a coroutine where the ledger lives.

    The ledger belongs to the engine's loop; a screen has its own.
    """

    def __init__(
        self,
        ledger: Callable[[], ChatLedger | None],
        loop: Callable[[], asyncio.AbstractEventLoop | None],
    ) -> None:
        self._ledger = ledger
        self._loop = loop

    async def add(self, time: int, line: Message) -> None:
        """Keep one line; see ``HistoryStore``."""
        ledger = self._ledger()
        if ledger is not None:
            await self._there(ledger.add_chat(time, line.role.value, line.text), None)

    async def recent(self, limit: int) -> list[Message]:
        """Return the newest lines; see ``HistoryStore``."""
        ledger = self._ledger()
        found = await self._there(ledger.chat(limit), []) if ledger is not None else []
        return [Message(Role(item.role), item.text) for item in found if item.role in set(Role)]

    async def _there(self, work: Coroutine[Any, Any, T], otherwise: T) -> T:
        loop = self._loop()
        if loop is None or loop.is_closed():
            work.close()
            return otherwise
        try:
            if loop is asyncio.get_running_loop():
                return await work
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
        except RecordError as error:
            _log.warning("the conversation is not kept: %s", error)
            return otherwise
