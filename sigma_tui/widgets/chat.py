"""The assistant's pane: a frame with a prompt, honest about not being set up yet."""

from __future__ import annotations

from collections import deque

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import TextArea

from sigma_tui.look import Look
from sigma_tui.widgets.lines import Lines

_KEEP = 200


class Prompt(TextArea):
    """A small editor: Enter sends, ctrl+j breaks the line, Escape returns to the panels."""

    class Sent(Message):
        """Enter was pressed on some text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Escape was pressed."""

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
        elif event.key == "up" and self.cursor_at_first_line:
            self._recall(1)
        elif event.key == "down" and self.cursor_at_last_line:
            self._recall(-1)
        else:
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()

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
            self.text = self._said[-back] if back else ""
            self.move_cursor(self.document.end)


class ChatPane(Vertical):
    """Docked right when there is room, above the panels when not."""

    def compose(self) -> ComposeResult:
        """Hold what was said and the prompt."""
        self.border_title = "Assistant"
        self.border_subtitle = "Enter sends  Esc returns"
        self.lines = Lines(id="chat-lines")
        with VerticalScroll(id="chat-scroll", can_focus=False):
            yield self.lines
        self.prompt = Prompt(id="chat-prompt")
        yield self.prompt

    def greet(self, look: Look) -> None:
        """Say that no assistant is set up."""
        self._said: deque[Text] = deque(maxlen=_KEEP)
        for line in (
            ("The assistant is not set up yet.", "warn"),
            ("Everything else works without it.", "muted"),
            ("", "muted"),
        ):
            self._said.append(look.say(line))
        self._write()

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        """Repeat what was typed and say that nobody read it."""
        event.stop()
        look: Look = getattr(self.app, "look")  # noqa: B009 - typed here, not on App
        for part in event.text.splitlines():
            self._said.append(look.say(("> ", "accent"), (part, "text")))
        self._said.append(look.say(("not sent: the assistant is not set up yet", "muted")))
        self._write()

    def _write(self) -> None:
        self.lines.set_lines(list(self._said))
        self.query_one("#chat-scroll", VerticalScroll).scroll_end(animate=False)
