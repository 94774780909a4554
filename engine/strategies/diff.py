"""What differs between two strategies, field by field, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.model.market import Pair
from engine.strategies.fields import flat, meaning
from engine.strategy import Strategy

_IDENTITY = ("name", "version", "schema_version")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; ``effect`` says what the change leads to ("" where it is plain)."""

    path: str
    before: str
    after: str
    words: str
    effect: str

    @property
    def sentence(self) -> str:
        """Return the difference as one line."""
        effect = f": {self.effect}" if self.effect else ""
        return f"{self.path} {self.before} -> {self.after} ({self.words}){effect}"


def differences(before: Strategy, after: Strategy) -> tuple[Difference, ...]:
    """Return what changes from one strategy to another; name and version do not count."""
    old, new = flat(before), flat(after)
    return tuple(
        _difference(path, old[path], new[path])
        for path in new
        if path not in _IDENTITY and old[path] != new[path]
    )


def sentences(before: Strategy, after: Strategy) -> list[str]:
    """Return the differences as lines, or one line saying that there are none."""
    lines = [item.sentence for item in differences(before, after)]
    return lines or [f"same parameters as {before.name} v{before.version}"]


def _difference(path: str, old: Any, new: Any) -> Difference:
    known = meaning(path)
    effect = ""
    if isinstance(old, (int, float)) and isinstance(new, (int, float)):
        effect = known.more if new > old else known.less
    return Difference(path, _shown(path, old), _shown(path, new), known.words, effect)


def _shown(path: str, value: Any) -> str:
    if path == "pairs":
        return _names(value)
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _names(pairs: Sequence[str]) -> str:
    return ",".join(Pair(item).base for item in pairs) or "all"
