"""The verbs of strategies and the assistant: what they do, and what they refuse with which code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.home import Home
from engine.host import EngineHost
from engine.options import RunOptions
from engine.settings import load_settings
from engine.strategies.validation import MAX_BYTES
from tests.cli.conftest import Ran
from tests.control.conftest import listening, wait_until
from tests.gemini_server import server as reply
from tests.gemini_server.server import GeminiServer

Sigma = Callable[..., Ran]
MINE = {"name": "careful", "description": "Fewer, better entries.", "entry_score": 0.3}


def written(place: Path, value: object) -> Path:
    path = place / "mine.json"
    path.write_text(json.dumps(value))
    return path


def strategies(sigma: Sigma) -> list[tuple[str, int, bool]]:
    listed = sigma("strategies", "--json").json["strategies"]
    return [(item["name"], item["version"], item["active"]) for item in listed]


def test_import_list_show_export_apply_and_go_back(sigma: Sigma, place: Path) -> None:
    assert strategies(sigma) == [("default", 1, True)]
    done = sigma("strategy", "import", written(place, MINE))
    assert (done.code, done.out) == (0, "saved as careful v1; apply it to trade by it\n")
    assert sigma("strategy", "import", written(place, MINE | {"stop_atr": 2.5})).out.startswith(
        "saved as careful v2"
    )
    assert sigma("strategy", "show", "careful", "--json").json["stop_atr"] == 2.5
    assert sigma("strategy", "show", "careful", "--version", 1, "--json").json["stop_atr"] == 1.5
    assert "exits.trail.chop" in sigma("strategy", "show").out
    out = place / "out.json"
    assert sigma("strategy", "export", "careful", out).code == 0
    again = sigma("strategy", "export", "careful", out)
    assert (again.code, again.error.endswith("--force replaces it")) == (2, True)
    assert sigma("strategy", "export", "careful", out, "--force").code == 0
    assert json.loads(out.read_text())["version"] == 2
    asks = sigma("strategy", "apply", "careful")
    assert asks.code == 2
    assert "account sim-1 decide by careful v2 from its next start on; add --yes" in asks.error
    assert sigma("strategy", "apply", "careful", "--yes", "--json").json["outcome"] == "done"
    assert strategies(sigma) == [
        ("default", 1, False), ("careful", 1, False), ("careful", 2, True),
    ]  # fmt: skip
    assert sigma("strategy", "rollback", "--yes").code == 0
    assert strategies(sigma)[0] == ("default", 1, True)


def test_a_dry_run_saves_nothing(sigma: Sigma, place: Path) -> None:
    assert sigma("strategy", "import", written(place, MINE), "--dry-run").out.endswith("is valid\n")
    assert strategies(sigma) == [("default", 1, True)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"name": "x", "entry_score": 5}, "entry_score = 5: must be from 0.05 to 0.9"),
        ({"name": "x", "stop_atr": "wide"}, 'stop_atr = "wide": must be from 0.5 to 10'),
        ({"name": "x", "v2_min_supporting": 2.5}, "must be a whole number from 1 to 13"),
        (
            {"name": "x", "weights": dict.fromkeys(
                ("momentum", "trend", "mean_reversion", "volatility", "volume", "probability"), 0.2
            )},
            "weights: the six weights sum to 1.2; they must sum to 1",
        ),
        ({"name": "x", "weights": {"trend": 1.5}}, "weights.trend = 1.5: must be from 0 to 1"),
        ({"name": "x", "pairs": ["BTC", "PEPE"]}, "pairs.1"),
        ({"name": "x", "pairs": ["???"]}, "pairs"),
        ({"name": "x", "base": "x"}, '"base": no such field'),
        ({"name": "x", "exits": {"trail": {"trend": 0.02}}}, "exits.trail.range: missing"),
        ({"name": "x", "exits": {"arm_r": 99}}, "exits.arm_r = 99: must be from 0.25 to 5"),
        ({"name": "x", "schema_version": 2}, "schema_version = 2: this program reads version 1"),
        ({"name": "Up Case"}, "name"),
        ({"name": "default"}, "built in"),
        ([1, 2], "one JSON object"),
    ],
)  # fmt: skip
def test_bad_strategies_are_refused_by_field(
    sigma: Sigma, place: Path, content: object, words: str
) -> None:
    done = sigma("strategy", "import", written(place, content))
    assert done.code == 2
    assert words in done.error
    assert done.out == ""
    assert strategies(sigma) == [("default", 1, True)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{" + b" " * 1_000_000 + b"}", f"a strategy has at most {MAX_BYTES:,}"),
        (bytes(range(256)) * 4, "not text"),
        (b'{"name": "x", "stop_atr": NaN}', "not a number a strategy may hold"),
        (b'{"name": "x", "name": "y"}', '"name": given twice'),
        (b"[" * 30_000, "nested too deep"),
        (b"", "not JSON"),
    ],
    ids=["1 MB", "binary", "nan", "twice", "deep", "empty"],
)
def test_bad_files_are_refused(sigma: Sigma, place: Path, data: bytes, words: str) -> None:
    path = place / "mine.json"
    path.write_bytes(data)
    done = sigma("strategy", "import", path)
    assert done.code == 2
    assert words in done.error


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("show", "magic"), "no strategy is named 'magic'; there are: default"),
        (("show", "default", "--version", "3"), "no strategy is named 'default'"),
        (("apply", "magic"), "no strategy is named 'magic'"),
        (("export", "magic", "x.json"), "no strategy is named 'magic'"),
        (("import", "nowhere.json"), "nowhere.json: cannot be read"),
        (("import", "."), ".: cannot be read (Is a directory)"),
        (("rollback",), "no earlier strategy to go back to"),
        (("show", "default", "--version", "0"), "not a whole number from 1"),
    ],
)
def test_wrong_names_are_usage_errors(sigma: Sigma, line: tuple[str, ...], words: str) -> None:
    done = sigma("strategy", *line)
    assert done.code == 2
    assert words in done.error


def test_without_a_key_create_says_how_to_add_one(sigma: Sigma) -> None:
    done = sigma("strategy", "create", "careful")
    assert done.code == 1
    assert "Add GEMINI_API_KEY" in done.error


def test_chat_without_an_engine_is_code_3(sigma: Sigma) -> None:
    assert sigma("chat", "why?").code == 3


@pytest.fixture
def gemini(monkeypatch: pytest.MonkeyPatch, place: Path) -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        monkeypatch.setenv("GEMINI_API_KEY", "AIzaSyTestKey-not-a-real-one-123456")
        monkeypatch.setenv("GEMINI_URL", server.url)
        yield server


def test_create_shows_the_difference_tries_and_saves(
    sigma: Sigma, gemini: GeminiServer, market: Path
) -> None:
    gemini.plan(reply.text(json.dumps(MINE)), reply.text(json.dumps(MINE)))
    done = sigma("strategy", "create", "fewer", "entries", "--data", market)
    assert done.code == 0, done.err
    assert "entry_score 0.2 -> 0.3 (score beyond which a side is proposed)" in done.out
    assert "Tried on " in done.out
    assert "Saved as careful v1" in done.out
    assert "fewer entries" in gemini.requests[0].last_text
    dry = sigma("strategy", "create", "again", "--dry-run", "--json").json
    assert (dry["saved"], dry["strategy"]["name"]) == (False, "careful")


def test_create_refuses_what_stays_invalid(sigma: Sigma, gemini: GeminiServer) -> None:
    wrong = json.dumps(MINE | {"entry_score": 7})
    gemini.plan(reply.text(wrong), reply.text(wrong))
    done = sigma("strategy", "create", "careful")
    assert done.code == 1
    assert "no valid strategy: entry_score = 7: must be from 0.05 to 0.9" in done.error
    gemini.plan(reply.bad_key())
    assert sigma("strategy", "create", "careful").error.endswith("Check GEMINI_API_KEY.")


# With an engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("engine") / "home")
    settings = load_settings(allowed_symbols="BTC,ETH", _env_file=None)
    host = EngineHost.of(settings, RunOptions(home=home.root, speed=60, seed=3))
    host.start()
    wait_until(lambda: host.error is not None or listening(home))
    yield home
    host.end("the test is over")
    assert host.join(30)


def test_a_running_engine_is_asked_and_refuses(sigma: Sigma, place: Path, engine: Home) -> None:
    at = ("--home", engine.root)
    assert sigma("strategy", "import", written(place, MINE), *at).code == 0
    far = {"name": "far", "pairs": ["DOGE"]}
    assert sigma("strategy", "import", written(place, far), *at).code == 0
    asks = sigma("strategy", "apply", "careful", *at)
    assert asks.code == 2
    assert "decide by careful v1 instead of default v1 on sim paper" in asks.error
    done = sigma("strategy", "apply", "careful", "--yes", "--reason", "a test", *at)
    assert done.code == 0
    assert done.out.startswith("careful v1 decides from the next closed candle on")
    assert sigma("status", "--json", *at).json["strategy"].startswith("careful")
    refused = sigma("strategy", "apply", "far", "--yes", *at)
    assert refused.code == 4
    assert "far v1 may enter none of the pairs traded here: BTC, ETH" in refused.error
    assert sigma("strategy", "rollback", "--yes", *at).code == 0
    assert sigma("status", "--json", *at).json["strategy"].startswith("default")


def test_chat_asks_the_running_engine(
    sigma: Sigma, place: Path, engine: Home, gemini: GeminiServer
) -> None:
    at = ("--home", engine.root)
    draft = '```sigma\n{"draft":"halt","reason":"news"}\n```'
    gemini.plan(reply.text('{"need": ["market"]}'), reply.text(f"All is quiet.\n{draft}"))
    done = sigma("chat", "how", "is", "it?", *at)
    assert done.code == 0, done.err
    assert done.out.startswith("All is quiet.\n")
    assert "Draft: Trip to HALT" in done.out
    assert "Nothing has been done. To do it: sigma trip HALT" in done.out
    assert sigma("breaker", "--json", *at).json["level"] != "HALT"
    assert '"market"' in gemini.requests[1].last_text
    gemini.plan(reply.text("Fine."))
    assert sigma("chat", "and now?", "--json", *at).json["answer"] == "Fine."
    gemini.plan(reply.quota())
    failed = sigma("chat", "again?", *at)
    assert (failed.code, "Try again in 17 s" in failed.error) == (1, True)


def test_slash_commands_need_no_key(sigma: Sigma, place: Path, engine: Home) -> None:
    at = ("--home", engine.root)
    assert "/why PAIR" in sigma("chat", "/help", *at).out
    assert sigma("chat", "/why BTC", *at).code == 0
    no_key = sigma("chat", "why?", *at)
    assert (no_key.code, "Add GEMINI_API_KEY" in no_key.error) == (1, True)
