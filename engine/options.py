"""How one run differs from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.model.market import Pair


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How one run differs from the settings. ``speed`` = simulated time / real time.

    ``confirm_live`` is the exchange's name as typed by the operator, to trade live.
    """

    home: Path
    data: Path | None = None
    pairs: tuple[Pair, ...] | None = None
    speed: float = 1.0
    seed: int = 1
    start: bool = False
    duration_s: float | None = None
    confirm_live: str = ""
