"""Bad input: one clear line on stderr, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import gzip

import pytest

from tests.cli import candle_files

GOOD = [(candle_files.START + i * 300_000, 100, 101, 99, 100, 5) for i in range(30)]


@pytest.fixture
def data(place):
    candle_files.write(place / "data", "BTC-USDT-5m.csv", GOOD)
    return place / "data"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backtest",), "--data"),
        (("backtest", "--data", "nowhere"), "no such directory"),
        (("backtest", "--data", "data/BTC-USDT-5m.csv"), "is a file"),
        (("backtest", "--data", "data", "--pairs", "ETH"), "no candles of ETH; there are BTC"),
        (("backtest", "--data", "data", "--pairs", "PEPE"), "not among ALLOWED_SYMBOLS"),
        (("backtest", "--data", "data", "--pairs", "B?C"), "is not a pair"),
        (("backtest", "--data", "data", "--pairs", ","), "names no pair"),
        (
            ("backtest", "--data", "data", "--from", "2024-01-02", "--to", "2024-01-01"),
            "not before",
        ),
        (("backtest", "--data", "data", "--from", "2031-01-01"), "no 5m candles between"),
        (("backtest", "--data", "data", "--from", "yesterday"), "no ISO date"),
        (("backtest", "--data", "data", "--timeframe", "7m"), "invalid choice"),
        (("backtest", "--data", "data", "--timeframe", "1m"), "no 1m candles"),
        (("backtest", "--data", "data", "--balance", "-5"), "not a number above zero"),
        (("backtest", "--data", "data", "--balance", "nan"), "not a number above zero"),
        (("backtest", "--data", "data", "--strategy", "magic"), "there are: default"),
        (("backtest", "--data", "data", "--strategy", "magic@x"), "after @ comes a version"),
        (("backtest", "--data", "data", "--strategy", "no.json"), "cannot be read"),
        (("backtest", "--data", "data", "--compare", "magic"), "no strategy is named 'magic'"),
        (("backtest", "--data", "data", "--folds", "3"), "not one fits"),
        (("backtest", "--data", "data", "--folds", "0"), "whole number from 1"),
        (("backtest", "--data", "data", "--null", "some"), "whole number from 1"),
        (("backtest", "--data", "data", "--check-warmup"), "too few to begin late"),
        (("backtest", "--data", "data", "--check-warmup", "--check-lookahead"), "not allowed with"),
        (("backtest", "--data", "data", "--check-warmup", "--out", "x"), "a probe runs alone"),
        (("backtest", "--data", "data", "--out", "data/BTC-USDT-5m.csv"), "is a file"),
        (("backtest", "--data", "data", "--out", "data/BTC-USDT-5m.csv/x"), "cannot be written"),
        (("backtest", "--data", "data", "--colour"), "unrecognized arguments"),
        (("explain", "ETH", "--data", "data"), "no candles of ETH"),
        (("explain", "NOSUCH", "--data", "data"), "not among ALLOWED_SYMBOLS"),
        (("explain", "BTC", "--data", "data", "--at", "2019-01-01"), "candles in data close from"),
        (("explain", "BTC", "--data", "data", "--at", "2031-01-01"), "candles in data close from"),
        (("candles", "check", "--data", "nowhere"), "no such directory"),
        (("candles", "download", "--days", "0"), "whole number from 1"),
        (("candles", "download", "--pairs", "PEPE"), "not among ALLOWED_SYMBOLS"),
        (("replay", "speed", "0"), "not a number above zero"),
        (("replay", "jump", "tomorrow"), "no ISO date"),
        (("replay",), "COMMAND"),
        (("candles",), "COMMAND"),
        (("nonsense",), "'nonsense' is not a command; see"),
        ((), "needs a terminal"),
        (("run", "--exchange", "binance", "--mode", "live", "--headless"), "confirm-live binance"),
        (("run", "--mode", "live"), "on paper only"),
        (("run", "--data", "nowhere"), "no such directory"),
        (("run", "--headless", "--pairs", "PEPE"), "not among ALLOWED_SYMBOLS"),
        (("run", "--speed", "0"), "not a number above zero"),
        (("run", "--duration", "soon"), "not a number above zero"),
        (("run", "--headless", "--home", "data/BTC-USDT-5m.csv/home"), "cannot be written"),
        (("--headless", "--speed", "x"), "not a number above zero"),
        (("strategy", "show", "magic"), "no strategy is named"),
        (("trip", "LOUD"), "none of CLOSED"),
        (("override", "HALT", "--reason", "x"), "--minutes"),
        (("performance", "--days", "0"), "whole number from 1"),
    ],
)
def test_usage_and_bad_data_end_with_2(sigma, data, words, said):
    result = sigma(*words)
    assert result.code == 2
    assert said in result.error
    assert result.out == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_LEVERAGE", "50"),
        ("MAX_RISK_PER_TRADE", "lots"),
        ("EXCHANGE", "mtgox"),
        ("ALLOWED_SYMBOLS", "BTC,B?"),
        ("DEFAULT_TIMEFRAME", "2m"),
        ("PAPER_BALANCE", "nan"),
    ],
)
@pytest.mark.parametrize("words", [("config", "check"), ("run", "--headless"), ("status",)])
def test_a_bad_setting_is_named(sigma, monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    result = sigma(*words)
    assert result.code == 2
    assert name in result.error
    assert value in result.error


def test_a_secret_is_never_shown(sigma, monkeypatch, place):
    monkeypatch.setenv("BINANCE_API_SECRET", "s3cret-key")
    monkeypatch.setenv("NOTIFY_URLS", "tgram://token@chat")
    for words in (
        ("config", "show"),
        ("config", "show", "--json"),
        ("doctor",),
        ("config", "check"),
    ):
        result = sigma(*words)
        assert "s3cret" not in result.out + result.err
        assert "token" not in result.out + result.err
    assert "***" in sigma("config", "show").out


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ([], candle_files.HEADER, "no candles"),
        (GOOD, ("a", "b", "c", "d", "e", "f"), "wrong header"),
        ([*GOOD[:3], (GOOD[3][0], "nan", 1, 1, 1, 1)], candle_files.HEADER, "row 5"),
        ([*GOOD[:3], (GOOD[3][0], 1, 1, 2, 1, 1)], candle_files.HEADER, "high 1 below low 2"),
        ([*GOOD[:3], GOOD[1]], candle_files.HEADER, "1 duplicate"),
    ],
)
def test_faulty_files_are_refused_and_nothing_is_written(sigma, place, rows, header, said):
    candle_files.write(place / "bad", "BTC-USDT-5m.csv", rows, header)
    for words in (
        ("backtest", "--data", "bad", "--out", "out"),
        ("explain", "BTC", "--data", "bad"),
    ):
        result = sigma(*words)
        assert result.code == 2
        assert said in result.error
        assert result.out == ""
    out = place / "out"
    assert not out.exists() or list(out.iterdir()) == []


def test_empty_and_broken_files(sigma, place):
    (place / "empty").mkdir()
    assert "no candle files" in sigma("backtest", "--data", "empty").error
    (place / "empty" / "BTC-USDT-5m.csv").write_bytes(b"")
    assert "is empty" in sigma("backtest", "--data", "empty").error
    (place / "broken").mkdir()
    whole = gzip.compress(b"timestamp,open,high,low,close,volume\n" + b"1,1,1,1,1,1\n" * 999)
    (place / "broken" / "BTC-USDT-5m.csv.gz").write_bytes(whole[:-40])
    result = sigma("backtest", "--data", "broken")
    assert result.code == 2
    assert "cannot be read" in result.error


def test_candles_check_lists_every_row(sigma, place):
    rows = [*GOOD[:5], GOOD[2], (GOOD[5][0], 1, 1, "nan", 1, 1), *GOOD[9:]]
    candle_files.write(place / "bad", "BTC-USDT-5m.csv", rows)
    candle_files.write(place / "bad", "ETH-USDT-5m.csv", [*GOOD[:5], *GOOD[8:]])
    result = sigma("candles", "check", "--data", "bad")
    assert result.code == 1
    assert "row 7" in result.out
    assert "ETH-USDT-5m.csv: usable" in result.out
    found = sigma("candles", "check", "--data", "bad", "--json").json
    assert not found["ok"]
    by_name = {file["file"]: file for file in found["files"]}
    assert by_name["BTC-USDT-5m.csv"]["counts"]["duplicate"] == 1
    assert by_name["ETH-USDT-5m.csv"]["missing"] == 3
    candle_files.write(place / "gaps", "ETH-USDT-5m.csv", [*GOOD[:5], *GOOD[8:]])
    assert sigma("candles", "check", "--data", "gaps").code == 0


def test_an_empty_home_has_no_engine(sigma):
    for words in (
        ("status",),
        ("trades", "--json"),
        ("api",),
        ("events",),
        ("events", "--follow"),
        ("stop",),
        ("start", "--yes"),
        ("flatten",),
        ("close", "BTC", "--yes"),
        ("recover", "--reason", "x", "--yes"),
        ("replay", "pause"),
        ("notifications", "clear"),
        ("chat", "why?"),
        ("audit", "verify"),
        ("audit", "report"),
        ("db", "check"),
        ("db", "migrate"),
    ):
        result = sigma(*words)
        assert result.code == 3, words
        assert result.out == ""
        assert "engine" in result.error


def test_the_unexpected_is_one_line_and_kept(sigma, place, monkeypatch):
    from sigma_tui.cli import config

    def broken(args):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(config, "check_command", broken)
    logs = place / "home" / "logs"
    logs.mkdir(parents=True)
    result = sigma("config", "check")
    assert result.code == 1
    assert "ZeroDivisionError: oh" in result.error
    assert "Traceback" in (logs / "trading_bot.log").read_text()
