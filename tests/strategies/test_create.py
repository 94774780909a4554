"""A strategy from a sentence, through both real client libraries and a script."""

from __future__ import annotations

import json

import pytest

from engine.assistant import errors
from engine.assistant.port import ChatModel
from engine.model.market import Pair
from engine.strategies.create import create_strategy
from engine.strategies.validation import StrategyError
from engine.strategy import Strategy
from tests.assistant.conftest import gemini, model
from tests.assistant.scripted import ScriptedModel
from tests.gemini_server import server as reply
from tests.gemini_server.server import GeminiServer

__all__ = ["gemini", "model"]
PAIRS = tuple(Pair.parse(name) for name in ("BTC", "ETH"))
WISH = "a cautious mean-reversion strategy for BTC and ETH"
GOOD = json.dumps(
    {
        "name": "careful-range",
        "description": "Cautious mean reversion.",
        "pairs": ["BTC", "ETH"],
        "weights": {
            "momentum": 0.1,
            "trend": 0.1,
            "mean_reversion": 0.45,
            "volatility": 0.15,
            "volume": 0.1,
            "probability": 0.1,
        },
        "v2_min_supporting": 4,
    }
)


async def test_both_libraries_write_one(model: ChatModel, gemini: GeminiServer) -> None:
    gemini.plan(reply.text(GOOD[:50], GOOD[50:]))
    made = await create_strategy(model, WISH, Strategy(), PAIRS)
    assert made.strategy.name == "careful-range"
    assert made.strategy.pairs == PAIRS
    assert not made.repaired
    assert {d.path for d in made.differences} >= {"pairs", "weights.trend", "v2_min_supporting"}
    sent = gemini.requests[0]
    assert WISH in sent.last_text
    assert sent.body["generationConfig"]["responseMimeType"] == "application/json"


async def test_one_repair_with_the_problems_named() -> None:
    script = ScriptedModel('{"name": "x", "stop_atr": 99}', f"```json\n{GOOD}\n```")
    made = await create_strategy(script, WISH, Strategy(), PAIRS)
    assert made.repaired
    assert made.usage.prompt_tokens == 200
    assert "stop_atr = 99: must be from 0.5 to 10" in script.asked[1][-1].text


async def test_no_second_repair() -> None:
    script = ScriptedModel("no json", '{"pairs": ["PEPE"]}', GOOD)
    with pytest.raises(StrategyError, match="allowed are BTC, ETH"):
        await create_strategy(script, WISH, Strategy(), PAIRS)
    assert len(script.asked) == 2


async def test_failures_stay_what_they_are() -> None:
    with pytest.raises(errors.Quota):
        await create_strategy(ScriptedModel(errors.Quota(9)), WISH, Strategy(), PAIRS)
    with pytest.raises(errors.ChatError, match="too long"):
        await create_strategy(ScriptedModel("x" * 70_000, step=8_000), WISH, Strategy(), PAIRS)
