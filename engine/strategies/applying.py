"""What becomes of open positions when another strategy is applied: the truth, in sentences."""

from __future__ import annotations

from engine.model.snapshot import Snapshot


def consequences(snapshot: Snapshot) -> tuple[str, ...]:
    """Return what applying another strategy does to what is open now, a sentence each."""
    count = len(snapshot.positions) + len(snapshot.shadow_positions)
    if not count:
        return ("Nothing is open; it decides from the next closed candle on.",)
    names = ", ".join(dict.fromkeys(p.pair.base for p in snapshot.positions))
    held = f"{len(snapshot.positions)} open ({names})" if names else "shadow positions only"
    return (
        f"Positions now: {held}. They stay open, with the stop and target that rest at the "
        "exchange, and their trades are booked to the strategy that opened them.",
        "From the next position pass on, the new strategy's exits guard them: its trailing "
        "distance, time limit, regime exits and thesis thresholds. A stop only ever moves "
        "towards profit.",
        "Entries follow the new strategy from the next closed candle on.",
    )
