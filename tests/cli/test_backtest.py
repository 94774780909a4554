"""The backtest and explain commands over a small market."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from engine.backtest.files import FILES
from tests.cli import candle_files
from tests.conftest import ROOT

KEYS = {
    "pairs", "timeframe", "from", "to", "candles", "decisions", "proposals", "entries", "trades",
    "metrics", "blocked", "elapsed_s", "candles_per_s", "fingerprint",
}  # fmt: skip
METRICS = {
    "trades", "win_rate", "payoff_ratio", "expectancy", "profit_factor", "sharpe", "sortino",
    "max_drawdown", "net_pnl", "fees", "funding", "final_balance",
}  # fmt: skip
TRADE = {
    "pair", "side", "entry_time", "exit_time", "entry_price", "exit_price", "quantity", "fees",
    "funding", "pnl", "r_multiple", "exit_reason", "regime", "confidence",
}  # fmt: skip


def test_json_holds_the_contract(sigma, market):
    result = sigma("backtest", "--data", market, "--json")
    assert result.code == 0
    assert result.err == ""
    found = result.json
    assert found.keys() >= KEYS
    assert found["metrics"].keys() >= METRICS
    assert found["pairs"] == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    assert found["timeframe"] == "5m"
    assert found["from"] == "2023-11-15T00:00:00.000Z"
    assert found["to"] == "2023-11-20T00:00:00.000Z"
    assert found["candles"] == found["decisions"] == 2 * 1_440
    assert found["trades"], "this market must give trades, or nothing below is tested"
    assert all(trade.keys() >= TRADE for trade in found["trades"])
    assert found["metrics"]["trades"] == len(found["trades"])
    net = sum(trade["pnl"] for trade in found["trades"])
    assert found["metrics"]["net_pnl"] == pytest.approx(net)
    assert found["metrics"]["final_balance"] == pytest.approx(10_000 + net)
    assert found["proposals"] == found["entries"] + sum(found["blocked"].values())
    assert len(found["fingerprint"]) == 64


def test_undefined_figures_are_null(sigma, market):
    """A range inside the warm-up closes no trade."""
    found = sigma("backtest", "--data", market, "--to", "2023-11-15T12:00", "--json").json
    assert found["trades"] == []
    for name in ("win_rate", "payoff_ratio", "expectancy", "profit_factor", "sharpe", "sortino"):
        assert found["metrics"][name] is None
    assert found["metrics"]["final_balance"] == 10_000


def test_equal_runs_have_equal_fingerprints(sigma, market):
    first = sigma("--json", "backtest", "--data", market).json
    second = sigma("backtest", "--json", "--data", market, "--pairs", "BTC/USDT,eth").json
    other = sigma("backtest", "--json", "--data", market, "--pairs", "BTC").json
    assert first["fingerprint"] == second["fingerprint"] != other["fingerprint"]


def test_people_read_what_was_lost(sigma, market):
    figures = sigma("backtest", "--data", market, "--json").json["metrics"]
    result = sigma("backtest", "--data", market, "--balance", "10000")
    assert result.code == 0
    word = "lost" if figures["net_pnl"] < 0 else "made"
    assert f"It {word} {abs(figures['net_pnl']):,.2f} USDT" in result.out
    assert "fees and funding" in result.out
    assert "proposals blocked by:" in result.out
    assert "exits:" in result.out
    assert "exploration" in result.out


def test_a_run_without_a_trade_claims_nothing(sigma, market):
    result = sigma("backtest", "--data", market, "--to", "2023-11-15T12:00")
    assert "nothing to judge" in result.out


def test_out_writes_the_report(sigma, market, place):
    out = place / "deep" / "report"
    result = sigma("backtest", "--data", market, "--out", out, "--json")
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    kept = orjson.loads((out / "result.json").read_bytes())
    assert kept["fingerprint"] == result.json["fingerprint"]
    with (out / "trades.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["pnl"]) for row in rows] == [t["pnl"] for t in kept["trades"]]
    with (out / "equity.csv").open() as file:
        curve = list(csv.DictReader(file))
    assert len(curve) == len(rows) + 1
    assert float(curve[-1]["balance"]) == kept["metrics"]["final_balance"]


def test_recorded_funding_is_used(sigma, market, place):
    plain = sigma("backtest", "--data", market, "--json").json
    assert "cost model" in plain["funding_source"]
    data = candle_files.write_market(place / "data", 1_440)
    stamps = range(candle_files.START, candle_files.START + 6 * 86_400_000, 8 * 3_600_000)
    for pair in candle_files.PAIRS:
        candle_files.write(
            data / "extra",
            f"{pair.file_stem}-funding-8h.csv.gz",
            [(stamp, "0.0002") for stamp in stamps],
            ("timestamp", "funding_rate"),
        )
    dear = sigma("backtest", "--data", data, "--json").json
    assert dear["funding_source"] == "recorded rates"
    paid = [next(t["funding"] for t in run["trades"] if t["funding"]) for run in (plain, dear)]
    assert paid[1] == pytest.approx(2 * paid[0]), "the cost model's rate is 0.01 %"


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        ([("1700006400000", "0.0001")], ("time", "rate"), "wrong header"),
        ([("x", "0.0001")], ("timestamp", "funding_rate"), "row 2"),
        ([("1700006400000", "nan")], ("timestamp", "funding_rate"), "row 2"),
        ([("1700006400000", "7")], ("timestamp", "funding_rate"), "row 2"),
        ([("2", "0"), ("1", "0")], ("timestamp", "funding_rate"), "row 3"),
    ],
)
def test_faulty_funding_is_refused(sigma, place, rows, header, words):
    data = candle_files.write_market(place / "data", 30)
    candle_files.write(data / "extra", "BTC-USDT-funding-8h.csv", rows, header)
    result = sigma("backtest", "--data", data)
    assert result.code == 2
    assert words in result.error


def test_explain_shows_what_the_backtest_decided(sigma, market):
    """The trace of an entry's candle is the decision the backtest took there."""
    trade = sigma("backtest", "--data", market, "--pairs", "BTC", "--json").json["trades"][0]
    found = sigma("explain", "BTC", "--data", market, "--at", trade["entry_time"], "--json").json
    assert found["time"] == trade["entry_time"]
    assert found["action"] == f"ENTER_{trade['side'].upper()}"
    assert found["regime"]["name"] == trade["regime"]
    assert found["confidence"] == trade["confidence"]
    names = [gate["name"] for gate in found["gates"]]
    order = (
        "scanner indicators regime v1 v2 orchestrator costs expectancy sizing portfolio safety "
        "breaker execution"
    )
    assert names == order.split()
    assert found["size"]["quantity"] != "0"
    assert found.keys() >= {"pair", "indicators", "v1", "v2"}


def test_explain_takes_the_last_candle_closed_by_then(sigma, market):
    exact = sigma("explain", "ETH/USDT", "--data", market, "--at", "2023-11-17T10:05", "--json")
    later = sigma("explain", "eth", "--data", market, "--at", "2023-11-17T12:09:59+02:00", "--json")
    assert exact.json == later.json
    assert exact.json["time"] == "2023-11-17T10:05:00.000Z"
    last = sigma("explain", "ETH", "--data", market)
    assert "2023-11-20 00:00:00 UTC" in last.out
    assert "scanner" in last.out


def test_an_interrupted_backtest_says_so(place, market):
    """Ctrl-C ends it between two steps with what was found, exit code 130."""
    longer = candle_files.write_market(place / "data", 12_000)
    out = place / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, "backtest", "--data", str(longer), "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    shown, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "INTERRUPTED" in shown
    assert "Traceback" not in err
    kept = orjson.loads((out / "result.json").read_bytes())
    assert kept["interrupted"] is True
    assert 0 < kept["decisions"] < 2 * 12_000
    assert "INTERRUPTED" in (out / "report.html").read_text()
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)


# A real SIGINT, sent to itself by the program once the market has begun to move.
_INTERRUPTED = f"""
import os, sys
from engine.market.recorded import RecordedMarket
from sigma_tui.__main__ import main
steps = RecordedMarket.steps
def interrupted(self):
    for number, step in enumerate(steps(self)):
        if number == 700:
            os.kill(os.getpid(), {int(signal.SIGINT)})
        yield step
RecordedMarket.steps = interrupted
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ["perp-2025-06"])
def test_real_candles_give_proposals_in_the_expected_range(
    sigma, data_dir: Path, name, monkeypatch
):
    monkeypatch.delenv("WARMUP_CANDLES")
    found = sigma(
        "backtest", "--data", data_dir / name, "--pairs", "LTC", "--to", "2025-06-04", "--json"
    ).json
    assert 0.005 <= found["proposals"] / found["decisions"] <= 0.10
