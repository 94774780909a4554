"""A headless replay: the decisions of the backtest, and records that can be asked afterwards."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Ran, run_program


@pytest.fixture(scope="module")
def replay(market: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """Replay the small market once, as fast as it goes; return the home and what was printed."""
    place = tmp_path_factory.mktemp("replay")
    done = run_program(
        place, "run", "--headless", "--data", market, "--speed", "1e9", "--json",
        "--home", place / "home",
    )  # fmt: skip
    assert done.code == 0, done.err
    return place / "home", done


@pytest.fixture
def backtest(sigma, market):
    return sigma("backtest", "--data", market, "--json").json


def test_a_replay_takes_the_same_decisions(replay, backtest):
    events = [orjson.loads(line) for line in replay[1].out.splitlines()]
    summary = events[-1]["summary"]
    assert events[-1]["event"] == "RunFinished"
    assert summary["fingerprint"] == backtest["fingerprint"]
    assert summary["trades"] == len(backtest["trades"])
    assert replay[1].err == ""


def test_its_trades_are_kept_exactly(replay, backtest, sigma):
    found = sigma("trades", "--json", "--home", replay[0]).json
    assert found["live"] is False
    assert len(found["trades"]) == len(backtest["trades"]) > 0
    for kept, made in zip(found["trades"], backtest["trades"], strict=True):
        for name in ("pair", "side", "entry_time", "exit_time", "exit_reason", "regime"):
            assert kept[name] == made[name]
        for name in ("entry_price", "exit_price", "quantity", "fees", "funding", "pnl"):
            assert isinstance(kept[name], str)
            assert "E" not in kept[name]
            assert float(Decimal(kept[name])) == made[name]
        assert kept.keys() >= {"id", "strategy", "client_order_ids"}
        assert len(kept["client_order_ids"]) >= 2
    newest = sigma("trades", "--limit", "1", "--json", "--home", replay[0]).json["trades"]
    assert newest == found["trades"][-1:]
    shown = sigma("trades", "--home", replay[0])
    assert f"{len(found['trades'])} trades" in shown.out


def test_its_performance_is_that_of_the_backtest(replay, backtest, sigma):
    found = sigma("performance", "--json", "--home", replay[0]).json
    for name in ("trades", "win_rate", "expectancy", "profit_factor", "net_pnl", "fees"):
        assert found["metrics"][name] == pytest.approx(backtest["metrics"][name])
    assert sum(day["trades"] for day in found["by_day"]) == len(backtest["trades"])
    none = sigma("performance", "--days", "1", "--json", "--home", replay[0]).json
    assert none["metrics"]["trades"] <= found["metrics"]["trades"]
    balance = sigma("balance", "--json", "--home", replay[0]).json
    assert float(balance["balance"]) == pytest.approx(backtest["metrics"]["final_balance"])
    expectancy = sigma("expectancy", "--json", "--home", replay[0]).json
    assert expectancy["windows"][-1]["trades"] == len(backtest["trades"])


def test_its_signals_are_the_proposals(replay, backtest, sigma):
    found = sigma("signals", "--limit", "100000", "--json", "--home", replay[0]).json["signals"]
    assert len(found) == backtest["proposals"]
    assert sum(s["action"] != "WAIT" for s in found) == backtest["entries"]
    regimes = sigma("regimes", "--json", "--home", replay[0]).json["regimes"]
    assert {r["pair"] for r in regimes} <= {s["pair"] for s in found}


@pytest.mark.parametrize("damage", ["flip", "delete", "swap"])
def test_the_audit_finds_damage(replay, sigma, place, damage):
    home = place / "copy"
    shutil.copytree(replay[0], home)
    assert sigma("audit", "verify", "--home", home).code == 0
    path = home / "logs" / "compliance" / "ai_trading_log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    if damage == "flip":
        lines[7] = lines[7].replace(b"WAIT", b"WAKE", 1)
    elif damage == "delete":
        del lines[7]
    else:
        lines[7], lines[8] = lines[8], lines[7]
    path.write_bytes(b"".join(lines))
    result = sigma("audit", "verify", "--json", "--home", home)
    assert result.code == 1
    assert not result.json["ok"]
    bad = {file["name"]: file["first_bad_line"] for file in result.json["files"]}
    assert bad["ai_trading_log.jsonl"] == 8
    assert path.read_bytes() == b"".join(lines), "verifying repairs nothing"
    checks = {c["name"]: c for c in sigma("doctor", "--json", "--home", home).json["checks"]}
    assert checks["audit"]["status"] == "fail"


def test_a_damaged_database_is_one_line(replay, sigma, place):
    home = place / "copy"
    shutil.copytree(replay[0], home)
    (home / "sigma.db").write_bytes(b"nonsense" * 1_000)
    for words in (("trades",), ("status",), ("db", "check"), ("db", "migrate"), ("events",)):
        result = sigma(*words, "--home", home)
        assert result.code == 1, words
        assert "sigma.db" in result.error


def test_a_database_of_a_newer_version_is_refused(replay, sigma, place):
    import sqlite3

    home = place / "copy"
    shutil.copytree(replay[0], home)
    with sqlite3.connect(home / "sigma.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    result = sigma("trades", "--home", home)
    assert result.code == 1
    assert "newer" in result.error
