"""Hold the exchange's truth against the ledger, the logs and what the engine says of itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from engine.home import Home
from engine.ledger import queries
from engine.ledger.reader import LedgerReader
from engine.model.orders import ClosedTrade, Position
from tests.exchange_server.hosting import Remote

ACCOUNT = "binance-live"
OPEN = ("NEW", "TRIGGERING", "WORKING")


@dataclass
class Differences:
    """What does not agree, a sentence each."""

    texts: list[str] = field(default_factory=list)

    def equal(self, what: str, here: Any, there: Any) -> None:
        """Note where two things that must be equal are not."""
        if here != there:
            self.texts.append(f"{what}: {here!r} is not {there!r}")


def compare(home: Path, server: Remote, told: dict[str, Any]) -> Differences:
    """Compare everything while the engine stands still."""
    truth, state = server.ledger(), server.call("state")
    with LedgerReader(Home(home).database, ACCOUNT) as reader:
        trades = reader.fetch(queries.closed_trades(ACCOUNT))
        positions = reader.fetch(queries.open_positions(ACCOUNT, shadow=False))
        fills = reader.fetch(queries.recent_fills(ACCOUNT, 0))
    found = Differences()
    found.equal("disputed", told["disputed"], {})
    _positions(found, truth, state, positions)
    _orders(found, truth, trades, positions)
    _money(found, truth, trades, positions)
    _logs(found, home, trades)
    ids = Counter(fill.fill_id for fill in fills)
    found.equal("a fill twice in the ledger", [i for i, n in ids.items() if n > 1], [])
    there = {f"{fill['symbol'].removesuffix('USDT')}-{fill['trade_id']}" for fill in truth["fills"]}
    found.equal("fills lacking in the ledger", sorted(there - ids.keys()), [])
    found.equal("fills nobody made", sorted(ids.keys() - there), [])
    return found


def _positions(
    found: Differences, truth: dict[str, Any], state: dict[str, Any], positions: list[Position]
) -> None:
    """One position per pair on both sides, each with one stop and one target of its size."""
    found.equal(
        "positions",
        {p.pair.base: p.quantity * p.side.sign for p in positions},
        {p["symbol"].removesuffix("USDT"): Decimal(p["quantity"]) for p in truth["positions"]},
    )
    resting = {a["clientAlgoId"]: Decimal(a["quantity"]) for a in state["algo_orders"]}
    guards = {
        name: position.quantity
        for position in positions
        for name in (position.stop_order_id, position.target_order_id)
        if name is not None
    }
    found.equal("orders at rest (ledger, exchange)", guards, resting)
    found.equal("stops and targets", len(guards), 2 * len(positions))
    found.equal("ordinary orders at rest", state["orders"], [])


def _orders(
    found: Differences, truth: dict[str, Any], trades: list[ClosedTrade], positions: list[Position]
) -> None:
    """One order per client id, one position per entry."""
    orders = defaultdict(set)
    for fill in truth["fills"]:
        orders[fill["client_id"]].add(fill["order_id"])
    twice = {name for name, ids in orders.items() if len(ids) > 1 and name.startswith("sg")}
    found.equal("orders sent twice", twice, set())
    opened = [name for name in orders if name.startswith("sg") and name.endswith("-e")]
    counted = Counter(t.client_order_ids[0] for t in trades)
    counted.update(p.client_order_ids[0] for p in positions)
    found.equal("positions per entry", counted, Counter(dict.fromkeys(opened, 1)))


def _money(
    found: Differences, truth: dict[str, Any], trades: list[ClosedTrade], positions: list[Position]
) -> None:
    """The ledger's profit is the exchange's, to the last digit."""
    earned = sum((t.pnl for t in trades), Decimal(0))
    earned += sum((p.realised_pnl - p.fees - p.funding for p in positions), Decimal(0))
    found.equal("money", earned, Decimal(truth["balance"]) - Decimal(truth["initial"]))


def _logs(found: Differences, home: Path, trades: list[ClosedTrade]) -> None:
    """Every closed trade stands in the compliance log once."""
    path = Home(home).compliance / "pnl_tracking.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    names = Counter(entry["id"] for entry in map(orjson.loads, lines) if not entry["shadow"])
    found.equal("trades in the log", names, Counter(t.id for t in trades))
