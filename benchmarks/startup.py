"""How soon Sigma is there: imports, ``--version``, the first paint, and a loop while ccxt loads."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.table import ROOT, Row
from tests.terminal.terminal import SIGMA, Terminal

MODULES = ("engine.decision", "engine.engine", "sigma_tui.app", "engine.assistant.session")
LIBRARIES = ("numpy", "textual.app", "pydantic", "pandas", "ccxt.async_support")
BARE = (sys.executable, str(ROOT / "benchmarks" / "bare_app.py"))
TICK_S = 0.001


def rows(runs: int) -> Iterator[Row]:
    """Yield wall times, each with what a bare interpreter takes as its baseline."""
    nothing = _wall(lambda: _run("pass"), runs)
    yield Row("python -c pass", nothing * 1e3, "ms")
    version = _wall(lambda: _command(*SIGMA, "--version"), runs)
    yield Row("sigma --version", version * 1e3, "ms", "< 200", version / nothing, "python -c pass")
    for name in (*MODULES, *LIBRARIES):
        spent = _wall(lambda name=name: _run(f"import {name}"), runs)  # type: ignore[misc]
        yield Row(f"import {name}", (spent - nothing) * 1e3, "ms")
    paints = [(_first_paint(BARE), _first_paint(SIGMA)) for _ in range(runs)]
    bare = median(pair[0] for pair in paints)
    ours = median(pair[1] for pair in paints)
    yield Row("first paint of a bare Textual app, same widgets", bare * 1e3, "ms")
    yield Row(
        "first paint of the cockpit",
        ours * 1e3,
        "ms",
        "<= 500 and <= 1.25 x bare",
        median(pair[1] / pair[0] for pair in paints),
        "bare app",
    )
    for name, code in (("nothing else runs", "time.sleep(1)"), ("ccxt loads", _LOADS)):
        gaps = [float(_run(_GAPS.replace("WORK", code))) for _ in range(runs)]
        yield Row(
            f"longest gap of a loop in a thread while {name}",
            median(gaps) * 1e3,
            "ms",
            "<= 10" if "ccxt" in name else "",
        )


def _wall(work: Callable[[], object], runs: int) -> float:
    spent = []
    for _ in range(max(3, runs)):
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    return median(spent)


def _run(code: str) -> str:
    return _command(sys.executable, "-c", code)


def _command(*words: str) -> str:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def _first_paint(command: Sequence[str]) -> float:
    """Return the seconds from the start of a program to the title of its market panel."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / "home"
        home.mkdir()
        terminal = Terminal(command, home)
        try:
            return terminal.wait_for("Market") - terminal.began
        finally:
            terminal.close()


# The engine's own loop is a thread beside the importing one; both share one interpreter.
_LOADS = "from engine.venues.exchange.library import exchange_class; exchange_class('binance')"
_GAPS = f"""
import asyncio, sys, threading, time
sys.setswitchinterval(0.001)
worst, over = 0.0, threading.Event()

async def tick():
    global worst
    while not over.is_set():
        begin = time.perf_counter()
        await asyncio.sleep({TICK_S})
        worst = max(worst, time.perf_counter() - begin - {TICK_S})

loop = threading.Thread(target=lambda: asyncio.run(tick()))
loop.start()
time.sleep(0.2)
worst = 0.0
WORK
over.set()
loop.join()
print(worst)
"""
