"""The fingerprint: one hash over every decision's action and every trade.

Equal code and equal data give an equal fingerprint, on any machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

from engine.model.decision import Decision
from engine.model.orders import ClosedTrade
from engine.model.signal import Action


class Fingerprint:
    """Grows with decisions and trades; counts them on the way."""

    def __init__(self) -> None:
        self._decisions = sha256()
        self._trades = sha256()
        self.decisions = 0
        self.proposals = 0
        self.entries = 0
        self.trades = 0
        self.blocked: Counter[str] = Counter()  # proposals stopped, by gate

    def add_decisions(self, decisions: Iterable[Decision]) -> None:
        """Add the decisions of one pass, in their order."""
        wait = Action.WAIT
        lines = []
        for d in decisions:
            action = d.action
            lines.append(f"{d.time} {d.pair} {action}\n")
            if d.proposal is not wait:
                self.proposals += 1
                if d.blocked_by:
                    self.blocked[d.blocked_by] += 1
                if action is not wait:
                    self.entries += 1
        self.decisions += len(lines)
        self._decisions.update("".join(lines).encode())

    def add_trade(self, trade: ClosedTrade) -> None:
        """Add a closed trade."""
        self.trades += 1
        self._trades.update(
            f"{trade.pair} {trade.side} {trade.entry_time} {trade.exit_time} "
            f"{trade.entry_price.normalize()} {trade.exit_price.normalize()} "
            f"{trade.quantity.normalize()} {trade.fees.normalize()} "
            f"{trade.funding.normalize()} {trade.pnl.normalize()} {trade.exit_reason}\n".encode()
        )

    def hexdigest(self) -> str:
        """Return the fingerprint so far, 64 hexadecimal digits."""
        return sha256(self._decisions.digest() + self._trades.digest()).hexdigest()
