"""Running: the cockpit over an engine of this process, or the engine alone."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import orjson

from engine.host import EngineHost
from engine.options import RunOptions
from engine.settings import Settings

END_S = 10.0  # how long an orderly end may take
RESTARTS = 5  # screens that may crash within a minute before we give up on screens
RESTART_WINDOW_S = 60.0
POLL_S = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_cockpit(settings: Settings, options: RunOptions, args: argparse.Namespace) -> int:
    """Open the cockpit and keep it open over an engine; return the exit code.

    A screen that crashes is started again within seconds; the engine does not notice. Signals
    end the engine first, then the screen.
    """
    from sigma_tui.app import SigmaApp
    from sigma_tui.driver import SteadyDriver
    from sigma_tui.screens.leave import Departure

    class Cockpit(SigmaApp):
        """The cockpit that starts its engine after the first paint."""

        def _begin(self) -> None:
            super()._begin()
            host.start()
            self.set_interval(0.5, self._look_after)

        def _look_after(self) -> None:
            """Repaint after a stall; leave when the set duration is over."""
            driver = self._driver
            if isinstance(driver, SteadyDriver) and driver.recovered():
                self.screen.refresh(layout=True)
            if options.duration_s is not None and not host.alive():
                self.exit()

    sys.setswitchinterval(0.001)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_FPS", "15")
    host = EngineHost.of(settings, options)
    hangup_keeps = getattr(args, "on_hangup", "stop") == "keep"
    told = _Signals(host, keep_on_hangup=hangup_keeps)
    crashes: list[float] = []
    departure: Departure | None = None
    while True:
        app = Cockpit(
            host,
            theme=getattr(args, "theme", None),
            ascii=bool(getattr(args, "ascii", False)),
            mouse=not getattr(args, "no_mouse", False),
            theme_dir=options.home / "themes",
        )
        app.driver_class = SteadyDriver
        told.leave = lambda app=app: app._loop and app._loop.call_soon_threadsafe(app.exit)
        departure = app.run(mouse=app.mouse)
        told.leave = None
        if app.return_code in (0, None) or told.name or not host.alive():
            break
        now = time.monotonic()
        crashes = [moment for moment in crashes if now - moment < RESTART_WINDOW_S] + [now]
        if len(crashes) > RESTARTS:
            print("sigma: the screen keeps crashing; the engine goes on", file=sys.stderr)
            departure = Departure.KEEP
            break
        print("sigma: the screen crashed and is started again", file=sys.stderr)
        time.sleep(0.5)
    if departure is Departure.KEEP and host.alive() and not told.name:
        print(
            f"sigma: the engine goes on without a screen (pid {os.getpid()}, home "
            f"{options.home}); Ctrl-C or `sigma stop` ends it",
            flush=True,
        )
        while not host.join(0.5):
            pass
    return _finish(host, told)


def run_headless(settings: Settings, options: RunOptions, args: argparse.Namespace) -> int:
    """Run the engine with no terminal, printing events; return the exit code.

    With ``--json`` (or a pipe) one JSON object per line, the summary last.
    """
    host = EngineHost.of(settings, options)
    told = _Signals(host, keep_on_hangup=getattr(args, "on_hangup", "stop") == "keep")
    as_json = bool(getattr(args, "json", False))
    host.start()
    try:
        _print_events(host, as_json)
    except BrokenPipeError:
        host.end("nobody reads the events any more")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _finish(host, told)
    code = _finish(host, told)
    if host.error is None and not as_json:
        figures = host.summary
        print(
            f"decisions {figures['decisions']}, proposals {figures['proposals']}, entries "
            f"{figures['entries']}, trades {figures['trades']}, balance {figures['balance']}\n"
            f"fingerprint {figures['fingerprint']}"
        )
    return code


def _print_events(host: EngineHost, as_json: bool) -> None:
    """Print events until the engine ends; say how many a slow reader missed."""
    from engine.narrative import describe, to_json

    seen, ended = 0, False
    while not ended:
        ended = host.join(POLL_S)
        for seq, event in host.events(seen):
            if seq > seen + 1:
                missed = f"{seq - seen - 1} events are not printed: the reader is too slow"
                print(f'{{"type":"warning","text":"{missed}"}}' if as_json else missed)
            seen = seq
            if as_json:
                print(orjson.dumps(to_json(event)).decode())
            elif (text := describe(event)) is not None:
                stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event.time / 1000))
                print(f"{stamp} {event.severity:<8} {text}")
        sys.stdout.flush()


class _Signals:
    """Tells the engine of a signal first, then the screen. A second signal ends at once."""

    def __init__(self, host: EngineHost, *, keep_on_hangup: bool) -> None:
        self.name = ""
        self.leave: Callable[[], object] | None = None
        self._host = host
        self._keep = keep_on_hangup
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, self._heard)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGHUP and self._keep:
            if self.leave is not None:
                self.leave()
            return
        if self.name:
            os._exit(130 if number == signal.SIGINT else 128 + number)
        self.name = name
        self._host.end(f"signal {name}")
        if self.leave is not None:
            self.leave()


def _finish(host: EngineHost, told: _Signals) -> int:
    """End the engine if it still runs, bounded; return the exit code."""
    if host.alive():
        host.end(told.name or "the cockpit was left")
    if not host.join(END_S):
        print("sigma: the engine did not end within 10 s; leaving it", file=sys.stderr)
        os._exit(1)
    if host.error is not None:
        raise host.error
    return 130 if told.name == "SIGINT" else 0
