"""The narrative: events in the words a trader would use, and as JSON for scripts."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from engine.model.commands import Command
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
from engine.model.orders import OrderState
from engine.model.signal import Action
from engine.trace import decision_record, iso, verdict_sentence


def describe(event: Event) -> str | None:
    """Return an event in one sentence, or None for what only a log needs."""
    match event:
        case DecisionMade(decision=d):
            if d.proposal is Action.WAIT:
                return None
            return f"{d.pair.base} {verdict_sentence(d)}"
        case PositionOpened(position=p):
            return (
                f"{_shadow(p.shadow)}opened {p.side} {p.quantity:f} {p.pair.base} at "
                f"{p.entry_price:f}, stop {p.stop_price:f}, target {p.target_price:f}"
            )
        case PositionClosed(trade=t):
            return (
                f"{_shadow(t.shadow)}closed {t.side} {t.pair.base}: {t.exit_reason}, "
                f"{t.pnl:+.2f} ({t.r_multiple:+.2f} R)"
            )
        case PositionChanged(position=p, detail=detail):
            return f"{_shadow(p.shadow)}{p.pair.base}: {detail}"
        case ExitDecided(pair=pair, reason=reason, detail=detail, shadow=shadow):
            return f"{_shadow(shadow)}{pair.base} exit: {reason}: {detail}"
        case OrderDenied(pair=pair, layer=layer, reason=reason):
            return f"{pair.base} order denied by safety layer {layer}: {reason}"
        case OrderChanged(state=OrderState.REJECTED | OrderState.UNKNOWN):
            return f"{event.pair.base} {event.kind} order {event.state}: {event.detail}"
        case OrderChanged() | OrderFilled() | BalanceChanged():
            return None
        case FundingPaid(pair=pair, amount=amount, rate=rate, shadow=shadow):
            paid = "paid" if amount >= 0 else "received"
            return f"{_shadow(shadow)}{pair.base} funding {paid} {abs(amount):.4f} at {rate:.4%}"
        case BreakerChanged(before=before, after=after, detail=detail):
            move = f"{before} -> {after}" if before is not after else str(after)
            return f"breaker {move}: {detail}"
        case MonitorReported(monitor_severity=severity, detail=detail):
            return f"strategy monitor {severity}: {detail}"
        case CommandHandled(command=command, result=result):
            return f"{command_name(command)} {result.outcome}: {result.detail}"
        case EngineStateChanged(state=state, detail=detail):
            return f"engine {state}: {detail}"
        case Noticed(topic=topic, detail=detail):
            return f"{topic}: {detail}"
        case RunFinished():
            return "run finished"
    return None


def command_name(command: Command) -> str:
    """Return a command's name as a person writes it, e.g. ``close position``."""
    name = type(command).__name__
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    return words.strip()


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as JSON-able data: its outside name, time and fields."""
    data: dict[str, Any] = {
        "type": event.wire,
        "event": type(event).__name__,
        "time": iso(event.time),
        "severity": event.severity.value,
    }
    for item in fields(event):
        if item.name not in ("time", "context"):
            data[item.name] = plain(getattr(event, item.name))
    text = describe(event)
    if text is not None:
        data["text"] = text
    return data


def plain(value: Any) -> Any:
    """Return a value of the vocabulary as JSON-able data; decimals as exact strings."""
    if isinstance(value, Decision):
        return decision_record(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Command):
        return {"name": command_name(value), **_dataclass(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return _dataclass(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: plain(item) for key, item in value._asdict().items()}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, frozenset, set)):
        return [plain(item) for item in value]
    return value


def _dataclass(value: Any) -> dict[str, Any]:
    return {
        item.name: plain(getattr(value, item.name)) for item in fields(value) if item.name != "seal"
    }


def _shadow(shadow: bool) -> str:
    return "SHADOW " if shadow else ""
