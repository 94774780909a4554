"""What the database last knew, in the shapes of ``engine.control.views``, ``live`` false."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine import __version__
from engine.control import views
from engine.ledger import queries
from engine.ledger.reader import LedgerReader
from engine.ledger.rows import BreakerRow, EquityPoint
from engine.model.snapshot import WindowView
from engine.risk.expectancy import WindowStats
from engine.risk.limits import RiskLimits
from engine.risk.sizing import risk_fraction
from engine.risk.track_record import TrackRecord
from engine.trace import iso

SHADOW_KEPT = 100


class Records:
    """The newest records of the account that ran last. Nothing is written."""

    def __init__(self, reader: LedgerReader, limits: RiskLimits) -> None:
        self._reader = reader
        self._limits = limits
        self._account = reader.account
        state = reader.fetch(queries.state(self._account, "resume"))
        self._resume: Mapping[str, Any] = state[0] if state else {}
        points = reader.fetch(queries.equity_curve(self._account, 0))
        self._points: list[EquityPoint] = points

    @property
    def time(self) -> int:
        """Return the engine time of the newest record (ms UTC), 0 for none."""
        newest = self._points[-1].time if self._points else 0
        return max(newest, int(self._resume.get("clock", 0)))

    def answer(self, name: str, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a query, None for what only a running engine knows."""
        known: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "status": self._status,
            "positions": self._positions,
            "trades": self._trades,
            "performance": self._performance,
            "expectancy": self._expectancy,
            "signals": self._signals,
            "regimes": self._regimes,
            "breaker": self._breaker,
            "balance": self._balance,
            "notifications": self._notifications,
        }
        if name not in known:
            return None
        as_of = iso(self.time) if self.time else None
        return {"live": False, "as_of": as_of, "account": self._account, **known[name](options)}

    # Each query

    def _status(self, options: Mapping[str, Any]) -> dict[str, Any]:
        reader, account = self._reader, self._account
        point = self._points[-1] if self._points else None
        level = self._level()
        return {
            "state": "shutdown" if level.level == "SHUTDOWN" else "stopped",
            "detail": "no engine is running",
            "exchange": "sim",
            "mode": "paper",
            "pid": None,
            "uptime_s": None,
            "equity": float(point.equity) if point else None,
            "balance": float(point.balance) if point else None,
            "day_pnl": self._day_pnl(),
            "open_positions": len(reader.fetch(queries.open_positions(account, shadow=False))),
            "breaker": _breaker_summary(level),
            "last_cycle": {"time": views.instant(self.time), "duration_ms": None},
            "version": __version__,
        }

    def _positions(self, options: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            name: self._reader.fetch(queries.open_positions(self._account, shadow=shadow))
            for name, shadow in (("positions", False), ("shadow_positions", True))
        }
        return {name: [views.position_row(p, None) for p in held] for name, held in found.items()}

    def _trades(self, options: Mapping[str, Any]) -> dict[str, Any]:
        shadow = bool(options.get("shadow"))
        query = queries.closed_trades(self._account, options.get("limit"), shadow=shadow)
        return {"trades": [views.trade_row(trade) for trade in self._reader.fetch(query)]}

    def _performance(self, options: Mapping[str, Any]) -> dict[str, Any]:
        closed = self._reader.fetch(queries.closed_trades(self._account))
        balance = self._points[-1].balance if self._points else Decimal(0)
        now = max([self.time, *(trade.exit_time for trade in closed[-1:])])
        return views.performance_of(closed, now, int(options.get("days") or 0), balance)

    def _expectancy(self, options: Mapping[str, Any]) -> dict[str, Any]:
        record = TrackRecord(self._reader.fetch(queries.closed_trades(self._account)))
        shadow = queries.closed_trades(self._account, SHADOW_KEPT, shadow=True)
        for trade in self._reader.fetch(shadow):
            record.add(trade)
        method, _, fraction = risk_fraction(record.edge(self._limits), self._limits)
        return views.expectancy_of(
            str(method),
            fraction,
            record.degrading,
            tuple(_window(stats) for stats in record.windows()),
            _window(record.shadow),
        )

    def _signals(self, options: Mapping[str, Any]) -> dict[str, Any]:
        limit = int(options.get("limit") or 50)
        rows = self._reader.fetch(queries.signals(self._account, limit))
        return {"signals": [views.proposal_row(row) for row in rows], "market": []}

    def _regimes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return each pair's regime at its newest proposal: no other is kept."""
        newest: dict[str, dict[str, Any]] = {}
        for row in self._reader.fetch(queries.signals(self._account, 1_000)):
            newest.setdefault(
                str(row.pair), {"pair": str(row.pair), "regime": row.regime, "at": iso(row.time)}
            )
        return {"regimes": [newest[pair] for pair in sorted(newest)]}

    def _breaker(self, options: Mapping[str, Any]) -> dict[str, Any]:
        level = self._level()
        since = self.time - views.MINUTE_MS * int(options.get("minutes") or 5)
        events = self._reader.fetch(queries.compliance_events(self._account, 1_000))
        return {
            **_breaker_summary(level),
            "detail": level.detail,
            "readings": [],
            "recent": [
                {"time": iso(event.time), "severity": event.severity, "text": event.detail}
                for event in reversed(events)
                if event.kind == "BreakerChanged" and event.time >= since
            ],
        }

    def _balance(self, options: Mapping[str, Any]) -> dict[str, Any]:
        point = self._points[-1] if self._points else None
        return {
            "currency": "USDT",
            "balance": f"{point.balance:f}" if point else None,
            "equity": f"{point.equity:f}" if point else None,
            "available": None,
            "unrealised_pnl": f"{point.equity - point.balance:f}" if point else None,
            "time": views.instant(point.time if point else None),
        }

    def _notifications(self, options: Mapping[str, Any]) -> dict[str, Any]:
        limit = int(options.get("limit") or 100)
        found = self._reader.fetch(queries.notifications(self._account, limit, unread_only=False))
        return {
            "notifications": [
                {
                    "id": item.seq,
                    "time": iso(item.time),
                    "level": item.level,
                    "topic": item.topic,
                    "text": item.text,
                    "read": item.read,
                }
                for item in found
            ]
        }

    def _level(self) -> BreakerRow:
        found = self._reader.fetch(queries.breaker(self._account))
        return found[0] if found else BreakerRow("CLOSED", "", "", 0)

    def _day_pnl(self) -> float | None:
        """Return how equity changed since the last record before the newest record's UTC day."""
        if not self._points:
            return None
        newest = self._points[-1]
        midnight = newest.time - newest.time % views.DAY_MS
        before = [point for point in self._points if point.time <= midnight]
        return float(newest.equity - (before[-1] if before else self._points[0]).equity)


def _breaker_summary(level: BreakerRow) -> dict[str, Any]:
    return {
        "level": level.level,
        "cause": level.cause,
        "since": views.instant(level.since),
        "expires": None,
    }


def _window(stats: WindowStats) -> WindowView:
    names = WindowView.__dataclass_fields__
    return WindowView(**{name: getattr(stats, name) for name in names})
