"""The one table of actions: bindings, footer, palette, help and the docs page come from it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Needs(StrEnum):
    """What stands between a key and its effect."""

    NOTHING = "acts at once"
    LIVE = "asks when not on paper"
    CONFIRM = "asks to confirm"
    REASON = "asks for a reason"
    FORM = "asks level, minutes, reason; live: a typed word"
    TIME = "asks for the instant"
    TYPED = "asks to confirm; live: a typed word"
    CHOICE = "asks what becomes of engine and positions"


ENGINE, TIME, LOOK, MOVE = "Engine", "Time (simulated or replayed)", "Screens", "Panels"
TABLES, APP = "Tables", "Cockpit"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a key does.

    ``id`` is its name in a key map; ``keys`` are Textual key names, the first one is shown;
    ``rank`` orders the footer (lowest first, 0 = not there).
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: str
    needs: Needs = Needs.NOTHING
    rank: int = 0

    @property
    def shown_key(self) -> str:
        """Return the first key as people write it."""
        return key_name(self.keys[0]) if self.keys else ""

    @property
    def call(self) -> str:
        """Return the Textual action that does it."""
        if self.group in (ENGINE, TIME):
            return f"verb('{self.id}')"
        kind, _, name = self.id.partition("-")
        return f"{kind}('{name}')" if name else self.id


class KeymapError(Exception):
    """A user key map clashes or names an unknown action; the message says which."""


ACTIONS: tuple[Action, ...] = (
    Action("start", ("s",), "start", "Start trading: allow new entries", ENGINE,
           Needs.LIVE, 1),
    Action("stop", ("x",), "stop", "Stop trading; open positions stay managed",
           ENGINE, rank=2),
    Action("pause", ("p",), "pause", "Hold new entries off, or let them again", ENGINE, rank=3),
    Action("halt", ("h",), "halt", "Trip the circuit breaker to HALT", ENGINE, Needs.CONFIRM, 4),
    Action("override", ("o",), "override", "Pin the breaker at a level for a stated time",
           ENGINE, Needs.FORM, 8),
    Action("recover", ("r",), "recover", "Force the breaker back to CLOSED", ENGINE,
           Needs.REASON, 9),
    Action("close", ("c",), "close", "Close the selected position at market", ENGINE,
           Needs.CONFIRM, 7),
    Action("adopt", ("a",), "adopt", "Take over what the exchange shows in a disputed pair",
           ENGINE, Needs.CONFIRM),
    Action("flatten", ("F",), "flatten", "Halt, cancel every order and close every position",
           ENGINE, Needs.TYPED, 6),
    Action("screen-cockpit", ("1",), "cockpit", "Market, positions, breaker and events", LOOK),
    Action("screen-explain", ("2",), "explain", "Why a trade happened or did not, gate by gate",
           LOOK),
    Action("screen-trades", ("3",), "trades", "Closed trades and performance figures", LOOK),
    Action("screen-risk", ("4",), "risk", "Limits, correlations, heat, strategy monitor", LOOK),
    Action("screen-strategies", ("5",), "strategies", "Strategies: compare, try, apply, draft",
           LOOK),
    Action("screen-health", ("6",), "health", "Endpoints, tasks, records, notifications", LOOK),
    Action("explain", ("e",), "explain", "Explain the selected pair's newest decision", LOOK,
           rank=5),
    Action("chat", ("slash",), "chat", "Show or hide the assistant", LOOK, rank=10),
    Action("focus_next", ("tab",), "next", "Go to the next panel", MOVE),
    Action("focus_previous", ("shift+tab",), "previous", "Go to the previous panel", MOVE),
    Action("slot", ("v",), "view", "Show the next panel where not all of them fit", MOVE),
    Action("zoom", ("z",), "zoom", "Give the focused panel the whole screen, and back", MOVE),
    Action("table-sort", ("comma",), "sort", "Sort the trades by the next column", TABLES),
    Action("table-reverse", ("full_stop",), "reverse", "Reverse the order of the trades", TABLES),
    Action("table-filter", ("f",), "filter", "Show only trades that contain a word", TABLES),
    Action("still", ("space",), "pause time", "Let time stand still, or go on", TIME),
    Action("step", ("n",), "step", "Take one step and stand still", TIME),
    Action("faster", ("plus",), "faster", "Let time pass twice as fast", TIME),
    Action("slower", ("minus",), "slower", "Let time pass half as fast", TIME),
    Action("jump", ("J",), "jump", "Run ahead to an instant", TIME, Needs.TIME),
    Action("theme", ("t",), "theme", "Choose a theme", APP, rank=13),
    Action("help", ("question_mark", "f1"), "help", "Show every key", APP, rank=11),
    Action("command_palette", ("ctrl+p",), "palette", "Find an action by name", APP),
    Action("quit", ("q", "ctrl+q"), "quit", "Leave; asks what becomes of engine and positions",
           APP, Needs.CHOICE, 12),
)  # fmt: skip

_NAMES = {
    "slash": "/", "question_mark": "?", "full_stop": ".", "comma": ",", "minus": "-",
    "plus": "+", "left_square_bracket": "[", "right_square_bracket": "]", "semicolon": ";",
    "colon": ":", "equals_sign": "=", "backslash": "\\", "apostrophe": "'", "space": "Space",
    "tab": "Tab", "shift+tab": "Shift+Tab", "escape": "Esc", "enter": "Enter", "f1": "F1",
}  # fmt: skip
_FROM_NAME = {shown: key for key, shown in _NAMES.items()}


def key_name(key: str) -> str:
    """Return a Textual key as people write it."""
    return _NAMES.get(key, key.replace("ctrl+", "Ctrl+"))


def apply_keymap(table: Sequence[Action], mapping: Mapping[str, str]) -> tuple[Action, ...]:
    """Return the table with the user's keys: action name to comma-separated keys.

    Raises ``KeymapError`` for an unknown action, an empty key or two actions on one key.
    """
    names = [action.id for action in table]
    keys: dict[str, tuple[str, ...]] = {}
    for name, text in mapping.items():
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            guess = f"; did you mean {close[0]!r}?" if close else ""
            raise KeymapError(f"key map: there is no action {name!r}{guess}")
        chosen = tuple(_key(part) for part in _split(text))
        if not chosen or "" in chosen:
            raise KeymapError(f"key map: give {name!r} at least one key, e.g. {name} = 'ctrl+k'")
        keys[name] = chosen
    new = tuple(replace(action, keys=keys.get(action.id, action.keys)) for action in table)
    _refuse_clash(new)
    return new


def docs_page(table: Sequence[Action] = ACTIONS) -> str:
    """Return the page of keys as Markdown."""
    lines = [
        "# Keys",
        "",
        "Written from the action table of the cockpit. In the settings a key map gives an action",
        "other keys by its name; two actions on one key are refused with a message.",
    ]
    for group, actions in grouped(table):
        lines += [
            "",
            f"## {group}",
            "",
            "| key | action | name | does | asks |",
            "|---|---|---|---|---|",
        ]
        for action in actions:
            keys = ", ".join(f"`{key_name(key)}`" for key in action.keys)
            cells = (keys, action.label, f"`{action.id}`", action.help, action.needs.value)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def grouped(table: Sequence[Action]) -> list[tuple[str, list[Action]]]:
    """Return the actions group by group, in table order."""
    groups: dict[str, list[Action]] = {}
    for action in table:
        groups.setdefault(action.group, []).append(action)
    return list(groups.items())


def _split(text: str) -> list[str]:
    return [text] if text == "," else [part.strip() for part in text.split(",")]


def _key(text: str) -> str:
    return _FROM_NAME.get(text, text)


def _refuse_clash(table: Sequence[Action]) -> None:
    taken: dict[str, str] = {}
    for action in table:
        for key in action.keys:
            if key in taken:
                raise KeymapError(
                    f"key map: {key_name(key)!r} is given to both {taken[key]!r} and {action.id!r}"
                )
            taken[key] = action.id
