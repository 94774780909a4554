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
        "exchange.",
        "The strategy that opened a position goes on guarding it by its own exits, and the trade "
        "is booked to that strategy.",
        "Entries follow the new strategy from the next closed candle on, and are sized by the "
        "closed trades of the new one alone.",
    )
