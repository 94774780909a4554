"""Candle files as they are found: their names, and their columns before any judgement."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.market.series import CandleDataError, Floats, Ints
from engine.model.market import Pair, timeframe_ms

COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
ALLOWED_NAMES = "BTC-USDT-5m.csv, BTC-USDT-5m.csv.gz or BTC-USDT-5m.parquet"
_NAME = re.compile(
    r"^([A-Za-z0-9]{1,15})-(?:USDT|usdt)-([1-9][0-9]{0,2}[smhd])\.(csv|csv\.gz|parquet)$"
)


@dataclass(frozen=True, slots=True)
class CandleFile:
    """A file whose name says which pair and timeframe it holds."""

    path: Path
    pair: Pair
    timeframe: str

    @property
    def timeframe_ms(self) -> int:
        """Return the timeframe in ms."""
        return timeframe_ms(self.timeframe)

    @property
    def first_row(self) -> int:
        """Return the number of the first candle's row: CSV counts its header as line 1."""
        return 1 if self.path.suffix == ".parquet" else 2


@dataclass(frozen=True, slots=True, eq=False)
class RawCandles:
    """The columns of a file in file order, NaN where a cell is no number.

    ``time`` is meaningful only where ``timed`` is true. ``values`` has the shape (rows, 5):
    open, high, low, close, volume.
    """

    time: Ints
    timed: NDArray[np.bool_]
    values: Floats

    def __len__(self) -> int:
        return len(self.time)


def candle_file(path: Path) -> CandleFile:
    """Read pair and timeframe from a file's name.

    Raises ``CandleDataError`` when the name is not that of a candle file.
    """
    match = _NAME.match(path.name)
    if match is None:
        raise CandleDataError(f"{path}: not the name of a candle file; use {ALLOWED_NAMES}")
    return CandleFile(path, Pair.parse(match.group(1)), match.group(2))


def find_files(directory: Path) -> list[CandleFile]:
    """Return the candle files directly in a directory, by pair and timeframe.

    Raises ``CandleDataError`` when the directory is missing, holds none, or holds one pair and
    timeframe in two formats.
    """
    if not directory.exists():
        raise CandleDataError(f"{directory}: no such directory; name one with candle files")
    if not directory.is_dir():
        raise CandleDataError(f"{directory}: is a file; name the directory it is in")
    try:
        paths = [path for path in directory.iterdir() if _NAME.match(path.name) and path.is_file()]
    except OSError as error:
        raise CandleDataError(f"{directory}: cannot be read ({error.strerror})") from None
    files = sorted(map(candle_file, paths), key=lambda f: (f.pair, f.timeframe_ms, f.path.name))
    if not files:
        raise CandleDataError(f"{directory}: no candle files; they are named {ALLOWED_NAMES}")
    for one, two in pairwise(files):
        if (one.pair, one.timeframe_ms) == (two.pair, two.timeframe_ms):
            raise CandleDataError(
                f"{directory}: {one.path.name} and {two.path.name} hold the same candles; keep one"
            )
    return files


def read_raw(path: Path) -> RawCandles:
    """Read a candle file (CSV, gzipped CSV or Parquet) without judging its rows.

    Raises ``CandleDataError`` when it cannot be read, is empty or has another header.
    """
    try:
        frame = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise CandleDataError(f"{path}: cannot be read ({why})") from None
    if not len(frame):
        raise CandleDataError(f"{path}: has a header but no candles")
    values = np.column_stack([_floats(frame[name]) for name in COLUMNS[1:]])
    stamps = frame["timestamp"]
    if stamps.dtype == np.int64:
        time = np.asarray(stamps, dtype=np.int64)
        timed = np.ones(len(time), dtype=np.bool_)
    else:
        numbers = _floats(stamps)
        timed = np.isfinite(numbers) & (np.abs(numbers) < 2.0**53) & (numbers == np.rint(numbers))
        time = np.where(timed, numbers, 0.0).astype(np.int64)
    return RawCandles(time, timed, values)


def _read_csv(path: Path) -> Any:
    import pandas as pd
    from pandas.errors import EmptyDataError, ParserError

    types = {"timestamp": "int64"} | dict.fromkeys(COLUMNS[1:], "float64")
    options: dict[str, Any] = {"skip_blank_lines": False}
    if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1):
        options["float_precision"] = "round_trip"  # later versions read floats exactly anyway
    try:
        try:
            frame = pd.read_csv(path, dtype=types, **options)
        except (EmptyDataError, ParserError, UnicodeDecodeError):
            raise
        except ValueError:  # some cell is no number: read again, to say which
            frame = pd.read_csv(path, dtype=str, **options)
    except EmptyDataError:
        raise CandleDataError(f"{path}: is empty; expected the header {_header()}") from None
    except (ParserError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise CandleDataError(f"{path}: is not the CSV expected ({why})") from None
    _require_header(path, frame)
    if not isinstance(frame.index, pd.RangeIndex):
        raise CandleDataError(f"{path}: rows have more cells than the header {_header()}")
    if not len(frame) or frame.iloc[-1].notna().any():
        return frame
    filled = frame.notna().any(axis=1).to_numpy().nonzero()[0]
    return frame.iloc[: filled[-1] + 1 if len(filled) else 0]  # blank lines at the end


def _read_parquet(path: Path) -> Any:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise CandleDataError(
            f"{path}: Parquet needs a reader; run `pip install pyarrow`, or convert it to CSV"
        ) from None
    except (ValueError, OSError) as error:
        why = " ".join(str(error).split())
        raise CandleDataError(f"{path}: is not a Parquet file that can be read ({why})") from None
    _require_header(path, frame)
    if isinstance(frame["timestamp"].dtype, pd.DatetimeTZDtype):
        frame["timestamp"] = frame["timestamp"].dt.tz_convert("UTC").dt.tz_localize(None)
    if frame["timestamp"].dtype.kind == "M":
        frame["timestamp"] = frame["timestamp"].astype("datetime64[ms]").astype("int64")
    return frame


def _require_header(path: Path, frame: Any) -> None:
    found = [str(name) for name in frame.columns]
    if tuple(found) != COLUMNS:
        raise CandleDataError(f"{path}: wrong header {','.join(found)!r}; expected {_header()}")


def _header() -> str:
    return ",".join(COLUMNS)


def _floats(column: Any) -> Floats:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    return np.asarray(numbers.to_numpy(dtype="float64", na_value=np.nan), dtype=np.float64)
