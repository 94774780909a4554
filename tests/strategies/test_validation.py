"""Strategies from outside: what is wrong is refused with the field and what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.market import Pair
from engine.strategies.exchange import export_strategy, import_strategy
from engine.strategies.fields import documentation, flat
from engine.strategies.validation import (
    MAX_BYTES,
    StrategyError,
    allowed_range,
    dump_strategy,
    parse_strategy,
)
from engine.strategy import Strategy

PAIRS = tuple(Pair.parse(name) for name in ("BTC", "ETH"))
WHOLE = json.loads(dump_strategy(Strategy()))


def test_the_built_in_strategy_survives_the_round_trip() -> None:
    assert parse_strategy(dump_strategy(Strategy())) == Strategy()
    assert parse_strategy("{}") == Strategy()


def test_pairs_are_written_as_the_scanner_knows_them() -> None:
    assert parse_strategy('{"pairs": ["btc", "ETH/USDT"]}', PAIRS).pairs == PAIRS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"stop_atr": 50}', "stop_atr = 50: must be from 0.5 to 10"),
        ('{"stop_atr": "1.5"}', 'stop_atr = "1.5": must be from 0.5 to 10'),
        ('{"stop_atr": true}', "stop_atr = true: must be from 0.5 to 10"),
        ('{"stop_atr": null}', "stop_atr = null: must be from 0.5 to 10"),
        ('{"stop_atr": NaN}', "NaN: not a number"),
        ('{"stop_atr": 1e999}', "stop_atr = Infinity: must be from 0.5 to 10"),
        ('{"v2_min_supporting": 2.5}', "v2_min_supporting = 2.5: must be a whole number from 1"),
        ('{"weights": {"momentum": 0.9}}', "weights: the six weights sum to 1.65"),
        ('{"weights": {"momentum": -1}}', "weights.momentum = -1: must be from 0 to 1"),
        ('{"exits": {"trail": {"trend": 0.02}}}', "exits.trail.range: missing; from 0.002 to 0.2"),
        (
            '{"exits": {"trail": {"trend": 3, "range": 0.01, "chop": 0.01, "volatile": 0.01}}}',
            "exits.trail: trend = 3: must be from 0.002 to 0.2",
        ),
        ('{"entry_score": 0.6}', "full_confidence_score 0.5 must be above entry_score 0.6"),
        ('{"name": "Not A Name"}', 'name = "Not A Name": must be small letters'),
        ('{"pairs": ["BTC", "PEPE"]}', 'pairs.1 = "PEPE/USDT:USDT": allowed are BTC, ETH'),
        ('{"pairs": ["BTC", "BTC/USDT"]}', "pairs: a pair is named twice"),
        ('{"pairs": ["; drop table"]}', "pairs"),
        ('{"leverage": 20}', '"leverage": no such field'),
        ('{"exits": {"$ref": "#/exits"}}', '"exits.$ref": no such field'),
        ('{"schema_version": 2}', "schema_version = 2: this program reads version 1"),
        ('{"schema_version": "1"}', 'schema_version = "1": this program reads version 1'),
        ('{"stop_atr": 1, "stop_atr": 2}', '"stop_atr": given twice'),
        ('{"stop_atr": ', "not JSON: Expecting value at line 1"),
        ("", "not JSON"),
        ("[]", "one JSON object"),
        ("[" * 30_000, "nested too deep"),
        ('{"a":' * 9_000 + "1" + "}" * 9_000, "nested too deep"),
        ('{"stop_atr": ' + "9" * 6_000 + "}", "a number in it is too long"),
        ('{"description": "' + "x" * 501 + '"}', "description"),
        ('{"description": "a\\u001b[2Jb"}', "description: holds control characters"),
        ('{"description": "a\\u202eb"}', "description: holds control characters"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not text"),
        (b"{" + b" " * 1_000_000 + b"}", "1,000,002 bytes: a strategy has at most 64,000"),
    ],
)
def test_refusals_name_field_and_range(text: str | bytes, says: str) -> None:
    with pytest.raises(StrategyError) as caught:
        parse_strategy(text, PAIRS)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 2_000
    assert "\x1b" not in str(caught.value)


def test_every_number_has_a_range_and_words() -> None:
    for path, default, allowed, words in documentation():
        assert words, path
        if default.replace(".", "").isdigit() and path != "schema_version":
            assert "to" in allowed or "more" in allowed, (path, allowed)


@settings(deadline=None, max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*WHOLE, "x"]) | st.text(max_size=4), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_anything_is_either_a_strategy_or_refused(value: Any) -> None:
    try:
        strategy = parse_strategy(json.dumps(value), PAIRS)
    except StrategyError:
        return
    assert parse_strategy(dump_strategy(strategy), PAIRS) == strategy


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(flat(Strategy()))), st.floats(-1e6, 1e6))
def test_numbers_outside_their_range_never_pass(path: str, number: float) -> None:
    whole = json.loads(dump_strategy(Strategy()))
    node, *names = whole, *path.split(".")
    for name in names[:-1]:
        node = node[name]
    node[names[-1]] = number
    words = allowed_range(path).removeprefix("a whole number ").split()
    said = _refusal(json.dumps(whole))
    if said:
        assert names[-1] in said or "sum to" in said
    else:
        assert words[0] == "from"
        assert float(words[1]) <= number <= float(words[3])


def _refusal(text: str) -> str:
    try:
        parse_strategy(text, PAIRS)
    except StrategyError as error:
        return str(error)
    return ""


# Files


def test_export_and_import(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    export_strategy(Strategy(name="mine"), path)
    assert import_strategy(path, PAIRS) == Strategy(name="mine")
    with pytest.raises(StrategyError, match="already exists"):
        export_strategy(Strategy(), path)
    export_strategy(Strategy(name="other"), path, replace=True)
    assert import_strategy(path).name == "other"


def test_files_that_are_no_strategies(tmp_path: Path) -> None:
    big = tmp_path / "big.json"
    big.write_bytes(b"x" * 1_000_000)
    with pytest.raises(StrategyError, match="1,000,000 bytes"):
        import_strategy(big)
    with pytest.raises(StrategyError, match="cannot be read"):
        import_strategy(tmp_path / "none.json")
    with pytest.raises(StrategyError, match=r"not a file|cannot be read"):
        import_strategy(tmp_path)
    with pytest.raises(StrategyError, match="not a file"):
        import_strategy(Path("/dev/zero"))
    bad = tmp_path / "bad.json"
    bad.write_text('{"target_r": 1}')
    with pytest.raises(StrategyError, match=r"bad.json: target_r = 1: must be from 2 to 10"):
        import_strategy(bad)
    with pytest.raises(StrategyError, match="cannot be written"):
        export_strategy(Strategy(), big / "below-a-file.json")
    assert big.stat().st_size > MAX_BYTES
