"""Themes are data: find them, check them, and hand their colours to panels as a palette.

A theme file is TOML with ``name``, ``title``, ``dark``, optionally ``ansi``, and three tables:
``[colors]`` (Textual's design colours), ``[variables]`` (Textual's theme variables) and
``[roles]`` (what a colour means here: gain, loss, warn, wrong and so on).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from textual._color_constants import COLOR_NAME_TO_RGB
from textual.color import Color, ColorParseError
from textual.theme import Theme

DEFAULT_THEME = "sigma-dark"
ANSI_THEME = "sigma-ansi"

_COLOR_KEYS = (
    "primary", "secondary", "accent", "foreground", "background", "surface", "panel",
    "boost", "success", "warning", "error",
)  # fmt: skip
_REQUIRED = ("primary", "foreground", "background")
_TOP_KEYS = ("name", "title", "dark", "ansi", "colors", "variables", "roles")


class ThemeError(Exception):
    """A theme file is unreadable or names something unknown; the message says what and where."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Rich style strings by meaning. Words and signs always say the same as the colour."""

    text: str = "default"
    strong: str = "default"
    muted: str = "default"
    faint: str = "default"
    track: str = "default"
    accent: str = "default"
    info: str = "default"
    gain: str = "default"
    loss: str = "default"
    warn: str = "default"
    wrong: str = "default"

    def signed(self, value: float) -> str:
        """Return the style of a gain, a loss or nothing."""
        return self.gain if value > 0 else self.loss if value < 0 else self.muted

    def severity(self, severity: str) -> str:
        """Return the style of an event or monitor severity."""
        return {
            "emergency": f"bold reverse {self.wrong}",
            "critical": f"bold {self.wrong}",
            "severe": self.wrong,
            "warning": self.warn,
            "high": self.warn,
            "moderate": self.warn,
            "low": self.warn,
            "minor": self.warn,
        }.get(severity, self.muted)


_ROLE_KEYS = tuple(item.name for item in fields(Palette))
_ROLE_FALLBACK = {
    "text": "foreground", "strong": "foreground", "muted": "secondary", "faint": "secondary",
    "track": "panel", "accent": "accent", "info": "primary", "gain": "success",
    "loss": "warning", "warn": "warning", "wrong": "error",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoadedTheme:
    """One theme as the app needs it."""

    name: str
    title: str
    palette: Palette
    textual: Theme


def parse_theme(text: str, source: str) -> LoadedTheme:
    """Read one theme from TOML text. ``source`` names the file in errors.

    Raises ``ThemeError`` for malformed TOML, an unknown key or an unknown colour.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ThemeError(f"{source}: not valid TOML: {error}") from None
    _known(source, "", data, _TOP_KEYS)
    name = data.get("name")
    if not isinstance(name, str) or not name:
        raise ThemeError(f'{source}: give the theme a name, e.g. name = "my-theme"')
    colors = _table(source, data, "colors", _COLOR_KEYS)
    missing = [key for key in _REQUIRED if key not in colors]
    if missing:
        raise ThemeError(f"{source}: colors.{missing[0]} is missing")
    roles = _table(source, data, "roles", _ROLE_KEYS)
    variables = data.get("variables", {})
    if not isinstance(variables, dict):
        raise ThemeError(f"{source}: variables must be a table")
    for key, value in variables.items():
        if not key.endswith("text-style"):
            _color(source, f"variables.{key}", value)
    dark = bool(data.get("dark", True))
    return LoadedTheme(
        name=name,
        title=str(data.get("title", name)),
        palette=_palette(source, colors, roles),
        textual=Theme(
            name=name,
            dark=dark,
            ansi=bool(data.get("ansi", False)),
            variables={key: str(value) for key, value in variables.items()},
            **colors,  # type: ignore[arg-type] # checked above: names of colours
        ),
    )


def builtin_themes() -> dict[str, LoadedTheme]:
    """Return the themes shipped with Sigma, by name, the default one first."""
    found = _read(
        (item.name, item.read_text("utf-8"))
        for item in resources.files("themes").iterdir()
        if item.name.endswith(".toml")
    )
    return {DEFAULT_THEME: found.pop(DEFAULT_THEME), **found}


def user_themes(directory: Path | None) -> tuple[dict[str, LoadedTheme], list[str]]:
    """Return the themes in a directory, by name, and one sentence for each bad file."""
    themes: dict[str, LoadedTheme] = {}
    problems: list[str] = []
    if directory is None or not directory.is_dir():
        return themes, problems
    for path in sorted(directory.glob("*.toml")):
        try:
            themes.update(_read([(path.name, path.read_text("utf-8"))]))
        except (ThemeError, OSError, UnicodeDecodeError) as error:
            problems.append(str(error))
    return themes, problems


def _read(files: Iterable[tuple[str, str]]) -> dict[str, LoadedTheme]:
    loaded = (parse_theme(text, name) for name, text in sorted(files))
    return {theme.name: theme for theme in loaded}


def _palette(source: str, colors: Mapping[str, str], roles: Mapping[str, str]) -> Palette:
    styles: dict[str, str] = {}
    for key in _ROLE_KEYS:
        value = roles.get(key) or colors.get(_ROLE_FALLBACK[key]) or colors["foreground"]
        styles[key] = _color(source, f"roles.{key}", value).rich_color.name
    return Palette(**styles)


def _table(source: str, data: Mapping[str, Any], name: str, keys: Iterable[str]) -> dict[str, str]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise ThemeError(f"{source}: {name} must be a table")
    _known(source, f"{name}.", table, keys)
    for key, value in table.items():
        _color(source, f"{name}.{key}", value)
    return {key: str(value) for key, value in table.items()}


def _known(source: str, prefix: str, data: Iterable[str], keys: Iterable[str]) -> None:
    for key in data:
        if key not in keys:
            raise ThemeError(f"{source}: {prefix}{key} is unknown{_guess(key, keys)}")


def _color(source: str, where: str, value: object) -> Color:
    try:
        return Color.parse(str(value))
    except ColorParseError:
        names = [*COLOR_NAME_TO_RGB, "ansi_default"]
        raise ThemeError(
            f"{source}: {where}: {str(value)!r} is not a colour; "
            f"write #rrggbb or a colour name{_guess(str(value), names)}"
        ) from None


def _guess(word: str, words: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
