"""The status strip: states on the first line, figures on the second; it never leaves."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult

from engine.model.snapshot import Snapshot
from sigma_tui import figures
from sigma_tui.look import REGIME_NAMES, Look, beside
from sigma_tui.widgets.lines import Lines
from sigma_tui.widgets.panel import Panel

Fact = tuple[int, Text]  # rank (the highest leaves first) and words

_MODE = {"LIVE": "bold reverse accent", "TESTNET": "reverse accent", "PAPER": "reverse info"}
_STATE = {
    "running": ("gain", "dot"),
    "stopped": ("muted", "ring"),
    "halted": ("wrong", "dot"),
    "shutdown": ("bold wrong", "dot"),
    "ended": ("bold wrong", "ring"),
}


class StatusStrip(Panel):
    """Everything that must be seen at any size, on two lines."""

    title = "Status"

    def compose(self) -> ComposeResult:
        """Hold two lines."""
        self.lines = Lines()
        yield self.lines

    def on_mount(self) -> None:
        """Say at once that this is Sigma; the engine may take a moment."""
        super().on_mount()
        self.lines.set_lines(
            [self.look.say((" SIGMA ", "bold accent"), ("waiting for the engine", "muted"))]
        )

    def wait(self, sentence: str) -> None:
        """Say, before the first picture, what the engine waits for or why it has ended."""
        first = self.look.say((" SIGMA ", "bold accent"), ("waiting for the engine", "muted"))
        self.lines.set_lines([first, self.look.say((f" {sentence}", "warn"))])

    def draw(self, snapshot: Snapshot) -> None:
        """Draw both lines, leaving out what does not fit, least important first."""
        width = self.size.width
        self.lines.set_lines(
            [
                fit_facts(self._states(snapshot), width, self._clock(snapshot)),
                fit_facts(self._figures(snapshot), width, self._unread(snapshot)),
            ]
        )

    def _states(self, snapshot: Snapshot) -> list[Fact]:
        look, app = self.look, self.cockpit
        exchange = snapshot.exchange if snapshot.speed in (0, 1) else (
            f"{snapshot.exchange} {look.glyphs.times}{snapshot.speed:g}"
        )  # fmt: skip
        facts: list[Fact] = [
            (0, look.say((" SIGMA ", "bold accent"), (f" {snapshot.mode} ", _mode(snapshot)))),
            (5, look.say((exchange, "muted"))),
            (0, _state(look, snapshot, app.feed.ended)),
            (
                0,
                look.say(
                    ("breaker ", "muted"), (snapshot.breaker.level.value, _breaker(look, snapshot))
                ),
            ),
        ]
        chosen = next((v for v in snapshot.market if v.pair == app.selected), None)
        if chosen is not None:
            facts.append(
                (1, look.say((f"{chosen.pair.base} ", "muted"), *_regime(look, chosen.regime)))
            )
        if app.feed.cut:
            facts.append((0, look.say(("NO CONNECTION", "bold wrong"))))
        if app.feed.silence:
            silent = figures.span(app.feed.silence)
            facts.append((0, look.say((f"NO NEWS {silent}", "bold warn"))))
        if snapshot.speed == 0:
            facts.append((0, look.say(("TIME STANDS STILL", "bold warn"))))
        facts.append((6, look.say((snapshot.strategy, "muted"))))
        return facts

    def _figures(self, snapshot: Snapshot) -> list[Fact]:
        look = self.look
        now = self.cockpit.feed.now()
        start = snapshot.equity - snapshot.day_pnl
        share = snapshot.day_pnl / start if start else 0.0
        pnl = figures.signed(snapshot.day_pnl)
        hot = "warn" if snapshot.heat > snapshot.max_heat * 0.8 else "text"
        return [
            (0, look.say((" equity ", "muted"), (figures.money(snapshot.equity), "strong"))),
            (0, beside(look.say(("day", "muted")), look.change(snapshot.day_pnl, pnl))),
            (4, look.say((figures.signed_percent(share), look.palette.signed(share)))),
            (1, look.say(
                ("heat ", "muted"), (figures.percent(snapshot.heat), hot),
                (f"/{figures.percent(snapshot.max_heat, 0)}", "muted"),
            )),
            (0, beside(
                look.say(("data", "muted")),
                look.age(now - snapshot.data_time, snapshot.candle_period_ms),
            )),
            (2, look.say(
                ("cycle ", "muted"),
                (figures.span(now - snapshot.last_cycle) if snapshot.last_cycle else "-", "text"),
                (f" {snapshot.last_cycle_ms:.0f} ms", "muted"),
            )),
            (3, look.say(("open ", "muted"), (str(len(snapshot.positions)), "text"))),
            (7, look.say(("balance ", "muted"), (figures.money(snapshot.balance), "text"))),
        ]  # fmt: skip

    def _clock(self, snapshot: Snapshot) -> Text:
        return self.look.say((figures.clock(snapshot.time), "text"), (" UTC ", "muted"))

    def _unread(self, snapshot: Snapshot) -> Text:
        if not snapshot.unread:
            return Text("")
        return self.look.say((f"{snapshot.unread} unread ", "accent"))


def fit_facts(facts: list[Fact], width: int, right: Text) -> Text:
    """Return facts on one line of ``width`` cells with one text at its right edge."""
    kept = list(facts)
    while len(kept) > 1 and _length(kept, right) > width:
        worst = max(kept, key=lambda fact: fact[0])
        if worst[0] == 0:
            break
        kept.remove(worst)
    gap = "   " if _length(kept, right) + len(kept) <= width else "  "
    line = beside(*(text for _, text in kept), gap=gap)
    if right.plain and line.cell_len + right.cell_len + 1 <= width:
        line.pad_right(width - line.cell_len - right.cell_len)
        line.append_text(right)
    return line


def _length(facts: list[Fact], right: Text) -> int:
    room = right.cell_len + 1 if right.plain else 0
    return sum(text.cell_len for _, text in facts) + 2 * (len(facts) - 1) + room


def _mode(snapshot: Snapshot) -> str:
    return _MODE.get(snapshot.mode, "reverse muted")


def _state(look: Look, snapshot: Snapshot, ended: str) -> Text:
    if ended:
        return look.say((f"{look.glyphs.ring} ENDED", "bold wrong"))
    if snapshot.state == "running" and snapshot.entries_paused:
        return look.say((f"{look.glyphs.ring} PAUSED", "warn"))
    role, glyph = _STATE.get(snapshot.state, ("warn", "ring"))
    return look.say((f"{getattr(look.glyphs, glyph)} {snapshot.state.upper()}", role))


def _breaker(look: Look, snapshot: Snapshot) -> str:
    return look.level(snapshot.breaker.level)


def _regime(look: Look, regime) -> list[tuple[str, str]]:  # type: ignore[no-untyped-def]
    text = look.regime(regime)
    return [(REGIME_NAMES[regime], str(text.spans[0].style) if text.spans else "text")]
