"""Load a directory of candle files into the candles a backtest or a replay runs on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.market.aggregate import aggregate
from engine.market.agreement import agreeing, different_spans
from engine.market.checks import inspect
from engine.market.raw import CandleFile, find_files, read_raw
from engine.market.series import CandleDataError, CandleSeries, CandleSet, iso
from engine.model.market import Pair, timeframe_ms

__all__ = ["CandleDataError", "CandleSeries", "CandleSet", "load_directory", "load_file"]


def load_directory(
    path: Path | str,
    pairs: Sequence[Pair] | None = None,
    timeframe: str = "5m",
    start: int | None = None,
    end: int | None = None,
    *,
    allowed: Sequence[Pair] | None = None,
) -> CandleSet:
    """Load the candles that open in [start, end) (ms UTC), pair by pair.

    With ``pairs`` None, every pair found is taken, in the order of ``allowed`` and only from
    it when given; those without a candle in the range are then left out. A timeframe without
    a file of its own is aggregated from the coarsest finer one that divides it, complete
    candles only. Gaps stay gaps; pairs may cover different spans. Where a finer file disagrees with
    the candles it makes up, the candles stand, the detail is left out and a note says so.

    Raises ``CandleDataError`` for anything missing, faulty or impossible, in one line.
    """
    directory = Path(path)
    target_ms = _target(timeframe)
    if start is not None and end is not None and start >= end:
        raise CandleDataError(f"{directory}: from {iso(start)} is not before to {iso(end)}")
    by_pair: dict[Pair, list[CandleFile]] = {}
    for file in find_files(directory):
        by_pair.setdefault(file.pair, []).append(file)
    chosen = _choose(directory, list(by_pair), pairs, allowed)
    series: dict[Pair, CandleSeries] = {}
    detail: dict[Pair, CandleSeries] = {}
    spans: list[str] = []
    notes: list[str] = []
    for pair in chosen:
        whole, finer = _load_pair(directory, pair, by_pair[pair], timeframe, target_ms)
        inside = whole.slice(start, end)
        spans.append(f"{pair.base} {iso(whole.start)} to {iso(whole.end)}")
        if not len(inside):
            if pairs is not None:
                raise CandleDataError(_nothing_inside(directory, timeframe, start, end, spans[-1:]))
            continue
        series[pair] = inside
        if finer is not None and len(part := finer.slice(start, end)):
            part, note = agreeing(inside, part)
            notes += [note] if note else []
            if len(part):
                detail[pair] = part
    if not series:
        raise CandleDataError(_nothing_inside(directory, timeframe, start, end, spans))
    return CandleSet(timeframe, target_ms, series, detail, (*notes, *different_spans(series)))


def load_file(file: CandleFile) -> CandleSeries:
    """Load one candle file whole.

    Raises ``CandleDataError`` naming the first faulty row and how many there are of each kind;
    gaps are no fault.
    """
    raw = read_raw(file.path)
    found = inspect(raw, file.timeframe_ms, file.first_row)
    if found.faults:
        first = min((found.problem(kind, 0) for kind in found.faults), key=lambda p: p.row)
        counts = ", ".join(f"{count} {kind}" for kind, count in found.faults.items())
        where = "" if first.time is None else f" ({iso(first.time)})"
        raise CandleDataError(
            f"{file.path}: faulty rows: {counts}; first is row {first.row}{where}: {first.detail}; "
            "`sigma candles check` lists all"
        )
    columns = [np.ascontiguousarray(column) for column in raw.values.T]
    return CandleSeries(file.pair, file.timeframe_ms, raw.time, *columns)


def _target(timeframe: str) -> int:
    try:
        return timeframe_ms(timeframe)
    except ValueError as error:
        raise CandleDataError(str(error)) from None


def _choose(
    directory: Path,
    found: list[Pair],
    pairs: Sequence[Pair] | None,
    allowed: Sequence[Pair] | None,
) -> list[Pair]:
    there = ", ".join(pair.base for pair in found)
    if pairs is None:
        chosen = found if allowed is None else [pair for pair in allowed if pair in found]
        if not chosen:
            raise CandleDataError(f"{directory}: no candles of an allowed pair; there are {there}")
        return chosen
    if not pairs:
        raise CandleDataError(f"{directory}: no pair asked for; there are {there}")
    if missing := [pair.base for pair in pairs if pair not in found]:
        raise CandleDataError(f"{directory}: no candles of {', '.join(missing)}; there are {there}")
    return list(dict.fromkeys(pairs))


def _load_pair(
    directory: Path, pair: Pair, files: list[CandleFile], timeframe: str, target_ms: int
) -> tuple[CandleSeries, CandleSeries | None]:
    """Return the decision candles of a pair and its finest finer series, if there is one."""
    usable = [file for file in files if target_ms % file.timeframe_ms == 0]  # finest first
    if not usable:
        has = ", ".join(file.timeframe for file in files)
        raise CandleDataError(
            f"{directory}: {pair.base} has no {timeframe} candles, nor finer ones that make them "
            f"up; it has {has}"
        )
    finest, source = usable[0], usable[-1]
    finer = load_file(finest) if finest.timeframe_ms < target_ms else None
    if source.timeframe_ms == target_ms:
        return load_file(source), finer
    base = finer if finer is not None and source is finest else load_file(source)
    whole = aggregate(base, target_ms)
    if not len(whole):
        raise CandleDataError(f"{source.path}: makes up no complete {timeframe} candle")
    return whole, finer


def _nothing_inside(
    directory: Path, timeframe: str, start: int | None, end: int | None, spans: Sequence[str]
) -> str:
    since = "the beginning" if start is None else iso(start)
    until = "the end" if end is None else iso(end)
    return (
        f"{directory}: no {timeframe} candles between {since} and {until}; "
        f"there are {'; '.join(spans)}"
    )
