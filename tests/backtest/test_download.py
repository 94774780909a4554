"""Candle download: pages, resuming, holes, faults, interrupts, and the command on a server."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.download import Download, DownloadError, missing_spans
from engine.market.files import load_directory
from engine.market.series import CandleDataError
from engine.model.market import Candle, Pair
from engine.venues.port import Fatal, Retryable
from tests.cli import candle_files
from tests.cli.conftest import place, sigma  # noqa: F401 - fixtures used here too
from tests.exchange_server.hosting import ServerThread

BTC = Pair.parse("BTC")
UNIT = 300_000
DAYS = 2
COUNT = DAYS * 288
END = candle_files.START + 3 * 86_400_000


def candle(time: int) -> Candle:
    close = 100.0 + time // UNIT % 7 / 10
    return Candle(time, 100.0, 101.0, 99.0, close, 5.0)


@dataclass
class Shelf:
    """An exchange's candles, with what may go wrong with them."""

    page: int = 100
    holes: frozenset[int] = frozenset()
    listed: int = 0
    failures: list[Exception] = field(default_factory=list)
    spoilt: Callable[[Candle], Candle] | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def candles(
        self, pair: Pair, timeframe: str, since: int | None, limit: int
    ) -> Sequence[Candle]:
        assert since is not None
        assert 0 < limit <= self.page
        if self.failures:
            raise self.failures.pop()
        self.asked.append((since, limit))
        first = max(since, self.listed)
        times = (t for t in range(first, END + 1, UNIT) if t not in self.holes)
        spoilt = self.spoilt or (lambda row: row)
        return [spoilt(candle(t)) for _, t in zip(range(limit), times, strict=False)]


def fetch(shelf: Shelf, directory: Path, days: int = DAYS, progress: object = None):
    download = Download(
        shelf, directory, "5m", now=lambda: END + 1_000,
        progress=progress or (lambda share: None),
    )  # fmt: skip
    return asyncio.run(download.run([BTC], days))[0]


def times(directory: Path) -> list[int]:
    return load_directory(directory).series[BTC].time.tolist()


WANTED = list(range(END - COUNT * UNIT, END, UNIT))


def test_what_is_asked_for_comes_without_the_forming_candle(tmp_path):
    done = fetch(Shelf(), tmp_path)
    assert times(tmp_path) == WANTED
    assert (done.added, done.left_out, done.holes) == (COUNT, 0, 0)
    assert done.report.clean
    assert done.path.name == "BTC-USDT-5m.csv.gz"
    found = load_directory(tmp_path).series[BTC].candles()
    assert found == [candle(t) for t in WANTED]
    assert [path.name for path in tmp_path.iterdir()] == [done.path.name], "no scraps"


def test_it_goes_on_where_the_file_ends(tmp_path):
    fetch(Shelf(), tmp_path, days=1)
    before = times(tmp_path)
    shelf = Shelf()
    assert fetch(shelf, tmp_path).added == COUNT - len(before)
    assert times(tmp_path) == WANTED
    assert all(since < before[0] for since, _ in shelf.asked), "nothing known is asked for again"
    shelf = Shelf()
    kept = (tmp_path / "BTC-USDT-5m.csv.gz").read_bytes()
    assert fetch(shelf, tmp_path).added == 0
    assert shelf.asked == []
    assert (tmp_path / "BTC-USDT-5m.csv.gz").read_bytes() == kept


def test_an_interrupt_keeps_what_came_and_the_next_run_goes_on(tmp_path):
    def pressed(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(Shelf(), tmp_path, progress=pressed)
    part = times(tmp_path)
    assert 0 < len(part) < COUNT
    assert fetch(Shelf(), tmp_path).added == COUNT - len(part)
    assert times(tmp_path) == WANTED


def test_an_interrupt_is_heard_while_waiting(tmp_path):
    told: list[float] = []

    def pressed(share: float) -> None:
        told.append(share)
        if len(told) > 2:
            raise KeyboardInterrupt

    shelf = Shelf(failures=[Retryable(3_600_000, "banned")])
    with pytest.raises(KeyboardInterrupt):
        fetch(shelf, tmp_path, progress=pressed)
    assert list(tmp_path.iterdir()) == []


def test_holes_of_the_exchange_stay_holes(tmp_path):
    holes = frozenset(WANTED[100:104]) | {WANTED[300]}
    done = fetch(Shelf(holes=holes), tmp_path)
    assert times(tmp_path) == [t for t in WANTED if t not in holes]
    assert done.holes == 5
    assert done.report.missing == 5
    assert done.report.usable
    done = fetch(Shelf(), tmp_path)  # the exchange has found them
    assert (done.added, done.holes) == (5, 0)
    assert times(tmp_path) == WANTED


def test_a_pair_listed_later_begins_later(tmp_path):
    done = fetch(Shelf(listed=WANTED[200]), tmp_path)
    assert times(tmp_path) == WANTED[200:]
    assert done.holes == 0


def test_impossible_candles_are_asked_for_again_and_then_left_out(tmp_path):
    bad = WANTED[50]

    def spoilt(row: Candle) -> Candle:
        return row._replace(high=float("nan")) if row.time == bad else row

    shelf = Shelf(spoilt=spoilt)
    done = fetch(shelf, tmp_path)
    assert times(tmp_path) == [t for t in WANTED if t != bad]
    assert (done.left_out, done.holes) == (1, 1)
    assert done.report.usable
    assert [since for since, _ in shelf.asked].count(WANTED[0]) == 3


def test_a_silent_exchange_is_given_up_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.market.download.BACKOFF_S", 0.0)
    fetch(Shelf(), tmp_path, days=1)
    kept = times(tmp_path)
    with pytest.raises(DownloadError, match=r"no answer after 6 attempts .*goes on from there"):
        fetch(Shelf(failures=[Retryable(1, "timeout") for _ in range(6)]), tmp_path)
    assert times(tmp_path) == kept
    with pytest.raises(Fatal):
        fetch(Shelf(failures=[Fatal("not listed")]), tmp_path)
    assert fetch(Shelf(failures=[Retryable(1, "once")]), tmp_path).added > 0


def test_no_candles_at_all_is_said(tmp_path):
    with pytest.raises(CandleDataError, match="has no candles"):
        fetch(Shelf(listed=END + UNIT), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_faulty_and_foreign_files_are_left_alone(tmp_path):
    row = candle(WANTED[0])
    path = candle_files.write(tmp_path, "BTC-USDT-5m.csv", [row, row])
    kept = path.read_bytes()
    with pytest.raises(CandleDataError, match="duplicate"):
        fetch(Shelf(), tmp_path)
    assert path.read_bytes() == kept
    path.unlink()
    (tmp_path / "BTC-USDT-5m.parquet").write_bytes(b"x")
    with pytest.raises(CandleDataError, match="Parquet"):
        fetch(Shelf(), tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CandleDataError, match="is a file"):
        fetch(Shelf(), tmp_path / "file")


def test_a_plain_file_stays_plain(tmp_path):
    candle_files.write(tmp_path, "BTC-USDT-5m.csv", [candle(t) for t in WANTED[:10]])
    assert fetch(Shelf(), tmp_path).path.suffix == ".csv"
    assert times(tmp_path) == WANTED


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    fetch(Shelf(), tmp_path, days=1)
    kept = times(tmp_path)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CandleDataError, match="No space left"):
        fetch(Shelf(), tmp_path)
    monkeypatch.undo()
    assert times(tmp_path) == kept
    assert len(list(tmp_path.iterdir())) == 1


@given(st.sets(st.integers(0, 40)), st.integers(0, 20), st.integers(20, 41))
@settings(max_examples=60, deadline=None)
def test_spans_and_known_candles_make_up_the_grid(known, since, end):
    spans = missing_spans(dict.fromkeys(k * 10 for k in known), since * 10 - 3, end * 10, 10)
    found = [t for begin, to in spans for t in range(begin, to, 10)]
    assert sorted(found + [k * 10 for k in known if since <= k < end]) == [
        k * 10 for k in range(since, end)
    ]
    assert all(begin < to for begin, to in spans)


# The command, on the loopback exchange


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(seed=7, history_days=4) as server:
        yield server


@pytest.fixture
def loopback(server: ServerThread, monkeypatch: pytest.MonkeyPatch, place: Path) -> ServerThread:  # noqa: F811
    monkeypatch.setenv("EXCHANGE_URL", server.url)
    return server


@pytest.mark.parametrize("exchange", ["binance", "weex"])
def test_the_command_fetches_checks_and_continues(sigma, loopback, place, exchange):  # noqa: F811
    words = ("candles", "download", "--exchange", exchange, "--pairs", "BTC,ETH")
    first = sigma(*words, "--days", "1", "--timeframe", "15m", "--data", exchange, "--json")
    assert first.code == 0, first.err
    for file in first.json["files"]:
        assert file["clean"]
        assert file["added"] == file["rows"] == 96
    second = sigma(*words, "--days", "2", "--timeframe", "15m", "--data", exchange)
    assert second.code == 0
    assert "candles added" in second.out
    assert f"sigma backtest --data {exchange}" in second.out
    assert sigma("candles", "check", "--data", exchange).code == 0
    rows = gzip.decompress((place / exchange / "BTC-USDT-15m.csv.gz").read_bytes()).splitlines()
    assert 192 <= len(rows) - 1 <= 193  # a candle may have closed meanwhile
    third = sigma(*words, "--days", "2", "--timeframe", "15m", "--data", exchange, "--json").json
    assert all(file["added"] <= 1 for file in third["files"])


def test_the_command_survives_trouble(sigma, loopback, place):  # noqa: F811
    loopback.call("fault", kind="http", path="klines", count=2, status=503)
    loopback.call("fault", kind="candles", shape="nan", count=1)
    result = sigma("candles", "download", "--pairs", "BTC", "--days", "1", "--data", "t", "--json")
    assert result.code == 0, result.err
    assert result.json["files"][0]["rows"] == 288


def test_the_command_refuses_what_is_not_listed(sigma, loopback, place, monkeypatch):  # noqa: F811
    monkeypatch.setenv("ALLOWED_SYMBOLS", "BTC,NOPE")
    result = sigma("candles", "download", "--pairs", "NOPE", "--days", "1")
    assert result.code == 1
    assert "trade" in result.error
    assert not (place / "data").exists()


def test_the_command_without_a_network_says_so(sigma, place, monkeypatch):  # noqa: F811
    monkeypatch.setenv("EXCHANGE_URL", "http://127.0.0.1:9")
    result = sigma("candles", "download", "--pairs", "BTC", "--days", "1")
    assert result.code == 1
    assert result.error.startswith("sigma: candles download:")
