"""Loading a directory of candles: what is found, made up, left out and refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.market.aggregate import Aggregator
from engine.market.files import CandleDataError, load_directory
from engine.model.market import Candle, Pair, timeframe_ms
from tests.market.helpers import BTC, ETH, FIVE, MINUTE, SOL, T0, candles, write


def refusal(*args: object, **kwargs: object) -> str:
    with pytest.raises(CandleDataError) as caught:
        load_directory(*args, **kwargs)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def two_pairs(tmp_path: Path) -> Path:
    write(tmp_path / "BTC-USDT-5m.csv", candles(20))
    write(tmp_path / "ETH-USDT-5m.csv.gz", candles(10, start=T0 + 5 * FIVE))
    return tmp_path


def test_loads_plain_and_gzipped_with_different_spans(two_pairs: Path) -> None:
    loaded = load_directory(two_pairs)
    assert loaded.pairs == (BTC, ETH)
    assert loaded.timeframe_ms == FIVE
    assert loaded.series[BTC].candles() == candles(20)
    assert loaded.series[ETH].candles() == candles(10, start=T0 + 5 * FIVE)
    assert (loaded.start, loaded.end, len(loaded)) == (T0, T0 + 20 * FIVE, 30)
    assert not loaded.detail


def test_candles_are_plain_numbers(two_pairs: Path) -> None:
    first = load_directory(two_pairs).series[BTC].candles()[0]
    assert type(first) is Candle
    assert [type(value) for value in first] == [int] + [float] * 5


def test_floats_are_read_exactly(tmp_path: Path) -> None:
    price = 0.1 + 0.2
    write(tmp_path / "BTC-USDT-5m.csv", [(T0, price, price, price, price, 1 / 3)])
    loaded = load_directory(tmp_path).series[BTC]
    assert (loaded.close[0], loaded.volume[0]) == (price, 1 / 3)


def test_range_is_by_open_time_end_excluded(two_pairs: Path) -> None:
    part = load_directory(two_pairs, [BTC], "5m", T0 + FIVE, T0 + 3 * FIVE).series[BTC]
    assert part.time.tolist() == [T0 + FIVE, T0 + 2 * FIVE]
    whole = load_directory(two_pairs).series[BTC]
    assert len(whole.slice(T0 + 9 * FIVE, T0 + FIVE)) == 0
    assert len(whole.slice(None, None)) == 20


def test_order_of_pairs_is_the_callers(two_pairs: Path) -> None:
    assert load_directory(two_pairs, [ETH, BTC, ETH]).pairs == (ETH, BTC)
    assert load_directory(two_pairs, allowed=[SOL, ETH, BTC]).pairs == (ETH, BTC)
    assert load_directory(two_pairs, allowed=[ETH]).pairs == (ETH,)


def test_pairs_outside_the_range_are_left_out_unless_asked_for(two_pairs: Path) -> None:
    assert load_directory(two_pairs, end=T0 + 2 * FIVE).pairs == (BTC,)
    assert "there are ETH 2023-11-15T00:25" in refusal(two_pairs, [ETH], "5m", None, T0 + FIVE)


def test_missing_timeframe_is_made_from_the_coarsest_finer_one(tmp_path: Path) -> None:
    fine = candles(60, MINUTE)
    write(tmp_path / "BTC-USDT-1m.csv", fine)
    made = Aggregator(MINUTE, FIVE)
    five = [one for one in map(made.push, fine) if one] + candles(24)[12:]
    five[3] = five[3]._replace(high=500.0)  # tells which file was used
    write(tmp_path / "BTC-USDT-5m.csv", five)
    loaded = load_directory(tmp_path, timeframe="15m")
    assert loaded.series[BTC].high.tolist()[1] == 500.0
    assert loaded.series[BTC].timeframe_ms == 15 * MINUTE
    assert loaded.detail[BTC].timeframe_ms == MINUTE
    assert len(loaded.series[BTC]) == 8
    assert len(loaded.detail[BTC]) == 45, "no detail inside the candle it disagrees with"
    assert "1m and 15m disagree in 1 of 4 candles" in loaded.notes[0]


def test_one_file_serves_candles_and_detail(tmp_path: Path) -> None:
    write(tmp_path / "BTC-USDT-1m.csv", candles(60, MINUTE, skip=[7]))
    loaded = load_directory(tmp_path)
    assert len(loaded.detail[BTC]) == 59
    assert T0 + FIVE not in loaded.series[BTC].time
    assert len(loaded.series[BTC]) == 11


def test_gaps_are_allowed_and_stay(tmp_path: Path) -> None:
    write(tmp_path / "BTC-USDT-5m.csv", candles(20, skip=range(5, 9)))
    assert load_directory(tmp_path).series[BTC].candles() == candles(20, skip=range(5, 9))


def test_blank_lines_at_the_end_are_no_fault(tmp_path: Path) -> None:
    path = write(tmp_path / "BTC-USDT-5m.csv", candles(3))
    path.write_text(path.read_text() + "\n\n")
    assert len(load_directory(tmp_path).series[BTC]) == 3


def test_other_files_are_ignored(two_pairs: Path) -> None:
    (two_pairs / "MANIFEST.csv").write_text("a,b\n")
    (two_pairs / "extra").mkdir()
    (two_pairs / "SOL-USDT-8h-funding.csv").write_text("x\n")
    assert load_directory(two_pairs).pairs == (BTC, ETH)


def test_refuses_directories_without_candles(tmp_path: Path) -> None:
    assert "no such directory" in refusal(tmp_path / "none")
    assert "no candle files" in refusal(tmp_path)
    assert "is a file" in refusal(write(tmp_path / "BTC-USDT-5m.csv", candles(1)))


def test_refuses_absent_pairs_and_says_which_there_are(two_pairs: Path) -> None:
    message = refusal(two_pairs, [BTC, SOL, Pair.parse("LTC")])
    assert message.endswith("no candles of SOL, LTC; there are BTC, ETH")
    assert "there are BTC, ETH" in refusal(two_pairs, allowed=[SOL])
    assert "no pair asked for" in refusal(two_pairs, [])


def test_refuses_timeframes_it_cannot_make(two_pairs: Path) -> None:
    assert "BTC has no 1m candles" in refusal(two_pairs, timeframe="1m")
    assert "it has 5m" in refusal(two_pairs, timeframe="7m")
    assert "not a timeframe" in refusal(two_pairs, timeframe="five")
    assert "no complete 1d candle" in refusal(two_pairs, timeframe="1d")


def test_refuses_impossible_ranges(two_pairs: Path) -> None:
    assert "is not before" in refusal(two_pairs, None, "5m", T0, T0)
    message = refusal(two_pairs, None, "5m", T0 + 86_400_000, None)
    assert "no 5m candles between 2023-11-16T00:00:00.000Z and the end" in message
    assert "BTC 2023-11-15T00:00:00.000Z to 2023-11-15T01:40:00.000Z; ETH" in message


def test_refuses_one_series_in_two_files(two_pairs: Path) -> None:
    write(two_pairs / "BTC-USDT-5m.csv.gz", candles(20))
    assert "hold the same candles" in refusal(two_pairs)


ROW = (T0, 100, 102, 98, 101, 5)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([ROW, (T0 + FIVE, 100, "nan", 98, 101, 5)], r"1 nan.*row 3 .*finite number: high"),
        ([ROW, (T0 + FIVE, 100, 102, "abc", 101, "inf")], r"row 3 .*number: low, volume"),
        ([ROW, (T0 + FIVE, 100, 102)], r"1 nan.*low, close, volume"),
        ([ROW, ("x", 100, 102, 98, 101, 5)], r"first is row 3: not a finite number: timestamp"),
        ([ROW, (T0 + FIVE, 100, 98, 102, 101, 5)], r"1 impossible.*high 98 below low 102"),
        ([(T0, 103, 102, 98, 101, 5)], r"open 103 outside low 98 to high 102"),
        ([(T0, 100, 102, 98, 97, 5)], r"close 97 outside low 98 to high 102"),
        ([(T0, 0, 102, 0, 101, 5)], r"price not above zero"),
        ([(T0, 100, 102, 98, 101, -1)], r"volume -1 below zero"),
        ([(-FIVE, 100, 102, 98, 101, 1)], r"timestamp before 1970"),
        ([ROW, ROW], r"1 duplicate; first is row 3 .*already in row 2, the same as there"),
        ([ROW, (T0, 100, 103, 98, 101, 5)], r"other figures than there"),
        ([(T0 + FIVE, *ROW[1:]), ROW], r"1 disorder.*earlier than row 2"),
        ([(T0 + 1_000, *ROW[1:])], r"1 off_grid.*not a multiple of 300000 ms"),
        ([(T0 // 1_000 + 60, *ROW[1:])], r"off_grid"),
    ],
)
def test_refuses_faulty_rows(tmp_path: Path, rows: list[tuple[object, ...]], says: str) -> None:
    write(tmp_path / "BTC-USDT-5m.csv", rows)
    message = refusal(tmp_path)
    assert re.search(says, message), message
    assert "BTC-USDT-5m.csv: faulty rows" in message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("timestamp,open,high,low,close,volume\n", "has a header but no candles"),
        ("time,open,high,low,close,volume\n1,1,1,1,1,1\n", "wrong header 'time,"),
        ("1700006400000,1,1,1,1,1\n1700006700000,1,1,1,1,1\n", "wrong header"),
        ("timestamp,open,high,low,close,volume\n1,1,1,1,1,1,1\n", "more cells than the header"),
        ("timestamp,open,high,low,close,volume\n1,1,1,1,1,1\n1,1,1,1,1,1,1,1\n", "not the CSV"),
    ],
)
def test_refuses_files_of_another_form(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "BTC-USDT-5m.csv").write_text(content)
    assert says in refusal(tmp_path)


def test_refuses_broken_gzip_and_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "BTC-USDT-5m.csv.gz", candles(50))
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read" in refusal(tmp_path)
    path.write_bytes(b"not gzip")
    assert "cannot be read" in refusal(tmp_path)
    path.unlink()
    (tmp_path / "BTC-USDT-5m.csv").write_bytes(b"\xff\xfe\x00\x81")
    assert "not the CSV expected" in refusal(tmp_path)


def test_parquet_without_a_reader_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    def absent(path: Path) -> None:
        raise ImportError("no engine")

    monkeypatch.setattr(pd, "read_parquet", absent)
    (tmp_path / "BTC-USDT-5m.parquet").write_bytes(b"PAR1")
    assert "pip install pyarrow" in refusal(tmp_path)


@pytest.mark.parametrize("stamps", ["integers", "datetimes", "aware"])
def test_parquet_columns_are_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stamps: str
) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        candles(5), columns=["timestamp", "open", "high", "low", "close", "volume"]
    )
    if stamps != "integers":
        utc = stamps == "aware"
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="ms", utc=utc)
    monkeypatch.setattr(pd, "read_parquet", lambda path: frame)
    (tmp_path / "BTC-USDT-5m.parquet").write_bytes(b"PAR1")
    assert load_directory(tmp_path).series[BTC].candles() == candles(5)


def test_importing_the_loader_does_not_import_pandas() -> None:
    code = "import sys, engine.market.files, engine.market.checks; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_recorded_set_loads_with_its_late_pair(data_dir: Path) -> None:
    loaded = load_directory(data_dir / "spot-2021-04_crash")
    bnb = Pair.parse("BNB")
    assert len(loaded.pairs) == 8
    assert len(loaded.series[bnb]) == 1_503
    assert bnb not in loaded.detail
    assert SOL not in loaded.detail
    assert loaded.detail[BTC].timeframe_ms == MINUTE
    assert int(np.diff(loaded.series[BTC].time).max()) == 57 * FIVE


def test_dirty_recorded_set_is_refused(data_dir: Path) -> None:
    assert "faulty rows: 1360 duplicate, 2 disorder" in refusal(data_dir / "dirty-2023-01")


def test_hourly_set_has_no_five_minutes(data_dir: Path) -> None:
    folder = data_dir / "spot-1h-2019-07_2020-11"
    assert "has no 5m candles" in refusal(folder, [BTC])
    loaded = load_directory(folder, [BTC], "4h")
    assert loaded.series[BTC].timeframe_ms == timeframe_ms("4h")
