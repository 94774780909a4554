"""The wire: snapshots as JSON values, and only what changed since the one sent before.

``diff`` and ``patch`` are pure and opposite: ``patch(a, diff(a, b)) == b``. Records become lists in
the order of their fields, so both ends must agree on the types; ``SCHEMA`` names them. What grows
at one end and is cut at the other (events, decisions, candles) is sent as its new items alone.
"""

from __future__ import annotations

import hashlib
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from engine.model.market import Pair
from engine.model.snapshot import PairHistory, Snapshot
from engine.strategy import Strategy

Transform = Callable[[Any], Any]
_ROLLING = ("decisions", "trades", "events")
_NOT_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class WireError(Exception):
    """What came over the wire is no snapshot of this program's version."""


class Codec(NamedTuple):
    """How values of one type cross; ``plain`` ones cross as they are. ``name`` describes it."""

    name: str
    pack: Transform
    unpack: Transform
    plain: bool = False


# Snapshots


def diff(before: Snapshot | None, after: Snapshot) -> dict[str, Any]:
    """Return what turns one snapshot into the next as JSON values; all of it without the first.

    Slow for a first one (about 0.1 s): run it beside the engine's loop.
    """
    if before is None:
        return {"whole": codec(Snapshot).pack(after)}
    changed: dict[str, Any] = {}
    for name, kind in _hints(Snapshot).items():
        old, new = getattr(before, name), getattr(after, name)
        if name == "history":
            if charts := _changed_charts(old, new):
                changed[name] = charts
        elif name in _ROLLING:
            if (part := _splice(old, new, codec(get_args(kind)[0]))) is not None:
                changed[name] = part
        elif old != new:
            changed[name] = codec(kind).pack(new)
    return {"changed": changed}


def patch(before: Snapshot | None, data: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot that ``diff`` described. Raises ``WireError``."""
    try:
        if "whole" in data:
            found: Snapshot = codec(Snapshot).unpack(data["whole"])
            return found
        if before is None:
            raise WireError("a change came before the first snapshot")
        values = {name: getattr(before, name) for name in _hints(Snapshot)}
        for name, part in data["changed"].items():
            kind = _hints(Snapshot)[name]
            if name == "history":
                values[name] = _patched_charts(before.history, part)
            elif name in _ROLLING:
                values[name] = _joined(values[name], part, codec(get_args(kind)[0]))
            else:
                values[name] = codec(kind).unpack(part)
        return Snapshot(**values)
    except (KeyError, TypeError, ValueError, IndexError, ArithmeticError) as error:
        raise WireError(f"not a snapshot ({type(error).__name__}: {error})") from error


def _changed_charts(
    old: Mapping[Pair, PairHistory], new: Mapping[Pair, PairHistory]
) -> dict[str, Any]:
    if old.keys() != new.keys():
        return {"whole": codec(_hints(Snapshot)["history"]).pack(new)}
    charts: dict[str, Any] = {}
    for pair, chart in new.items():
        if chart is old[pair]:
            continue
        columns = {}
        for name, kind in _hints(PairHistory).items():
            before, after = getattr(old[pair], name), getattr(chart, name)
            part = _splice(before, after, codec(get_args(kind)[0]))
            if part is not None:
                columns[name] = part
        if columns:
            charts[str(pair)] = columns
    return charts


def _patched_charts(
    old: Mapping[Pair, PairHistory], charts: Mapping[str, Any]
) -> Mapping[Pair, PairHistory]:
    if "whole" in charts:
        found: Mapping[Pair, PairHistory] = codec(_hints(Snapshot)["history"]).unpack(
            charts["whole"]
        )
        return found
    new = dict(old)
    for name, columns in charts.items():
        chart = old[Pair(name)]
        values = {column: getattr(chart, column) for column in _hints(PairHistory)}
        for column, part in columns.items():
            kind = get_args(_hints(PairHistory)[column])[0]
            values[column] = _joined(values[column], part, codec(kind))
        new[Pair(name)] = PairHistory(**values)
    return new


# Sequences that grow at one end


def _splice(old: Sequence[Any], new: Sequence[Any], item: Codec) -> list[Any] | None:
    """Return [head, from, count, tail]: new = head + old[from : from + count] + tail.

    None when nothing changed.
    """
    if old is new or old == new:
        return None
    start, at = _meeting(old, new)
    count = 0
    while (
        start + count < len(old)
        and at + count < len(new)
        and _same(old[start + count], new[at + count])
    ):
        count += 1
    if count == 0:
        at = 0
    head, tail = new[:at], new[at + count :]
    return [[item.pack(v) for v in head], start, count, [item.pack(v) for v in tail]]


def _meeting(old: Sequence[Any], new: Sequence[Any]) -> tuple[int, int]:
    """Return where in old and in new their common run begins, (0, 0) where there is none."""
    if old and new:
        for at, value in enumerate(new):
            if _same(old[0], value):
                return 0, at
        for start, value in enumerate(old):
            if _same(value, new[0]):
                return start, 0
    return 0, 0


def _joined(old: tuple[Any, ...], part: Sequence[Any], item: Codec) -> tuple[Any, ...]:
    head, start, count, tail = part
    if start < 0 or count < 0 or start + count > len(old):
        raise WireError("a change does not fit the snapshot before")
    return (*map(item.unpack, head), *old[start : start + count], *map(item.unpack, tail))


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(one == other)


# Types


@cache
def codec(kind: Any) -> Codec:
    """Return how values of an annotated type cross the wire. Raises ``TypeError`` for others."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in (int, str, bool, types.NoneType):
        return Codec(kind.__name__, _as_it_is, _exactly(kind), plain=True)
    if kind is float:
        return Codec("float", _pack_float, _unpack_float)
    if kind is Decimal:
        return Codec("Decimal", str, Decimal)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Codec(f"{kind.__name__}{[m.value for m in kind]}", _value, kind)
    if isinstance(kind, type) and issubclass(kind, str):
        return Codec(kind.__name__, str, kind)
    if origin is tuple:
        return _many(inner[0]) if inner[-1] is Ellipsis else _fixed(inner)
    if origin is dict:
        return _mapping(*inner)
    if origin in (Union, types.UnionType):
        return _optional(inner)
    if isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields")):
        return _record(kind)
    raise TypeError(f"{kind!r} cannot cross the wire")


def _record(kind: type) -> Codec:
    parts = [(name, codec(hint)) for name, hint in _hints(kind).items()]
    names, count = [name for name, _ in parts], len(parts)
    packs = [None if part.plain else part.pack for _, part in parts]
    unpacks = [part.unpack for _, part in parts]

    def pack(value: Any) -> list[Any]:
        found = [getattr(value, name) for name in names]
        return [v if p is None else p(v) for p, v in zip(packs, found, strict=True)]

    def unpack(data: Any) -> Any:
        if not isinstance(data, list) or len(data) != count:
            raise ValueError(f"{kind.__name__} has {count} fields")
        return kind(*(u(v) for u, v in zip(unpacks, data, strict=True)))

    inside = ", ".join(f"{name}: {part.name}" for name, part in parts)
    return Codec(f"{kind.__name__}({inside})", pack, unpack)


def _many(kind: Any) -> Codec:
    item = codec(kind)
    return Codec(
        f"[{item.name}]",
        list if item.plain else lambda value: [item.pack(v) for v in value],
        lambda data: tuple([item.unpack(v) for v in data]),
    )


def _fixed(kinds: Sequence[Any]) -> Codec:
    items = [codec(kind) for kind in kinds]
    return Codec(
        f"({', '.join(item.name for item in items)})",
        lambda value: [item.pack(v) for item, v in zip(items, value, strict=True)],
        lambda data: tuple(item.unpack(v) for item, v in zip(items, data, strict=True)),
    )


def _mapping(key: Any, value: Any) -> Codec:
    keys, values = codec(key), codec(value)
    return Codec(
        f"{{{keys.name}: {values.name}}}",
        lambda given: {keys.pack(k): values.pack(v) for k, v in given.items()},
        lambda data: {keys.unpack(k): values.unpack(v) for k, v in data.items()},
    )


def _optional(kinds: Sequence[Any]) -> Codec:
    rest = [kind for kind in kinds if kind is not types.NoneType]
    if len(rest) != 1 or len(rest) == len(kinds):
        raise TypeError(f"{kinds!r}: only an optional value can cross the wire")
    item = codec(rest[0])
    return Codec(
        f"{item.name}?",
        lambda value: None if value is None else item.pack(value),
        lambda data: None if data is None else item.unpack(data),
    )


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the annotations of a record's fields, in order."""
    hints = get_type_hints(kind, localns={"Strategy": Strategy})
    names = [f.name for f in fields(kind)] if is_dataclass(kind) else kind._fields  # type: ignore[attr-defined]
    return {name: hints[name] for name in names}


def _exactly(kind: type) -> Transform:
    def check(data: Any) -> Any:
        if type(data) is not kind:
            raise ValueError(f"{data!r} is no {kind.__name__}")
        return data

    return check


def _as_it_is(value: Any) -> Any:
    return value


def _value(member: Enum) -> Any:
    return member.value


def _pack_float(value: float) -> float | str:
    return float(value) if math.isfinite(value) else str(float(value))


def _unpack_float(data: Any) -> float:
    if type(data) in (float, int):
        return float(data)
    return _NOT_NUMBERS[data]


SCHEMA = hashlib.sha256(codec(Snapshot).name.encode()).hexdigest()[:16]
