"""The inbox: the cockpit's list of notifications, kept in the ledger beside the engine's work."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from engine.ledger.port import RecordError
from engine.notify.message import Message

KEPT_UNWRITTEN = 500
LOOK_S = 2.0  # how often the count is taken anew: the command line marks things read, too

_log = logging.getLogger(__name__)


class NotificationStore(Protocol):
    """What of the ledger the inbox uses."""

    async def notify(self, time: int, level: str, topic: str, text: str) -> None:
        """Keep a notification, unread. Raises ``RecordError``."""

    async def unread(self) -> int:
        """Return how many are unread. Raises ``RecordError``."""

    async def mark_read(self, seq: int | None = None) -> None:
        """Mark one read, or all. Raises ``RecordError``."""

    async def clear_notifications(self) -> None:
        """Delete all. Raises ``RecordError``."""


class Inbox:
    """Stores messages by and by; ``unread`` is the last count known, what waits included."""

    def __init__(self, store: NotificationStore) -> None:
        self.unread = 0
        self._store = store
        self._waiting: deque[Message] = deque(maxlen=KEPT_UNWRITTEN)
        self._failing = False
        self._wake = asyncio.Event()

    def put(self, message: Message) -> None:
        """Take a message; never waits."""
        self._waiting.append(message)
        self.unread += 1
        self._wake.set()

    async def run(self) -> None:
        """Store what comes in, for ever."""
        while True:
            await self.store()
            self._wake.clear()
            try:
                # Not wait_for: in Python 3.11 it swallows a cancellation that meets a message.
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue  # time to count again

    async def store(self) -> None:
        """Store what waits; while the records cannot be written it goes on waiting."""
        try:
            while self._waiting:
                m = self._waiting[0]
                await self._store.notify(m.time, str(m.level), m.topic, m.text)
                if self._waiting and self._waiting[0] is m:  # else it was pushed out meanwhile
                    self._waiting.popleft()
            self.unread = await self._store.unread() + len(self._waiting)
        except RecordError as error:
            if not self._failing:
                _log.error("notifications cannot be stored: %s", error)
            self._failing = True
        else:
            self._failing = False

    async def read(self, seq: int | None = None, *, clear: bool = False) -> None:
        """Mark one or all read, or delete all. Raises ``RecordError``."""
        await self.store()
        if clear:
            await self._store.clear_notifications()
        else:
            await self._store.mark_read(seq)
        self.unread = await self._store.unread()
