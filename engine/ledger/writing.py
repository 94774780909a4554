"""From events to SQL: which rows each event leaves behind. Pure; nothing here touches a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from engine.ledger.rows import FILL, POSITION, TRADE, dump
from engine.model.decision import Decision
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
)
from engine.model.orders import ApprovedOrder, OrderKind, OrderState, ReduceOrder
from engine.model.signal import Action

Statement: TypeAlias = tuple[str, tuple[Any, ...]]

SNAPSHOT_MS = 60_000
_FINAL = ", ".join(f"'{state}'" for state in OrderState if state.final)


def _insert(table: str, columns: Sequence[str], otherwise: str = "") -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) {otherwise}".rstrip()


def _replace(columns: Sequence[str]) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in columns)


# A repeated report of the same fill, trade, payment or decision counts once.
_ONCE = "ON CONFLICT DO NOTHING"
_PUT_POSITION = _insert(
    "positions",
    ("account", "updated", *POSITION.columns),
    f"ON CONFLICT (account, shadow, id) DO UPDATE SET {_replace(('updated', *POSITION.columns))}",
)
_DROP_POSITION = "DELETE FROM positions WHERE account = ? AND shadow = ? AND id = ?"
_ADD_TRADE = _insert("trades", ("account", "position_id", "detail", *TRADE.columns), _ONCE)
_ADD_FILL = _insert("fills", ("account", "shadow", *FILL.columns), _ONCE)
_ADD_FUNDING = _insert("funding", ("account", "time", "pair", "amount", "rate", "shadow"), _ONCE)
# What is final stays final: a late "acknowledged" does not bring an order back to life.
_PUT_ORDER = _insert(
    "orders",
    (
        "account",
        "client_order_id",
        "pair",
        "kind",
        "state",
        "quantity",
        "trigger_price",
        "detail",
        "created",
        "updated",
        "shadow",
    ),
    "ON CONFLICT (account, shadow, client_order_id) DO UPDATE SET "
    f"{_replace(('state', 'quantity', 'trigger_price', 'detail', 'updated'))} "
    f"WHERE orders.state NOT IN ({_FINAL}) OR excluded.state IN ({_FINAL})",
)
_ADD_SIGNAL = _insert(
    "signals",
    (
        "account",
        "time",
        "pair",
        "proposal",
        "action",
        "confidence",
        "score",
        "regime",
        "entry",
        "stop",
        "target",
        "quantity",
        "blocked_by",
        "reason",
        "shadow",
    ),
    _ONCE,
)
_PUT_SNAPSHOT = _insert(
    "performance_snapshots",
    ("account", "minute", "time", "balance", "equity"),
    f"ON CONFLICT (account, minute) DO UPDATE SET {_replace(('time', 'balance', 'equity'))}",
)
_PUT_BREAKER = _insert(
    "breaker_state",
    ("account", "level", "cause", "detail", "since"),
    f"ON CONFLICT (account) DO UPDATE SET {_replace(('level', 'cause', 'detail', 'since'))}",
)
_ADD_COMPLIANCE = _insert(
    "compliance_events", ("account", "time", "kind", "severity", "detail", "data")
)
_ADD_INTENT = _insert(
    "intents",
    (
        "account",
        "time",
        "client_order_id",
        "pair",
        "kind",
        "side",
        "quantity",
        "reference_price",
        "stop_price",
        "target_price",
        "trigger_price",
        "leverage",
        "reason",
        "shadow",
    ),
)
_END_RUN = """
UPDATE runs SET ended = ?, summary = ?
WHERE seq = (SELECT max(seq) FROM runs WHERE account = ?) AND ended IS NULL
"""
_PUT_STATE = _insert(
    "state",
    ("account", "key", "value"),
    "ON CONFLICT (account, key) DO UPDATE SET value = excluded.value",
)


def statements(event: Event, account: str) -> Iterator[Statement]:
    """Yield the writes one event asks for, in order; none for what has no row."""
    match event:
        case PositionOpened(position=position) | PositionChanged(position=position):
            yield _PUT_POSITION, (account, event.time, *POSITION.encode(position))
        case PositionClosed(trade=trade):
            yield _DROP_POSITION, (account, int(trade.shadow), event.position_id)
            yield _ADD_TRADE, (account, event.position_id, event.detail, *TRADE.encode(trade))
        case OrderFilled(fill=fill):
            yield _ADD_FILL, (account, int(event.shadow), *FILL.encode(fill))
        case OrderChanged():
            yield _PUT_ORDER, _order(event, account)
        case FundingPaid():
            amounts = (str(event.amount), str(event.rate))
            yield _ADD_FUNDING, (account, event.time, str(event.pair), *amounts, int(event.shadow))
        case DecisionMade(decision=decision):
            if decision.proposal is not Action.WAIT or decision.action is not Action.WAIT:
                yield _ADD_SIGNAL, _signal(decision, account)
        case BalanceChanged():
            balances = (str(event.balance), str(event.equity))
            yield _PUT_SNAPSHOT, (account, event.time // SNAPSHOT_MS, event.time, *balances)
        case BreakerChanged():
            level = (str(event.after), event.cause, event.detail, event.time)
            yield _PUT_BREAKER, (account, *level)
            yield _compliance(event, account, f"{event.before} -> {event.after}: {event.cause}")
        case MonitorReported():
            yield _compliance(event, account, f"{event.monitor_severity}: {event.detail}")
        case CommandHandled(command=command, result=result):
            name = type(command).__name__
            yield _compliance(event, account, f"{name} {result.outcome}: {result.detail}")
        case EngineStateChanged():
            yield _compliance(event, account, f"{event.state}: {event.detail}")
        case OrderDenied():
            detail = f"{event.pair} refused by layer {event.layer}: {event.reason}"
            yield _compliance(event, account, detail)
        case ExitDecided():
            yield _compliance(event, account, f"{event.pair} {event.reason}: {event.detail}")
        case Noticed():
            yield _compliance(event, account, f"{event.topic}: {event.detail}")
        case RunFinished(summary=summary):
            yield end_run(account, event.time, summary)


def intent(
    order: ApprovedOrder | ReduceOrder, account: str, time: int, *, shadow: bool
) -> Statement:
    """Return the write of an intent. A client order id can be intended only once."""
    if isinstance(order, ApprovedOrder):
        kind, side = OrderKind.ENTRY, order.side
        prices = (str(order.reference_price), str(order.stop_price), str(order.target_price), None)
        rest: tuple[Any, ...] = (order.leverage, None)
    else:
        kind, side = order.kind, order.position_side
        trigger = None if order.trigger_price is None else str(order.trigger_price)
        prices = (None, None, None, trigger)  # type: ignore[assignment]
        rest = (None, str(order.reason))
    head = (account, time, order.client_order_id, str(order.pair), str(kind), str(side))
    return _ADD_INTENT, (*head, str(order.quantity), *prices, *rest, int(shadow))


def put_state(account: str, key: str, value: Any) -> Statement:
    """Return the write of one state value. Raises ``TypeError`` for what JSON lacks."""
    return _PUT_STATE, (account, key, dump(value))


def end_run(account: str, time: int, summary: dict[str, Any]) -> Statement:
    """Return the write that closes the account's newest run."""
    return _END_RUN, (time, dump(summary), account)


def _order(event: OrderChanged, account: str) -> tuple[Any, ...]:
    trigger = None if event.trigger_price is None else str(event.trigger_price)
    return (
        account,
        event.client_order_id,
        str(event.pair),
        str(event.kind),
        str(event.state),
        str(event.quantity),
        trigger,
        event.detail,
        event.time,
        event.time,
        int(event.shadow),
    )


def _signal(decision: Decision, account: str) -> tuple[Any, ...]:
    plan = decision.plan
    return (
        account,
        decision.time,
        str(decision.pair),
        str(decision.proposal),
        str(decision.action),
        _number(decision.confidence),
        None if decision.v1 is None else _number(decision.v1.score),
        str(decision.regime.regime),
        *((None, None, None) if plan is None else (plan.entry, plan.stop, plan.target)),
        str(decision.quantity),
        decision.blocked_by,
        decision.reason,
        int(decision.shadow),
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _compliance(event: Event, account: str, detail: str) -> Statement:
    kind = type(event).__name__
    row = (account, event.time, kind, str(event.severity), detail, dump(event))
    return _ADD_COMPLIANCE, row
