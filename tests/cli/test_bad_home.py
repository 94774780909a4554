"""What a home may be like after weeks: each is one clear line and a safe state."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from engine.home import Home
from tests.cli.conftest import WARMUP
from tests.conftest import ROOT

SHORT = ("run", "--headless", "--duration", 1, "--speed", 60, "--pairs", "BTC,ETH")


def test_a_stale_socket_and_a_stale_lock_are_taken_over(sigma, place):
    home = Home(place / "home")
    home.prepare()
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(home.socket))
    home.lock.write_text('{"pid": 1, "started": "long ago"}')
    assert "no engine" in sigma("status").error
    checks = {c["name"]: c for c in sigma("doctor", "--json").json["checks"]}
    assert checks["engine"] == {"name": "engine", "status": "ok", "detail": "not running"}
    assert sigma(*SHORT).code == 0
    assert not home.socket.exists()
    assert home.lock.read_text() == ""


def test_something_else_in_the_sockets_place_is_named(sigma, place):
    home = Home(place / "home")
    home.prepare()
    home.socket.write_text("not a socket")
    result = sigma(*SHORT)
    assert result.code == 2
    assert "in the way and no socket" in result.error
    assert home.socket.read_text() == "not a socket"


def test_a_second_engine_is_told_who_is_there_and_what_to_do(sigma, place):
    home = Home(place / "home")
    first = subprocess.Popen(
        [sys.executable, "-m", "sigma_tui", "run", "--headless"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WARMUP_CANDLES": WARMUP},
    )
    try:
        end = time.monotonic() + 60
        while not home.socket.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        second = sigma(*SHORT)
        assert second.code == 1
        assert f"pid {first.pid}" in second.error
        assert "sigma attach" in second.error
        restore = sigma("db", "restore", place / "any.db")
        assert restore.code == 1
        assert "already runs" in restore.error
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0


def test_a_home_that_cannot_be_made_is_one_line(sigma):
    result = sigma("run", "--headless", "--home", "/proc/sigma")
    assert result.code == 2
    assert "cannot be written" in result.error


def test_a_full_disk_ends_no_position_and_breaks_no_record(sigma, place):
    """Files may not grow beyond a size, which to the engine is a disk that is full."""
    assert sigma(*SHORT).code == 0

    def full() -> None:
        largest = max(f.stat().st_size for f in (place / "home").rglob("*") if f.is_file())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 40_000, largest + 40_000))

    done = subprocess.run(
        [sys.executable, "-m", "sigma_tui", "run", "--headless", "--start", "--speed", "3600",
         "--pairs", "BTC,ETH", "--duration", "5"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "WARMUP_CANDLES": WARMUP},
        preexec_fn=full, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    assert done.returncode in (0, 1, 4)
    assert sigma("db", "check").code == 0
    assert sigma("run", "--headless", "--duration", 1, "--pairs", "BTC,ETH").code == 0
    assert sigma("audit", "verify").code == 0


def test_a_clock_that_jumps_an_hour_moves_neither_market_nor_records(sigma, place, monkeypatch):
    real, looks = time.time_ns, [0]

    def jumping() -> int:
        looks[0] += 1
        return real() + (0, 3_600, -3_600)[looks[0] // 15 % 3] * 10**9

    monkeypatch.setattr(time, "time_ns", jumping)
    monkeypatch.setattr(time, "time", lambda: jumping() / 1e9)
    assert sigma("run", "--headless", "--duration", 3, "--speed", 60, "--start").code == 0
    assert looks[0] > 15
    monkeypatch.undo()
    monkeypatch.setenv("SIGMA_HOME", str(place / "home"))
    status = sigma("status", "--json").json
    assert status["breaker"]["level"] == "CLOSED"
    assert sigma("db", "check").code == 0
    assert sigma("audit", "verify").code == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"ALLOWED_SYMBOLS": "BTC,ETH,SOL"},
        {"ALLOWED_SYMBOLS": "ETH"},
        {"DEFAULT_TIMEFRAME": "15m"},
        {"PAPER_BALANCE": "500"},
        {"MAX_OPEN_POSITIONS": "1", "MAX_RISK_PER_TRADE": "0.001"},
    ],
    ids=lambda changed: "-".join(changed.values()),
)
def test_changed_settings_are_taken_up_or_refused_in_one_line(sigma, place, monkeypatch, changed):
    monkeypatch.setenv("ALLOWED_SYMBOLS", "BTC,ETH")
    run = ("run", "--headless", "--duration", 1, "--speed", 3_600, "--start")
    assert sigma(*run).code == 0
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    if changed.get("ALLOWED_SYMBOLS") == "ETH":
        monkeypatch.setenv("DEFAULT_SYMBOL", "ETH")
    result = sigma(*run)
    assert result.code in (0, 2)
    if result.code:
        assert "start with the pairs it was left with" in result.error
    assert sigma("db", "check").code == 0


def test_a_database_of_a_newer_version_is_left_alone(sigma, place):
    assert sigma(*SHORT).code == 0
    file = Path(place / "home" / "sigma.db")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.commit()
    before = file.read_bytes()
    for words in (SHORT, ("trades",), ("db", "check"), ("db", "migrate")):
        result = sigma(*words)
        assert result.code == 1, words
        assert "newer" in result.error
    assert file.read_bytes() == before
