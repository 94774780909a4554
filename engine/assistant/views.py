"""What a model is shown of the snapshot: plain JSON-able data, rounded, without identities.

No account name, no order or position id leaves here; figures keep five significant digits.
"""

from __future__ import annotations

import math
from typing import Any

from engine.assistant.text import one_line
from engine.model.decision import Decision
from engine.model.market import Pair
from engine.model.orders import ClosedTrade
from engine.model.snapshot import PositionView, Snapshot, WindowView
from engine.trace import gates, iso, verdict_sentence

_SENTENCE = 400
_NOISE = frozenset(("neutral", "layers", "time", "open", "high", "low", "volume", "obv"))


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """Return the state of the whole in a few lines."""
    return {
        "time": iso(snapshot.time),
        "mode": snapshot.mode,
        "exchange": snapshot.exchange,
        "state": snapshot.state,
        "entries_paused": snapshot.entries_paused,
        "detail": one_line(snapshot.detail, _SENTENCE),
        "strategy": one_line(snapshot.strategy, 60),
        "equity": figure(snapshot.equity),
        "balance": figure(snapshot.balance),
        "day_pnl": figure(snapshot.day_pnl),
        "heat": figure(snapshot.heat),
        "max_heat": figure(snapshot.max_heat),
        "candle_minutes": snapshot.candle_period_ms // 60_000,
        "data_age_s": max(0, snapshot.time - snapshot.data_time) // 1000,
    }


def positions(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the open positions, shadow positions marked."""
    return [_position(item) for item in (*snapshot.positions, *snapshot.shadow_positions)]


def _position(item: PositionView) -> dict[str, Any]:
    return {
        "pair": item.pair.base,
        "side": str(item.side),
        "quantity": item.quantity,
        "entry": figure(item.entry),
        "mark": figure(item.mark),
        "pnl": figure(item.pnl),
        "r": figure(item.r_multiple),
        "stop": figure(item.stop),
        "stop_rests_at_exchange": item.stop_resting,
        "target": figure(item.target),
        "target_rests_at_exchange": item.target_resting,
        "trailing": item.trailing,
        "breakeven": item.breakeven,
        "opened": iso(item.opened),
        "time_limit_minutes": item.limit_minutes,
        "regime_at_entry": str(item.regime_entry),
        "regime_now": str(item.regime_now),
        "risk_at_stop": figure(item.risk),
        "shadow": item.shadow,
    }


def market(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return one row a pair."""
    return [
        {
            "pair": row.pair.base,
            "price": figure(row.price),
            "change_24h": figure(row.change),
            "score": figure(row.score),
            "confidence": figure(row.confidence),
            "regime": str(row.regime),
            "regime_confidence": figure(row.regime_confidence),
            "volatility": figure(row.volatility),
            "verdict": one_line(row.verdict, _SENTENCE),
        }
        for row in snapshot.market
    ]


def trace(snapshot: Snapshot, pair: Pair, nth: int = 1) -> dict[str, Any] | None:
    """Return the n-th newest decision of a pair with its gates, None when none is kept."""
    kept = decisions_of(snapshot, pair)
    return decision(kept[nth - 1]) if len(kept) >= nth else None


def decisions_of(snapshot: Snapshot, pair: Pair) -> list[Decision]:
    """Return the kept decisions of a pair, newest first."""
    history = snapshot.history.get(pair)
    if history is not None and history.decisions:
        return list(reversed(history.decisions))
    return [item for item in snapshot.decisions if item.pair == pair]


def decision(item: Decision, inputs: bool = True) -> dict[str, Any]:
    """Return a decision with every gate: verdict, sentence and, if wanted, its inputs."""
    steps = []
    for gate in gates(item):
        step: dict[str, Any] = {
            "gate": gate.name,
            "verdict": str(gate.verdict),
            "says": one_line(gate.detail, _SENTENCE),
        }
        if inputs:
            step["inputs"] = _rounded({k: v for k, v in gate.inputs.items() if k not in _NOISE})
        steps.append(step)
    return {
        "pair": item.pair.base,
        "time": iso(item.time),
        "verdict": one_line(verdict_sentence(item), _SENTENCE),
        "proposal": str(item.proposal),
        "confidence": figure(item.confidence),
        "blocked_by": item.blocked_by,
        "gates": steps,
    }


def decisions(snapshot: Snapshot, count: int) -> list[dict[str, Any]]:
    """Return the newest decisions, one line each."""
    return [
        {
            "pair": item.pair.base,
            "time": iso(item.time),
            "verdict": one_line(verdict_sentence(item), _SENTENCE),
            "confidence": figure(item.confidence),
        }
        for item in snapshot.decisions[:count]
    ]


def trades(snapshot: Snapshot, count: int) -> list[dict[str, Any]]:
    """Return the newest closed trades, newest first."""
    return [_trade(item) for item in snapshot.trades[:count]]


def _trade(item: ClosedTrade) -> dict[str, Any]:
    return {
        "pair": item.pair.base,
        "side": str(item.side),
        "opened": iso(item.entry_time),
        "closed": iso(item.exit_time),
        "entry": f"{item.entry_price:f}",
        "exit": f"{item.exit_price:f}",
        "pnl": f"{item.pnl:.2f}",
        "fees": f"{item.fees:.2f}",
        "r": figure(item.r_multiple),
        "exit_reason": str(item.exit_reason),
        "regime": str(item.regime),
        "strategy": f"{one_line(item.strategy, 40)} v{item.strategy_version}",
        "shadow": item.shadow,
    }


def candles(snapshot: Snapshot, pair: Pair, count: int) -> list[dict[str, Any]]:
    """Return the newest candles of a pair, oldest first; empty where none are kept."""
    history = snapshot.history.get(pair)
    rows = history.candles[-count:] if history is not None else ()
    return [{"time": iso(c.time)} | _rounded(c._asdict() | {"time": 0}, ("time",)) for c in rows]


def breaker(snapshot: Snapshot) -> dict[str, Any]:
    """Return the circuit breaker with every reading."""
    view = snapshot.breaker
    return {
        "level": str(view.level),
        "cause": one_line(view.cause, _SENTENCE),
        "since": iso(view.since),
        "expires": iso(view.expires) if view.expires else None,
        "pinned": view.pinned,
        "clears": one_line(view.clears, _SENTENCE),
        "readings": [
            {
                "trigger": one_line(r.trigger, 80),
                "value": figure(r.value),
                "unit": r.unit,
                "alert": r.alert,
                "throttle": r.throttle,
                "halt": r.halt,
                "shutdown": r.shutdown,
                "level": str(r.level),
            }
            for r in view.readings
        ],
    }


def expectancy(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the closed trades say."""
    view = snapshot.expectancy
    return {
        "method": view.method,
        "risk_fraction": figure(view.risk_fraction),
        "degrading": view.degrading,
        "windows": [_window(item) for item in view.windows],
        "shadow": _window(view.shadow),
    }


def _window(item: WindowView) -> dict[str, Any]:
    names = ("win_rate", "payoff", "expectancy", "expectancy_low", "expectancy_high")
    more = ("expectancy_r", "profit_factor", "kelly")
    values = {name: figure(getattr(item, name)) for name in (*names, *more)}
    return {"window": item.name, "trades": item.trades} | values


def risk(snapshot: Snapshot) -> dict[str, Any]:
    """Return exposure against every limit and the correlations."""
    view = snapshot.risk
    return {
        "limits": [
            {"name": one_line(item.name, 60), "used": figure(item.used), "limit": item.limit}
            for item in view.limits
        ],
        "heat": figure(view.heat),
        "adjusted_heat": figure(view.adjusted_heat),
        "net_exposure": figure(view.net_exposure),
        "day_loss": figure(view.day_loss),
        "max_day_loss": view.max_day_loss,
        "pairs": [pair.base for pair in view.pairs],
        "correlation": [[round(value, 2) for value in row] for row in view.correlation],
    }


def monitor(snapshot: Snapshot) -> dict[str, Any]:
    """Return the strategy monitor's last report."""
    view = snapshot.monitor
    return {
        "severity": view.severity,
        "advice": one_line(view.advice, _SENTENCE),
        "readings": [
            {"name": name, "value": figure(value), "severity": severity}
            for name, value, severity in view.readings
        ],
    }


def health(snapshot: Snapshot) -> dict[str, Any]:
    """Return the engine's pulse."""
    view = snapshot.health
    return {
        "endpoints": [
            {"name": e.name, "calls": e.calls, "errors": e.errors, "p95_ms": figure(e.p95)}
            for e in view.endpoints
        ],
        "clock_offset_ms": figure(view.clock_offset_ms),
        "tasks": [{"name": n, "state": s, "restarts": r} for n, s, r in view.tasks],
        "tick_gap_max_ms": figure(view.tick_gap_max_ms),
        "audit": one_line(view.audit, 200),
    }


def events(snapshot: Snapshot, count: int) -> list[dict[str, Any]]:
    """Return the newest events, newest first."""
    return [
        {"time": iso(e.time), "severity": e.severity, "text": one_line(e.text, _SENTENCE)}
        for e in snapshot.events[:count]
    ]


def figure(value: float | None) -> float | None:
    """Return a number with five significant digits, None for none and for not a number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.5g}")


def _rounded(value: Any, leave_out: tuple[str, ...] = ()) -> Any:
    if isinstance(value, float):
        return figure(value)
    if isinstance(value, str):
        return one_line(value, _SENTENCE)
    if isinstance(value, dict):
        return {str(k): _rounded(v) for k, v in value.items() if k not in leave_out}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value if isinstance(value, (int, bool)) or value is None else str(value)
