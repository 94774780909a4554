"""The look: palette and glyphs together, and the small drawings every panel shares."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from engine.model.commands import Level
from engine.model.signal import Action, Regime
from sigma_tui import figures
from sigma_tui.glyphs import UNICODE, Glyphs
from sigma_tui.theme import Palette

REGIME_NAMES = {
    Regime.TREND_UP: "TREND UP",
    Regime.TREND_DOWN: "TREND DN",
    Regime.RANGE: "RANGE",
    Regime.CHOP: "CHOP",
    Regime.VOLATILE: "VOLATILE",
    Regime.UNKNOWN: "WARM-UP",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How this terminal is drawn on; replaced as a whole when the theme changes."""

    palette: Palette = Palette()  # noqa: RUF009 - frozen
    glyphs: Glyphs = UNICODE

    def say(self, *parts: str | tuple[str, str]) -> Text:
        """Return one line of text from strings and (string, role or style) pairs."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        for part in parts:
            if isinstance(part, str):
                text.append(part, self.palette.text)
            else:
                text.append(part[0], self.style(part[1]))
        return text

    def style(self, role: str) -> str:
        """Return the Rich style of a role; modifiers such as ``bold`` may stand before it."""
        *modifiers, name = role.split(" ")
        return " ".join([*modifiers, getattr(self.palette, name, name)])

    def change(self, value: float, text: str) -> Text:
        """Return a signed figure behind its arrow."""
        return self.say((f"{self.arrow(value)} {text}", self.palette.signed(value)))

    def arrow(self, value: float) -> str:
        """Return the arrow of a signed value."""
        return self.glyphs.up if value > 0 else self.glyphs.down if value < 0 else self.glyphs.flat

    def bar(self, fraction: float, width: int, role: str = "info") -> Text:
        """Return a bar filled to a fraction in [0, 1] of ``width`` cells."""
        fraction = min(1.0, max(0.0, fraction))
        parts = self.glyphs.bar_parts
        steps = len(parts) + 1
        eighths = round(fraction * width * steps)
        full, rest = divmod(eighths, steps)
        filled = self.glyphs.bar * full + (parts[rest - 1] if rest else "")
        return self.say((filled, role), (self.glyphs.track * (width - len(filled)), "track"))

    def score_bar(self, score: float, half: int) -> Text:
        """Return a bar around a centre: shorts grow to the left, longs to the right."""
        cells = min(half, round(abs(score) * half + 0.001))
        if abs(score) > 0.05:
            cells = max(1, cells)
        bar, track = self.glyphs.bar, self.glyphs.track
        left = (track * (half - cells), bar * cells) if score < 0 else (track * half, "")
        right = (bar * cells, track * (half - cells)) if score > 0 else ("", track * half)
        role = "gain" if score > 0 else "loss"
        return self.say(
            (left[0], "track"), (left[1], role), (right[0], role), (right[1], "track"),
        )  # fmt: skip

    def spark(self, values: list[float], width: int, role: str = "info") -> Text:
        """Return a one-line curve of ``width`` points (averages where there are more values)."""
        points = _shrink(values, width)
        if not points:
            return self.say(("no data yet", "faint"))
        low, high = min(points), max(points)
        reach = (high - low) or 1.0
        top = len(self.glyphs.spark) - 1
        line = "".join(self.glyphs.spark[round((p - low) / reach * top)] for p in points)
        return self.say((line, role))

    def regime(self, regime: Regime) -> Text:
        """Return a regime's name in its colour."""
        role = {
            Regime.TREND_UP: "gain",
            Regime.TREND_DOWN: "loss",
            Regime.VOLATILE: "warn",
            Regime.CHOP: "warn",
            Regime.UNKNOWN: "faint",
        }.get(regime, "info")
        return self.say((REGIME_NAMES[regime], role))

    def level(self, level: Level) -> str:
        """Return the role of a breaker level."""
        return {
            Level.CLOSED: "gain",
            Level.ALERT: "warn",
            Level.THROTTLE: "warn",
            Level.HALT: "wrong",
            Level.SHUTDOWN: "bold wrong",
        }[level]

    def action(self, action: Action) -> str:
        """Return the role of a decision's action."""
        return {Action.ENTER_LONG: "gain", Action.ENTER_SHORT: "loss"}.get(action, "muted")

    def trend(self, direction: int) -> Text:
        """Return a higher timeframe's direction as an arrow."""
        return self.say((self.arrow(direction), self.palette.signed(direction)))

    def age(self, milliseconds: float, period: float) -> Text:
        """Return an age; beyond twice its period the word STALE."""
        if period > 0 and milliseconds > 2 * period:
            return self.say((f"STALE {figures.span(milliseconds)}", "bold warn"))
        return self.say((figures.span(milliseconds), "muted"))


def beside(*texts: Text, gap: str = " ") -> Text:
    """Return texts side by side on one line."""
    line = Text(no_wrap=True, overflow="ellipsis", end="")
    for index, text in enumerate(texts):
        if index:
            line.append(gap)
        line.append_text(text)
    return line


def column(text: Text, width: int, right: bool = False) -> Text:
    """Return a text padded or cut to exactly ``width`` cells."""
    padded = text.copy()
    padded.truncate(width, overflow="ellipsis")
    missing = width - padded.cell_len
    if right:
        padded.pad_left(missing)
    else:
        padded.pad_right(missing)
    return padded


def _shrink(values: list[float], width: int) -> list[float]:
    if width <= 0:
        return []
    if len(values) <= width:
        return list(values)
    step = len(values) / width
    return [
        sum(part) / len(part)
        for part in (values[int(i * step) : max(int(i * step) + 1, int((i + 1) * step))]
                     for i in range(width))
    ]  # fmt: skip
