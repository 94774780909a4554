"""Where an engine under test dies: SIGKILL before, within or after one durable step."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs

from engine.ledger.recorder import DurableRecorder
from engine.model.events import (
    Event,
    OrderChanged,
    OrderFilled,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from engine.model.orders import ReduceOrder
from engine.venues.exchange.memory import kind_of

T = TypeVar("T")

# The steps of a trade, in the order in which they can be told from what is being done.
INTENDED = ("entry intent", "stop intent", "target intent", "exit intent")
REQUESTED = ("entry order", "stop order", "target order", "exit order", "cancel order", "leverage")
RECORDED = ("opened", "closed", "changed", "filled", "order told")
BEFORE, WITHIN, AFTER = "before", "within", "after"
STEPS = (
    *((when, what) for what in INTENDED for when in (BEFORE, AFTER)),
    *((when, what) for what in REQUESTED for when in (BEFORE, WITHIN, AFTER)),
    *((when, what) for what in RECORDED for when in (BEFORE, AFTER)),
)
_EVENTS = {
    "closed": PositionClosed,
    "opened": PositionOpened,
    "filled": OrderFilled,
    "changed": PositionChanged,
    "order told": OrderChanged,
}


@dataclass(frozen=True)
class Plan:
    """When to die: at the ``number``-th ``when`` of ``what``, and after ``seconds`` at the latest.

    ``from_start`` counts the seconds from the beginning of the start, so that it may be recovery
    that dies. ``delay_ms`` is how long a request is on its way when it dies ``within`` one.
    """

    when: str = ""
    what: str = ""
    number: int = 1
    delay_ms: float = 0.0
    seconds: float = 1e9
    from_start: bool = False

    def __str__(self) -> str:
        if not self.what:
            return f"at {self.seconds:.3f} s{' of the start' if self.from_start else ''}"
        return f"{self.when} {self.what} {self.number}"


class Death:
    """Kills this process by its plan. ``tell`` gets a last word before."""

    def __init__(self, plan: Plan, tell: Callable[[str], None]) -> None:
        self.armed = False
        self._plan = plan
        self._tell = tell
        self._count = 0

    def arm(self) -> None:
        """Count from now on."""
        self.armed = True
        if not self._plan.from_start and self._plan.seconds < 1e6:
            asyncio.get_running_loop().call_later(self._plan.seconds, self.die, "in time")

    def die(self, where: str) -> None:
        """Say where and be gone."""
        self._tell(where)
        os.kill(os.getpid(), signal.SIGKILL)

    def _meet(self, when: str, what: str) -> bool:
        """Return whether this is where the plan ends."""
        plan = self._plan
        if not self.armed or (when, what) != (plan.when, plan.what):
            return False
        self._count += 1
        return self._count == plan.number

    async def around(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do one step, unless this is where to die."""
        if self._meet(BEFORE, what):
            self.die(f"before {what}")
        if self._meet(WITHIN, what):
            loop = asyncio.get_running_loop()
            loop.call_later(self._plan.delay_ms / 1000, self.die, f"within {what}")
        result = await work()
        if self._meet(AFTER, what):
            self.die(f"after {what}")
        return result

    # What is watched

    def watch_recorder(self) -> None:
        """Meet every intent and every group of events that is recorded."""
        intend, record, death = DurableRecorder.intend, DurableRecorder._record, self

        async def dying_intend(
            self: DurableRecorder, order: Any, time: int, *, shadow: bool = False
        ) -> None:
            kind = order.kind if isinstance(order, ReduceOrder) else "entry"
            await death.around(f"{kind} intent", lambda: intend(self, order, time, shadow=shadow))

        async def dying_record(self: DurableRecorder, events: Sequence[Event]) -> None:
            await death.around(_foremost(events), lambda: record(self, events))

        DurableRecorder.intend = dying_intend  # type: ignore[method-assign]
        DurableRecorder._record = dying_record  # type: ignore[method-assign]

    def watch_client(self, client: Any) -> None:
        """Meet every request of a client that changes something."""
        fetch = client.fetch

        async def dying_fetch(
            url: str, method: str = "GET", headers: Any = None, body: Any = None
        ) -> Any:
            what = _request(method, url, body)
            return await self.around(what, lambda: fetch(url, method, headers, body))

        client.fetch = dying_fetch


def _foremost(events: Sequence[Event]) -> str:
    kinds = {type(event) for event in events}
    return next((name for name, kind in _EVENTS.items() if kind in kinds), "other")


def _request(method: str, url: str, body: Any) -> str:
    """Return what a request is for, by its address and client order id."""
    if method == "DELETE":
        return "cancel order"
    if method != "POST":
        return "reading"
    if url.partition("?")[0].endswith("/leverage"):
        return "leverage"
    form = parse_qs(f"{url.partition('?')[2]}&{body or ''}")
    name = next((form[key][0] for key in ("newClientOrderId", "clientAlgoId") if key in form), "")
    return f"{kind_of(name)} order" if name else "other request"
