"""The signal's figures as lines: V1 categories as bars, V2 rules with their votes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from engine.model.decision import V1Result, V2Result
from engine.model.signal import RuleVote
from sigma_tui.look import Look
from sigma_tui.screens.explain_lines import hanging, heading, indented, number, rung, words

_WIDE = 56  # width from which the bars have twice the cells


def v1_lines(look: Look, v1: V1Result | None, width: int) -> list[Text]:
    """Return each category's score as a bar, its weight and what it adds, then the sum."""
    if v1 is None:
        return [*heading(look, "V1 SCORE", "", width), look.say(("not scored", "faint"))]
    from engine.signals.v1 import CATEGORIES

    action = v1.action.value.replace("_", " ")
    lines = heading(look, "V1 SCORE", f"{v1.score:+.3f} {look.glyphs.to} {action}", width)
    half = 9 if width >= _WIDE else 6
    bar_width = 2 * half
    titles = f"{'':15}{'short  long':^{bar_width}}{'score':>7}{'weight':>8}{'adds':>8}"
    lines.append(look.say((titles, "faint")))
    for name, score, weight in zip(CATEGORIES, v1.categories, v1.weights, strict=True):
        line = look.say((f"{words(name):<14} ", "text"))
        line.append_text(look.score_bar(score, half))
        line.append_text(
            look.say(
                (f"  {score:+.2f}", look.palette.signed(round(score, 2))),
                (f" {look.glyphs.times} {weight:.3f}", "muted"),
                (f"  {score * weight:+.3f}", "text"),
            )
        )
        lines.append(line)
    times = look.glyphs.times
    lines += rung(look, "=", "weighted sum", f"{v1.raw_score:+.3f}", "", width)
    lines += rung(look, times, "volatility", f"{v1.volatility_factor:.2f}", "", width)
    note = f"confidence {v1.confidence:.0%}"
    return lines + rung(look, "=", "score", f"{v1.score:+.3f}", note, width, "strong")


def v2_lines(look: Look, v2: V2Result | None, width: int, sentences: bool) -> list[Text]:
    """Return every rule with its vote relative to V1's side, heaviest first in each group.

    ``sentences`` adds each rule's own words.
    """
    if v2 is None:
        return [
            *heading(look, "V2 RULES", "", width),
            look.say(("not asked: V1 proposes no entry", "faint")),
        ]
    valid = "valid" if v2.valid else "INVALID"
    lines = heading(
        look, "V2 RULES", f"{valid}, {v2.strength}, confirmation {v2.confirmation:.0%}", width
    )
    if v2.reason:
        lines += hanging(look, look.say((f"{look.glyphs.down} ", "warn")), v2.reason, width, "warn")
    groups: tuple[tuple[str, str, Sequence[RuleVote]], ...] = (
        ("for", "gain", v2.supporting),
        ("against", "loss", v2.conflicting),
        ("neutral", "muted", v2.neutral),
    )
    titles = f"{'':10}{'rule':<17}{'value':>9} {'votes':<7}{'weight':>6}"
    lines.append(look.say((titles, "faint")))
    for word, role, votes in groups:
        for vote in votes:
            lines += _rule_lines(look, word, role, vote, width, sentences)
    return lines


def _rule_lines(
    look: Look, word: str, role: str, vote: RuleVote, width: int, sentences: bool
) -> list[Text]:
    sign = {"for": "+", "against": look.glyphs.minus, "neutral": look.glyphs.flat}[word]
    quiet = word == "neutral"
    line = look.say(
        (f"{sign} {word:<8}", role),
        (f"{words(vote.rule):<17}", "muted" if quiet else "text"),
        (f"{number(vote.value):>9}", "muted" if quiet else "text"),
        (f" {vote.vote.value:<7}", role),
        (f"{vote.weight:>6.1f}", "faint" if quiet else "muted"),
    )
    return [line, *(indented(look, vote.sentence, width, "muted", 10) if sentences else [])]
