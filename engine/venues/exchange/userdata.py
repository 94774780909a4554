"""What happens to an account by itself: the user stream, and REST polling behind it.

The stream is fast and may be silent, dead or lossy; polling is slow and complete. Both feed one
task, so that order is kept; a fill is told once, whichever came first. The trade cursor moves
with polling alone, so nothing that the stream missed is ever skipped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from engine.model.market import Pair
from engine.model.orders import ExitReason, OrderKind, OrderState
from engine.venues.exchange.dialect import Nudge, OrderFacts, TradeFacts, UserEvent, is_ours
from engine.venues.exchange.feed import hang_up
from engine.venues.exchange.memory import Known, fill_id
from engine.venues.exchange.venue import ExchangeVenue
from engine.venues.port import OrderReport, Retryable, VenueError

POLL_S = 5.0
FUNDING_S = 60.0
RECONNECT_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
LATE_MS = 3_000  # a fill the stream has not told by then makes it suspect
OLDEST_MS = 6 * 86_400_000  # the exchange answers for a week at most
_QUEUE = 10_000
_RECENT = 1_000

_log = logging.getLogger(__name__)


class UserData:
    """Feeds ``venue.drain`` from stream and polling.

    ``now`` is the wall clock (ms); ``since`` is the time from which fills and funding are asked
    for (ms UTC); those told by an earlier run have to be in the venue's memory.
    """

    def __init__(
        self, venue: ExchangeVenue, client: Any, now: Callable[[], int], since: int
    ) -> None:
        self.venue = venue
        self.reconnects = 0
        self._client = client
        self._now = now
        self._since = max(since, now() - OLDEST_MS)
        self._funding_since = self._since
        self._funding_due = 0.0
        self._cursor: dict[Pair, int] = {}
        self._heard: asyncio.Queue[UserEvent] = asyncio.Queue(_QUEUE)
        self._streamed: deque[str] = deque(maxlen=_RECENT)
        self._connected = now() + OLDEST_MS  # not before the stream is first watched
        self._turn = 0
        self._wake = asyncio.Event()
        self._suspect = False
        self._poll_now = True
        client.listener = self.hear

    # The stream

    def hear(self, client: Any, message: Any) -> None:
        """Take in one raw message of a websocket; what is not about the account is ignored."""
        for event in self.venue.dialect.user_event(message):
            if event is Nudge.KEY_EXPIRED:
                self._suspect = True
            if self._heard.full():  # polling finds whatever is dropped here
                self._heard.get_nowait()
            self._heard.put_nowait(event)
            self._wake.set()

    async def stream(self) -> None:
        """Keep the user stream open for ever: reconnect with back-off, poll after each time."""
        failures = 0
        while True:
            self._connected = self._now() + LATE_MS
            watch = asyncio.ensure_future(self.venue.dialect.watch_user())
            try:
                while not watch.done() and not self._suspect:
                    await asyncio.wait([watch], timeout=0.5)
                if not self._suspect:
                    await watch
                    failures = 0
                    continue
                why = "the stream was silent or its key had expired"
            except Exception as error:  # noqa: BLE001 - whatever it was: begin anew, later
                why = type(error).__name__
            finally:
                watch.cancel()
            _log.info("user stream: %s; beginning anew", why)
            self._suspect = False
            self.reconnects += 1
            await self._hang_up()
            self._ask()
            await asyncio.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])
            failures += 1

    def _ask(self) -> None:
        """Poll as soon as possible."""
        self._poll_now = True
        self._wake.set()

    async def _hang_up(self) -> None:
        """Close the websockets of the trading client and forget the stream's key."""
        self.venue.dialect.reset_user()
        await hang_up(self._client)

    # One consumer of stream and polling

    async def follow(self) -> None:
        """Take in events as they come, and ask by REST every few seconds, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._take_in()
                if self._poll_now or loop.time() >= due:
                    self._poll_now = False
                    await self.poll()
                    due = loop.time() + POLL_S
            except VenueError as error:
                wait = error.after_ms / 1000 if isinstance(error, Retryable) else POLL_S
                _log.warning("the account cannot be read: %s", error)
                due = loop.time() + max(POLL_S, wait)

    async def _take_in(self) -> None:
        while not self._heard.empty():
            event = self._heard.get_nowait()
            if isinstance(event, TradeFacts):
                self._streamed.append(fill_id(event))
                await self._trade(event)
            elif isinstance(event, OrderFacts):
                await self._order(event)
            else:
                self._poll_now = True
                if event is Nudge.FUNDING:
                    self._funding_due = 0.0

    async def poll(self) -> None:
        """Ask once for new fills, ended orders and funding. Raises ``VenueError``."""
        loop = asyncio.get_running_loop()
        waiting = self.venue.memory.resting()  # a request of weight: only when there is a reason
        resting = await self.venue.read(self.venue.dialect.resting()) if waiting else ()
        for pair in self._pairs_to_ask():
            await self._new_trades(pair)
        await self._ended(waiting, {facts.client_id for facts in resting})
        if loop.time() >= self._funding_due:
            await self._funding()
            self._funding_due = loop.time() + FUNDING_S

    def _pairs_to_ask(self) -> list[Pair]:
        """Return the pairs in which something may have happened, and one more each time."""
        pairs = list(self.venue.instruments)
        if len(self._cursor) < len(pairs):
            return pairs  # the first time: all
        resting = {known.pair for known in self.venue.memory.resting()}
        active = [pair for pair in pairs if pair in resting or self.venue.held(pair) != 0]
        self._turn = (self._turn + 1) % len(pairs)
        other = pairs[self._turn]
        return active if other in active else [*active, other]

    async def _new_trades(self, pair: Pair) -> None:
        """Tell what a pair has traded since the cursor, page by page."""
        venue = self.venue
        while True:
            after = self._cursor.get(pair)
            found = await venue.read(venue.dialect.trades_since(pair, after or None, self._since))
            fresh = [trade for trade in found if trade.number > (after or 0)]
            for trade in fresh:
                await self._trade(trade)
                late = self._connected < trade.time < self._now() - LATE_MS
                if late and fill_id(trade) not in self._streamed:
                    self._suspect = True
                self._cursor[pair] = max(self._cursor.get(pair, 0), trade.number)
            self._cursor.setdefault(pair, 0)
            if not fresh or after == self._cursor[pair]:
                return

    async def _trade(self, trade: TradeFacts) -> None:
        """Tell one execution, if it was not told before."""
        venue = self.venue
        if trade.pair not in venue.instruments:
            return
        known = await self._owner(trade)
        if venue.memory.fresh(fill_id(trade)):
            venue.tell(known.fill(trade, venue.fee(trade)))

    async def _owner(self, trade: TradeFacts) -> Known:
        """Return the order an execution belongs to, ours or another's."""
        memory = self.venue.memory
        known = memory.owner(trade.pair, trade.order_id)
        if known is None and is_ours(trade.client_id):
            known = memory.known(trade.client_id)
        if known is not None:
            return known
        facts = await self.venue.read(self.venue.dialect.by_id(trade.pair, trade.order_id))
        if facts is not None and is_ours(facts.client_id):
            return memory.learn(facts)
        for resting in memory.resting():  # the order a fired one has sent may have another id
            if resting.conditional and resting.pair == trade.pair:
                parent = await self.venue.read(
                    self.venue.dialect.look_up(trade.pair, resting.client_id, conditional=True)
                )
                if parent is not None and parent.child_id == trade.order_id:
                    return memory.learn(parent)
        return _foreign(trade, facts)

    async def _order(self, facts: OrderFacts) -> None:
        """Follow up on what the stream says of an order."""
        venue = self.venue
        if facts.pair not in venue.instruments:
            return
        if not is_ours(facts.client_id):
            # The exchange gives its own orders the same client id again and again.
            name = f"{facts.client_id} {facts.venue_id}"
            if facts.detail and facts.state.final and venue.memory.close(name):
                venue.tell(_by_exchange(facts))
            return
        known = venue.memory.known(facts.client_id)
        if known is None or facts.conditional or not known.conditional:
            known = venue.memory.learn(facts)
        else:  # the order that a stop or target of ours has sent
            venue.memory.belongs(facts.pair, facts.venue_id, facts.client_id)
        over = facts.state.final or (facts.conditional and facts.state is OrderState.SUBMITTED)
        if over and facts.client_id not in venue.in_flight:
            await self._resolve(known)

    async def _ended(self, waiting: Sequence[Known], open_ids: set[str]) -> None:
        """Find out what became of our orders that rest no more."""
        for known in waiting:
            if known.client_id not in open_ids and known.client_id not in self.venue.in_flight:
                await self._resolve(known)

    async def _resolve(self, known: Known) -> None:
        """Tell how an order of ours has ended: its fills first, then its final report."""
        venue = self.venue
        report = await venue.find(known.pair, known.client_id)
        if report is None or known.client_id in venue.in_flight:
            return
        for fill in report.fills:
            if venue.memory.fresh(fill.fill_id):
                venue.tell(fill)
        if report.state.final and venue.memory.close(known.client_id):
            venue.tell(report)

    async def _funding(self) -> None:
        """Tell the funding payments that were not told before."""
        venue = self.venue
        found = await venue.read(venue.dialect.funding(self._funding_since))
        for item in found:
            key = f"{item.payment.pair}-{item.payment.time}"
            if venue.memory.fresh(f"funding-{key}"):
                venue.tell(item.payment)
            self._funding_since = max(self._funding_since, item.payment.time)


def _foreign(trade: TradeFacts, facts: OrderFacts | None) -> Known:
    """Return an order that is not ours: another program's, a person's or the exchange's."""
    client_id = facts.client_id if facts else (trade.client_id or f"order-{trade.order_id}")
    liquidated = facts is not None and facts.detail == "liquidation"
    liquidated = liquidated or trade.client_id.startswith("autoclose-")
    reason = ExitReason.LIQUIDATION if liquidated else ExitReason.EXTERNAL
    return Known(client_id, trade.pair, OrderKind.EXIT, trade.quantity, None, reason, None)


def _by_exchange(facts: OrderFacts) -> OrderReport:
    """Report an order that the exchange itself made."""
    return OrderReport(
        facts.client_id,
        facts.pair,
        OrderKind.EXIT,
        facts.state,
        facts.quantity,
        facts.filled or Decimal(0),
        None,
        detail=f"{facts.detail} by the exchange",
    )
