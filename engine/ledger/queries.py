"""The questions the ledger answers: SQL, parameters and how a row becomes an object.

Shared by the asynchronous ledger and the synchronous reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from engine.ledger import rows
from engine.ledger.errors import LedgerError
from engine.ledger.rows import (
    BreakerRow,
    ChatLine,
    ComplianceEvent,
    EquityPoint,
    Intent,
    Notification,
    SavedStrategy,
    SignalRow,
    load,
)
from engine.ledger.schema import TABLES
from engine.model.orders import ClosedTrade, Fill, OrderState, Position

T = TypeVar("T")
_FINAL = ", ".join(f"'{state}'" for state in OrderState if state.final)
_NO_LIMIT = -1  # SQLite's word for all rows


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """One question: its SQL, its parameters and the reading of a row."""

    sql: str
    parameters: tuple[Any, ...]
    convert: Callable[[Any], T]

    def read(self, found: Iterable[Any], path: Path) -> list[T]:
        """Return the rows as objects. Raises ``LedgerError`` for one that makes no sense."""
        try:
            return [self.convert(row) for row in found]
        except (ValueError, ArithmeticError) as error:
            raise LedgerError(f"{path}: a row cannot be read ({error}); run db check") from error


def closed_trades(
    account: str, limit: int | None = None, *, shadow: bool = False, strategy: str | None = None
) -> Query[ClosedTrade]:
    """Ask for the newest closed trades, newest last; of one strategy where one is named."""
    which, extra = ("", ()) if strategy is None else ("AND strategy = ?", (strategy,))
    newest = (
        f"SELECT * FROM trades WHERE account = ? AND shadow = ? {which} "
        "ORDER BY exit_time DESC, seq DESC LIMIT ?"
    )
    return Query(
        f"SELECT * FROM ({newest}) ORDER BY exit_time, seq",
        (account, int(shadow), *extra, _NO_LIMIT if limit is None else limit),
        rows.TRADE.decode,
    )


def open_positions(account: str, *, shadow: bool) -> Query[Position]:
    """Ask for the open positions, oldest first."""
    return Query(
        "SELECT * FROM positions WHERE account = ? AND shadow = ? ORDER BY opened, id",
        (account, int(shadow)),
        rows.POSITION.decode,
    )


def unresolved_intents(account: str) -> Query[Intent]:
    """Ask for every intent whose order is not known to be final, oldest first."""
    return Query(
        f"""
        SELECT intents.*, coalesce(orders.state, '{OrderState.INTENT}') AS state
        FROM intents LEFT JOIN orders USING (account, shadow, client_order_id)
        WHERE intents.account = ? AND coalesce(orders.state, '') NOT IN ({_FINAL})
        ORDER BY intents.time, intents.client_order_id
        """,
        (account,),
        rows.INTENT.decode,
    )


def fills(account: str, client_order_id: str, *, shadow: bool) -> Query[Fill]:
    """Ask for the fills of one order, oldest first."""
    return Query(
        "SELECT * FROM fills WHERE account = ? AND shadow = ? AND client_order_id = ? "
        "ORDER BY time, fill_id",
        (account, int(shadow), client_order_id),
        rows.FILL.decode,
    )


def recent_fills(account: str, since: int) -> Query[Fill]:
    """Ask for the account's real fills since an instant (ms UTC), oldest first."""
    return Query(
        "SELECT * FROM fills WHERE account = ? AND shadow = 0 AND time >= ? ORDER BY time, fill_id",
        (account, since),
        rows.FILL.decode,
    )


def recent_funding(account: str, since: int) -> Query[tuple[str, int]]:
    """Ask for (pair, time) of the account's real funding payments since an instant (ms UTC)."""
    return Query(
        "SELECT pair, time FROM funding WHERE account = ? AND shadow = 0 AND time >= ?",
        (account, since),
        lambda row: (str(row["pair"]), int(row["time"])),
    )


def signals(account: str, limit: int) -> Query[SignalRow]:
    """Ask for the newest proposals, newest first."""
    return Query(
        "SELECT * FROM signals WHERE account = ? ORDER BY time DESC, pair LIMIT ?",
        (account, limit),
        rows.SIGNAL.decode,
    )


def equity_curve(account: str, since: int) -> Query[EquityPoint]:
    """Ask for balance and equity by the minute since an instant (ms UTC), oldest first."""
    return Query(
        "SELECT * FROM performance_snapshots WHERE account = ? AND time >= ? ORDER BY minute",
        (account, since),
        rows.EQUITY.decode,
    )


def compliance_events(account: str, limit: int) -> Query[ComplianceEvent]:
    """Ask for the newest audited events, newest first."""
    return Query(
        "SELECT * FROM compliance_events WHERE account = ? ORDER BY seq DESC LIMIT ?",
        (account, limit),
        rows.COMPLIANCE.decode,
    )


def breaker(account: str) -> Query[BreakerRow]:
    """Ask for the breaker's last recorded level: one row or none."""
    return Query("SELECT * FROM breaker_state WHERE account = ?", (account,), rows.BREAKER.decode)


def state(account: str, key: str) -> Query[Any]:
    """Ask for one state value: one row or none."""
    return Query(
        "SELECT value FROM state WHERE account = ? AND key = ?",
        (account, key),
        lambda row: load(row["value"]),
    )


def notifications(account: str, limit: int, *, unread_only: bool) -> Query[Notification]:
    """Ask for the newest notifications, newest first."""
    which = "AND read = 0" if unread_only else ""
    return Query(
        f"SELECT * FROM notifications WHERE account = ? {which} ORDER BY seq DESC LIMIT ?",
        (account, limit),
        rows.NOTIFICATION.decode,
    )


def unread(account: str) -> Query[int]:
    """Ask how many notifications are unread: one row."""
    return Query(
        "SELECT count(*) AS n FROM notifications WHERE account = ? AND read = 0",
        (account,),
        lambda row: int(row["n"]),
    )


def chat(account: str, limit: int) -> Query[ChatLine]:
    """Ask for the newest lines of the conversation, newest last."""
    return Query(
        "SELECT * FROM (SELECT * FROM chat_history WHERE account = ? ORDER BY seq DESC LIMIT ?) "
        "ORDER BY seq",
        (account, limit),
        rows.CHAT.decode,
    )


def strategies() -> Query[SavedStrategy]:
    """Ask for every saved version of every strategy, by name and version."""
    return Query("SELECT * FROM strategies ORDER BY name, version", (), rows.STRATEGY.decode)


def unclean_run(account: str) -> Query[int]:
    """Ask when the account's newest run started, if it never ended: one row or none."""
    return Query(
        "SELECT started, ended FROM runs WHERE account = ? ORDER BY seq DESC LIMIT 1",
        (account,),
        lambda row: row["started"] if row["ended"] is None else 0,
    )


def accounts() -> Query[str]:
    """Ask for the accounts that have ever run, the one used last first."""
    return Query(
        "SELECT account FROM runs GROUP BY account ORDER BY max(seq) DESC",
        (),
        lambda row: str(row["account"]),
    )


def counts(account: str) -> Query[tuple[str, int]]:
    """Ask for the rows of every table that belong to the account (all, for strategies)."""
    parts = []
    for table in TABLES:
        mine = "" if table == "strategies" else " WHERE account = ?1"
        parts.append(f"SELECT '{table}' AS name, count(*) AS n FROM {table}{mine}")
    return Query(
        " UNION ALL ".join(parts), (account,), lambda row: (str(row["name"]), int(row["n"]))
    )
