"""A progress bar on stderr, and Ctrl-C that ends a long run in order."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sigma_tui.cli import context

BAR_WIDTH = 32
REDRAW_S = 0.2

Progress = Callable[[float], None]


def progress_bar(args: argparse.Namespace) -> Progress | None:
    """Return what draws the bar for a share done, None where nobody would see it."""
    if context.wants_json(args) or not sys.stderr.isatty():
        return None
    drawn = 0.0

    def draw(share: float) -> None:
        nonlocal drawn
        if time.monotonic() - drawn < REDRAW_S:
            return
        drawn = time.monotonic()
        share = min(1.0, max(0.0, share))
        full = round(share * BAR_WIDTH)
        sys.stderr.write(f"\r[{'#' * full}{'.' * (BAR_WIDTH - full)}] {share:4.0%}")
        sys.stderr.flush()

    return draw


@contextmanager
def interruptible(draw: Progress | None) -> Iterator[Progress]:
    """Let Ctrl-C end a run between two steps, where the account is whole; the second is at once.

    What is yielded takes the share done and raises ``KeyboardInterrupt`` when that was asked.
    """
    asked = False

    def ask(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def progress(share: float) -> None:
        if asked:
            raise KeyboardInterrupt
        if draw is not None:
            draw(share)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield progress
    finally:
        signal.signal(signal.SIGINT, before)
        if draw is not None:
            sys.stderr.write("\r" + " " * (BAR_WIDTH + 8) + "\r")
            sys.stderr.flush()
