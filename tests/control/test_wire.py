"""Snapshots over the wire: what arrives is what was sent, and only changes are sent again."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.control.wire import SCHEMA, WireError, codec, diff, patch
from engine.model.decision import Decision
from engine.model.market import Pair
from engine.model.signal import Regime
from engine.model.snapshot import (
    EventView,
    PairHistory,
    PositionView,
    Snapshot,
)
from tests.cockpit.sample import snapshot

FLOATS = st.floats(allow_nan=False)
PAIRS = st.sampled_from([Pair.parse(name) for name in ("BTC", "ETH", "SOL")])
PLAIN = {
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    float: FLOATS,
    str: st.text(max_size=5),
    Decimal: st.decimals(allow_nan=False, places=8),
    Pair: PAIRS,
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of an annotated type, a record's fields included."""
    inner = get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if get_origin(kind) is tuple and inner[-1] is Ellipsis:
        return st.lists(values_of(inner[0]), max_size=4).map(tuple)
    if get_origin(kind) is tuple:
        return st.tuples(*map(values_of, inner))
    if inner:  # optional
        return st.none() | values_of(inner[0])
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    return st.builds(kind, **{name: values_of(hint) for name, hint in get_type_hints(kind).items()})


EVENTS = values_of(EventView)


@pytest.fixture(scope="module")
def picture() -> Snapshot:
    return snapshot()


def carried(before: Snapshot | None, after: Snapshot) -> tuple[Snapshot, int]:
    """Send a snapshot over a wire of bytes; return what arrives and how many bytes it took."""
    line = orjson.dumps(diff(before, after))
    return patch(before, orjson.loads(line)), len(line)


CHARTS = st.builds(
    PairHistory,
    decisions=st.just(()),
    **{
        name: values_of(hint)
        for name, hint in get_type_hints(PairHistory).items()
        if name != "decisions"
    },
)
CHANGED = ("seq", "equity", "acknowledge", "market", "breaker", "health", "events", "trades")
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: values_of(get_type_hints(Snapshot, localns={"Strategy": str})[name])
            for name in CHANGED
        },
        "positions": st.lists(values_of(PositionView), max_size=3).map(tuple),
        "history": st.dictionaries(PAIRS, CHARTS, max_size=3),
    },
)


@given(CHANGES, CHANGES)
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_snapshot_after_any_other_arrives_as_it_is(one, two):
    base = snapshot()
    first, second = replace(base, **one), replace(base, **two)
    assert carried(None, first)[0] == first
    assert carried(first, second)[0] == second


@given(st.lists(st.lists(EVENTS, max_size=3), max_size=6), st.integers(1, 8))
@settings(deadline=None, max_examples=60)
def test_events_that_roll_are_sent_once(batches, kept):
    replica = now = replace(snapshot(), events=())
    for batch in batches:
        now = replace(now, events=(*batch, *now.events)[:kept])
        replica, _ = carried(replica, now)
        assert replica.events == now.events


def test_the_sample_arrives_whole_and_typed(picture):
    arrived, size = carried(None, picture)
    assert arrived == picture
    assert size < 1_000_000
    assert type(arrived.market[0].pair) is Pair
    assert type(arrived.market[0].regime) is Regime
    decision = next(d for d in arrived.decisions if d.sizing is not None)
    assert type(decision) is Decision
    assert type(decision.sizing.quantity) is Decimal
    for item in fields(Snapshot):
        assert type(getattr(arrived, item.name)) is type(getattr(picture, item.name)), item.name


def test_nothing_new_is_almost_nothing(picture):
    assert diff(picture, picture) == {"changed": {}}
    assert diff(picture, replace(picture, seq=picture.seq + 1)) == {
        "changed": {"seq": picture.seq + 1}
    }


def test_one_event_and_one_price_are_small(picture):
    event = EventView(9_999, picture.time, "info", "Noticed", "something happened")
    pair, chart = next(iter(picture.history.items()))
    moved = replace(chart, candles=(*chart.candles[:-1], chart.candles[-1]._replace(close=1.5)))
    later = replace(
        picture,
        events=(event, *picture.events[:-1]),
        history={**picture.history, pair: moved},
    )
    arrived, size = carried(picture, later)
    assert arrived == later
    assert size < 400


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.1 + 0.2, -0.0, 5e-324])
def test_every_float_crosses(value):
    number = codec(float)
    back = number.unpack(orjson.loads(orjson.dumps(number.pack(value))))
    assert repr(back) == repr(value)


@pytest.mark.parametrize("change", [{"seq": "7"}, {"events": [[], 0, 10**6, []]}, {"no": 1}])
def test_what_is_no_snapshot_is_refused(picture, change):
    with pytest.raises(WireError):
        patch(picture, {"changed": change})
    with pytest.raises(WireError):
        patch(None, {"changed": {}})
    with pytest.raises(WireError):
        patch(None, {"whole": [1, 2]})


def test_types_that_cannot_cross_are_named():
    class Odd(NamedTuple):
        value: int | str

    @dataclass(frozen=True)
    class Loose:
        value: Any

    for kind in (Odd, Loose, bytes, object):
        with pytest.raises(TypeError):
            codec(kind)


def test_the_schema_names_the_types():
    assert len(SCHEMA) == 16
    assert "risk_multiplier: float" in codec(Snapshot).name
