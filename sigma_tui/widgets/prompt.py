"""The prompt: a small editor in which no letter does anything but appear."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from textual import events
from textual.message import Message
from textual.widgets import TextArea

_KEEP = 200


class Prompt(TextArea):
    """Enter sends, ctrl+j breaks the line, Escape returns to the panels, arrows recall."""

    # What the other keys ask of the pane, and what the help says of them.
    KEYS: ClassVar[dict[str, tuple[str, str]]] = {
        "ctrl+g": ("stop", "stop the answer"),
        "ctrl+r": ("retry", "ask the last question again"),
        "ctrl+o": ("copy", "write the conversation to a file"),
        "ctrl+y": ("confirm", "confirm the newest draft (asks)"),
        "ctrl+n": ("drop", "drop the newest draft"),
        "pageup": ("up", "scroll up"),
        "pagedown": ("down", "scroll down; at the end it follows"),
    }

    class Sent(Message):
        """Enter was pressed on some text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Escape was pressed."""

    class Asked(Message):
        """One of ``KEYS`` was pressed."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, *, id: str) -> None:
        super().__init__("", id=id, soft_wrap=True, tab_behavior="focus", show_line_numbers=False)
        self._said: deque[str] = deque(maxlen=_KEEP)
        self._back = 0

    async def _on_key(self, event: events.Key) -> None:
        """Take the few keys that mean something else here; type the rest."""
        if event.key == "enter":
            self._send()
        elif event.key == "ctrl+j":
            self.insert("\n")
        elif event.key == "escape":
            self.post_message(self.Left())
        elif event.key in self.KEYS:
            self.post_message(self.Asked(self.KEYS[event.key][0]))
        elif event.key == "up" and self.cursor_at_first_line:
            self._recall(1)
        elif event.key == "down" and self.cursor_at_last_line:
            self._recall(-1)
        else:
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()

    def give_back(self, text: str) -> None:
        """Put a text back that was not sent after all."""
        self.text = text
        self.move_cursor(self.document.end)

    def _send(self) -> None:
        text = self.text.strip()
        if text:
            self._said.append(text)
            self._back = 0
            self.text = ""
            self.post_message(self.Sent(text))

    def _recall(self, by: int) -> None:
        back = min(len(self._said), max(0, self._back + by))
        if back != self._back:
            self._back = back
            self.give_back(self._said[-back] if back else "")
