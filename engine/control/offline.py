"""What the database last knew, in the shapes of ``engine.control.views``, ``live`` false."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine import __version__
from engine.account import EquityHistory
from engine.control import views
from engine.ledger import queries
from engine.ledger.reader import LedgerReader
from engine.model.commands import Level
from engine.model.market import Pair
from engine.model.snapshot import WindowView
from engine.protection.breaker import CircuitBreaker
from engine.risk.expectancy import WindowStats
from engine.risk.limits import RiskLimits
from engine.risk.sizing import risk_fraction
from engine.risk.track_record import TrackRecord
from engine.trace import iso
from engine.venues.instruments import simulated_instruments
from engine.venues.simulated import SimulatedVenue

SHADOW_KEPT = 100


class Records:
    """The newest records of the account that ran last. Nothing is written."""

    def __init__(self, reader: LedgerReader, limits: RiskLimits) -> None:
        self._reader = reader
        self._limits = limits
        self._account = reader.account
        state = reader.fetch(queries.state(self._account, "resume"))
        self._resume: Mapping[str, Any] = state[0] if state else {}
        self._real = _venue(self._resume, "venue")
        self._shadow = _venue(self._resume, "shadow_venue")
        self._held = asyncio.run(self._real.account()) if self._real else None
        breaker, _ = CircuitBreaker.restored(
            self._resume.get("breaker"),
            self.time,
            clean=True,
            throttled_confidence=limits.throttled_confidence,
        )
        self._kept = breaker.view(self.time)

    @property
    def time(self) -> int:
        """Return the engine time of the newest record (ms UTC), 0 for none."""
        return int(self._resume.get("clock", 0))

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
        breaker, held = self._kept, self._held
        equity = float(held.equity) if held else None
        history = EquityHistory()
        history.load(self._resume.get("equity", ()))
        return {
            "state": "shutdown" if breaker.level is Level.SHUTDOWN else "stopped",
            "detail": "no engine is running",
            "exchange": "sim",
            "mode": "paper",
            "pid": None,
            "uptime_s": None,
            "equity": equity,
            "balance": float(held.balance) if held else None,
            "day_pnl": None if equity is None else history.day_pnl(self.time, equity),
            "open_positions": len(self._open(shadow=False)),
            "breaker": views.breaker_summary(breaker),
            "last_cycle": {"time": views.instant(self.time), "duration_ms": None},
            "version": __version__,
        }

    def _positions(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "positions": self._open(shadow=False),
            "shadow_positions": self._open(shadow=True),
        }

    def _open(self, *, shadow: bool) -> list[dict[str, Any]]:
        venue = self._shadow if shadow else self._real
        held = self._reader.fetch(queries.open_positions(self._account, shadow=shadow))
        return [views.position_row(p, venue.mark_price(p.pair) if venue else None) for p in held]

    def _trades(self, options: Mapping[str, Any]) -> dict[str, Any]:
        shadow = bool(options.get("shadow"))
        query = queries.closed_trades(self._account, options.get("limit"), shadow=shadow)
        return {"trades": [views.trade_row(trade) for trade in self._reader.fetch(query)]}

    def _performance(self, options: Mapping[str, Any]) -> dict[str, Any]:
        closed = self._reader.fetch(queries.closed_trades(self._account))
        balance = self._held.balance if self._held else Decimal(0)
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
        since = self.time - views.MINUTE_MS * int(options.get("minutes") or 5)
        events = self._reader.fetch(queries.compliance_events(self._account, 1_000))
        return {
            **views.breaker_of(self._kept),
            "recent": [
                {"time": iso(event.time), "severity": event.severity, "text": event.detail}
                for event in reversed(events)
                if event.kind == "BreakerChanged" and event.time >= since
            ],
        }

    def _balance(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**views.balance_of(self._held), "time": views.instant(self.time)}

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


def _venue(resume: Mapping[str, Any], name: str) -> SimulatedVenue | None:
    """Return a simulated account as it was kept for a restart, None where none was."""
    kept = resume.get(name)
    if not kept:
        return None
    instruments = simulated_instruments(Pair(pair) for pair in kept["bars"])
    venue = SimulatedVenue(instruments, Decimal(0))
    venue.restore(kept)
    return venue


def _window(stats: WindowStats) -> WindowView:
    names = WindowView.__dataclass_fields__
    return WindowView(**{name: getattr(stats, name) for name in names})
