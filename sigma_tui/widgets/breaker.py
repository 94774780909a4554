"""The circuit breaker: its ladder, why it stands where it stands and what would clear it."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult

from engine.model.commands import Level
from engine.model.snapshot import BreakerReadingView, BreakerView, Snapshot
from sigma_tui import figures
from sigma_tui.look import Look, beside, column
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel

_UNIT = 3  # longer units go without saying: the trigger is named beside them


class BreakerPanel(Panel):
    """Five steps with the present one marked, cause, countdown, and readings as bars."""

    title = "Circuit breaker"

    def compose(self) -> ComposeResult:
        """Hold the lines."""
        self.lines = Lines()
        yield self.lines

    def draw(self, snapshot: Snapshot) -> None:
        """Draw ladder, cause and the readings nearest to a threshold."""
        breaker, look = snapshot.breaker, self.look
        width, height = self.size.width, self.size.height
        lines = [ladder(look, breaker.level, width), *self._cause(breaker, snapshot.time, width)]
        room = height - len(lines)
        worst = sorted(breaker.readings, key=lambda r: (-r.level.rank, -closeness(r)[0]))
        lines += [reading(look, item, width) for item in worst[: max(0, room)]]
        self.lines.set_lines(lines)
        hidden = len(worst) - max(0, min(room, len(worst)))
        self.note(look.say((f"{hidden} calmer readings below", "muted")) if hidden else Text(""))

    def _cause(self, breaker: BreakerView, now: int, width: int) -> list[Text]:
        look = self.look
        if breaker.level is Level.CLOSED and not breaker.pinned:
            length = f" for {figures.span(now - breaker.since)}" if breaker.since else ""
            quiet = f"every trigger healthy{length}"
            return [look.say((quiet, "muted"))]
        timing = [("since ", "muted"), (figures.clock(breaker.since), "text")]
        if breaker.expires is not None:
            word = "  pinned for " if breaker.pinned else "  cool-down "
            timing += [(word, "muted"), (figures.countdown(breaker.expires - now), "strong")]
        clears = look.say(("clears: ", "muted"), (breaker.clears, "text"))
        lines = [look.say((breaker.cause, look.level(breaker.level)))]
        together = beside(look.say(*timing), clears, gap="  ")
        return (
            [*lines, together]
            if together.cell_len <= width
            else [*lines, look.say(*timing), clears]
        )


def ladder(look: Look, level: Level, width: int) -> Text:
    """Return the five steps on one line, the present one reversed behind a mark."""
    parts: list[tuple[str, str]] = []
    for step in Level:
        if parts:
            parts.append((look.glyphs.rule, "faint"))
        if step is level:
            parts.append(
                (
                    f"{look.glyphs.here}{step.value} ",
                    f"bold reverse {look.level(step)[-5:].strip()}",
                )
            )
        else:
            parts.append((step.value, "muted" if step.rank < level.rank else "faint"))
    return look.say(*parts)


def closeness(item: BreakerReadingView) -> tuple[float, str, float | None]:
    """Return how near a reading is to its next threshold (1 = there), its name and value."""
    steps = (
        ("alert", item.alert), ("throttle", item.throttle),
        ("halt", item.halt), ("shutdown", item.shutdown),
    )  # fmt: skip
    for name, threshold in steps:
        if threshold is None or threshold == 0:
            continue
        if item.value < threshold:
            return item.value / threshold, name, threshold
    known = [(name, value) for name, value in steps if value]
    return (1.0, *known[-1]) if known else (0.0, "", None)


def reading(look: Look, item: BreakerReadingView, width: int) -> Text:
    """Return one reading as name, value, bar and the next threshold."""
    share, name, threshold = closeness(item)
    calm = item.level is Level.CLOSED
    role = "muted" if calm else look.level(item.level)
    after = f"{name} {_figure(threshold, item.unit)}" if threshold is not None else "no threshold"
    label, value, words = (20, 8, 16) if width >= 56 else (17, 8, 15)
    return beside(
        column(look.say((item.trigger, role)), label),
        column(look.say((_figure(item.value, item.unit), "text")), value, right=True),
        look.bar(share, max(4, width - label - value - words - 3), "info" if calm else role),
        column(look.say((after, "muted")), words),
    )


def _figure(value: float, unit: str) -> str:
    text = f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2g}"
    short = unit if len(unit) <= _UNIT else ""
    return f"{text}{short}" if short == "%" else f"{text} {short}".rstrip()
