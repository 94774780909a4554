"""The operator's own keys from a file: taken, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigma_tui.actions import ACTIONS, KeymapError, apply_keymap
from sigma_tui.cli.entry import _code
from sigma_tui.cli.failures import USAGE
from sigma_tui.keymap import read_keymap


def test_no_file_is_no_change(tmp_path: Path) -> None:
    assert read_keymap(tmp_path) == {}


def test_keys_are_taken(tmp_path: Path) -> None:
    (tmp_path / "keymap.toml").write_text('flatten = "ctrl+f"\nscreen-risk = "f4, 4"\n')
    table = {action.id: action for action in apply_keymap(ACTIONS, read_keymap(tmp_path))}
    assert table["flatten"].keys == ("ctrl+f",)
    assert table["screen-risk"].keys == ("f4", "4")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flatten = ", "not TOML"),
        ("flatten = 3", 'flatten takes a text, e.g. flatten = "ctrl+k"'),
        ("[flatten]", "flatten takes a text"),
        ('flaten = "ctrl+f"', "there is no action 'flaten'; did you mean 'flatten'?"),
        ('flatten = "s"', "'s' is given to both 'start' and 'flatten'"),
        ('flatten = ""', "give 'flatten' at least one key"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "keymap.toml").write_text(text)
    with pytest.raises(KeymapError) as caught:
        apply_keymap(ACTIONS, read_keymap(tmp_path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert _code(caught.value) == USAGE


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "keymap.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KeymapError, match="not TOML"):
        read_keymap(tmp_path)
    (tmp_path / "keymap.toml").unlink()
    (tmp_path / "keymap.toml").mkdir()
    with pytest.raises(KeymapError, match="cannot be read"):
        read_keymap(tmp_path)
