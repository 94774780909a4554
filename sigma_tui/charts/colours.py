"""Give the roles of a chart their colours, taken from the theme's palette."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.app import App

from sigma_tui.theme import Palette

_FOREGROUND: Mapping[str, str] = {  # role of a cell -> field of the palette, with attributes
    "up": "gain",
    "down": "loss",
    "up-forming": "gain",
    "down-forming": "loss",
    "volume-up": "faint",
    "volume-down": "faint",
    "ema20": "accent",
    "ema50": "info",
    "band": "faint",
    "entry": "info",
    "stop": "warn",
    "target": "gain",
    "trail": "accent",
    "axis": "faint",
    "muted": "muted",
    "text": "text",
    "title": "bold strong",
    "day": "bold text",
    "stale": "bold warn",
    "cursor": "muted",
    "cursor-label": "reverse text",
    "last": "reverse strong",
}


def palette_of(app: App[object]) -> Palette:
    """Return the app's palette, or one made of its theme's colours where it keeps none."""
    palette = getattr(app, "palette", None)
    if isinstance(palette, Palette):
        return palette
    colours = app.theme_variables
    return Palette(
        text=colours["foreground"],
        strong=colours["foreground"],
        muted=colours["foreground-darken-2"],
        faint=colours["foreground-darken-3"],
        track=colours["panel"],
        accent=colours["accent"],
        info=colours["primary"],
        gain=colours["success"],
        loss=colours["warning"],
        warn=colours["warning"],
        wrong=colours["error"],
    )


def role_style(palette: Palette, role: str) -> Style:
    """Return the style of a role; ``a/b`` is the colour of a on the colour of b."""
    if not role:
        return Style.null()
    name, _, below = role.partition("/")
    style = _plain(palette, name)
    return style + Style(bgcolor=_plain(palette, below).color) if below else style


def _plain(palette: Palette, role: str) -> Style:
    *attributes, field = _FOREGROUND[role].split()
    return Style.parse(" ".join([*attributes, getattr(palette, field)]))
