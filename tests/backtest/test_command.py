"""The command line of studies, probes and replays."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from engine.host import EngineHost
from engine.options import RunOptions
from engine.settings import load_settings
from engine.strategies.validation import dump_strategy
from engine.strategy import Strategy
from tests.cli import candle_files
from tests.cli.conftest import market, place, sigma  # noqa: F401 - fixtures used here too
from tests.conftest import ROOT
from tests.control.conftest import listening, wait_until


@pytest.fixture
def picky(place: Path) -> Path:  # noqa: F811
    """Write a strategy that asks for more than the built-in one."""
    path = place / "picky.json"
    path.write_text(dump_strategy(replace(Strategy(), name="picky", entry_score=0.3)))
    return path


def test_a_study_in_one_go(sigma, market, picky):  # noqa: F811
    plain = sigma("backtest", "--data", market, "--json").json
    words = ("--folds", "2", "--compare", picky, "--null", "2", "--jobs", "1")
    result = sigma("backtest", "--data", market, *words, "--json")
    assert result.code == 0, result.err
    found = result.json
    assert found["fingerprint"] == plain["fingerprint"], "what runs beside it changes nothing"
    assert found["trades"] == plain["trades"]
    assert found["strategy"] == "default v1"
    assert found["compare"]["strategy"] == "picky v1"
    assert found["compare"]["fingerprint"] != found["fingerprint"]
    assert [len(found["folds"]["folds"]), found["null"]["seeds"]] == [2, 2]
    assert found["folds"]["folds"][0]["to"] == found["folds"]["folds"][1]["from"]
    assert not found["interrupted"]
    alone = sigma("backtest", "--data", market, "--strategy", picky, "--json").json
    assert alone["fingerprint"] == found["compare"]["fingerprint"]


def test_a_strategy_beside_itself_makes_no_difference(sigma, market):  # noqa: F811
    result = sigma("backtest", "--data", market, "--compare", "default", "--jobs", "1")
    assert result.code == 0
    assert "no difference is shown" in result.out


def test_a_saved_strategy_is_found_by_name_and_version(sigma, market, place):  # noqa: F811
    import asyncio

    from engine.ledger.store import Ledger
    from engine.strategies.store import StrategyStore

    async def save() -> None:
        (place / "home").mkdir()
        ledger = await Ledger.open(place / "home" / "sigma.db", "sim-1")
        store = StrategyStore(ledger)
        for score in (0.3, 0.35):
            await store.save(replace(Strategy(), name="careful", entry_score=score), 1)
        await ledger.close()

    asyncio.run(save())
    span = ("--to", "2023-11-16T18:00", "--json")
    newest = sigma("backtest", "--data", market, "--strategy", "careful", *span)
    assert newest.json["strategy"] == "careful v2"
    older = sigma("backtest", "--data", market, "--strategy", "careful@1", *span)
    assert older.json["strategy"] == "careful v1"
    none = sigma("backtest", "--data", market, "--strategy", "careful@9")
    assert none.code == 2
    assert "no version 9" in none.error


def test_a_null_model_needs_a_trade(sigma, market):  # noqa: F811
    words = ("backtest", "--data", market, "--to", "2023-11-15T12:00", "--null", "3", "--json")
    result = sigma(*words)
    assert result.code == 0
    assert "null" not in result.json
    assert "nothing to stand beside" in result.err


def test_probes_answer_by_exit_code(sigma, market):  # noqa: F811
    span = ("--data", market, "--pairs", "BTC", "--json")
    ahead = sigma("backtest", "--check-lookahead", *span)
    assert (ahead.code, ahead.json["ok"]) == (0, True)
    late = sigma("backtest", "--check-warmup", *span)
    assert (late.code, late.json["ok"]) in ((0, True), (1, False))
    assert late.json["compared"] > 100


def test_data_that_differ_are_told(sigma, place):  # noqa: F811
    """Pairs of other spans run; two files of one pair that disagree are named or refused."""
    made = candle_files.candles(1_000)
    btc, eth = candle_files.PAIRS
    data = place / "data"
    candle_files.write(data, "BTC-USDT-5m.csv", made[btc])
    candle_files.write(data, "ETH-USDT-5m.csv", made[eth][600:])
    found = sigma("backtest", "--data", data, "--json").json
    assert found["decisions"] == 1_400
    assert found["notes"] == ["ETH covers only 2023-11-17T02:00 to 2023-11-18T11:20 UTC"]
    minutes = [c._replace(time=c.time + k * 60_000) for c in made[btc] for k in range(5)]
    candle_files.write(data, "BTC-USDT-1m.csv", [m._replace(high=m.high * 2) for m in minutes])
    result = sigma("backtest", "--data", data)
    assert result.code == 2
    assert "1m and 5m files disagree" in result.error
    assert sigma("backtest", "--data", data, "--pairs", "ETH", "--json").code == 0


def test_ctrl_c_reaches_a_study_in_two_processes(place):  # noqa: F811
    """The terminal sends it to all processes; one report comes, marked, and the code is 130."""
    data, out = candle_files.write_market(place / "data", 8_000), place / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "sigma_tui", "backtest", "--data", str(data), "--out", str(out),
         "--compare", "default", "--folds", "3", "--null", "5", "--jobs", "2"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_until(out.is_dir)  # from here on it listens
    time.sleep(3)
    os.killpg(process.pid, signal.SIGINT)
    shown, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    if shown:  # not before the first run had begun
        assert "INTERRUPTED" in shown
        assert "the null model of 5 seeds" in shown
        assert orjson.loads((out / "result.json").read_bytes())["interrupted"] is True


def test_a_terminal_sees_bar_and_plots(market, place):  # noqa: F811
    leader, follower = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(leader, 65_536):
                seen.append(part)
        except OSError:
            return  # the other end has closed

    reader = threading.Thread(target=read)
    reader.start()
    process = subprocess.Popen(
        [sys.executable, "-m", "sigma_tui", "backtest", "--data", str(market), "--pairs", "BTC"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        stdin=follower, stdout=follower, stderr=follower,
    )  # fmt: skip
    assert process.wait(timeout=120) == 0
    os.close(follower)
    reader.join(10)
    os.close(leader)
    shown = b"".join(seen).decode()
    assert "%" in shown
    assert "equity, open positions included (USDT)" in shown
    assert "below the highest so far (%)" in shown


# The time of a replay


@pytest.fixture
def engine(market, place) -> Iterator[EngineHost]:  # noqa: F811
    settings = load_settings(_env_file=None)
    options = RunOptions(home=place / "home", data=market, speed=3_000.0)
    host = EngineHost.of(settings, options)
    host.start()
    from engine.home import Home

    wait_until(lambda: host.error is not None or listening(Home(place / "home")))
    assert host.error is None
    yield host
    host.end("the test is over")
    assert host.join(30)


def test_replay_commands_steer_the_running_engine(sigma, engine):  # noqa: F811
    assert "stands still" in sigma("replay", "pause").out
    wait_until(lambda: engine.snapshot().speed == 0.0)
    stands = sigma("replay", "pause", "--json").json
    assert stands["outcome"] == "done"
    now = engine.snapshot().time
    assert "one step" in sigma("replay", "step").out
    wait_until(lambda: engine.snapshot().time == now + candle_files.CANDLE_MS)
    assert sigma("replay", "jump", "2023-11-16T12:00").code == 0
    wait_until(lambda: engine.snapshot().time == candle_files.START + 36 * 3_600_000)
    back = sigma("replay", "jump", "2023-11-15")
    assert back.code == 4
    assert "only goes forward" in back.error
    assert "600 x" in sigma("replay", "speed", "600").out
    assert "goes on at 600 x" in sigma("replay", "resume").out
    wait_until(lambda: engine.snapshot().speed == 600.0)
