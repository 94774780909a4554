"""The trader: what one market step leads to. Live, paper, replay and backtest all run this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.account import EquityHistory, account_state, exposures
from engine.clock import Clock
from engine.decision import Context, PairInputs, decide, outrank
from engine.execution import exits
from engine.execution.book import Book
from engine.execution.exits import Exit, Surroundings
from engine.execution.journal import Journal
from engine.execution.order_ids import entry_id
from engine.execution.reconcile import Reconciler
from engine.fingerprint import Fingerprint
from engine.model.commands import Level
from engine.model.decision import Decision, SizingMethod
from engine.model.events import Noticed, OrderDenied, Severity
from engine.model.market import Instrument, MarketStep, Pair
from engine.model.orders import ClosedTrade, ExitReason, Position
from engine.model.signal import Action, Side
from engine.protection.watch import Watch
from engine.risk.costs import rounded_prices
from engine.risk.limits import RiskLimits
from engine.risk.portfolio import one_sided, rebalance_needed
from engine.risk.safety import OrderRefused, approve
from engine.risk.sizing import risk_fraction
from engine.risk.track_record import TrackRecord
from engine.scanner import Scanner
from engine.signals.v1 import regime_weights
from engine.strategy import Strategy
from engine.venues.port import Account, VenueError
from engine.venues.simulated import SimulatedVenue

Decide = Callable[[PairInputs, Context], Decision]

NOT_STARTED = "trading is stopped: press start to allow entries"
PAUSED = "entries are paused by the operator"


@dataclass(slots=True)
class Switches:
    """What the operator has switched: trading started, entries paused, and why stopped."""

    started: bool = False
    paused: bool = False
    reason: str = NOT_STARTED

    @property
    def closed_to_entries(self) -> str:
        """Return why no entries are taken, "" when they are."""
        if not self.started:
            return self.reason
        return PAUSED if self.paused else ""


class Trader:
    """Scans, decides, trades and guards, one market step at a time.

    ``simulated`` are the venues that live on market steps: the shadow account always, and the
    real account's venue unless it is an exchange; the shadow account comes last.
    """

    def __init__(
        self,
        *,
        scanner: Scanner,
        book: Book,
        shadow_book: Book,
        simulated: Sequence[SimulatedVenue],
        journal: Journal,
        clock: Clock,
        watch: Watch,
        record: TrackRecord,
        strategy: Strategy,
        limits: RiskLimits,
        instruments: Mapping[Pair, Instrument],
        tag: str,
    ) -> None:
        self.scanner = scanner
        self.book = book
        self.shadow_book = shadow_book
        self.watch = watch
        self.record = record
        self.limits = limits
        self.switches = Switches()
        self.equity = EquityHistory()
        self.fingerprint = Fingerprint()
        self.decide: Decide = decide  # a null model decides otherwise, all else being equal
        self.reconciler: Reconciler | None = None  # where book and venue can differ
        self.account = Account(Decimal(0), Decimal(0), Decimal(0))
        self.journal = journal
        self._clock = clock
        self._simulated = tuple(simulated)
        self.shadow_venue = self._simulated[-1]
        self.instruments = instruments
        self._tag = tag
        self._evidence = False  # whether shadow evidence has been told of
        book.on_trade = shadow_book.on_trade = self.closed
        self._known: dict[tuple[str, int], Strategy] = {}
        self.use(strategy)

    def use(self, strategy: Strategy) -> None:
        """Decide by another strategy from the next pass on; open positions keep theirs."""
        self.know(strategy)
        self.strategy = strategy
        self._weights = regime_weights(strategy)

    def know(self, strategy: Strategy) -> None:
        """Take note of a strategy that may have opened positions."""
        self._known[strategy.name, strategy.version] = strategy

    def strategy_of(self, position: Position) -> Strategy:
        """Return the strategy that opened a position; the active one where it is not known."""
        opened_by = (position.strategy, position.strategy_version)
        return self._known.get(opened_by, self.strategy)

    def knows(self, name: str, version: int) -> bool:
        """Return whether positions of a strategy are guarded by that strategy itself."""
        return (name, version) in self._known

    async def step(self, step: MarketStep) -> Sequence[Decision]:
        """Move the market on by one step: prices, fills, exits, then decisions.

        Returns the decisions made, in the order of the pairs. Everything that happened is
        durable when this returns.
        """
        now = step.time
        for venue in self._simulated:
            venue.advance(step)
        self.scanner.see_prices(now, step.bars)
        if step.closed:
            self.scanner.close_candles(step.closed)
        for book in (self.book, self.shadow_book):
            await book.settle()
        if self.book.positions or self.shadow_book.positions:
            await self.position_pass(now, step.closed.keys())
        else:
            self.journal.extend(self.watch.idle_pass(now, self.record))
        decisions: Sequence[Decision] = ()
        if step.closed:
            decisions = await self.decision_pass(now, step.closed)
        elif self.book.positions or self.watch.level is not Level.CLOSED:
            await self._look_around(now)  # a market that has fallen silent closes no candle
        await self.journal.flush()
        return decisions

    # Decisions

    async def decision_pass(self, now: int, closed: Mapping[Pair, object]) -> Sequence[Decision]:
        """Decide every pair whose candle closed, then enter the best."""
        await self.refresh_account(now)
        await self._look_around(now)
        context = self._context(now)
        decisions = [self.decide(self.scanner.inputs(pair, now), context) for pair in closed]
        if any(d.proposal is not Action.WAIT for d in decisions):
            decisions = rank(decisions, self.limits, len(self.shadow_book.positions))
            for index, decision in enumerate(decisions):
                if decision.action is not Action.WAIT:
                    decisions[index] = await self._enter(decision, self.book)
                elif decision.shadow:
                    decisions[index] = await self._enter(decision, self.shadow_book)
        for decision in decisions:
            self.scanner.states[decision.pair].decision = decision
        self.fingerprint.add_decisions(decisions)
        self.journal.decided(decisions, now, context)
        return decisions

    def _context(self, now: int) -> Context:
        limits = self.limits
        edge = self.record.edge(limits)
        breaker = self.watch.gate(now)
        withheld_by, withheld_reason = "", ""
        if risk_fraction(edge, limits)[0] is SizingMethod.NO_EDGE:
            withheld_by = "expectancy"
            withheld_reason = (
                f"no edge: expectancy {edge.expectancy:+.2f} per trade over {edge.trades} trades"
            )
        elif reason := self.watch.withholds(now):
            withheld_by, withheld_reason = "breaker", reason
        return Context(
            account=account_state(
                self.account,
                now,
                self.equity,
                exposures(self.book.positions.values(), self._marks()),
            ),
            edge=edge,
            breaker=breaker,
            breaker_lacks_edge=self.watch.breaker.for_lack_of_edge,
            withheld_by=withheld_by,
            withheld_reason=withheld_reason,
            strategy=self.strategy,
            weights=self._weights,
            limits=limits,
            correlation=self.scanner.correlation,
            instruments=self.instruments,
            open_pairs=frozenset(self.book.positions) | self.book.desk.blocked,
            shadow_pairs=frozenset(self.shadow_book.positions),
            closed_to_entries=self.switches.closed_to_entries,
            disputed=frozenset(self.disputed),
        )

    async def _enter(self, decision: Decision, book: Book) -> Decision:
        plan, side = decision.plan, decision.proposal.side
        assert plan is not None
        assert side is not None
        instrument = self.instruments[decision.pair]
        stop, target = rounded_prices(plan, instrument)
        try:
            account = await book.desk.venue.account()
        except VenueError as error:
            reason = f"the account cannot be read: {error}"
            return _refused(decision, reason)
        try:
            order = approve(
                pair=decision.pair,
                side=side,
                quantity=decision.quantity,
                entry=Decimal(repr(plan.entry)),
                stop=stop,
                target=target,
                leverage=self.limits.leverage,
                account=account_state(
                    account,
                    decision.time,
                    self.equity if book is self.book else EquityHistory(),
                    exposures(book.positions.values(), self._marks()),
                ),
                limits=self.limits,
                instrument=instrument,
                client_order_id=entry_id(self._tag, decision.pair, decision.time),
            )
        except OrderRefused as refused:
            self.journal.emit(
                OrderDenied(
                    time=decision.time,
                    pair=decision.pair,
                    layer=refused.layer,
                    reason=refused.reason,
                )
            )
            return _refused(decision, refused.reason)
        if await book.enter(order, decision, self.strategy, account.equity) and book is self.book:
            await self.refresh_account(decision.time)
        return decision

    # Positions

    async def position_pass(self, now: int, fresh: Sequence[Pair] | object = ()) -> None:
        """Review every open position, real and shadow; ``fresh`` pairs just closed a candle."""
        for book in (self.book, self.shadow_book):
            for pair in tuple(book.positions):
                await self._review(book, pair, now, pair in fresh)  # type: ignore[operator]
        await self._rebalance(now)
        await self.refresh_account(now)
        self.journal.extend(self.watch.position_pass(now, self.account, self.record))

    async def _review(self, book: Book, pair: Pair, now: int, fresh: bool) -> None:
        position = book.positions.get(pair)
        mark = book.desk.venue.mark_price(pair)
        if position is None or mark is None:
            return
        if position.stop_order_id is None or position.target_order_id is None:
            await book.protect(pair)
            position = book.positions.get(pair)
            if position is None:
                return
        state = self.scanner.states[pair]
        seen = Surroundings(mark, state.indicators, state.regime, now, fresh)
        strategy = self.strategy_of(position)
        outcome = exits.review(position, seen, strategy, self.limits, self.instruments[pair])
        book.remember_best(pair, outcome.best_price)
        if outcome.exit is not None:
            await book.leave(pair, outcome.exit)
        elif outcome.move is not None:
            await book.move_stop(pair, outcome.move)

    async def _rebalance(self, now: int) -> None:
        """Close the worst positions on the heavy side until the book is balanced."""
        while len(self.book.positions) > 1:
            marks = self._marks()
            held = exposures(self.book.positions.values(), marks)
            await self.refresh_account(now)
            state = account_state(self.account, now, self.equity, held)
            if not rebalance_needed(state, self.limits):
                return
            net = one_sided(state, self.limits)
            heavy = Side.LONG if net > 0 else Side.SHORT
            worst = exits.rebalance(tuple(self.book.positions.values()), marks, heavy)
            if worst is None:
                return
            detail = (
                f"net exposure {net:+.0%} is beyond {self.limits.one_sided:.0%}; "
                f"worst {heavy} position, {worst.r_multiple(marks[worst.pair]):+.2f} R"
            )
            closed = Exit(ExitReason.REBALANCE, worst.quantity, detail)
            if not await self.book.leave(worst.pair, closed):
                return

    async def finish(self) -> None:
        """Close every position at the last price because the market has come to its end."""
        for book in (self.book, self.shadow_book):
            await book.close_all(ExitReason.END_OF_DATA, "the recorded market ended")
        await self.refresh_account(self._clock.now())
        await self.journal.flush()

    # The record

    def closed(self, trade: ClosedTrade) -> None:
        """Learn from a trade that has closed, real or shadow; only the active strategy's count."""
        if trade.strategy == self.strategy.name:
            self.record.add(trade)
        if not trade.shadow:
            self.fingerprint.add_trade(trade)
        self._ask_for_reentry()
        self.journal.extend(self.watch.trade_closed(self._clock.now(), self.record, self.limits))

    def _ask_for_reentry(self) -> None:
        """With real money, tell of shadow evidence and wait for the operator."""
        if not self.limits.reentry_on_request:
            return
        evidence = self.record.shadow_reentry
        if not evidence:
            self.limits = replace(self.limits, shadow_reentry=False)
        elif not self._evidence:
            detail = "30 shadow trades earned: `recover` with a reason re-opens exploration (0.5 %)"
            self.journal.emit(
                Noticed(
                    time=self._clock.now(),
                    level=Severity.WARNING,
                    topic="expectancy",
                    detail=detail,
                )
            )
        self._evidence = evidence

    def allow_reentry(self) -> bool:
        """Re-open exploration on shadow evidence, if there is any; return whether there was."""
        if not (self.limits.reentry_on_request and self.record.shadow_reentry):
            return False
        self.limits = replace(self.limits, shadow_reentry=True)
        now = self._clock.now()
        self.journal.extend(self.watch.trade_closed(now, self.record, self.limits))
        return True

    def positions(self) -> tuple[Position, ...]:
        """Return the open positions, oldest first."""
        return tuple(sorted(self.book.positions.values(), key=lambda p: (p.opened, p.pair)))

    @property
    def disputed(self) -> Mapping[Pair, str]:
        """Return in which pairs book and venue differ unexplained, and how."""
        return self.reconciler.disputed if self.reconciler is not None else {}

    def mark(self, pair: Pair) -> Decimal | None:
        """Return the last mark price of a pair, None before the first."""
        return self.book.desk.venue.mark_price(pair)

    def _marks(self) -> dict[Pair, Decimal]:
        if not self.book.positions:
            return {}
        venue = self.book.desk.venue
        marks = {pair: venue.mark_price(pair) for pair in self.book.positions}
        return {pair: mark for pair, mark in marks.items() if mark is not None}

    async def refresh_account(self, now: int) -> None:
        """Ask the venue for balance and equity, which orders and prices have moved."""
        try:
            self.account = await self.book.desk.venue.account()
        except VenueError as error:  # the last account stands until the venue answers
            self._notice(f"the account cannot be read: {error}")
            return
        self.equity.add(now, float(self.account.equity))

    def _notice(self, detail: str) -> None:
        self.journal.emit(
            Noticed(time=self._clock.now(), level=Severity.WARNING, topic="account", detail=detail)
        )

    async def _look_around(self, now: int) -> None:
        stale = self.scanner.stale(now, self.book.positions)
        self.journal.extend(
            self.watch.decision_pass(now, self.account, stale, self.journal.failing)
        )


def rank(decisions: Sequence[Decision], limits: RiskLimits, followed: int) -> list[Decision]:
    """Keep the surest entries of one pass, real and shadow apart; the rest wait.

    ``followed`` counts the shadow trades open already.
    """
    room = limits.max_entries_per_pass
    shadow_room = min(room, limits.max_open_positions - followed)
    ranked = list(decisions)
    by_confidence = sorted(range(len(ranked)), key=lambda i: -ranked[i].confidence)
    real = [i for i in by_confidence if ranked[i].action is not Action.WAIT]
    shadow = [i for i in by_confidence if ranked[i].shadow]
    for index in real[room:]:
        ranked[index] = outrank(ranked[index], ranked[real[0]].pair, room)
    for index in shadow[max(0, shadow_room) :]:
        ranked[index] = ranked[index]._replace(shadow=False)
    return ranked


def _refused(decision: Decision, reason: str) -> Decision:
    """Turn an entry, real or shadow, into a WAIT because its order could not be approved."""
    return decision._replace(action=Action.WAIT, blocked_by="safety", reason=reason, shadow=False)
