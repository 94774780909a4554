"""Where the cockpit's panels go: a pure function from the room there is to regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

PANELS = (
    "market", "positions", "chart", "regime", "breaker", "expectancy", "signals", "events",
)  # fmt: skip
SLOTS = ("breaker", "chart", "regime", "expectancy", "signals", "events")

MARKET_ROWS = 8


def framed(width: int, height: int) -> bool:
    """Return whether panels get a frame all round; else only a title line above."""
    return width >= 96 and height >= 26


def plan(width: int, height: int, slot: str = SLOTS[0], zoom: str = "") -> Mapping[str, Region]:
    """Return the region of every panel that is shown in ``width`` x ``height`` cells.

    ``slot`` names the panel shown where not all of them fit; ``zoom`` gives one panel
    everything. Regions lie inside the room and do not overlap.
    """
    if zoom:
        return {zoom: Region(0, 0, width, height)}
    if width >= 180 and height >= 48:
        return _wide(width, height)
    if width >= 112 and height >= 34:
        return _full(width, height)
    if framed(width, height):
        return _medium(width, height, slot)
    return _small(width, height, slot)


def _full(width: int, height: int) -> Mapping[str, Region]:
    market, positions = MARKET_ROWS + 3, 6
    bottom = 7 + max(0, height - 40) // 3
    middle = height - market - positions - bottom
    left, regime = width * 52 // 100, MARKET_ROWS + 3 if middle >= 20 else 5
    y = market + positions
    first, second = 44, (width - 44) * 42 // 100
    return {
        "market": Region(0, 0, width, market),
        "positions": Region(0, market, width, positions),
        "chart": Region(0, y, left, middle),
        "regime": Region(left, y, width - left, regime),
        "breaker": Region(left, y + regime, width - left, middle - regime),
        "expectancy": Region(0, y + middle, first, bottom),
        "signals": Region(first, y + middle, second, bottom),
        "events": Region(first + second, y + middle, width - first - second, bottom),
    }


def _wide(width: int, height: int) -> Mapping[str, Region]:
    left = max(120, width * 62 // 100)
    right = width - left
    market, positions, signals = MARKET_ROWS + 3, 8, 10 + max(0, height - 57) // 2
    chart = height - market - positions - signals
    regime, expectancy = MARKET_ROWS + 3, 9
    breaker = 14
    events = height - regime - expectancy - breaker
    return {
        "market": Region(0, 0, left, market),
        "positions": Region(0, market, left, positions),
        "chart": Region(0, market + positions, left, chart),
        "signals": Region(0, market + positions + chart, left, signals),
        "regime": Region(left, 0, right, regime),
        "breaker": Region(left, regime, right, breaker),
        "expectancy": Region(left, regime + breaker, right, expectancy),
        "events": Region(left, regime + breaker + expectancy, right, events),
    }


def _medium(width: int, height: int, slot: str) -> Mapping[str, Region]:
    market, positions = MARKET_ROWS + 3, 6
    rest, y, left = height - market - positions, market + positions, width * 52 // 100
    shown = {
        "market": Region(0, 0, width, market),
        "positions": Region(0, market, width, positions),
    }
    if slot == "chart":
        return {**shown, "chart": Region(0, y, width, rest)}
    return {
        **shown,
        "chart": Region(0, y, left, rest),
        slot: Region(left, y, width - left, rest),
    }


def _small(width: int, height: int, slot: str) -> Mapping[str, Region]:
    market = min(MARKET_ROWS + 2, height - 4)
    shown = {"market": Region(0, 0, width, market)}
    rest = height - market
    if slot == "chart" and rest >= 6:
        return {**shown, "chart": Region(0, market, width, rest)}
    positions = 5 if rest >= 9 else rest
    shown["positions"] = Region(0, market, width, positions)
    if rest > positions:
        shown[slot] = Region(0, market + positions, width, rest - positions)
    return shown


class PlanLayout(Layout):
    """Gives every child the region that a plan has for its id, in one pass."""

    name = "plan"

    def __init__(self, regions: Callable[[Size], Mapping[str, Region]]) -> None:
        self._regions = regions

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """Place the children that have a region."""
        regions = self._regions(size)
        return [
            WidgetPlacement(regions[name], NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if (name := child.id or "") in regions
        ]
