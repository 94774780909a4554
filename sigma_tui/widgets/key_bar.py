"""The footer: the keys that matter, as many as fit, from the action table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from sigma_tui.actions import Action
from sigma_tui.look import Look
from sigma_tui.widgets.lines import Lines


class KeyBar(Lines):
    """One line of keys; each can be clicked."""

    def write(self, table: Sequence[Action], look: Look, screens: str) -> None:
        """Write the keys that fit, the least important left out."""
        width = self.size.width
        chosen = sorted((a for a in table if a.rank and a.keys), key=lambda a: a.rank)
        tail = [a for a in chosen if a.id in ("help", "quit")]
        head = [a for a in chosen if a not in tail]
        room = width - _length(tail) - len(screens) - 4
        while head and _length(head) > room:
            head.pop()
        line = Text(" ", end="", no_wrap=True)
        for action in (*head, *tail):
            line.append_text(_key(action, look))
        if line.cell_len + len(screens) + 1 <= width:
            line.pad_right(width - line.cell_len - len(screens) - 1)
            line.append(screens, look.style("muted"))
        self.set_lines([line])


def _key(action: Action, look: Look) -> Text:
    click = Style(meta={"@click": f"app.{action.call}"})
    text = Text(end="")
    text.append(action.shown_key, Style.parse(look.style("bold accent")) + click)
    text.append(f" {action.label}  ", Style.parse(look.style("muted")) + click)
    return text


def _length(actions: Sequence[Action]) -> int:
    return sum(len(a.shown_key) + len(a.label) + 3 for a in actions)
