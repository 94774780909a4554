"""The cockpit's list: stored by and by, counted, marked and cleared."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.ledger.port import RecordError
from engine.ledger.store import Ledger
from engine.model.events import Severity
from engine.notify.inbox import KEPT_UNWRITTEN, Inbox
from engine.notify.message import Message


def message(text: str) -> Message:
    return Message(7, Severity.WARNING, "breaker", text)


@pytest.fixture
async def ledger(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = await Ledger.open(tmp_path / "sigma.db", "test")
    yield opened
    await opened.close()


async def test_messages_are_stored_unread_then_marked_and_cleared(ledger: Ledger) -> None:
    inbox = Inbox(ledger)
    for text in ("one", "two", "three"):
        inbox.put(message(text))
    assert inbox.unread == 3
    await inbox.store()
    stored = await ledger.notifications()
    assert [(n.text, n.level, n.topic, n.read) for n in reversed(stored)] == [
        (text, "warning", "breaker", False) for text in ("one", "two", "three")
    ]
    await inbox.read(stored[0].seq)
    assert inbox.unread == 2
    await inbox.read()
    assert inbox.unread == 0
    await inbox.read(clear=True)
    assert await ledger.notifications() == []


async def test_what_another_program_marks_read_is_noticed(ledger: Ledger) -> None:
    inbox = Inbox(ledger)
    inbox.put(message("one"))
    await inbox.store()
    await ledger.mark_read()
    await inbox.store()
    assert inbox.unread == 0


class FullDisk:
    """A store that cannot write until told otherwise."""

    def __init__(self) -> None:
        self.full = True
        self.kept: list[str] = []

    async def notify(self, time: int, level: str, topic: str, text: str) -> None:
        if self.full:
            raise RecordError("the disk is full")
        self.kept.append(text)

    async def unread(self) -> int:
        return len(self.kept)

    async def mark_read(self, seq: int | None = None) -> None:
        raise RecordError("the disk is full")

    async def clear_notifications(self) -> None:
        self.kept.clear()


async def test_a_full_disk_keeps_them_waiting_in_bounded_memory() -> None:
    store = FullDisk()
    inbox = Inbox(store)
    for number in range(KEPT_UNWRITTEN + 50):
        inbox.put(message(str(number)))
    await inbox.store()
    assert store.kept == []
    store.full = False
    await inbox.store()
    assert store.kept == [str(n) for n in range(50, KEPT_UNWRITTEN + 50)]
    assert inbox.unread == KEPT_UNWRITTEN


async def test_a_message_that_meets_the_end_does_not_swallow_it(ledger: Ledger) -> None:
    inbox = Inbox(ledger)
    task = asyncio.create_task(inbox.run())
    await asyncio.sleep(0.05)
    inbox.put(message("SHUTDOWN"))
    await asyncio.sleep(0)
    task.cancel()
    _, left = await asyncio.wait([task], timeout=5)
    assert not left
    assert task.cancelled()
