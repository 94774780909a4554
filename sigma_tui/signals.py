"""Signals: TERM, HUP and INT are heard by a thread of their own, whatever the screen is doing.

A Python signal handler runs in the main thread between two instructions; a thread that waits for
the signals is told at once, also while the main thread is stuck.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Calls ``heard`` with a signal's name, from any thread. Use as a context manager.

    Outside the main thread it does nothing: signals are the main thread's to arrange.
    """

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._over = False
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)

    def __enter__(self) -> Self:
        self._arranged = threading.current_thread() is threading.main_thread()
        if self._arranged:
            # Threads started from now on inherit the mask, so that only the listener is told;
            # a thread started before gets the handler.
            self._handlers = {n: signal.signal(n, self._caught) for n in HEARD}
            self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._arranged:
            return
        self._over = True
        assert self._thread.ident is not None
        signal.pthread_kill(self._thread.ident, signal.SIGHUP)
        self._thread.join()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _listen(self) -> None:
        while True:
            number = signal.sigwait(HEARD)
            if self._over:
                return
            self._heard(signal.Signals(number).name)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self._heard(signal.Signals(number).name)
