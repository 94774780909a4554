"""One conversation: questions in, updates out. Free of any screen, and it can send no command.

Runs in the loop of whoever shows it. The client library is imported in a thread on the first
question, so nothing is loaded before and no loop waits for it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from engine.assistant import facts, prompt
from engine.assistant.drafts import Draft, DraftRefused
from engine.assistant.errors import Cancelled, ChatError, Empty, Malformed, Truncated
from engine.assistant.history import HistoryStore
from engine.assistant.port import ChatModel, Message, Role, TextDelta, Usage
from engine.assistant.reply import Reply, ReplyReader
from engine.assistant.sight import Sight
from engine.assistant.text import clean, inert_markdown, one_line

DEADLINE_S = 90.0  # for one answer, facts included
MAX_QUESTION = 4_000
KEPT_LINES = 200
_SENT_TURNS = 12  # earlier lines that go along with a question
_SENT_CHARS = 16_000


@dataclass(frozen=True, slots=True)
class Sent:
    """The question has left; ``summary`` says what was sent with it."""

    summary: str


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the answer: clean text, to be appended."""

    text: str


@dataclass(frozen=True, slots=True)
class Drafted:
    """The model proposes something; show it as a card."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on the answer, e.g. a draft that was refused."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is whole: its final Markdown, tokens, time (s) to the first piece and in all.

    Replace what was streamed by ``text``: links in it are plain text.
    """

    text: str
    usage: Usage
    first_s: float
    total_s: float
    model: str


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer, or only part of one: ``sentence`` says why; ``text`` is what there is of it."""

    error: ChatError
    sentence: str
    text: str
    total_s: float


Update = Sent | Delta | Drafted | Note | Done | Failed


class ChatSession:
    """A conversation about the engine of one home.

    ``open_model`` is called once, in a thread; it raises a ``ChatError`` such as ``NoKey``.
    ``sight`` is how the engine is seen; ``redact`` takes secrets out of everything that leaves
    or is kept.
    """

    def __init__(
        self,
        open_model: Callable[[], ChatModel],
        sight: Sight,
        history: HistoryStore,
        redact: Callable[[str], str],
        *,
        model_name: str = "",
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.model_name = model_name
        self.lines: deque[Message] = deque(maxlen=KEPT_LINES)
        self._open_model = open_model
        self._sight = sight
        self._history = history
        self._redact = redact
        self._deadline_s = deadline_s
        self._model: ChatModel | None = None
        self._task: asyncio.Task[None] | None = None
        self._last = ""

    async def load(self) -> tuple[Message, ...]:
        """Return the kept conversation of this home, oldest first, and go on from it."""
        self.lines.clear()
        self.lines.extend(await self._history.recent(KEPT_LINES))
        return tuple(self.lines)

    @property
    def busy(self) -> bool:
        """Return whether an answer is under way."""
        return self._task is not None and not self._task.done()

    def stop(self) -> bool:
        """Stop the answer under way; return whether there was one."""
        if self._task is None or self._task.done():
            return False
        return self._task.cancel()

    def transcript(self) -> str:
        """Return the conversation as Markdown, for a file."""
        names = {Role.USER: "You", Role.ASSISTANT: "Sigma"}
        return "".join(f"**{names[line.role]}**\n\n{line.text}\n\n" for line in self.lines)

    def retry(self) -> AsyncIterator[Update]:
        """Ask the last question again, as if it had not been asked."""
        if not self.busy:
            while self.lines and self.lines[-1].role is Role.ASSISTANT:
                self.lines.pop()
            if self.lines and self.lines[-1].text == self._last:
                self.lines.pop()
        return self.ask(self._last)

    async def ask(self, text: str) -> AsyncIterator[Update]:
        """Answer a question or slash command: yields updates, at the end ``Done`` or ``Failed``.

        One at a time: while busy, another question fails at once and disturbs nothing. Closing
        the iterator stops the answer.
        """
        asked = self._redact(clean(text, MAX_QUESTION)).strip()
        if not asked or self.busy:
            why = "An answer is under way; stop it first." if asked else "Type a question first."
            yield Failed(ChatError(why), why, "", 0.0)
            return
        updates: asyncio.Queue[Update | None] = asyncio.Queue()
        turn = _Turn(asked, updates.put_nowait)
        self._task = asyncio.create_task(self._run(turn))
        self._task.add_done_callback(lambda _: updates.put_nowait(None))
        try:
            while (update := await updates.get()) is not None:
                yield update
        finally:
            if not self._task.done():
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def aclose(self) -> None:
        """Stop and let go of the model."""
        self.stop()
        if self._model is not None:
            await self._model.aclose()
            self._model = None

    # One turn

    async def _run(self, turn: _Turn) -> None:
        if turn.asked.startswith("/"):
            answer = await self._sight.slash(turn.asked)
            turn.tell(Delta(answer))
            turn.tell(Done(answer, Usage(), turn.seconds(), turn.seconds(), "no model"))
            await self._keep(turn.asked, answer)
            return
        self._last = turn.asked
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._answer(turn)
        except asyncio.CancelledError:
            self._fail(turn, Cancelled())
        except TimeoutError:
            self._fail(turn, ChatError(f"No whole answer within {self._deadline_s:.0f} s."))
        except ChatError as error:
            self._fail(turn, error)
        except Exception as error:  # noqa: BLE001 - told in the pane; nothing may pass it
            self._fail(turn, Malformed(type(error).__name__))
        said = turn.text or turn.failure
        await self._keep(turn.asked, f"{said}\n\n({turn.failure})" if turn.cut else said)

    async def _answer(self, turn: _Turn) -> None:
        """Ask, hand out facts as long as they are asked for, read drafts, finish."""
        if self._model is None:
            self._model = await asyncio.to_thread(self._open_model)
            self.model_name = self._model.name
        context = await self._sight.context()
        if context is None:
            raise ChatError("The engine has shown nothing yet; ask again in a moment.")
        turn.tell(Sent(context.summary))
        messages = [*self._earlier(), Message(Role.USER, prompt.question(context.text, turn.asked))]
        for number in range(facts.MAX_ROUNDS + 1):
            reply = await self._one_reply(turn, messages)
            if reply.need is None:
                break
            if number == facts.MAX_ROUNDS:
                raise Malformed("it only asked for more facts")
            given = await self._sight.facts(reply.need)
            names = ", ".join((*given.names, *(f"not {name}" for name in given.refused)))
            turn.tell(Sent(f"sent on request: {names or 'nothing'}"))
            messages += [
                Message(Role.ASSISTANT, one_line(json.dumps({"need": list(reply.need)}), 400)),
                Message(Role.USER, prompt.supplied(given.text, number == facts.MAX_ROUNDS - 1)),
            ]
        await self._finish(turn, reply)

    async def _one_reply(self, turn: _Turn, messages: list[Message]) -> Reply:
        assert self._model is not None
        reader = ReplyReader()
        left = self._deadline_s - turn.seconds()
        stream: Any = self._model.stream(messages, system=prompt.SYSTEM, deadline_s=max(1.0, left))
        async with aclosing(stream):
            async for chunk in stream:
                if isinstance(chunk, TextDelta):
                    if shown := reader.feed(chunk.text):
                        turn.show(self._redact(shown))
                    if reader.too_long:
                        break
                else:
                    turn.usage += chunk
        return reader.finish()

    async def _finish(self, turn: _Turn, reply: Reply) -> None:
        for value in reply.drafts:
            try:
                turn.tell(Drafted(await self._sight.draft(value, _wall_ms())))
            except DraftRefused as refused:
                turn.tell(Note(f"The assistant proposed something that was refused: {refused}"))
        for problem in reply.problems:
            turn.tell(Note(problem))
        turn.text = self._redact(reply.text)
        if reply.too_long:
            raise Truncated
        if not turn.text and not reply.drafts:
            raise Malformed(reply.problems[0]) if reply.problems else Empty()
        turn.text = turn.text or "(a draft, see the card)"
        turn.tell(Done(turn.text, turn.usage, turn.first_s, turn.seconds(), self.model_name))

    def _fail(self, turn: _Turn, error: ChatError) -> None:
        turn.failure = self._redact(error.sentence)
        turn.text = inert_markdown(turn.text)
        turn.cut = bool(turn.text)
        turn.tell(Failed(error, turn.failure, turn.text, turn.seconds()))

    def _earlier(self) -> list[Message]:
        """Return the newest earlier lines that fit, oldest first, beginning with a question."""
        chosen: deque[Message] = deque()
        room = _SENT_CHARS
        for line in list(self.lines)[-_SENT_TURNS:][::-1]:
            room -= len(line.text)
            if room < 0:
                break
            chosen.appendleft(line)
        while chosen and chosen[0].role is Role.ASSISTANT:
            chosen.popleft()
        return list(chosen)

    async def _keep(self, asked: str, said: str) -> None:
        now = _wall_ms()
        for line in (Message(Role.USER, asked), Message(Role.ASSISTANT, self._redact(said))):
            self.lines.append(line)
            await self._history.add(now, line)


class _Turn:
    """One question on its way to its answer."""

    def __init__(self, asked: str, tell: Callable[[Update], None]) -> None:
        self.asked = asked
        self.tell = tell
        self.text = ""
        self.failure = ""
        self.cut = False
        self.usage = Usage()
        self.first_s = 0.0
        self._began = time.monotonic()

    def seconds(self) -> float:
        """Return the time since the question, in s."""
        return time.monotonic() - self._began

    def show(self, text: str) -> None:
        """Append to the answer and hand it on."""
        self.first_s = self.first_s or self.seconds()
        self.text += text
        self.tell(Delta(text))


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
