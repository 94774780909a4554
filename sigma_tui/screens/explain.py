"""The explain view: why one decision came out as it did, gate by gate, with its arithmetic."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from engine.model.decision import Decision, Gate
from engine.model.market import Pair
from engine.model.snapshot import Snapshot
from engine.risk.limits import RiskLimits
from sigma_tui.charts.colours import look_of
from sigma_tui.look import Look
from sigma_tui.screens.explain_lines import columns
from sigma_tui.screens.explain_signal import v1_lines, v2_lines
from sigma_tui.screens.explain_size import plan_lines, sizing_lines
from sigma_tui.screens.explain_trace import header_lines, trace_lines

TWO_COLUMNS_FROM = 108


class ExplainView(Widget, can_focus=True):
    """One pair's decisions, newest first; the arrows step back through earlier candles.

    While the newest is shown, new decisions take its place; an earlier one stays in view.
    """

    DEFAULT_CSS = """
    ExplainView { layout: vertical; height: 1fr; width: 1fr; }
    ExplainView > #explain-head { height: auto; padding: 0 1; margin-bottom: 1; }
    ExplainView > #explain-scroll { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    ExplainView #explain-body { height: auto; width: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Earlier decision", id="explain.earlier"),
        Binding("right", "step(1)", "Later decision", id="explain.later"),
        Binding("end", "newest", "Newest decision", id="explain.newest"),
        Binding("left_square_bracket", "pair(-1)", "Pair before", key_display="[",
                id="explain.pair_before"),
        Binding("right_square_bracket", "pair(1)", "Next pair", key_display="]",
                id="explain.pair_next"),
        Binding("i", "inputs", "All inputs", id="explain.inputs"),
        Binding("up", "scroll(-1)", "Up", show=False, id="explain.up"),
        Binding("down", "scroll(1)", "Down", show=False, id="explain.down"),
        Binding("pageup", "scroll(-10)", "Page up", show=False, id="explain.page_up"),
        Binding("pagedown", "scroll(10)", "Page down", show=False, id="explain.page_down"),
        Binding("home", "top", "Top", show=False, id="explain.top"),
    ]  # fmt: skip

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        limits: RiskLimits | None = None,
    ) -> None:
        """``limits`` are those the engine sizes with: they appear in the arithmetic."""
        super().__init__(id=id, classes=classes)
        self._limits = limits or RiskLimits()
        self._pairs: tuple[Pair, ...] = ()
        self._decisions: dict[Pair, tuple[Decision, ...]] = {}
        self._pair: Pair | None = None
        self._time: int | None = None  # of the earlier decision in view; None = the newest
        self._every_input = False
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out the fixed head above the scrolling trace."""
        yield Static("", markup=False, id="explain-head")
        with VerticalScroll(id="explain-scroll", can_focus=False):
            yield Static("", markup=False, id="explain-body")

    # -- what the cockpit calls ------------------------------------------------------------

    def show(self, snapshot: Snapshot) -> None:
        """Take a snapshot; the screen changes only if this pair's decision did."""
        self._pairs = tuple(view.pair for view in snapshot.market) or tuple(snapshot.history)
        self._decisions = {pair: snapshot.history[pair].decisions for pair in snapshot.history}
        if self._pair is None and self._pairs:
            self._pair = self._pairs[0]
        self._draw()

    def select(self, pair: Pair) -> None:
        """Show a pair's newest decision."""
        if pair != self._pair:
            self._pair, self._time = pair, None
            if self.is_mounted:
                self.action_top()
        self._draw()

    @property
    def pair(self) -> Pair | None:
        """Return the pair in view."""
        return self._pair

    @property
    def decision(self) -> Decision | None:
        """Return the decision in view."""
        decisions = self._of_pair()
        return decisions[self._index(decisions)] if decisions else None

    # -- keys ------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        """Step to an earlier (negative) or later decision of this pair."""
        decisions = self._of_pair()
        if not decisions:
            return
        index = min(len(decisions) - 1, max(0, self._index(decisions) + by))
        newest = index == len(decisions) - 1
        self._time = None if newest else decisions[index].time
        self._draw()

    def action_newest(self) -> None:
        """Jump to the newest decision and follow it."""
        self._time = None
        self._draw()

    def action_pair(self, by: int) -> None:
        """Change to the pair before or after this one."""
        if self._pairs:
            place = self._pairs.index(self._pair) if self._pair in self._pairs else 0
            self.select(self._pairs[(place + by) % len(self._pairs)])

    def action_inputs(self) -> None:
        """Show every input of every gate, or only the first of them."""
        self._every_input = not self._every_input
        self._draw()

    def action_scroll(self, by: int) -> None:
        """Scroll by lines; ten or more mean that many tenths of the height."""
        scroll = self._scroll
        lines = by if abs(by) < 10 else by * max(1, scroll.size.height - 2) // 10
        scroll.scroll_relative(y=lines, animate=False)

    def action_top(self) -> None:
        """Scroll to the first gate."""
        self._scroll.scroll_home(animate=False)

    # -- drawing ---------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Lay the lines out for the new width."""
        self._draw()

    def notify_style_update(self) -> None:
        """Take the colours of a new theme."""
        super().notify_style_update()
        if self.is_mounted:
            self._draw()

    def _of_pair(self) -> tuple[Decision, ...]:
        return self._decisions.get(self._pair, ()) if self._pair is not None else ()

    def _index(self, decisions: tuple[Decision, ...]) -> int:
        """Return the place of the decision in view; the oldest where it has scrolled out."""
        if self._time is None:
            return len(decisions) - 1
        later = (i for i, decision in enumerate(decisions) if decision.time >= self._time)
        return next(later, len(decisions) - 1)

    @property
    def _scroll(self) -> VerticalScroll:
        return self.query_one("#explain-scroll", VerticalScroll)

    def _draw(self) -> None:
        """Draw unless the same decision is on the screen in the same way already."""
        if not self.is_mounted or not self.size:
            return
        look, width = look_of(self.app), max(40, self.size.width - 4)
        decisions = self._of_pair()
        index = self._index(decisions) if decisions else 0
        position = (index + 1, len(decisions))
        decision = decisions[index] if decisions else None
        wanted = (decision, position, width, look, self._every_input, self._pair)
        if wanted == self._drawn:
            return
        self._drawn = wanted
        if decision is None:
            self._put(*_empty(look, self._pair))
            return
        from engine.trace import gates  # after the first paint: it brings the signal code

        passed = gates(decision)
        head = header_lines(look, decision, passed, position, width)
        self._put(head, self._body(decision, passed, width))

    def _body(self, decision: Decision, passed: tuple[Gate, ...], width: int) -> list[Text]:
        look, limits, every = look_of(self.app), self._limits, self._every_input
        if width < TWO_COLUMNS_FROM - 4:
            trace = trace_lines(look, decision, passed, width, every)
            return _stack(trace, *_sections(look, decision, limits, width, every))
        left = min(96, width - 4 - max(50, int(width * 0.44)))
        right = min(90, width - 4 - left)
        trace = trace_lines(look, decision, passed, left, every)
        return columns(trace, _stack(*_sections(look, decision, limits, right, every)), left, look)

    def _put(self, head: list[Text], body: list[Text]) -> None:
        newline = Text("\n")
        self.query_one("#explain-head", Static).update(newline.join(head))
        self.query_one("#explain-body", Static).update(newline.join(body))


def _sections(
    look: Look, decision: Decision, limits: RiskLimits, width: int, every_input: bool
) -> tuple[list[Text], ...]:
    return (
        v1_lines(look, decision.v1, width),
        v2_lines(look, decision.v2, width, every_input),
        plan_lines(look, decision.plan, width),
        sizing_lines(look, decision, limits, width),
    )


def _stack(*sections: list[Text]) -> list[Text]:
    """Return the sections below one another with a blank line between them."""
    lines: list[Text] = []
    for section in sections:
        lines += [Text(""), *section] if lines else section
    return lines


def _empty(look: Look, pair: Pair | None) -> tuple[list[Text], list[Text]]:
    name = pair.base if pair is not None else "no pair"
    calm = "no decision yet: the first one comes when a candle closes after the warm-up"
    return [look.say((name, "bold strong"))], [look.say((calm, "muted"))]
