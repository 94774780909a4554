"""Sample objects in which no field has its default, so that a forgotten field shows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D
from typing import Any, get_type_hints

from engine.model.commands import ClosePosition, CommandResult, Level, Outcome, Source
from engine.model.decision import Decision, Plan, Signal, V1Result
from engine.model.events import (
    BalanceChanged,
    BreakerChanged,
    CommandHandled,
    DecisionMade,
    EngineStateChanged,
    Event,
    ExitDecided,
    FundingPaid,
    MonitorReported,
    Noticed,
    OrderChanged,
    OrderDenied,
    OrderFilled,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    RunFinished,
    Severity,
)
from engine.model.market import Pair
from engine.model.orders import (
    ApprovedOrder,
    ClosedTrade,
    ExitReason,
    Fill,
    OrderKind,
    OrderState,
    Position,
    ReduceOrder,
    seal_for_safety_checker,
)
from engine.model.signal import Action, Indicators, Regime, RegimeState, Side

BTC = Pair.parse("BTC")
NOW = 1_700_000_000_123


def position(**changes: Any) -> Position:
    base = Position(
        id="p1",
        pair=BTC,
        side=Side.SHORT,
        quantity=D("0.0010"),
        initial_quantity=D("0.002"),
        entry_price=D("43210.50"),
        opened=NOW,
        stop_price=D("43800.1"),
        target_price=D("42000"),
        risk_per_unit=D("589.6"),
        leverage=7,
        regime=Regime.TREND_DOWN,
        confidence=0.1 + 0.2,
        strategy="cautious",
        strategy_version=3,
        entry_equity=D("10000.000001"),
        thesis=("rsi", 'macd "x"'),
        best_price=D("43000.0"),
        client_order_ids=("e-1", "s-1"),
        fees=D("1.10"),
        funding=D("-0.02"),
        realised_pnl=D("3.3E-7"),
        exit_notional=D("43.2"),
        stop_order_id="s-1",
        target_order_id="t-1",
        trailing=True,
        breakeven=True,
        partial_taken=True,
        shadow=True,
    )
    return replace(base, **changes)


def trade(id: str = "t1", **changes: Any) -> ClosedTrade:
    entry, exit_, quantity = D("43210.50"), D("42000.25"), D("0.002")
    fees, funding = D("0.0852"), D("-0.011")
    base = ClosedTrade(
        id=id,
        pair=BTC,
        side=Side.SHORT,
        entry_time=NOW,
        exit_time=NOW + 60_000,
        entry_price=entry,
        exit_price=exit_,
        quantity=quantity,
        fees=fees,
        funding=funding,
        pnl=(entry - exit_) * quantity - fees - funding,
        r_multiple=1.7,
        exit_reason=ExitReason.TRAILING_STOP,
        regime=Regime.VOLATILE,
        confidence=0.71,
        strategy="cautious",
        strategy_version=3,
        entry_equity=D("10000.10"),
        client_order_ids=("e-1", "x-1"),
        shadow=False,
    )
    return replace(base, **changes)


def fill(fill_id: str = "f1", **changes: Any) -> Fill:
    base = Fill(
        fill_id=fill_id,
        client_order_id="e-1",
        pair=BTC,
        buy=True,
        quantity=D("0.002"),
        price=D("43210.50"),
        fee=D("-0.00000001"),
        time=NOW,
        kind=OrderKind.EXIT,
        reference_price=D("43210"),
        reason=ExitReason.REBALANCE,
    )
    return replace(base, **changes)


def entry_order(client_order_id: str = "e-1") -> ApprovedOrder:
    return ApprovedOrder(
        client_order_id=client_order_id,
        pair=BTC,
        side=Side.LONG,
        quantity=D("0.002"),
        reference_price=D("43210.5"),
        stop_price=D("42000"),
        target_price=D("46000.10"),
        leverage=9,
        seal=seal_for_safety_checker(),
    )


def stop_order(client_order_id: str = "s-1") -> ReduceOrder:
    return ReduceOrder.stop(position(), client_order_id, D("43800.10"))


def order_changed(
    state: OrderState, client_order_id: str = "e-1", time: int = NOW, **changes: Any
) -> OrderChanged:
    base = OrderChanged(
        time=time,
        client_order_id=client_order_id,
        pair=BTC,
        kind=OrderKind.ENTRY,
        state=state,
        quantity=D("0.002"),
        trigger_price=None,
        detail="said the venue",
    )
    return replace(base, **changes)


def decision(time: int = NOW, proposal: Action = Action.ENTER_LONG, **changes: Any) -> Decision:
    numbers = {
        name: 0 if kind is int else () if kind == tuple[str, ...] else 1.5
        for name, kind in get_type_hints(Indicators).items()
    }
    values: dict[str, Any] = {
        "pair": BTC,
        "time": time,
        "indicators": Indicators(**{**numbers, "time": time}),
        "regime": RegimeState(Regime.RANGE, 0.6, 0.8, time),
        "v1": V1Result(0.31, 0.33, 0.95, (0.1,) * 6, (0.2,) * 6, proposal, 0.62),
        "v2": None,
        "signal": Signal(proposal, 0.62, 1.0, "", "because"),
        "plan": Plan(Side.LONG, 100.5, 99.0, 103.5, 2.0, 0.001, 0.07, 1.8, 0.4, 0.01, True),
        "sizing": None,
        "portfolio": None,
        "safety": None,
        "breaker": None,
        "proposal": proposal,
        "action": Action.WAIT,
        "quantity": D("0.00"),
        "confidence": 0.62,
        "blocked_by": "sizing" if proposal is not Action.WAIT else "",
        "reason": "no edge",
        "shadow": False,
    }
    return Decision(**{**values, **changes})


def render(decision: Decision) -> dict[str, Any]:
    """Stand in for the real rendering of a trace."""
    return {
        "pair": decision.pair,
        "time": "overwritten by the log",
        "gates": [{"name": "signal", "verdict": "pass", "inputs": {"quantity": D("1.50")}}],
    }


def closed(id: str = "t1", time: int = NOW + 60_000, **changes: Any) -> PositionClosed:
    return PositionClosed(time=time, position_id="p1", trade=trade(id, **changes), detail="done")


def one_of_each(time: int = NOW) -> list[Event]:
    """Every kind of event once."""
    return [
        EngineStateChanged(time=time, state="running", detail="started"),
        DecisionMade(time=time, decision=decision(time)),
        OrderDenied(time=time, pair=BTC, layer=4, reason="no margin"),
        order_changed(OrderState.UNKNOWN, time=time),
        OrderFilled(time=time, fill=fill()),
        PositionOpened(time=time, position=position(shadow=False)),
        PositionChanged(time=time, position=position(shadow=False), detail="stop moved"),
        ExitDecided(time=time, pair=BTC, reason=ExitReason.TIME_LIMIT, detail="4 h"),
        closed(time=time),
        FundingPaid(time=time, pair=BTC, amount=D("0.12"), rate=D("0.0001")),
        BalanceChanged(time=time, balance=D("10000.5"), equity=D("10010")),
        BreakerChanged(
            time=time, before=Level.CLOSED, after=Level.HALT, cause="latency", detail="3.2 s"
        ),
        MonitorReported(
            time=time, monitor_severity="minor", detail="watch", readings=(("wr", 0.4, "low"),)
        ),
        CommandHandled(
            time=time,
            command=ClosePosition(source=Source.CLI, reason="why not", pair=BTC),
            result=CommandResult(Outcome.DONE, "closed"),
        ),
        Noticed(time=time, level=Severity.WARNING, topic="clock", detail="600 ms off"),
        RunFinished(time=time, summary={"trades": 1}),
    ]
