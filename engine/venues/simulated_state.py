"""The simulated account as JSON-able data and back: decimals as strings, floats as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, TypeAlias

from engine.model.market import Candle, Instrument, MarketStep, Pair
from engine.model.orders import ExitReason, Fill, OrderKind, OrderState
from engine.model.signal import Side
from engine.venues.fills import CostModel
from engine.venues.holding import Holding, Resting
from engine.venues.port import FundingPayment, OrderReport, VenueEvent
from engine.venues.simulated_account import SimulatedAccount

VERSION = 1
_Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VenueState:
    """What a snapshot holds. ``steps`` are the remembered bars, newest first."""

    account: SimulatedAccount
    time: int
    bars: dict[Pair, Candle]
    steps: list[MarketStep]


def encode(
    account: SimulatedAccount,
    time: int,
    bars: Mapping[Pair, Candle],
    recent: Mapping[Pair, Sequence[tuple[int, Candle]]],
) -> _Json:
    """Return the account as nested dicts, lists, strings, ints and floats."""
    return {
        "version": VERSION,
        "name": account.name,
        "balance": str(account.balance),
        "time": time,
        "sequence": account.sequence,
        "leverage": {str(pair): value for pair, value in account.leverage.items()},
        "positions": [_holding_out(holding) for holding in account.holdings.values()],
        "finished": [_out(report) for report in account.finished.values()],
        "events": [{"type": type(event).__name__, **_out(event)} for event in account.events],
        "bars": {str(pair): list(bar) for pair, bar in bars.items()},
        "recent": {
            str(pair): [[end, *bar] for end, bar in ended] for pair, ended in recent.items()
        },
    }


def decode(
    data: Mapping[str, Any], instruments: Mapping[Pair, Instrument], costs: CostModel
) -> VenueState:
    """Read what ``encode`` wrote.

    Raises ``ValueError`` for another version or a position in a pair that is not traded.
    """
    if data.get("version") != VERSION:
        raise ValueError(f"snapshot version {data.get('version')!r}, expected {VERSION}")
    holdings = [_holding_in(item, instruments) for item in data["positions"]]
    finished = [_report_in(item) for item in data["finished"]]
    account = SimulatedAccount(
        name=data["name"],
        costs=costs,
        balance=Decimal(data["balance"]),
        sequence=data["sequence"],
        leverage={Pair(pair): value for pair, value in data["leverage"].items()},
        holdings={holding.instrument.pair: holding for holding in holdings},
        finished={report.client_order_id: report for report in finished},
        events=[_event_in(item) for item in data["events"]],
    )
    bars = {Pair(pair): Candle(*bar) for pair, bar in data["bars"].items()}
    return VenueState(account, data["time"], bars, _steps_in(data["recent"]))


def _out(record: Any) -> _Json:
    """Turn a flat dataclass into JSON-able data, its field ``fills`` one level deeper."""
    return {item.name: _value_out(getattr(record, item.name)) for item in fields(record)}


def _value_out(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):
        return [_out(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _holding_out(holding: Holding) -> _Json:
    return {
        "pair": str(holding.instrument.pair),
        "side": str(holding.side),
        "quantity": str(holding.quantity),
        "entry_price": str(holding.entry_price),
        "margin": str(holding.margin),
        "leverage": holding.leverage,
        "mark": holding.mark,
        "resting": [_out(order) for order in holding.resting],
    }


def _holding_in(data: _Json, instruments: Mapping[Pair, Instrument]) -> Holding:
    instrument = instruments.get(Pair(data["pair"]))
    if instrument is None:
        raise ValueError(f"the snapshot holds a position in {data['pair']}, not traded here")
    return Holding(
        instrument=instrument,
        side=Side(data["side"]),
        quantity=Decimal(data["quantity"]),
        entry_price=Decimal(data["entry_price"]),
        margin=Decimal(data["margin"]),
        leverage=data["leverage"],
        mark=data["mark"],
        resting=[_resting_in(item) for item in data["resting"]],
    )


def _resting_in(data: _Json) -> Resting:
    return Resting(
        client_order_id=data["client_order_id"],
        pair=Pair(data["pair"]),
        kind=OrderKind(data["kind"]),
        reason=ExitReason(data["reason"]),
        quantity=Decimal(data["quantity"]),
        trigger_price=Decimal(data["trigger_price"]),
        sequence=data["sequence"],
    )


def _event_in(data: _Json) -> VenueEvent:
    match data["type"]:
        case "Fill":
            return _fill_in(data)
        case "OrderReport":
            return _report_in(data)
        case "FundingPayment":
            return FundingPayment(
                Pair(data["pair"]), data["time"], Decimal(data["amount"]), Decimal(data["rate"])
            )
        case other:
            raise ValueError(f"unknown event {other!r} in the snapshot")


def _report_in(data: _Json) -> OrderReport:
    trigger = data["trigger_price"]
    return OrderReport(
        client_order_id=data["client_order_id"],
        pair=Pair(data["pair"]),
        kind=OrderKind(data["kind"]),
        state=OrderState(data["state"]),
        quantity=Decimal(data["quantity"]),
        filled=Decimal(data["filled"]),
        trigger_price=None if trigger is None else Decimal(trigger),
        fills=tuple(_fill_in(item) for item in data["fills"]),
        detail=data["detail"],
    )


def _fill_in(data: _Json) -> Fill:
    reason = data["reason"]
    return Fill(
        fill_id=data["fill_id"],
        client_order_id=data["client_order_id"],
        pair=Pair(data["pair"]),
        buy=data["buy"],
        quantity=Decimal(data["quantity"]),
        price=Decimal(data["price"]),
        fee=Decimal(data["fee"]),
        time=data["time"],
        kind=OrderKind(data["kind"]),
        reference_price=Decimal(data["reference_price"]),
        reason=None if reason is None else ExitReason(reason),
    )


def _steps_in(recent: Mapping[str, list[list[Any]]]) -> list[MarketStep]:
    """Rebuild the remembered steps, newest first, from every pair's bars with their end times."""
    by_end: dict[int, dict[Pair, Candle]] = {}
    for name, rows in recent.items():
        for end, *bar in rows:
            by_end.setdefault(end, {})[Pair(name)] = Candle(*bar)
    return [MarketStep(end, by_end[end], {}) for end in sorted(by_end, reverse=True)]
