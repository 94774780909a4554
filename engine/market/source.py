"""The market port: where prices come from, whether synthetic, recorded or exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from engine.model.market import Candle, MarketStep, Pair


class MarketSource(Protocol):
    """A market that can be stepped through, every price at its instant.

    Steps come in strictly increasing time. Mappings and sequences are to be read, not changed.
    """

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Return the pairs, in the order every mapping keeps."""

    @property
    def candle_ms(self) -> int:
        """Return the decision timeframe in ms."""

    @property
    def bar_ms(self) -> int:
        """Return the finest timeframe of the bars in ms."""

    @property
    def end(self) -> int | None:
        """Return the time of the last step (ms UTC), None for a market without end."""

    def history(self) -> Mapping[Pair, Sequence[Candle]]:
        """Return the decision candles closed before the first step, oldest first."""

    def steps(self) -> Iterator[MarketStep]:
        """Iterate over what happens, from the beginning at each call."""
