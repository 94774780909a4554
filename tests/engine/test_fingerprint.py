"""Backtest, replay and a replay in a fresh process take the same decisions, trade by trade."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from engine.backtest.runner import BacktestResult, run_backtest
from engine.market.files import load_directory
from engine.market.funding import load_funding
from engine.market.recorded import RecordedMarket
from engine.market.synthetic import SyntheticMarket
from engine.markets import stage_of
from engine.model.events import EngineStateChanged
from engine.model.market import Candle, Pair
from engine.options import RunOptions
from engine.settings import Settings
from engine.strategy import Strategy
from engine.venues.simulated import SimulatedVenue
from tests.engine.live import BEGIN, Run, settings

PAIRS = (Pair.parse("ETH"), Pair.parse("SOL"))
DAYS = 2
MINUTE = 60_000

AGAIN = """
import sys
from pathlib import Path
from tests.engine.test_fingerprint import backtest
print(backtest(Path(sys.argv[1])).fingerprint)
"""


def write(path: Path, candles: list[Candle]) -> None:
    rows = "".join(f"{c.time},{c.open},{c.high},{c.low},{c.close},{c.volume}\n" for c in candles)
    path.write_text("timestamp,open,high,low,close,volume\n" + rows)


def generate(directory: Path, *, detail: bool) -> Path:
    """Write some days of synthetic candles; with a detail file of one minute for one pair."""
    market = SyntheticMarket(PAIRS, 3, BEGIN, 5 * MINUTE, MINUTE, history_candles=0)
    closed: dict[Pair, list[Candle]] = {pair: [] for pair in PAIRS}
    bars: dict[Pair, list[Candle]] = {pair: [] for pair in PAIRS}
    for step in market.steps():
        if step.time > BEGIN + DAYS * 1_440 * MINUTE:
            break
        for pair in PAIRS:
            bars[pair].append(step.bars[pair])
            if pair in step.closed:
                closed[pair].append(step.closed[pair])
    for number, pair in enumerate(PAIRS):
        write(directory / f"{pair.file_stem}-5m.csv", closed[pair])
        if detail and number == 0:
            rows = bars[pair]
            write(directory / f"{pair.file_stem}-1m.csv", rows[: len(rows) * 2 // 3])
    return directory


@pytest.fixture(scope="module", params=[False, True], ids=["candles", "with detail"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("candles"), detail=request.param)


def backtest(
    directory: Path, chosen: Settings | None = None, pairs: tuple[Pair, ...] | None = None
) -> BacktestResult:
    chosen = chosen or settings()
    candles = load_directory(directory, pairs, chosen.default_timeframe, allowed=chosen.pairs)
    return asyncio.run(
        run_backtest(
            RecordedMarket(candles),
            strategy=Strategy(),
            limits=chosen.limits(),
            balance=Decimal(repr(chosen.paper_balance)),
            funding_rates=dict(load_funding(directory, candles.pairs)),
        )
    )


def test_backtest_and_replay_have_one_fingerprint(recorded: Path, tmp_path: Path) -> None:
    tested = backtest(recorded)
    assert len(tested.trades) > 1
    replayed = Run(tmp_path, data=recorded)
    summary = replayed.go()
    assert summary["fingerprint"] == tested.fingerprint
    assert summary["why"] == "the recorded market ended"
    assert (summary["decisions"], summary["proposals"], summary["entries"], summary["trades"]) == (
        tested.decisions,
        tested.proposals,
        tested.entries,
        len(tested.trades),
    )
    assert summary["blocked"] == tested.blocked
    assert Decimal(summary["balance"]) == tested.final_balance
    assert summary["open_positions"] == 0
    again = Run(tmp_path, data=recorded).go()
    assert again["account"] != summary["account"]
    assert again["fingerprint"] == summary["fingerprint"]
    assert all(event.time >= BEGIN for event in replayed.of(EngineStateChanged))


def test_a_fresh_process_finds_the_same(recorded: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", AGAIN, str(recorded)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert found.stdout.strip() == backtest(recorded).fingerprint


def test_recorded_candles_replay_as_they_backtest(data_dir: Path, tmp_path: Path) -> None:
    pairs = (Pair.parse("BTC"),)
    chosen = settings(allowed_symbols="BTC")
    source = data_dir / "perp-2025-06"
    candles = load_directory(source, pairs, chosen.default_timeframe, allowed=pairs)
    directory = tmp_path / "data"
    directory.mkdir()
    stem = pairs[0].file_stem
    write(directory / f"{stem}-5m.csv", candles.series[pairs[0]].candles(0, 2_500))
    for pair, detail in candles.detail.items():
        count = 2_500 * candles.timeframe_ms // detail.timeframe_ms
        name = f"{pair.file_stem}-{detail.timeframe_ms // MINUTE}m.csv"
        write(directory / name, detail.candles(0, count))
    tested = backtest(directory, chosen, pairs)
    assert tested.proposals > 20
    summary = Run(tmp_path / "home", data=directory, pairs=pairs, settings=chosen).go()
    assert summary["fingerprint"] == tested.fingerprint


async def test_a_replay_pays_the_recorded_funding(tmp_path: Path) -> None:
    directory = generate(tmp_path, detail=False)
    (directory / "extra").mkdir()
    path = directory / "extra" / f"{PAIRS[0].file_stem}-funding-8h.csv"
    path.write_text(f"timestamp,funding_rate\n{BEGIN},0.0123\n")
    stage = stage_of(settings(), RunOptions(home=tmp_path / "home", data=directory))
    await stage.prepare()
    await stage.open({}, lambda sentence: None)
    expected = load_funding(directory, PAIRS)
    assert expected[PAIRS[0]] == ((BEGIN, Decimal("0.0123")),)
    assert isinstance(stage.venue, SimulatedVenue)
    assert list(stage.venue._rates.values()) == [Decimal("0.0123")]
