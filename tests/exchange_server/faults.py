"""Programmable misbehaviour: which fault, where, how often."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

HTTP_FAULTS = ("latency", "http", "error", "reset", "body", "maintenance")
ENGINE_FAULTS = ("partial_fill", "reject_trigger", "slippage", "candles")
KINDS = HTTP_FAULTS + ENGINE_FAULTS


@dataclass(slots=True)
class Fault:
    """One rule. ``count`` None = until removed; ``path`` and ``symbol`` match as substrings.

    ``options`` by kind: latency ``ms``; http ``status``, ``retry_after`` (s), ``text``;
    error ``code``, ``executed``; reset ``when`` (before, after, mid); body ``shape`` (truncated,
    text, empty); partial_fill ``fraction``, ``rest`` (expire, later, slices); slippage
    ``percent``; candles ``shape`` (stale, gapped, nan), ``candles``.
    """

    kind: str
    method: str | None = None
    path: str | None = None
    symbol: str | None = None
    count: int | None = 1
    probability: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)
    hits: int = 0

    def matches(self, method: str | None, path: str | None, symbol: str | None) -> bool:
        return (
            (self.method is None or self.method == method)
            and (self.path is None or (path is not None and self.path in path))
            and (self.symbol is None or self.symbol == symbol)
        )


class Faults:
    """The active rules; the first one that matches is taken."""

    def __init__(self, seed: int = 0) -> None:
        self.rules: list[Fault] = []
        self._random = random.Random(seed)

    def add(
        self,
        kind: str,
        *,
        method: str | None = None,
        path: str | None = None,
        symbol: str | None = None,
        count: int | None = 1,
        probability: float = 1.0,
        **options: Any,
    ) -> Fault:
        """Add a rule and return it; its ``hits`` tell how often it struck."""
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(KINDS)}")
        fault = Fault(kind, method, path, symbol, count, probability, options)
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """Remove every rule."""
        self.rules.clear()

    def remove(self, fault: Fault) -> None:
        """Remove one rule; a rule that is spent is gone already."""
        if fault in self.rules:
            self.rules.remove(fault)

    def take(
        self,
        *kinds: str,
        method: str | None = None,
        path: str | None = None,
        symbol: str | None = None,
    ) -> Fault | None:
        """Return the first matching rule, counted, or None."""
        for fault in self.rules:
            if fault.kind not in kinds or not fault.matches(method, path, symbol):
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            fault.hits += 1
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self.rules.remove(fault)
            return fault
        return None
