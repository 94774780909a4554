"""The orchestrator: every row of specification section 3, with its boundaries, and the veto."""

from __future__ import annotations

import pytest

from engine.model.decision import V1Result, V2Result
from engine.model.signal import Action, Side, Strength
from engine.signals.orchestrator import combine, wait
from tests.decision.build import indicators

FLOOR = 0.33


def v1(confidence: float, action: Action = Action.ENTER_LONG) -> V1Result:
    return V1Result(0.3, 0.3, 1.0, (0.0,) * 6, (0.0,) * 6, action, confidence)


def v2(valid: bool, confirmation: float) -> V2Result:
    reason = "" if valid else "only 2 of 3 rules support it"
    return V2Result(valid, confirmation, Strength.NORMAL, (), (), (), reason)


@pytest.mark.parametrize(
    ("valid", "confirmation", "given", "multiplier", "final"),
    [
        (True, 0.51, 0.60, 1.1, 0.66),
        (True, 0.99, 0.95, 1.1, 1.0),  # at most 1
        (True, 0.50, 0.60, 1.0, 0.60),
        (True, 0.31, 0.60, 1.0, 0.60),
        (True, 0.30, 0.60, 0.7, 0.42),
        (True, 0.00, 0.60, 0.7, 0.42),
        (False, 0.90, 0.71, 0.8, 0.568),
        (False, 0.10, 0.71, 0.8, 0.568),
        (False, 0.10, 1.00, 0.8, 0.8),
    ],
)
def test_the_rows_that_may_trade(
    valid: bool, confirmation: float, given: float, multiplier: float, final: float
) -> None:
    signal = combine(v1(given), v2(valid, confirmation), indicators(), FLOOR)
    assert signal.action is Action.ENTER_LONG
    assert signal.multiplier == multiplier
    assert signal.confidence == pytest.approx(final)
    assert signal.veto == ""


@pytest.mark.parametrize("given", [0.40, 0.60, 0.70])
def test_invalid_without_a_sure_v1_waits(given: float) -> None:
    signal = combine(v1(given), v2(False, 0.9), indicators(), FLOOR)
    assert signal.action is Action.WAIT
    assert signal.reason == "only 2 of 3 rules support it"


@pytest.mark.parametrize(
    ("given", "floor", "enters"),
    [(0.48, 0.33, True), (0.47, 0.33, False), (0.60, 0.42, True), (0.60, 0.4201, False)],
)
def test_the_minimum_confidence_is_met_after_the_multiplier(
    given: float, floor: float, enters: bool
) -> None:
    signal = combine(v1(given), v2(True, 0.2), indicators(), floor)
    assert (signal.action is Action.ENTER_LONG) is enters
    assert enters or signal.reason.startswith("confidence 0.")


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("confidence", [0.5, 1.0])
def test_both_higher_timeframes_against_it_veto(side: Side, confidence: float) -> None:
    proposed, against = v1(confidence, Action.enter(side)), -side.sign
    for first, second in ((against, against), (against, 0), (0, against), (against, -against)):
        ind = indicators(htf_15m=first, htf_1h=second)
        signal = combine(proposed, v2(True, 0.9), ind, FLOOR)
        vetoed = first == second == against
        assert signal.action is (Action.WAIT if vetoed else Action.enter(side))
        assert bool(signal.veto) is vetoed
    assert (
        str(side.opposite)
        in combine(
            proposed, v2(True, 0.9), indicators(htf_15m=against, htf_1h=against), FLOOR
        ).reason
    )


def test_a_v1_that_waits_keeps_its_figures() -> None:
    signal = wait(v1(0.3, Action.WAIT)._replace(score=-0.15))
    assert (signal.action, signal.confidence) == (Action.WAIT, 0.3)
    assert signal.reason == ""
