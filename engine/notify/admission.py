"""Admission: which messages a channel carries, so that it stays worth reading. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from engine.model.events import Severity
from engine.notify.message import RANK, Message
from engine.notify.quiet import QuietHours

_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Rules:
    """What a channel carries. Times in s.

    ``least`` is the mildest level. In ``quiet`` hours only critical and emergency pass. The same
    message is sent once in ``repeat_s``; at most ``most`` messages in ``window_s``, critical
    ones up to twice as many, emergencies always.
    """

    least: Severity = Severity.INFO
    quiet: QuietHours = field(default_factory=QuietHours)
    repeat_s: float = 600.0
    most: int = 20
    window_s: float = 600.0


class Admission:
    """Decides message by message for one channel. What is held back is counted and told later."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.held = 0  # since the last message that was admitted
        self._sent: deque[float] = deque(maxlen=2 * rules.most)
        self._said: OrderedDict[tuple[Severity, str], tuple[float, int]] = OrderedDict()

    def admit(self, message: Message, now: float) -> Message | None:
        """Return the message as it is to be sent, or None. ``now`` in s since the epoch, UTC."""
        rules = self.rules
        if RANK[message.level] < RANK[rules.least]:
            return None
        urgent = RANK[message.level] >= RANK[Severity.CRITICAL]
        if not urgent and rules.quiet.holds(now):
            self.held += 1
            return None
        repeats = self._repeats(message, now)
        if repeats is None:
            return None
        if not self._room(message.level, now):
            self.held += 1
            return None
        self._sent.append(now)
        return message._replace(text=message.text + self._postscript(repeats))

    def _repeats(self, message: Message, now: float) -> int | None:
        """Return how often it was repeated since it was last sent; None where it is a repeat."""
        if not message.key:
            return 0
        what = message.level, message.key
        last, repeats = self._said.pop(what, (float("-inf"), 0))
        fresh = now - last >= self.rules.repeat_s or now < last  # a clock set back repeats nothing
        self._said[what] = (now, 0) if fresh else (last, repeats + 1)
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return repeats if fresh else None

    def _room(self, level: Severity, now: float) -> bool:
        if level is Severity.EMERGENCY:
            return True
        most = self.rules.most * (2 if level is Severity.CRITICAL else 1)
        return sum(0 <= now - sent < self.rules.window_s for sent in self._sent) < most

    def _postscript(self, repeats: int) -> str:
        held, self.held = self.held, 0
        parts = []
        if repeats:
            parts.append(f"{repeats} more like it before this one")
        if held:
            parts.append(f"{held} other message{'' if held == 1 else 's'} held back")
        return f" ({'; '.join(parts)})" if parts else ""
