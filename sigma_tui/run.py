"""Running: the cockpit over an engine of this process, or the engine alone."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import orjson

from engine.home import Home
from engine.host import EngineHost
from engine.options import RunOptions
from engine.settings import Settings
from sigma_tui.outlet import BeforeScreens, let_go, say
from sigma_tui.signals import Signals

END_S = 10.0  # how long an orderly end of the engine may take
LEAVE_S = 3.0  # how long everything else may take after that
POLL_S = 0.05
SAFETY_ENDED = 4  # exit code: a safety rule ended the engine; a service must not start it again
_SAFETY_WORDS = "circuit breaker SHUTDOWN"


def run_cockpit(settings: Settings, options: RunOptions, args: argparse.Namespace) -> int:
    """Open the cockpit and keep it open over an engine; return the exit code.

    A screen that crashes is started again within seconds; the engine does not notice. Signals
    end the engine first, then the screen.
    """
    from sigma_tui.assistance import Assistance
    from sigma_tui.hosting import HostedApp, Outcome, Screens
    from sigma_tui.keymap import read_keymap
    from sigma_tui.screens.leave import Departure

    def cockpit() -> HostedApp:
        return HostedApp(
            host,
            theme=getattr(args, "theme", None),
            ascii=bool(getattr(args, "ascii", False)),
            mouse=not getattr(args, "no_mouse", False),
            theme_dir=options.home / "themes",
            keymap=keymap,
            assistance=assistance,
        )

    keymap = read_keymap(options.home)
    prepare_terminal()
    host = EngineHost.of(settings, options)
    assistance = Assistance(
        host.snapshot, settings=settings, home=Home(options.home), host=host, data=options.data
    )
    ending = Ending(host, keep=keeps(args))
    with Signals(ending.heard):
        screens = Screens(cockpit, lambda: options.duration_s is not None and not host.alive())
        ending.leave_screen, ending.restore = screens.leave, BeforeScreens().restore
        outcome = screens.run(begun=host.start)
        lost = outcome is Outcome.LOST or "SIGHUP" in ending.heard_of
        if lost:
            let_go()
        stays = ending.keep if lost else screens.departure is Departure.KEEP
        if (stays or outcome is Outcome.CRASHED) and host.alive() and not ending.asked:
            why = "the screen keeps crashing; " if outcome is Outcome.CRASHED else ""
            say(
                f"sigma: {why}the engine goes on without a screen (pid {os.getpid()}, home "
                f"{options.home}); `sigma attach` shows it, Ctrl-C or `sigma shutdown` ends it"
            )
            host.start()
            host.join()
        return ending.finish()


def run_headless(settings: Settings, options: RunOptions, args: argparse.Namespace) -> int:
    """Run the engine with no terminal, printing events; return the exit code.

    With ``--json`` (or a pipe) one JSON object per line, the summary last. A recording is traded
    from its first candle on: nobody is there to press start.
    """
    if options.data is not None:
        options = replace(options, start=True)
    host = EngineHost.of(settings, options)
    ending = Ending(host, keep=keeps(args))
    as_json = bool(getattr(args, "json", False))
    with Signals(ending.heard):
        host.start()
        try:
            _print_events(host, as_json)
        except BrokenPipeError:
            host.end("nobody reads the events any more")
            let_go()
            return ending.finish()
        except OSError:  # the terminal is gone
            let_go()
            if ending.keep:
                host.join()
            else:
                host.end("the terminal is gone")
        code = ending.finish()
    if host.error is None and not as_json:
        figures = host.summary
        print(
            f"decisions {figures['decisions']}, proposals {figures['proposals']}, entries "
            f"{figures['entries']}, trades {figures['trades']}, balance {figures['balance']}\n"
            f"fingerprint {figures['fingerprint']}"
        )
    return code


def keeps(args: argparse.Namespace) -> bool:
    """Return whether the engine goes on when the terminal goes away."""
    return getattr(args, "on_hangup", "stop") == "keep"


def prepare_terminal() -> None:
    """Set what suits a slow link, unless the person has set it otherwise."""
    sys.setswitchinterval(0.001)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_FPS", "15")


class Ending:
    """How a run ends: the engine is told first, then the screen; a second signal ends at once.

    ``keep`` says that a hang-up ends the screen alone. However the end comes, the process is
    gone ``END_S + LEAVE_S`` seconds after a signal.
    """

    def __init__(self, host: EngineHost, *, keep: bool) -> None:
        self.keep = keep
        self.asked = ""  # the signal that ends this run
        self.heard_of: set[str] = set()
        self.leave_screen: Callable[[], None] = _no_screen
        self.restore: Callable[[], None] = _no_screen
        self._host = host
        self._finished = threading.Event()

    def heard(self, name: str) -> None:
        """Act on a signal. From any thread."""
        self.heard_of.add(name)
        if name == "SIGHUP" and self.keep:
            self.leave_screen()
            return
        if self.asked:
            self._leave_at_once(128 + int(signal.Signals[name]))
        self.asked = name
        self._host.end(f"signal {name}")
        threading.Thread(target=self._see_to_it, name="deadline", daemon=True).start()
        self.leave_screen()

    def _see_to_it(self) -> None:
        """End this process though the main thread is stuck, e.g. at a pipe nobody reads."""
        ended = self._host.join(END_S)
        if not self._finished.wait(LEAVE_S):
            self._leave_at_once(self._code() if ended else 1)

    def _leave_at_once(self, code: int) -> NoReturn:
        self.restore()
        os._exit(code)

    def finish(self) -> int:
        """End the engine if it still runs, within ``END_S``; return the exit code.

        Raises what the engine failed with.
        """
        host = self._host
        if host.alive():
            host.end(f"signal {self.asked}" if self.asked else "the cockpit was left")
        if not host.join(END_S):
            say(f"sigma: the engine did not end within {END_S:g} s; leaving it")
            os._exit(1)
        self._finished.set()
        if host.error is not None:
            raise host.error
        return self._code()

    def _code(self) -> int:
        if self.asked == "SIGINT":
            return 130
        return SAFETY_ENDED if self._host.fate().startswith(_SAFETY_WORDS) else 0


def _no_screen() -> None:
    """Do nothing: there is no screen."""


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
