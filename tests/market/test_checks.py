"""Checks of candle files: every fault is found at its row, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.checks import ProblemKind, check_directory, check_file, inspect
from engine.market.files import CandleDataError
from engine.market.raw import RawCandles
from tests.market.helpers import FIVE, T0, candles, write


def test_clean_file(tmp_path: Path) -> None:
    report = check_file(write(tmp_path / "BTC-USDT-5m.csv", candles(10)))
    assert report.clean
    assert report.usable
    assert (report.rows, report.first, report.last) == (10, T0, T0 + 9 * FIVE)
    assert report.problems == ()


def test_every_kind_is_reported_at_its_row(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [tuple(row) for row in candles(12)]
    rows[2] = (rows[2][0], 100, "nan", 98, 100, 1)
    rows[4] = (rows[4][0], 100, 98, 102, 100, 1)
    rows[6] = (T0 + 6 * FIVE + 1, *rows[6][1:])
    rows[8] = rows[7]
    rows.append(rows[1])
    report = check_file(write(tmp_path / "BTC-USDT-5m.csv", rows))
    found = {(problem.row, problem.kind.value) for problem in report.problems}
    assert found == {
        (4, "nan"),
        (6, "impossible"),
        (8, "off_grid"),
        (10, "duplicate"),
        (14, "duplicate"),
        (14, "disorder"),
        (9, "gap"),  # row 8 is off the grid, so its candle is missing
        (11, "gap"),
    }
    assert report.missing == 2
    assert not report.usable
    assert [problem.row for problem in report.problems] == sorted(p.row for p in report.problems)


def test_report_is_json_with_iso_times(tmp_path: Path) -> None:
    report = check_file(write(tmp_path / "BTC-USDT-5m.csv", candles(9, skip=[3, 4])))
    told = json.loads(json.dumps(report.to_dict()))
    assert told["counts"] == {
        "nan": 0,
        "impossible": 0,
        "off_grid": 0,
        "duplicate": 0,
        "disorder": 0,
        "gap": 1,
    }
    assert (told["missing"], told["usable"], told["clean"]) == (2, True, False)
    assert told["problems"] == [
        {
            "row": 5,
            "time": "2023-11-15T00:25:00.000Z",
            "kind": "gap",
            "detail": "candles missing before it: 2",
        }
    ]
    assert told["pair"] == "BTC/USDT:USDT"


def test_unreadable_file_is_a_report_beside_the_others(tmp_path: Path) -> None:
    write(tmp_path / "BTC-USDT-5m.csv", candles(3))
    (tmp_path / "ETH-USDT-5m.csv").write_text("")
    good, bad = check_directory(tmp_path)
    assert good.clean
    assert "is empty" in bad.error
    assert not bad.usable
    assert bad.to_dict()["first"] is None


def test_wrong_names_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CandleDataError, match="not the name of a candle file"):
        check_file(tmp_path / "prices.csv")
    with pytest.raises(CandleDataError, match="no such directory"):
        check_directory(tmp_path / "none")


def test_rows_without_any_timestamp(tmp_path: Path) -> None:
    report = check_file(write(tmp_path / "BTC-USDT-5m.csv", [("x", 1, 1, 1, 1, 1)] * 2))
    assert report.counts[ProblemKind.NAN] == 2
    assert report.first is None
    assert report.problems[0].time is None


def test_disorder_names_the_last_row_with_a_timestamp(tmp_path: Path) -> None:
    rows = [tuple(row) for row in candles(3)]
    shuffled = [rows[2], ("x", 1, 1, 1, 1, 1), rows[0]]
    report = check_file(write(tmp_path / "BTC-USDT-5m.csv", shuffled))
    (jump,) = [p for p in report.problems if p.kind is ProblemKind.DISORDER]
    assert (jump.row, jump.detail) == (4, "earlier than row 2 (2023-11-15T00:10:00.000Z)")


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_times_are_judged_as_a_plain_loop_would(slots: list[int]) -> None:
    times = [T0 + slot * FIVE for slot in slots]
    values = np.tile([100.0, 101.0, 99.0, 100.0, 1.0], (len(times), 1))
    raw = RawCandles(np.array(times), np.ones(len(times), dtype=bool), values)
    found = inspect(raw, FIVE, 0)
    seen: set[int] = set()
    duplicates = []
    for row, time in enumerate(times):
        if time in seen:
            duplicates.append(row)
        seen.add(time)
    assert found.indices[ProblemKind.DUPLICATE].tolist() == duplicates
    jumps = [i for i in range(1, len(times)) if times[i] < times[i - 1]]
    assert found.indices[ProblemKind.DISORDER].tolist() == jumps
    span = (max(times) - min(times)) // FIVE + 1
    assert int(found.missing.sum()) == span - len(seen)


PRICE = st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, float("nan"), float("inf")])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(PRICE, PRICE, PRICE, PRICE, PRICE), min_size=1, max_size=20))
def test_values_are_judged_as_a_plain_loop_would(rows: list[tuple[float, ...]]) -> None:
    times = T0 + FIVE * np.arange(len(rows))
    raw = RawCandles(times, np.ones(len(rows), dtype=bool), np.array(rows))
    found = inspect(raw, FIVE, 0)
    nan, odd = [], []
    for number, (open_, high, low, close, volume) in enumerate(rows):
        if not np.isfinite(rows[number]).all():
            nan.append(number)
        elif not (0 < low <= min(open_, close) and max(open_, close) <= high and volume >= 0):
            odd.append(number)
    assert found.indices[ProblemKind.NAN].tolist() == nan
    assert found.indices[ProblemKind.IMPOSSIBLE].tolist() == odd
    assert len(found.problems()) == len(nan) + len(odd)


def test_dirty_recording(data_dir: Path) -> None:
    (report,) = check_directory(data_dir / "dirty-2023-01")
    assert report.rows == 12_000
    assert report.counts[ProblemKind.DUPLICATE] == 1_360
    assert report.counts[ProblemKind.DISORDER] == 2
    assert Counter(p.kind for p in report.problems) == {
        ProblemKind.DUPLICATE: 1_360,
        ProblemKind.DISORDER: 2,
    }
    assert all("the same as there" in p.detail for p in report.problems if p.kind == "duplicate")


def test_recorded_outage(data_dir: Path) -> None:
    reports = {r.file.path.name: r for r in check_directory(data_dir / "spot-2021-04_crash")}
    outage = reports["BTC-USDT-5m.csv.gz"]
    assert (outage.counts[ProblemKind.GAP], outage.missing, outage.usable) == (1, 56, True)
    assert outage.problems[0].to_dict()["time"] == "2021-04-25T08:45:00.000Z"
    assert reports["BNB-USDT-5m.csv.gz"].clean
