"""The operator's own keys: ``keymap.toml`` in the home, a line ``action = "key"`` each."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sigma_tui.actions import KeymapError

NAME = "keymap.toml"


def read_keymap(home: Path) -> dict[str, str]:
    """Return the keys by action, none where there is no file.

    Raises ``KeymapError`` naming the file and what is wrong in it.
    """
    path = home / NAME
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise KeymapError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KeymapError(f"{path}: not TOML ({error})") from None
    for name, keys in found.items():
        if not isinstance(keys, str):
            raise KeymapError(f'{path}: {name} takes a text, e.g. {name} = "ctrl+k"')
    return found
