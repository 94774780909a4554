"""The picture: builds the snapshot that every screen and command sees."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.account import account_state, exposures
from engine.charts import ChartBook
from engine.clock import Clock
from engine.execution.book import Book
from engine.model.decision import Decision
from engine.model.events import Event
from engine.model.market import DAY_MS, MarketStep, Pair
from engine.model.orders import ClosedTrade, Position
from engine.model.signal import Action, RegimeState, Side
from engine.model.snapshot import (
    EventView,
    ExpectancyView,
    HealthView,
    LimitView,
    MonitorView,
    PairView,
    PositionView,
    RiskView,
    Snapshot,
    WindowView,
)
from engine.narrative import describe
from engine.risk.expectancy import WindowStats
from engine.risk.overview import overview
from engine.risk.portfolio import one_sided
from engine.risk.sizing import risk_fraction
from engine.scanner import PairState
from engine.signals import v2
from engine.trace import verdict_sentence
from engine.trader import Trader

KEPT_DECISIONS = 200
KEPT_TRADES = 500
KEPT_EVENTS = 500
KEPT_EQUITY = 500
PAIR_DECISIONS = 100


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What does not change during a run."""

    exchange: str
    mode: str
    account: str
    speed: float


class Picture:
    """Gathers what a snapshot shows; bounded. Used from the engine's loop only."""

    def __init__(self, trader: Trader, facts: RunFacts, clock: Clock) -> None:
        self.facts = facts
        self.ended = ""
        self.step_ms = 0.0
        self.speed = facts.speed
        self._trader = trader
        self._clock = clock
        self._seq = 0
        self._event_seq = 0
        self._decisions: deque[Decision] = deque(maxlen=KEPT_DECISIONS)
        self._by_pair: dict[Pair, deque[Decision]] = {
            pair: deque(maxlen=PAIR_DECISIONS) for pair in trader.scanner.pairs
        }
        self._trades: deque[ClosedTrade] = deque(maxlen=KEPT_TRADES)
        self._events: deque[EventView] = deque(maxlen=KEPT_EVENTS)
        self._equity: deque[tuple[int, float]] = deque(maxlen=KEPT_EQUITY)
        self._charts = ChartBook(trader.scanner.candle_ms)
        self._last_cycle = 0
        self.unread = 0
        self.bells = 0

    # What happened

    def restore(self, trades: Sequence[ClosedTrade]) -> None:
        """Take over trades of earlier runs, newest last."""
        self._trades.extend(reversed(trades))
        balance = float(self._trader.account.balance) - sum(float(t.pnl) for t in trades)
        for trade in trades:
            balance += float(trade.pnl)
            self._equity.append((trade.exit_time, balance))

    def see_step(self, step: MarketStep, decisions: Sequence[Decision], took_ms: float) -> None:
        """Note prices and decisions of one market step."""
        self._charts.see_bars(step.bars)
        for decision in decisions:
            self._decisions.appendleft(decision)
            self._by_pair[decision.pair].append(decision)
        if decisions:
            self._last_cycle = step.time
            self.step_ms = took_ms
            self._equity.append((step.time, float(self._trader.account.equity)))

    def see_events(self, events: Iterable[Event]) -> None:
        """Note events in the words of a trader."""
        for event in events:
            text = describe(event)
            if text is None:
                continue
            self._event_seq += 1
            self._events.appendleft(
                EventView(
                    self._event_seq, event.time, event.severity.value, type(event).__name__, text
                )
            )

    def see_trade(self, trade: ClosedTrade) -> None:
        """Note a trade that closed."""
        self._trades.appendleft(trade)

    # The snapshot

    def build(self, health: HealthView) -> Snapshot:
        """Return the whole picture as it is now."""
        trader, now = self._trader, self._clock.now()
        self._seq += 1
        scanner, watch = trader.scanner, trader.watch
        account = trader.account
        marks = {p: m for p in trader.book.positions if (m := trader.mark(p)) is not None}
        held = account_state(
            account, now, trader.equity, exposures(trader.book.positions.values(), marks)
        )
        risk = overview(held, scanner.correlation(), trader.limits, trader.instruments)
        report = watch.report
        return Snapshot(
            seq=self._seq,
            time=now,
            wall_time=time.time_ns() // 1_000_000,
            speed=self.speed,
            exchange=self.facts.exchange,
            mode=self.facts.mode,
            account=self.facts.account,
            state=self._state(),
            entries_paused=trader.switches.paused,
            detail=self.ended or trader.switches.closed_to_entries,
            strategy=f"{trader.strategy.name} v{trader.strategy.version}",
            equity=held.equity,
            balance=held.balance,
            day_pnl=trader.equity.day_pnl(now, held.equity),
            heat=risk.heat,
            max_heat=trader.limits.max_heat,
            data_time=max((s.priced for s in scanner.states.values()), default=0),
            last_cycle=self._last_cycle,
            last_cycle_ms=self.step_ms,
            candle_period_ms=scanner.candle_ms,
            market=tuple(self._pair(pair, scanner.states[pair], now) for pair in scanner.pairs),
            positions=self._positions(trader.book),
            shadow_positions=self._positions(trader.shadow_book),
            breaker=watch.breaker.view(now),
            expectancy=self._expectancy(),
            risk=RiskView(
                limits=tuple(LimitView(*use) for use in risk.limits),
                heat=risk.heat,
                adjusted_heat=risk.adjusted_heat,
                net_exposure=one_sided(held, trader.limits) if held.equity > 0 else 0.0,
                day_loss=held.day_loss,
                max_day_loss=trader.limits.max_daily_loss,
                pairs=scanner.pairs,
                correlation=scanner.correlation().rows(),
            ),
            monitor=MonitorView(
                severity=str(report.severity) if report else "healthy",
                advice=report.advice if report else "no trades to judge yet",
                readings=tuple(
                    (reading.name, float(reading.value), str(reading.severity))
                    for reading in report.readings
                )
                if report
                else (),
                checked=now,
            ),
            health=health,
            decisions=tuple(self._decisions),
            trades=tuple(self._trades),
            events=tuple(self._events),
            history={
                pair: self._charts.chart(pair, state, self._by_pair[pair])
                for pair, state in scanner.states.items()
            },
            unread=self.unread,
            bells=self.bells,
            acknowledge=watch.breaker.needs_acknowledgement,
            active=trader.strategy,
            disputed=tuple(sorted(trader.disputed.items())),
        )

    def _state(self) -> str:
        if self.ended:
            return "ended"
        level = self._trader.watch.level
        if level.rank >= 3:
            return "shutdown" if level.rank == 4 else "halted"
        return "running" if self._trader.switches.started else "stopped"

    def _pair(self, pair: Pair, state: PairState, now: int) -> PairView:
        ind, decision, regime = state.indicators, state.decision, state.regime
        v1 = decision.v1 if decision else None
        confirmation = 0.0
        if decision is not None and decision.v2 is not None:
            confirmation = decision.v2.confirmation
        elif ind is not None and v1 is not None:
            leaning = Side.LONG if v1.score >= 0 else Side.SHORT
            judged = v2.evaluate(ind, regime.regime, leaning, self._trader.strategy, v1.confidence)
            confirmation = judged.confirmation
        return PairView(
            pair=pair,
            price=state.price,
            change=_day_change(state, now),
            score=v1.score if v1 else 0.0,
            confirmation=confirmation,
            confidence=decision.confidence if decision else 0.0,
            regime=regime.regime,
            regime_confidence=regime.confidence,
            risk_multiplier=regime.risk_multiplier,
            regime_since=regime.since,
            adx=ind.adx if ind else 0.0,
            volatility=ind.gk if ind else 0.0,
            htf_15m=ind.htf_15m if ind else 0,
            htf_1h=ind.htf_1h if ind else 0,
            action=decision.action if decision else Action.WAIT,
            verdict=verdict_sentence(decision) if decision else "waiting for a closed candle",
            candles=ind.candles if ind else 0,
            decided=state.decided,
            updated=state.priced,
        )

    def _positions(self, book: Book) -> tuple[PositionView, ...]:
        rows = []
        for position in sorted(book.positions.values(), key=lambda p: (p.opened, p.pair)):
            mark = book.desk.venue.mark_price(position.pair) or position.entry_price
            regime: RegimeState = self._trader.scanner.states[position.pair].regime
            rows.append(self._position(position, float(mark), regime))
        return tuple(rows)

    def _position(self, position: Position, mark: float, regime: RegimeState) -> PositionView:
        strategy = self._trader.strategy_of(position)
        quantity, entry = float(position.quantity), float(position.entry_price)
        move = (mark - entry) * position.side.sign
        unit = float(position.risk_per_unit)
        behind = (mark - float(position.stop_price)) * position.side.sign
        return PositionView(
            id=position.id,
            pair=position.pair,
            side=position.side,
            quantity=f"{position.quantity.normalize():f}",
            entry=entry,
            mark=mark,
            pnl=move * quantity,
            r_multiple=move / unit if unit else 0.0,
            stop=float(position.stop_price),
            stop_resting=position.stop_order_id is not None,
            target=float(position.target_price),
            target_resting=position.target_order_id is not None,
            trailing=position.trailing,
            breakeven=position.breakeven,
            opened=position.opened,
            limit_minutes=strategy.exits.limit_minutes.of(regime.regime),
            regime_entry=position.regime,
            regime_now=regime.regime,
            risk=max(0.0, behind) * quantity,
            notional=mark * quantity,
            shadow=position.shadow,
        )

    def _expectancy(self) -> ExpectancyView:
        trader = self._trader
        method, _, fraction = risk_fraction(trader.record.edge(trader.limits), trader.limits)
        return ExpectancyView(
            method=str(method),
            risk_fraction=fraction,
            windows=tuple(_window(stats) for stats in trader.record.windows()),
            shadow=_window(trader.record.shadow),
            degrading=trader.record.degrading,
            equity_curve=tuple(self._equity),
        )


def _day_change(state: PairState, now: int) -> float:
    """Return the change over 24 h, or since the oldest candle kept."""
    for ind in state.chart:
        if ind.time >= now - DAY_MS:
            return state.price / ind.close - 1.0 if ind.close > 0 else 0.0
    return 0.0


def _window(stats: WindowStats) -> WindowView:
    return WindowView(
        name=stats.name,
        trades=stats.trades,
        win_rate=stats.win_rate,
        win_rate_low=stats.win_rate_low,
        win_rate_high=stats.win_rate_high,
        payoff=stats.payoff,
        expectancy=stats.expectancy,
        expectancy_low=stats.expectancy_low,
        expectancy_high=stats.expectancy_high,
        expectancy_r=stats.expectancy_r,
        profit_factor=stats.profit_factor,
        kelly=stats.kelly,
    )
