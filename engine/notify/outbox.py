"""The outbox of one channel: bounded, retried, and in a thread that nobody waits for."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.notify.channels import Channel, DeliveryError
from engine.notify.message import RANK, Message

KEPT = 100
RETRY_S = (2.0, 10.0, 60.0)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Delivery:
    """How a channel fares: messages sent, given up and pushed out, and what went wrong last."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0
    error: str = ""


class Outbox:
    """Takes messages at once and delivers them by and by. ``redact`` cleans what went wrong.

    ``retries`` are the pauses (s) before each further attempt; a message is given up after the
    last. Where more than ``kept`` wait, the oldest of the mildest makes room.
    """

    def __init__(
        self,
        channel: Channel,
        redact: Callable[[str], str],
        *,
        retries: tuple[float, ...] = RETRY_S,
        kept: int = KEPT,
    ) -> None:
        self.channel = channel
        self.delivery = Delivery()
        self._redact = redact
        self._retries = retries
        self._kept = kept
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._busy = False
        self._thread: threading.Thread | None = None

    def offer(self, message: Message) -> None:
        """Take a message; never waits for a delivery."""
        with self._changed:
            if self._closing.is_set():
                self.delivery.dropped += 1
                return
            self._waiting.append(message)
            if len(self._waiting) > self._kept:
                self._make_room()
            self.delivery.waiting = len(self._waiting)
            if self._thread is None:
                # A daemon: a service that hangs must not keep the program from ending.
                self._thread = threading.Thread(target=self._run, name="notify", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, timeout: float) -> bool:
        """Deliver what waits, for at most ``timeout`` s; return whether all of it was tried.

        From now on a message that fails is not tried again.
        """
        deadline = time.monotonic() + timeout
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
            while self._waiting or self._busy:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    # In the channel's own thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closing.is_set():
                        return
                    self._changed.wait()
                message = self._waiting.popleft()
                self._busy = True
                self.delivery.waiting = len(self._waiting)
            delivered = self._deliver(message)
            with self._changed:
                self._busy = False
                if delivered:
                    self.delivery.sent += 1
                else:
                    self.delivery.failed += 1
                self._changed.notify_all()

    def _deliver(self, message: Message) -> bool:
        for pause in (*self._retries, None):
            problem = self._attempt(message)
            if not problem:
                if self.delivery.error:
                    _log.info("notifications reach %s again", self.channel.name)
                self.delivery.error = ""
                return True
            if not self.delivery.error:
                _log.warning("no notification reaches %s: %s", self.channel.name, problem)
            self.delivery.error = problem
            if pause is None or self._closing.wait(pause):
                return False
        return False

    def _attempt(self, message: Message) -> str:
        """Try once; return what went wrong, "" when nothing did."""
        try:
            self.channel.send(message)
        except DeliveryError as error:
            return self._redact(str(error)) or "not delivered"
        except Exception as error:  # noqa: BLE001 - whatever a service's client raises, it is told
            return self._redact(f"{type(error).__name__}: {error}")
        return ""

    def _make_room(self) -> None:
        mildest = min(self._waiting, key=lambda message: RANK[message.level])
        self._waiting.remove(mildest)
        self.delivery.dropped += 1
