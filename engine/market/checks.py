"""Checks of candle files, row by row: what is wrong, where, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from engine.market.raw import COLUMNS, CandleFile, RawCandles, candle_file, find_files, read_raw
from engine.market.series import CandleDataError, Ints, iso

MAX_LISTED = 10_000  # problems listed per kind; counts are always complete


class ProblemKind(StrEnum):
    """What can be wrong with a row. A gap alone does not make a file unusable."""

    NAN = "nan"
    IMPOSSIBLE = "impossible"
    OFF_GRID = "off_grid"
    DUPLICATE = "duplicate"
    DISORDER = "disorder"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Problem:
    """One faulty row. ``row`` counts as an editor does (a CSV header is line 1).

    ``time`` is the row's timestamp in ms, None when it is no number.
    """

    row: int
    time: int | None
    kind: ProblemKind
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """Return the problem as JSON values."""
        time = None if self.time is None else iso(self.time)
        return {"row": self.row, "time": time, "kind": self.kind.value, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a check found in one file. ``error`` is set when it could not be read at all.

    ``first`` and ``last`` are the earliest and latest open times (ms); ``missing`` counts the
    candles lacking in the gaps; ``problems`` are in row order, at most ``MAX_LISTED`` a kind.
    """

    file: CandleFile
    rows: int
    first: int | None
    last: int | None
    counts: Mapping[ProblemKind, int]
    missing: int
    problems: tuple[Problem, ...]
    error: str = ""

    @property
    def clean(self) -> bool:
        """Return whether nothing at all is wrong."""
        return not self.error and not any(self.counts.values())

    @property
    def usable(self) -> bool:
        """Return whether the file can be loaded: gaps are allowed, other faults are not."""
        faults = (count for kind, count in self.counts.items() if kind is not ProblemKind.GAP)
        return not self.error and not any(faults)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values, times in ISO 8601."""
        return {
            "file": self.file.path.name,
            "pair": str(self.file.pair),
            "timeframe": self.file.timeframe,
            "rows": self.rows,
            "first": None if self.first is None else iso(self.first),
            "last": None if self.last is None else iso(self.last),
            "clean": self.clean,
            "usable": self.usable,
            "counts": {kind.value: count for kind, count in self.counts.items()},
            "missing": self.missing,
            "problems": [problem.to_dict() for problem in self.problems],
            "error": self.error,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """Row indices by kind of problem, and what the sentences about them need."""

    raw: RawCandles
    timeframe_ms: int
    first_row: int
    indices: Mapping[ProblemKind, Ints]
    seen_at: Ints  # per duplicate: index of the row that had its timestamp first
    after: Ints  # per disorder: index of the row it should have come before
    missing: Ints  # per gap: how many candles are missing before the row

    @property
    def faults(self) -> dict[ProblemKind, int]:
        """Return how many rows make the file unusable, by kind; gaps do not."""
        return {
            kind: len(rows)
            for kind, rows in self.indices.items()
            if kind is not ProblemKind.GAP and len(rows)
        }

    def problem(self, kind: ProblemKind, position: int) -> Problem:
        """Describe the row at a position of ``indices[kind]``."""
        index = int(self.indices[kind][position])
        time = int(self.raw.time[index]) if self.raw.timed[index] else None
        return Problem(index + self.first_row, time, kind, self._detail(kind, position, index))

    def problems(self) -> list[Problem]:
        """Return the problems in row order, at most ``MAX_LISTED`` of a kind."""
        found = [
            self.problem(kind, position)
            for kind, rows in self.indices.items()
            for position in range(min(len(rows), MAX_LISTED))
        ]
        return sorted(found, key=lambda problem: problem.row)

    def _detail(self, kind: ProblemKind, position: int, index: int) -> str:
        if kind is ProblemKind.GAP:
            return f"candles missing before it: {int(self.missing[position])}"
        if kind is ProblemKind.OFF_GRID:
            return f"timestamp is not a multiple of {self.timeframe_ms} ms since the epoch"
        if kind is ProblemKind.DISORDER:
            other = int(self.after[position])
            return f"earlier than row {other + self.first_row} ({iso(int(self.raw.time[other]))})"
        if kind is ProblemKind.DUPLICATE:
            other = int(self.seen_at[position])
            values = self.raw.values
            same = np.array_equal(values[index], values[other], equal_nan=True)
            how = "the same as" if same else "other figures than"
            return f"timestamp already in row {other + self.first_row}, {how} there"
        return _figures(self.raw, index, kind)


def _figures(raw: RawCandles, index: int, kind: ProblemKind) -> str:
    names = COLUMNS[1:]
    row = dict(zip(names, raw.values[index].tolist(), strict=True))
    if kind is ProblemKind.NAN:
        bad = [] if raw.timed[index] else ["timestamp"]
        bad += [name for name in names if not np.isfinite(row[name])]
        return f"not a finite number: {', '.join(bad)}"
    if raw.time[index] < 0:
        return "timestamp before 1970"
    if min(row[name] for name in names[:4]) <= 0:
        return f"price not above zero (low {row['low']:g})"
    if row["volume"] < 0:
        return f"volume {row['volume']:g} below zero"
    if row["high"] < row["low"]:
        return f"high {row['high']:.10g} below low {row['low']:.10g}"
    name = "open" if not row["low"] <= row["open"] <= row["high"] else "close"
    return f"{name} {row[name]:.10g} outside low {row['low']:.10g} to high {row['high']:.10g}"


def check_directory(path: Path) -> list[FileReport]:
    """Check every candle file of a directory.

    Raises ``CandleDataError`` when there is no such directory or no candle file in it.
    """
    return [_check(file) for file in find_files(Path(path))]


def check_file(path: Path) -> FileReport:
    """Check one candle file; a file that cannot be read gives a report with ``error``.

    Raises ``CandleDataError`` when its name does not say pair and timeframe.
    """
    return _check(candle_file(Path(path)))


def _check(file: CandleFile) -> FileReport:
    try:
        raw = read_raw(file.path)
    except CandleDataError as error:
        none = dict.fromkeys(ProblemKind, 0)
        return FileReport(file, 0, None, None, none, 0, (), str(error))
    found = inspect(raw, file.timeframe_ms, file.first_row)
    times = raw.time[raw.timed]
    return FileReport(
        file=file,
        rows=len(raw),
        first=int(times.min()) if len(times) else None,
        last=int(times.max()) if len(times) else None,
        counts={kind: len(found.indices[kind]) for kind in ProblemKind},
        missing=int(found.missing.sum()),
        problems=tuple(found.problems()),
    )


def inspect(raw: RawCandles, timeframe_ms: int, first_row: int) -> Findings:
    """Find every problem of the rows, vectorised.

    A duplicate repeats a timestamp seen in an earlier row; disorder is a row earlier than the
    one before it; gaps are counted between the distinct timestamps on the grid.
    """
    values = raw.values
    finite = np.isfinite(values).all(axis=1) & raw.timed
    with np.errstate(invalid="ignore"):
        highest, lowest = values[:, :4].max(axis=1), values[:, :4].min(axis=1)
        odd = (values[:, 1] < highest) | (values[:, 2] > lowest)
        odd |= (lowest <= 0) | (values[:, 4] < 0) | (raw.time < 0)
    rows = np.flatnonzero(raw.timed)
    times = raw.time[rows]
    on_grid = times % timeframe_ms == 0
    distinct, first, which = np.unique(times, return_index=True, return_inverse=True)
    repeated = np.flatnonzero(first[which] != np.arange(len(times)))
    jumps = np.flatnonzero(times[1:] < times[:-1]) + 1
    grid = distinct % timeframe_ms == 0
    steps = np.diff(distinct[grid]) // timeframe_ms
    gaps = np.flatnonzero(steps > 1)
    return Findings(
        raw=raw,
        timeframe_ms=timeframe_ms,
        first_row=first_row,
        indices={
            ProblemKind.NAN: np.flatnonzero(~finite),
            ProblemKind.IMPOSSIBLE: np.flatnonzero(finite & odd),
            ProblemKind.OFF_GRID: rows[~on_grid],
            ProblemKind.DUPLICATE: rows[repeated],
            ProblemKind.DISORDER: rows[jumps],
            ProblemKind.GAP: rows[first[grid][gaps + 1]],
        },
        seen_at=rows[first[which[repeated]]],
        after=rows[jumps - 1],
        missing=steps[gaps] - 1,
    )
