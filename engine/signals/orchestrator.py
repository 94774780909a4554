"""The orchestrator: what V1 and V2 together propose, and the higher-timeframe veto. Pure."""

from __future__ import annotations

from engine.model.decision import Signal, V1Result, V2Result
from engine.model.signal import Action, Indicators

BOOST, KEEP, CUT, OVERRULE = 1.1, 1.0, 0.7, 0.8
OVERRULE_CONFIDENCE = 0.70

WAITING = Signal(Action.WAIT, 0.0, 1.0, "", "warming up")


def wait(v1: V1Result) -> Signal:
    """Return the signal of a V1 that proposes nothing; the score says why."""
    return tuple.__new__(Signal, (Action.WAIT, v1.confidence, 1.0, "", ""))


def combine(v1: V1Result, v2: V2Result, ind: Indicators, min_confidence: float) -> Signal:
    """Combine V1's proposal with V2's verdict.

    Valid: confidence x 1.1 above 50 % confirmation, unchanged above 30 %, else x 0.7. Invalid:
    x 0.8 when V1 is surer than 0.70, else WAIT. Both higher timeframes against it: veto.
    """
    side = v1.action.side
    assert side is not None
    confirmed = f"confirmation {v2.confirmation:.0%}"
    if v2.valid and v2.confirmation > 0.5:
        multiplier, reason = BOOST, confirmed
    elif v2.valid and v2.confirmation > 0.3:
        multiplier, reason = KEEP, confirmed
    elif v2.valid:
        multiplier, reason = CUT, f"weak {confirmed}"
    elif v1.confidence > OVERRULE_CONFIDENCE:
        multiplier, reason = OVERRULE, f"V1 overrules V2: {v2.reason}"
    else:
        return Signal(Action.WAIT, v1.confidence, 0.0, "", v2.reason)
    confidence = min(1.0, v1.confidence * multiplier)
    if ind.htf_15m == -side.sign and ind.htf_1h == -side.sign:
        veto = f"both higher timeframes point {side.opposite}"
        return Signal(Action.WAIT, confidence, multiplier, veto, veto)
    if confidence < min_confidence:
        low = f"confidence {confidence:.2f} is below {min_confidence:.2f}"
        return Signal(Action.WAIT, confidence, multiplier, "", low)
    return Signal(v1.action, confidence, multiplier, "", reason)
