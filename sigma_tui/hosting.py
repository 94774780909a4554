"""Hosting: a cockpit is kept on a terminal; one that crashes is started again."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Any

from sigma_tui.app import SigmaApp
from sigma_tui.driver import SteadyDriver
from sigma_tui.outlet import say
from sigma_tui.screens.leave import Departure

RESTARTS = 5  # screens that may crash within a minute before we give up on screens
RESTART_WINDOW_S = 60.0
BREATH_S = 0.5  # before a screen is started again
LOOK_S = 0.5
AT_LATEST_S = 1.0  # after mounting

_log = logging.getLogger("sigma.screen")


class Outcome(Enum):
    """How a screen came to its end."""

    LEFT = auto()  # by the person, or because it was told to leave
    LOST = auto()  # the terminal is gone
    CRASHED = auto()  # again and again


class HostedApp(SigmaApp):
    """A cockpit that looks after its terminal and leaves when there is no more reason to stay.

    ``over`` is asked twice a second. ``begun`` is called once, after the first paint.
    """

    over: Callable[[], bool] = staticmethod(lambda: False)
    begun: Callable[[], None] = staticmethod(lambda: None)
    lost = False
    _at_work = False

    def on_mount(self) -> None:
        """Begin after the first paint, or without it: Textual may forget who waits for it."""
        super().on_mount()
        self.set_timer(AT_LATEST_S, self._begin)

    def _begin(self) -> None:
        if self._at_work:
            return
        self._at_work = True
        super()._begin()
        self.begun()
        self._look_after()
        self.set_interval(LOOK_S, self._look_after)

    def _look_after(self) -> None:
        driver = self._driver
        if isinstance(driver, SteadyDriver) and driver.recovered():
            self.screen.refresh(layout=True)
        if self.over():
            self.exit()

    def terminal_lost(self) -> None:
        """Leave: nobody is there any more."""
        self.lost = True
        self.exit()

    def _print_error_renderables(self) -> None:
        """Keep what Textual would print: the terminal belongs to the next screen."""
        for renderable in self._exit_renderables:
            with self.error_console.capture() as capture:
                self.error_console.print(renderable)
            _log.error("the screen crashed\n%s", capture.get())
        self._exit_renderables.clear()


class Screens:
    """Runs cockpits on this terminal, one after the other. ``make`` builds one."""

    def __init__(self, make: Callable[[], HostedApp], over: Callable[[], bool]) -> None:
        self._make, self._over = make, over
        self._app: HostedApp | None = None
        self._told_to_leave = False
        self.departure: Departure | None = None

    def leave(self) -> None:
        """Take the screen down; from any thread, also before there is one."""
        self._told_to_leave = True
        loop = self._app._loop if self._app is not None else None
        if self._app is not None and loop is not None:
            with suppress(RuntimeError):  # it was closed a moment ago
                loop.call_soon_threadsafe(self._app.exit)

    def run(self, begun: Callable[[], None] = lambda: None) -> Outcome:
        """Show a screen until it is left; return how that came."""
        crashes: list[float] = []
        while not self._leaving():
            app = self._prepared(begun)
            try:
                self.departure = app.run(mouse=app.mouse)
            except Exception:  # noqa: BLE001 - logged; the next screen is the remedy
                _log.exception("the screen crashed")
                app._return_code = 1
            finally:
                self._app = None
            if app.lost:
                return Outcome.LOST
            if not app.return_code:
                return Outcome.LEFT
            now = time.monotonic()
            crashes = [moment for moment in crashes if now - moment < RESTART_WINDOW_S] + [now]
            if len(crashes) > RESTARTS:
                return Outcome.CRASHED
            say("sigma: the screen crashed and is started again; the log says why")
            time.sleep(BREATH_S)
        return Outcome.LEFT

    def _prepared(self, begun: Callable[[], None]) -> HostedApp:
        app: Any = self._make()
        app.over, app.begun = self._leaving, begun
        if "TEXTUAL_DRIVER" not in os.environ:  # a browser's, set by textual-serve
            app.driver_class = SteadyDriver
        self._app = app
        return app  # type: ignore[no-any-return]

    def _leaving(self) -> bool:
        return self._told_to_leave or self._over()
