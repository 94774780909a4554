"""What each query command answers: pure functions from the engine's facts to JSON values.

Times are ISO 8601 UTC; money and quantities are exact decimal strings in ``trades``,
``positions`` and ``balance`` and numbers elsewhere. Keys are a contract with scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Any

from engine.ledger.rows import SignalRow
from engine.model.decision import Decision, Plan
from engine.model.orders import ClosedTrade, Position
from engine.model.signal import Action
from engine.model.snapshot import BreakerView, Snapshot, WindowView
from engine.risk.performance import by_day, drawdown_curve, equity_curve, metrics
from engine.trace import iso
from engine.venues.port import Account

MINUTE_MS = 60_000
DAY_MS = 86_400_000
_MODES = {"SIMULATED": "paper", "PAPER": "paper", "TESTNET": "testnet", "LIVE": "live"}

View = Callable[["Facts", Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the engine lets a query see: the snapshot, and exactly what it holds as floats.

    ``positions`` holds open positions, shadow ones too; ``started`` is wall time, ms UTC.
    """

    snapshot: Snapshot
    account: Account
    positions: tuple[Position, ...]
    started: int
    pid: int
    version: str


def status(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's state in one glance."""
    seen = facts.snapshot
    return {
        "live": True,
        "state": "stopped" if seen.state == "ended" else seen.state,
        "detail": seen.detail,
        "entries_paused": seen.entries_paused,
        "exchange": seen.exchange,
        "mode": mode_name(seen.mode),
        "account": seen.account,
        "strategy": seen.strategy,
        "pid": facts.pid,
        "uptime_s": max(0, seen.wall_time - facts.started) / 1000,
        "time": iso(seen.time),
        "speed": seen.speed,
        "equity": seen.equity,
        "balance": seen.balance,
        "day_pnl": seen.day_pnl,
        "open_positions": len(seen.positions),
        "disputed": {str(pair): words for pair, words in seen.disputed},
        "breaker": breaker_summary(seen.breaker),
        "last_cycle": {
            "time": instant(seen.last_cycle),
            "duration_ms": seen.last_cycle_ms if seen.last_cycle else None,
        },
        "version": facts.version,
    }


def mode_name(mode: str) -> str:
    """Return a trading mode as settings write it; the simulated market is traded on paper."""
    return _MODES.get(mode, mode.lower())


def instant(time: int | None) -> str | None:
    """Return an instant in ISO form, None for one that never was."""
    return iso(time) if time else None


def breaker_summary(seen: BreakerView) -> dict[str, Any]:
    """Return the breaker's level, cause and times."""
    return {
        "level": str(seen.level),
        "cause": seen.cause,
        "since": instant(seen.since),
        "expires": instant(seen.expires),
    }


def breaker(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the breaker with every trigger; ``minutes`` bounds the recent changes."""
    since = facts.snapshot.time - MINUTE_MS * _count(options, "minutes", 5)
    return {
        "live": True,
        **breaker_of(facts.snapshot.breaker),
        "recent": [
            {"time": iso(event.time), "severity": event.severity, "text": event.text}
            for event in reversed(facts.snapshot.events)
            if event.kind == "BreakerChanged" and event.time >= since
        ],
    }


def breaker_of(seen: BreakerView) -> dict[str, Any]:
    """Return the breaker with every trigger's reading and thresholds."""
    return {
        **breaker_summary(seen),
        "pinned": seen.pinned,
        "clears": seen.clears,
        "readings": [_plain(asdict(reading)) for reading in seen.readings],
    }


def positions(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the open positions with their mark; shadow positions apart."""
    seen = facts.snapshot
    marks = {(v.shadow, v.id): v for v in (*seen.positions, *seen.shadow_positions)}
    rows = []
    for position in facts.positions:
        view = marks.get((position.shadow, position.id))
        row = position_row(position, None if view is None else Decimal(repr(view.mark)))
        row["regime_now"] = None if view is None else str(view.regime_now)
        row["limit_minutes"] = None if view is None else view.limit_minutes
        rows.append((position, row))
    return {
        "live": True,
        "positions": [row for position, row in rows if not position.shadow],
        "shadow_positions": [row for position, row in rows if position.shadow],
    }


def position_row(position: Position, mark: Decimal | None) -> dict[str, Any]:
    """Return one position; mark and PnL are None where no price is known."""
    row = _exact(position, ("thesis", "best_price"))
    row["thesis"] = list(position.thesis)
    row["opened"] = iso(position.opened)
    row["mark_price"] = None if mark is None else f"{mark:f}"
    row["notional"] = None if mark is None else f"{mark * position.quantity:f}"
    row["pnl"] = None if mark is None else f"{position.unrealised_pnl(mark):f}"
    row["r_multiple"] = None if mark is None else float(position.r_multiple(mark))
    return row


def trades(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the newest closed trades the engine remembers (500 at most), oldest first."""
    limit = _count(options, "limit", 500)
    real = [trade for trade in facts.snapshot.trades if not trade.shadow][:limit]
    return {"live": True, "trades": [trade_row(trade) for trade in reversed(real)]}


def trade_row(trade: ClosedTrade) -> dict[str, Any]:
    """Return one closed trade, money exact."""
    row = _exact(trade, ())
    row["entry_time"], row["exit_time"] = iso(trade.entry_time), iso(trade.exit_time)
    return row


def performance(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of the newest trades; ``days`` bounds them."""
    days = _count(options, "days", 0)
    seen = facts.snapshot
    return {
        "live": True,
        **performance_of(tuple(reversed(seen.trades)), seen.time, days, facts.account.balance),
    }


def performance_of(
    closed: Sequence[ClosedTrade], now: int, days: int, balance: Decimal
) -> dict[str, Any]:
    """Return the figures of closed trades (oldest first) up to ``now`` (ms), with readings.

    ``days`` 0 means all; ``balance`` is what there is without any trade. The starting balance is
    the equity at the first trade's entry.
    """
    since = now - days * DAY_MS if days else 0
    chosen = [trade for trade in closed if trade.exit_time >= since and not trade.shadow]
    start = chosen[0].entry_equity if chosen else balance
    begin = since or (min(trade.entry_time for trade in chosen) if chosen else now)
    figures = metrics(chosen, start, begin, now)
    curve = equity_curve(chosen, start, begin)
    return {
        "days": days or None,
        "from": iso(begin),
        "to": iso(now),
        "starting_balance": float(start),
        "metrics": figures.as_dict(),
        "readings": [reading._asdict() for reading in figures.readings()],
        "by_day": [_numbers(day._asdict()) for day in by_day(chosen, start)],
        "equity": [[iso(time), float(value)] for time, value in curve],
        "drawdown": [[iso(time), fall] for time, fall in drawdown_curve(curve)],
    }


def expectancy(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the closed trades say and the risk fraction that follows."""
    seen = facts.snapshot.expectancy
    return {
        "live": True,
        **expectancy_of(seen.method, seen.risk_fraction, seen.degrading, seen.windows, seen.shadow),
    }


def expectancy_of(
    method: str,
    risk_fraction: float,
    degrading: bool,
    windows: Iterable[WindowView],
    shadow: WindowView,
) -> dict[str, Any]:
    """Return the JSON of the expectancy, wherever it was worked out."""
    return {
        "method": method,
        "risk_fraction": risk_fraction,
        "degrading": degrading,
        "windows": [asdict(window) for window in windows],
        "shadow": asdict(shadow),
    }


def signals(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the newest proposals, newest first, and how every pair stands now."""
    seen = facts.snapshot
    proposed = [d for d in seen.decisions if d.proposal is not Action.WAIT]
    limit = _count(options, "limit", 50)
    return {
        "live": True,
        "signals": [proposal_row(decision) for decision in proposed[:limit]],
        "market": [
            {
                "pair": str(row.pair),
                "price": row.price,
                "change_24h": row.change,
                "score": row.score,
                "confirmation": row.confirmation,
                "confidence": row.confidence,
                "action": str(row.action),
                "verdict": row.verdict,
                "candles": row.candles,
                "decided": instant(row.decided),
            }
            for row in seen.market
        ],
    }


def proposal_row(proposal: Decision | SignalRow) -> dict[str, Any]:
    """Return one proposal, from the engine's memory or from the database."""
    prices: Plan | SignalRow | None
    if isinstance(proposal, Decision):
        score = None if proposal.v1 is None else proposal.v1.score
        regime, prices = str(proposal.regime.regime), proposal.plan
    else:
        score, regime, prices = proposal.score, proposal.regime, proposal
    return {
        "time": iso(proposal.time),
        "pair": str(proposal.pair),
        "proposal": str(proposal.proposal),
        "action": str(proposal.action),
        "confidence": proposal.confidence,
        "score": score,
        "regime": regime,
        "entry": prices.entry if prices else None,
        "stop": prices.stop if prices else None,
        "target": prices.target if prices else None,
        "quantity": float(proposal.quantity),
        "blocked_by": proposal.blocked_by,
        "reason": proposal.reason,
        "shadow": proposal.shadow,
    }


def regimes(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return every pair's regime."""
    return {
        "live": True,
        "regimes": [
            {
                "pair": str(row.pair),
                "regime": str(row.regime),
                "confidence": row.regime_confidence,
                "risk_multiplier": row.risk_multiplier,
                "since": instant(row.regime_since),
                "adx": row.adx,
                "volatility": row.volatility,
                "htf_15m": row.htf_15m,
                "htf_1h": row.htf_1h,
            }
            for row in facts.snapshot.market
        ],
    }


def balance(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the account, exactly."""
    return {"live": True, **balance_of(facts.account), "time": iso(facts.snapshot.time)}


def balance_of(held: Account | None) -> dict[str, Any]:
    """Return an account's money as exact decimals, None where no account is known."""
    return {
        "currency": "USDT",
        "balance": f"{held.balance:f}" if held else None,
        "equity": f"{held.equity:f}" if held else None,
        "available": f"{held.available:f}" if held else None,
        "unrealised_pnl": f"{held.equity - held.balance:f}" if held else None,
    }


def api(facts: Facts, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pulse of the engine and of the exchange's endpoints."""
    seen = facts.snapshot.health
    return {
        "live": True,
        **asdict(seen),
        "tasks": [
            {"name": name, "state": state, "restarts": restarts}
            for name, state, restarts in seen.tasks
        ],
    }


VIEWS: dict[str, View] = {
    "status": status,
    "positions": positions,
    "trades": trades,
    "performance": performance,
    "expectancy": expectancy,
    "signals": signals,
    "regimes": regimes,
    "breaker": breaker,
    "balance": balance,
    "api": api,
}


def _exact(item: Position | ClosedTrade, left_out: Sequence[str]) -> dict[str, Any]:
    values = {f.name: getattr(item, f.name) for f in fields(item) if f.name not in left_out}
    return _plain(values)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON has them: decimals and names as text, tuples as lists."""
    return {
        key: f"{value:f}"
        if isinstance(value, Decimal)
        else str(value)
        if isinstance(value, str)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in values.items()
    }


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: float(v) if isinstance(v, Decimal) else v for k, v in values.items()}


def _count(options: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = options.get(name)
    return value if type(value) is int and 0 < value <= 100_000 else otherwise
