"""Figures of the cockpit on a real terminal: ``python -m benchmarks.terminal [STALL_SECONDS]``.

Stalls, signals, hang-ups and keys, as ``tests/terminal`` has them, but measured instead of judged.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.terminal.terminal import SIGMA, Terminal, processor_seconds, worst_silence
from tests.terminal.test_end import EndOfEngine, restored

ROUNDS = 3
KEYS = 60
RUN = (*SIGMA, "run", "--seed", "3", "--start", "--speed")


def opened(place: Path, *words: object) -> Terminal:
    """Open a cockpit in a new home and wait until its engine answers."""
    terminal = Terminal(words, Path(tempfile.mkdtemp(dir=place)) / "home")
    terminal.wait_for("BTC")
    terminal.ask("status")
    return terminal


def paint(place: Path) -> str:
    """Measure the first paint and the first prices (s)."""
    firsts, prices = [], []
    for _ in range(ROUNDS):
        terminal = opened(place, *RUN, 1)
        firsts.append(terminal.wait_for("SIGMA") - terminal.began)
        prices.append(terminal.wait_for("BTC") - terminal.began)
        terminal.close()
    return f"first paint {_span(firsts)} s, first prices {_span(prices)} s"


def keys(place: Path) -> str:
    """Measure from a key to the last byte of what it draws first (ms)."""
    terminal = opened(place, *RUN, 60)
    time.sleep(2)
    waits = []
    for number in range(KEYS):
        pieces, pressed = len(terminal.arrived), time.monotonic()
        terminal.type("?" if number % 2 == 0 else "\x1b")
        while sum(len(data) for _, data in terminal.arrived[pieces:]) < 2_000:
            time.sleep(0.001)
        if number % 2 == 0:
            waits.append((time.monotonic() - pressed) * 1000)
        time.sleep(0.2)
    late = terminal.ask("api")["tick_gap_p99_ms"]
    terminal.close()
    waits.sort()
    return (
        f"key to paint p50 {waits[len(waits) // 2]:.0f} ms, worst of {len(waits)} "
        f"{waits[-1]:.0f} ms; engine lateness p99 {late:.0f} ms with the screen at 4 Hz"
    )


def stall(place: Path, seconds: float) -> str:
    """Measure the engine's longest silence while the terminal does not read (ms)."""
    terminal = opened(place, *RUN, 60)
    terminal.pause()
    gap = worst_silence(terminal.home, seconds) * 1000
    terminal.resume()
    terminal.close()
    return f"terminal unread for {seconds:g} s: longest silence of the engine {gap:.0f} ms"


def ends(place: Path) -> list[str]:
    """Measure from a signal to the engine's last event and to the end of the process (ms)."""
    lines = []
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        for stalled in (False, True):
            terminal = opened(place, *RUN, 60)
            end = EndOfEngine(terminal.home)
            if stalled:
                terminal.pause()
                time.sleep(5)
            sent = terminal.signal(number)
            terminal.ended()
            gone = time.monotonic()
            end.join()
            terminal.resume()
            time.sleep(0.5)
            how = "stalled" if stalled else "read"
            state = "restored" if restored(terminal) else "NOT RESTORED"
            lines.append(
                f"{number.name} ({how}): engine's last event after {(end.when - sent) * 1000:.0f} "
                f"ms, process gone after {(gone - sent) * 1000:.0f} ms, terminal {state}"
            )
            terminal.close()
    return lines


def hang_up(place: Path) -> str:
    """Measure the processor share with a screen and with the terminal closed (%)."""
    terminal = opened(place, *RUN, 1, "--on-hangup", "keep")
    time.sleep(4)
    shown = _share(terminal.pid, 10)
    terminal.hang_up()
    time.sleep(2)
    closed = _share(terminal.pid, 20)
    terminal.close()
    return f"processor {shown:.1f} % with a screen, {closed:.1f} % with its terminal closed"


def _share(pid: int, seconds: float) -> float:
    used, began = processor_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (processor_seconds(pid) - used) / (time.monotonic() - began)


def _span(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def main() -> None:
    """Print every figure."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        print(paint(place), keys(place), hang_up(place), sep="\n", flush=True)
        print(*ends(place), stall(place, seconds), sep="\n")


if __name__ == "__main__":
    main()
