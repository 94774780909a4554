"""The assistant's pane: a conversation beside the panels that can send nothing by itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Markdown
from textual.widgets.markdown import MarkdownStream

from sigma_tui.look import Look
from sigma_tui.widgets.chat_turns import Answer, DraftCard, Remark
from sigma_tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from engine.assistant.session import ChatSession, Done, Update
    from sigma_tui.app import SigmaApp

KEPT = 45  # parts of a conversation that stay on the screen: about fifteen turns
RECALLED = 16  # lines of an earlier conversation that are shown again
_IDLE = "Enter sends  ^r retry  ^o copy  Esc back"
_BUSY = "^g stops the answer"
_NO_KEY = (
    "No Gemini key is set: add GEMINI_API_KEY to .env or the environment and start again. "
    "Slash commands such as /why BTC work without one; /help lists them."
)


class ChatPane(Vertical):
    """Docked right when there is room, above the panels when not."""

    def compose(self) -> ComposeResult:
        """Hold what was said and the prompt."""
        self.border_title, self.border_subtitle = "Assistant", _IDLE
        self.scroll = VerticalScroll(id="chat-scroll", can_focus=False)
        self.prompt = Prompt(id="chat-prompt")
        self._session: ChatSession | None = None
        self._opening = asyncio.Lock()
        self._recalled = self._greeted = self._running = False
        self._answer: Answer | None = None
        self._stream: MarkdownStream | None = None
        yield self.scroll
        yield self.prompt

    @property
    def cockpit(self) -> SigmaApp:
        """Return the app."""
        return cast("SigmaApp", self.app)

    @property
    def plain(self) -> str:
        """Return the conversation in sight as text."""
        parts = []
        for turn in self.scroll.children:
            parts.append(turn.plain if isinstance(turn, Remark) else cast(Answer, turn).source)
        return "\n".join(parts)

    def dress(self) -> None:
        """Take the colours of a new theme."""
        for turn in self.scroll.query(Remark):
            turn.dress(self._look)

    # -- opening ---------------------------------------------------------------------------

    @work(group="chat-opening", exit_on_error=False)
    async def opened(self) -> None:
        """Greet, and recall the conversation of this home; called whenever the pane is shown."""
        if not self._greeted:
            self._greeted = True
            if not self.cockpit.assistance.key:
                await self._remark(_NO_KEY, "warn")
        try:
            await self._conversation()
        except Exception as error:  # noqa: BLE001 - told here; the cockpit goes on
            await self._failed(error)

    async def _conversation(self) -> ChatSession:
        """Return the conversation, opened at its first use and recalled once there are records."""
        async with self._opening:
            if self._session is None:
                self._session = await asyncio.to_thread(self.cockpit.assistance.open_chat)
            if not self._recalled and self.cockpit.snapshot is not None:
                self._recalled = True
                for line in (await self._session.load())[-RECALLED:]:
                    if line.role.value == "user":
                        await self._question(line.text)
                    else:
                        await self._add(Answer(line.text))
            self._title()
            return self._session

    # -- what the prompt asks --------------------------------------------------------------

    async def on_prompt_sent(self, event: Prompt.Sent) -> None:
        """Ask."""
        event.stop()
        if self._running:
            self.prompt.give_back(event.text)
            await self._remark("An answer is under way; ctrl+g stops it.", "warn")
        else:
            self._begin(event.text)

    async def on_prompt_asked(self, event: Prompt.Asked) -> None:
        """Do what one of the prompt's keys asks."""
        event.stop()
        session = self._session
        match event.what:
            case "stop":
                if session is not None:
                    session.stop()
            case "retry" if not self._running:
                self._begin(None)
            case "copy":
                await self._copy()
            case "confirm":
                self._confirm()
            case "drop":
                if (card := self._card()) is not None:
                    card.close(self._look, "dropped")
            case "up":
                self.scroll.scroll_page_up(animate=False)
            case "down":
                self.scroll.scroll_page_down(animate=False)

    def _begin(self, text: str | None) -> None:
        self._running = True
        self.border_subtitle = _BUSY
        self._converse(text)

    @work(exclusive=True, group="chat", exit_on_error=False)
    async def _converse(self, text: str | None) -> None:
        """Ask, or with None ask the last question again, and show what comes."""
        try:
            session = await self._conversation()
            await self._question(text if text is not None else "(the last question again)")
            updates = session.ask(text) if text is not None else session.retry()
            async with aclosing(cast(Any, updates)) as closing:
                await self._show_all(closing)
        except Exception as error:  # noqa: BLE001 - told here; the cockpit goes on
            await self._failed(error)
        finally:
            self._running = False
            self.border_subtitle = _IDLE
            await self._end_stream(None)

    async def _show_all(self, updates: AsyncIterator[Update]) -> None:
        from engine.assistant.session import Delta, Done, Drafted, Failed, Note, Sent

        async for update in updates:
            match update:
                case Sent(summary=summary):
                    await self._remark(summary, "muted")
                case Delta(text=text):
                    await self._piece(text)
                case Drafted(draft=draft):
                    await self._add(DraftCard(draft))
                case Note(sentence=sentence):
                    await self._remark(sentence, "warn")
                case Done(text=text):
                    await self._end_stream(text)
                    self._title()
                    await self._remark(_figures(update), "muted")
                case Failed(sentence=sentence, text=text):
                    await self._end_stream(text or None)
                    await self._remark(sentence, "warn")

    # -- what is shown ---------------------------------------------------------------------

    @property
    def _look(self) -> Look:
        return self.cockpit.look

    def _title(self) -> None:
        model = self._session.model_name if self._session is not None else ""
        named = model if self.cockpit.assistance.key or model else ""
        self.border_title = f"Assistant  {named}".rstrip()

    async def _add(self, turn: Widget) -> None:
        """Add to the end; follow it unless the operator has scrolled away; forget the oldest."""
        if isinstance(turn, Remark):
            turn.dress(self._look)
        self.scroll.anchor(not self.scroll.max_scroll_y or self.scroll.is_vertical_scroll_end)
        await self.scroll.mount(turn)
        surplus = len(self.scroll.children) - KEPT
        if surplus > 0:
            await self.scroll.remove_children(list(self.scroll.children)[:surplus])

    async def _question(self, text: str) -> None:
        lines = text.splitlines() or [""]
        parts = [[("> ", "accent"), (line, "text")] for line in lines]
        await self._add(Remark(*parts, classes="question"))

    async def _remark(self, sentence: str, role: str) -> None:
        await self._add(Remark([(sentence, role)]))

    async def _failed(self, error: Exception) -> None:
        self.log.error("the conversation failed", error)
        await self._remark(f"The assistant failed: {type(error).__name__}: {error}", "warn")

    async def _piece(self, text: str) -> None:
        if self._stream is None:
            self._answer = Answer()
            await self._add(self._answer)
            self._stream = Markdown.get_stream(self._answer)
        await self._stream.write(text)

    async def _end_stream(self, text: str | None) -> None:
        """End what is being streamed; ``text`` takes its place."""
        stream, answer = self._stream, self._answer
        self._stream = self._answer = None
        if stream is not None:
            await stream.stop()
        if text is not None and (answer is None or answer.source != text):
            if answer is None:
                await self._add(Answer(text))
            else:
                await answer.update(text)

    # -- drafts and copies -----------------------------------------------------------------

    def _card(self) -> DraftCard | None:
        """Return the newest draft that is still open."""
        return next((card for card in reversed(self.scroll.query(DraftCard)) if card.open), None)

    def _confirm(self) -> None:
        card = self._card()
        if card is not None:
            self.cockpit.drafts.confirm(card.draft, lambda said: card.close(self._look, said))

    async def _copy(self) -> None:
        home = self.cockpit.assistance.home
        if self._session is None or not self._session.lines:
            await self._remark("There is no conversation to copy yet.", "muted")
        elif home is None:
            await self._remark("There is no home to write to.", "warn")
        else:
            path = home.root / time.strftime("chat-%Y%m%dT%H%M%SZ.md", time.gmtime())
            try:
                await asyncio.to_thread(_write, path, self._session.transcript())
            except OSError as error:
                await self._remark(f"{path}: {error.strerror}", "warn")
            else:
                await self._remark(f"written to {path}", "muted")


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _figures(done: Done) -> str:
    """Return tokens and times of an answer in a line; the title names the model."""
    if not done.usage.prompt_tokens and not done.usage.answer_tokens:
        return f"{done.model}, {done.total_s:.1f} s"
    return (
        f"{done.usage.prompt_tokens:,} + {done.usage.answer_tokens:,} tokens, "
        f"first {done.first_s:.1f} s, all {done.total_s:.1f} s"
    )
