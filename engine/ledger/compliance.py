"""The compliance logs: four append-only files that say what was decided, refused, failed, won.

Decisions, refusals by the safety checker, failed orders and closed trades, one JSON line each,
hash-chained (``engine.ledger.chain``) and audited by ``engine.ledger.audit``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from engine.ledger.audit import DECISIONS, FAILURES, PNL, STEMS, VIOLATIONS, read_records
from engine.ledger.chain import iso
from engine.ledger.chainlog import ChainedLog
from engine.ledger.port import RecordError
from engine.model.decision import Decision
from engine.model.events import DecisionMade, Event, OrderChanged, OrderDenied, PositionClosed
from engine.model.orders import ClosedTrade, OrderState

DEFAULT_MAX_BYTES = 20_000_000
_FAILED = (OrderState.REJECTED, OrderState.UNKNOWN)
_RESERVED = ("seq", "time", "account", "prev", "hash")

Render: TypeAlias = Callable[[Decision], dict[str, Any]]
RenderContext: TypeAlias = Callable[[Any, Decision], dict[str, Any]]
_Line: TypeAlias = tuple[str, dict[str, Any]]


class ComplianceLog:
    """Writer of the four logs in one directory. ``render`` turns a decision into its full trace,
    ``context`` what it was made from into further keys.

    ``account`` marks every line; ``max_bytes`` is the size at which a file is rotated. Methods
    raise ``RecordError`` when storage fails.
    """

    def __init__(
        self,
        directory: Path,
        render: Render,
        account: str = "",
        max_bytes: int = DEFAULT_MAX_BYTES,
        context: RenderContext = lambda context, decision: {},
    ) -> None:
        self.directory = directory
        self.account = account
        self._render = render
        self._context = context
        self._logs = {stem: ChainedLog(directory, stem, max_bytes) for stem in STEMS}

    def open(self) -> list[str]:
        """Open the logs; return a sentence for everything mended or found wrong."""
        notes: list[str] = []
        try:
            for log in self._logs.values():
                notes += log.open()
        except RecordError:
            self.close()
            raise
        return notes

    def write(self, events: Sequence[Event], *, durable: bool = False) -> None:
        """Append the lines the events ask for, in order; force them to the disk if ``durable``.

        On failure no line of this call stays, so that it can be tried again.
        """
        lines: dict[str, list[dict[str, Any]]] = {}
        for event in events:
            for stem, record in self._lines(event):
                lines.setdefault(stem, []).append(record)
        written: list[ChainedLog] = []
        try:
            for stem, records in lines.items():
                self._logs[stem].append(records)
                written.append(self._logs[stem])
            if durable:
                self.sync()
        except RecordError:
            for log in written:
                log.undo()
            raise

    def sync(self) -> None:
        """Force everything written to the disk."""
        for log in self._logs.values():
            log.sync()

    def close(self) -> None:
        """Sync and close the files. Twice is once."""
        errors = []
        for log in self._logs.values():
            try:
                log.close()
            except RecordError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def recorded_trades(self, since: int) -> set[tuple[bool, str]]:
        """Return (shadow, id) of the account's trades written since an instant (ms UTC)."""
        return {
            (bool(record.get("shadow")), str(record.get("id")))
            for record in read_records(self.directory, PNL, iso(since))
            if record is not None and record.get("account") == self.account
        }

    def _lines(self, event: Event) -> Iterator[_Line]:
        match event:
            case DecisionMade(decision=decision, context=context):
                record = _decision(decision, self._render)
                if context is not None:
                    record |= self._context(context, decision)
                yield DECISIONS, self._line(event, record)
            case OrderDenied(pair=pair, layer=layer, reason=reason):
                yield (
                    VIOLATIONS,
                    self._line(event, {"pair": pair, "layer": layer, "reason": reason}),
                )
            case OrderChanged(state=state) if state in _FAILED:
                yield FAILURES, self._line(event, _failure(event))
            case PositionClosed(trade=trade):
                record = {"position_id": event.position_id, "detail": event.detail}
                yield PNL, self._line(event, {**trade_record(trade), **record})

    def _line(self, event: Event, record: dict[str, Any]) -> dict[str, Any]:
        own = {key: value for key, value in record.items() if key not in _RESERVED}
        return {"time": iso(event.time), "account": self.account, **own}


def trade_record(trade: ClosedTrade) -> dict[str, Any]:
    """Return a trade in its outside shape: ISO times, exact decimals as strings."""
    record: dict[str, Any] = {}
    for field in fields(trade):
        value = getattr(trade, field.name)
        if field.name in ("entry_time", "exit_time"):
            value = iso(value)
        record[field.name] = str(value) if isinstance(value, str | Decimal) else value
    return record


def _decision(decision: Decision, render: Render) -> dict[str, Any]:
    return {
        "candle_time": iso(decision.time),
        "pair": str(decision.pair),
        "proposal": str(decision.proposal),
        "action": str(decision.action),
        "blocked_by": decision.blocked_by,
        "shadow": decision.shadow,
        **render(decision),
    }


def _failure(event: OrderChanged) -> dict[str, Any]:
    return {
        "client_order_id": event.client_order_id,
        "pair": event.pair,
        "kind": event.kind,
        "state": event.state,
        "quantity": event.quantity,
        "trigger_price": event.trigger_price,
        "detail": event.detail,
        "shadow": event.shadow,
    }
