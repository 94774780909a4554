"""The durable recorder: ledger first, then the compliance logs, then anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.ledger.compliance import ComplianceLog
from engine.ledger.store import Ledger, uninterrupted
from engine.model.events import DecisionMade, Event, PositionClosed
from engine.model.market import DAY_MS
from engine.model.orders import ApprovedOrder, ClosedTrade, ReduceOrder

_NEWEST_TRADES = 200  # far more than one group of events can close
_NAMED = 5


class DurableRecorder:
    """Implements ``engine.ledger.port.Recorder`` over SQLite and the compliance logs.

    Groups of events are written one after the other, in the order of the calls. A group that
    holds anything but decisions is on the disk when ``record`` returns; decisions alone are with
    the operating system, in order, and reach the disk with the next such group. ``state`` gives
    what a restart needs; it is committed in one transaction with the events it follows from.
    """

    def __init__(
        self,
        ledger: Ledger,
        compliance: ComplianceLog,
        state: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._ledger = ledger
        self._compliance = compliance
        self._state = state
        self._lock = asyncio.Lock()
        # In the ledger but not in the logs, because writing those failed: not written twice
        # when the group is tried again. Holds the events, so that no identity is used anew.
        self._half_written: dict[int, Event] = {}

    async def recover(self) -> list[str]:
        """Add closed trades the ledger has and the log lacks (a crash came in between).

        Call once after opening both. Return a sentence for what was added, real and shadow.
        """
        notes = []
        for shadow in (False, True):
            trades = await self._ledger.closed_trades(_NEWEST_TRADES, shadow=shadow)
            if not trades:
                continue
            since = min(trade.exit_time for trade in trades) - DAY_MS
            known = self._compliance.recorded_trades(since)
            late = [trade for trade in trades if (shadow, trade.id) not in known]
            self._compliance.write([_late(trade) for trade in late])
            if late:
                names = ", ".join(trade.id for trade in late[:_NAMED])
                more = f" and {len(late) - _NAMED} more" if len(late) > _NAMED else ""
                notes.append(f"closed trades added to the PnL log: {names}{more}")
        self._compliance.sync()
        return notes

    async def intend(
        self, order: ApprovedOrder | ReduceOrder, time: int, *, shadow: bool = False
    ) -> None:
        """Make an intent durable (``time`` in ms UTC).

        Raises ``RecordError``: then the order must not leave.
        """
        await self._ledger.intend(order, time, shadow=shadow)

    async def record(self, events: Sequence[Event]) -> None:
        """Make events durable, in order. Raises ``RecordError``."""
        if events:
            await uninterrupted(self._record(events))

    async def _record(self, events: Sequence[Event]) -> None:
        async with self._lock:
            durable = not all(isinstance(event, DecisionMade) for event in events)
            fresh = [event for event in events if id(event) not in self._half_written]
            await self._ledger.write(fresh, self._state() if durable else None)
            self._half_written = {id(event): event for event in events}
            if durable:
                await asyncio.to_thread(self._compliance.write, events, durable=True)
            else:
                self._compliance.write(events)
            self._half_written = {}


def _late(trade: ClosedTrade) -> PositionClosed:
    detail = "added at start: the engine ended before it was logged"
    return PositionClosed(time=trade.exit_time, position_id="", trade=trade, detail=detail)
