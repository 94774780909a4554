"""Fetch candle history from an exchange into candle files, resumable and checked.

A file is only ever replaced whole. What is missing on the time grid is what is fetched, so a
download that was interrupted, or a file with a hole, is simply continued.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.market.checks import FileReport, check_file
from engine.market.exchange import sound
from engine.market.files import load_file
from engine.market.raw import COLUMNS, candle_file
from engine.market.series import CandleDataError
from engine.model.market import Candle, Pair, timeframe_ms
from engine.venues.port import Fatal, Retryable

WRITE_EVERY_S = 10.0
ATTEMPTS = 6  # in a row without a single answer
BACKOFF_S = 0.25  # doubled with every attempt
LOOK_S = 0.2  # how often a wait looks whether it is to end
ASK_AGAIN_S = 0.5
UNSOUND_AGAIN = 2  # how often a page with impossible candles is asked for again
_SUFFIXES = (".csv.gz", ".csv")

Span = tuple[int, int]


class CandleSource(Protocol):
    """Where candles come from. ``page`` is how many one request may ask for."""

    page: int

    async def candles(
        self, pair: Pair, timeframe: str, since: int | None, limit: int
    ) -> Sequence[Candle]:
        """Return candles oldest first, the forming one included. Raises Retryable or Fatal."""


class DownloadError(Exception):
    """The exchange did not answer; what had come is kept, and the next download goes on there."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What became of one pair: candles ``added``, impossible ones ``left_out``, the file checked.

    ``holes`` are candles that the exchange does not have.
    """

    pair: Pair
    path: Path
    added: int
    left_out: int
    holes: int
    report: FileReport


class Download:
    """Candles of one timeframe into one directory, pair by pair.

    ``now`` is the exchange's time (ms UTC). ``progress`` gets the share done, also while waiting;
    whatever it raises ends the download after what has come is written.
    """

    def __init__(
        self,
        source: CandleSource,
        directory: Path,
        timeframe: str,
        *,
        now: Callable[[], int],
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        self._source = source
        self._directory = directory
        self._timeframe = timeframe
        self._unit = timeframe_ms(timeframe)
        self._now = now
        self._progress = progress
        self._share, self._count = 0.0, 1

    async def run(self, pairs: Sequence[Pair], days: int) -> list[Downloaded]:
        """Fetch the closed candles of the last days of some pairs.

        Raises ``DownloadError``, ``Fatal``, or ``CandleDataError`` for files that are faulty or
        cannot be written.
        """
        self._prepare()
        end = self._now() // self._unit * self._unit
        since = end - days * 86_400_000
        self._count = max(1, len(pairs))
        done = [await self._fetch(pair, since, end, n) for n, pair in enumerate(pairs)]
        self._tell(len(pairs))
        return done

    def _tell(self, pairs_done: float) -> None:
        self._share = pairs_done / self._count
        self._progress(self._share)

    def _prepare(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise CandleDataError(f"{self._directory}: is a file; name a directory") from None
        except OSError as error:
            raise CandleDataError(
                f"{self._directory}: cannot be written ({error.strerror})"
            ) from None

    # One pair

    async def _fetch(self, pair: Pair, since: int, end: int, number: int) -> Downloaded:
        path = self._path(pair)
        known = _read(path)
        before, written = len(known), time.monotonic()
        missing = missing_spans(known, since, end, self._unit)
        wanted = sum(to - begin for begin, to in missing) or 1
        left_out, passed = 0, 0
        try:
            for begin, to in missing:
                cursor = begin
                while cursor < to:
                    self._tell(number + (passed + cursor - begin) / wanted)
                    rows, bad, cursor = await self._page(pair, cursor, to)
                    left_out += bad
                    known |= rows
                    if time.monotonic() - written > WRITE_EVERY_S:
                        _write(path, known)
                        written = time.monotonic()
                passed += to - begin
        finally:
            if len(known) > before:
                _write(path, known)
        if not known:
            raise CandleDataError(f"{pair.base}: the exchange has no candles since then")
        # The beginning may lie before the pair was listed: no hole is counted there.
        first = min(known)
        holes = missing_spans(known, max(since, first), end, self._unit)
        count = sum(to - begin for begin, to in holes) // self._unit
        return Downloaded(pair, path, len(known) - before, left_out, count, check_file(path))

    async def _page(self, pair: Pair, since: int, to: int) -> tuple[dict[int, Candle], int, int]:
        """Return the sound candles of one page, how many others, and where to go on."""
        limit = min(self._source.page, (to - since) // self._unit + 1)
        for again in range(UNSOUND_AGAIN + 1):
            rows = await self._ask(pair, since, limit)
            inside = [row for row in rows if since <= row.time < to and row.time % self._unit == 0]
            good = {row.time: row for row in inside if sound(row)}
            if len(good) == len({row.time for row in inside}):
                break
            if again < UNSOUND_AGAIN:
                await self._wait(ASK_AGAIN_S)
        bad = len({row.time for row in inside} - good.keys())
        if not inside:
            return {}, 0, to  # nothing from here on, or nothing before the span ends
        return good, bad, max(row.time for row in inside) + self._unit

    async def _ask(self, pair: Pair, since: int, limit: int) -> Sequence[Candle]:
        """Read one page, with patience. Raises ``Fatal`` or ``DownloadError``."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._source.candles(pair, self._timeframe, since, limit)
            except Fatal:
                raise
            except Retryable as error:
                if attempt == ATTEMPTS:
                    raise DownloadError(
                        f"{pair.base}: no answer after {ATTEMPTS} attempts ({error}); what came is "
                        "kept, and the same command goes on from there"
                    ) from None
                await self._wait(max(error.after_ms / 1000, BACKOFF_S * 2**attempt))
        raise AssertionError("the last attempt returns or raises")

    async def _wait(self, seconds: float) -> None:
        """Wait, looking now and then whether it is to end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._progress(self._share)
            await asyncio.sleep(min(LOOK_S, left))

    def _path(self, pair: Pair) -> Path:
        """Return the pair's file: the one there is, else a compressed one.

        Raises ``CandleDataError`` where the candles are kept in a form that is not written here.
        """
        stem = f"{pair.file_stem}-{self._timeframe}"
        there = [self._directory / f"{stem}{suffix}" for suffix in _SUFFIXES]
        if (parquet := self._directory / f"{stem}.parquet").exists():
            raise CandleDataError(f"{parquet}: is Parquet, and CSV is what is written; move it")
        return next((path for path in there if path.exists()), there[0])


def missing_spans(known: Mapping[int, object], since: int, end: int, unit: int) -> list[Span]:
    """Return the spans [from, to) of the grid in [since, end) of which no candle is known (ms)."""
    first = -(-since // unit) * unit
    spans: list[Span] = []
    cursor = first
    for stamp in sorted(stamp for stamp in known if first <= stamp < end):
        if stamp > cursor:
            spans.append((cursor, stamp))
        cursor = stamp + unit
    if cursor < end:
        spans.append((cursor, end))
    return spans


def _read(path: Path) -> dict[int, Candle]:
    """Return the candles of a file by open time. Raises ``CandleDataError`` for a faulty one."""
    if not path.exists():
        return {}
    return {candle.time: candle for candle in load_file(candle_file(path)).candles()}


def _write(path: Path, candles: Mapping[int, Candle]) -> None:
    """Replace a file by these candles, whole or not at all. Raises ``CandleDataError``."""
    lines = [",".join(COLUMNS)]
    lines += [",".join(map(repr, candles[stamp])) for stamp in sorted(candles)]
    data = ("\n".join(lines) + "\n").encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, 6, mtime=0)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise CandleDataError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        partial.unlink(missing_ok=True)
