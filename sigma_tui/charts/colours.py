"""Give the roles of a chart their colours, taken from the look."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.app import App

from sigma_tui.look import Look

_ROLES: Mapping[str, str] = {  # role of a cell -> role of the look, with attributes
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

PAINTED = frozenset(role for role, look in _ROLES.items() if "reverse" in look)


def look_of(app: App[object]) -> Look:
    """Return the app's palette and glyphs; plain terminal colours where it has none."""
    look = getattr(app, "look", None)
    return look if isinstance(look, Look) else Look()


def role_style(look: Look, role: str) -> Style:
    """Return the style of a role; ``a/b`` is the colour of a on the colour of b."""
    if not role:
        return Style.null()
    name, _, below = role.partition("/")
    style = Style.parse(look.style(_ROLES[name]))
    if below:
        style += Style(bgcolor=Style.parse(look.style(_ROLES[below])).color)
    return style
