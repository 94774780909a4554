"""What a conversation is made of on the screen: questions, answers, remarks, drafts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Markdown, Static

from sigma_tui.look import Look

if TYPE_CHECKING:
    from engine.assistant.drafts import Draft

Part = tuple[str, str]  # words and their role


class Remark(Static):
    """Plain text in the look's colours: never markup, whoever wrote it."""

    def __init__(self, *lines: Sequence[Part], classes: str = "remark") -> None:
        super().__init__("", markup=False, classes=classes)
        self._said = lines

    @property
    def plain(self) -> str:
        """Return what is written."""
        return "\n".join("".join(words for words, _ in line) for line in self._said)

    def dress(self, look: Look) -> None:
        """Write it in a look."""
        text = Text("\n", end="").join(look.say(*line) for line in self._said)
        text.no_wrap, text.overflow = False, "fold"
        self.update(text)

    def say(self, look: Look, *lines: Sequence[Part]) -> None:
        """Say something else instead."""
        self._said = lines
        self.dress(look)


class Answer(Markdown):
    """An answer; nothing in it can be clicked."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text, open_links=False, classes="answer")


class DraftCard(Remark):
    """A proposal with its exact effect, until it is confirmed, dropped or too old."""

    def __init__(self, draft: Draft) -> None:
        super().__init__(*_lines(draft, "ctrl+y confirm (asks)  ctrl+n drop"))
        self.set_classes("card")
        self.draft = draft
        self.open = True

    def close(self, look: Look, verdict: str) -> None:
        """Say what became of it; it cannot be confirmed any more."""
        self.open = False
        self.add_class("-closed")
        self.say(look, *_lines(self.draft, verdict))


def _lines(draft: Draft, last: str) -> list[list[Part]]:
    lines: list[list[Part]] = [[("Draft: ", "muted"), (draft.title, "bold strong")]]
    for sentence in draft.effect:
        lifts = sentence.startswith("THIS LIFTS PROTECTION")
        lines.append([(sentence, "bold warn" if lifts else "text")])
    if draft.reason:
        lines.append([("The assistant says: ", "muted"), (draft.reason, "muted")])
    return [*lines, [(last, "accent")]]
