"""The one action table: keys, key map, docs."""

from __future__ import annotations

import pytest
from textual.app import App

from sigma_tui.actions import ACTIONS, KeymapError, apply_keymap, docs_page
from sigma_tui.app import SigmaApp
from sigma_tui.screens.registry import VIEWS
from sigma_tui.verbs import Verbs

KEYS = {
    "s": "start", "x": "stop", "p": "pause", "h": "halt", "o": "override", "r": "recover",
    "F": "flatten", "c": "close", "e": "explain", "slash": "chat", "t": "theme",
    "question_mark": "help", "q": "quit", "1": "screen-cockpit", "2": "screen-explain",
    "3": "screen-trades", "4": "screen-risk", "5": "screen-strategies", "6": "screen-health",
}  # fmt: skip


def test_keys_are_those_agreed() -> None:
    table = {key: action.id for action in ACTIONS for key in action.keys}
    assert KEYS.items() <= table.items()


def test_every_action_can_be_called() -> None:
    for action in ACTIONS:
        name, _, argument = action.call.partition("(")
        assert hasattr(SigmaApp, f"action_{name}"), action.id
        if name == "verb":
            assert callable(getattr(Verbs, argument.strip("')")))
        if name == "screen":
            assert argument.strip("')") in VIEWS


def test_no_action_shadows_another_key() -> None:
    assert apply_keymap(ACTIONS, {}) == ACTIONS


def test_keymap_gives_other_keys_by_name_or_sign() -> None:
    table = {
        a.id: a for a in apply_keymap(ACTIONS, {"flatten": "ctrl+f", "chat": "!,?", "help": "f1"})
    }
    assert table["flatten"].keys == ("ctrl+f",)
    assert table["chat"].keys == ("!", "question_mark")


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"flaten": "k"}, "no action 'flaten'; did you mean 'flatten'?"),
        ({"start": "x"}, "'x' is given to both 'start' and 'stop'"),
        ({"start": "h"}, "'h' is given to both 'start' and 'halt'"),
        ({"start": ""}, "give 'start' at least one key"),
    ],
)
def test_bad_keymap_is_refused_in_words(mapping: dict[str, str], words: str) -> None:
    with pytest.raises(KeymapError, match="key map: ") as caught:
        apply_keymap(ACTIONS, mapping)
    assert words in str(caught.value)


def test_swapped_keys_do_not_clash() -> None:
    table = {a.id: a for a in apply_keymap(ACTIONS, {"start": "x", "stop": "s"})}
    assert (table["start"].keys, table["stop"].keys) == (("x",), ("s",))


def test_docs_page_lists_every_action_with_its_need() -> None:
    page = docs_page()
    for action in ACTIONS:
        assert f"`{action.id}`" in page
        assert action.help in page
    assert page.count("\n| `") == len(ACTIONS)


def test_nothing_of_textuals_own_keys_gets_past_the_table() -> None:
    """Textual quits on ctrl+q by itself; here that key asks as well."""
    assert SigmaApp.action_quit is not App.action_quit
