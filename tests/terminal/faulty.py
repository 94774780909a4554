"""Sigma with a fault in its screen that strikes while a file named ``fault`` lies in the home.

Run as ``python -m tests.terminal.faulty FAULT run ...``; the program itself has no such switch.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from sigma_tui.__main__ import main
from sigma_tui.app import SigmaApp
from sigma_tui.widgets.market import MarketPanel


def struck() -> bool:
    return (Path(os.environ["SIGMA_HOME"]) / "fault").exists()


def break_a_panel() -> None:
    draw = MarketPanel.draw

    def faulty(self: MarketPanel, snapshot: Any) -> None:
        if struck():
            raise ZeroDivisionError("a fault in one panel")
        draw(self, snapshot)

    MarketPanel.draw = faulty  # type: ignore[method-assign]


def in_every_tick(fault: Any) -> None:
    tick = SigmaApp.tick

    def faulty(self: SigmaApp) -> None:
        if struck():
            fault()
        tick(self)

    SigmaApp.tick = faulty  # type: ignore[method-assign]


def crash() -> None:
    (Path(os.environ["SIGMA_HOME"]) / "fault").unlink()
    raise ZeroDivisionError("a fault in the whole screen")


def crash_always() -> None:
    raise ZeroDivisionError("a fault that stays")


FAULTS = {
    "panel": break_a_panel,
    "crash": lambda: in_every_tick(crash),
    "crash-always": lambda: in_every_tick(crash_always),
    "stuck": lambda: in_every_tick(lambda: time.sleep(3_600)),
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
