"""Market vocabulary: pairs, timeframes, candles, instruments and market steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

_PAIR = re.compile(r"^([A-Z0-9]{1,15})(?:[/-]USDT(?::USDT)?)?$")
_TIMEFRAME = re.compile(r"^([1-9][0-9]{0,2})([smhd])$")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


class Pair(str):
    """Name a USDT-margined perpetual by its unified symbol, e.g. ``BTC/USDT:USDT``.

    A ``str`` subclass, so that it hashes, sorts and serialises as its symbol.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Pair:
        """Read ``BTC``, ``BTC/USDT``, ``BTC-USDT`` or ``BTC/USDT:USDT`` in any case.

        Raises ``ValueError`` when the text names no USDT perpetual.
        """
        match = _PAIR.match(text.strip().upper())
        if match is None:
            raise ValueError(f"{text!r} is not a pair; write it as BTC, BTC/USDT or BTC/USDT:USDT")
        return cls(f"{match.group(1)}/USDT:USDT")

    @property
    def base(self) -> str:
        """Return the base asset, e.g. ``BTC``."""
        return self.partition("/")[0]

    @property
    def file_stem(self) -> str:
        """Return the name candle files use, e.g. ``BTC-USDT``."""
        return f"{self.base}-USDT"


def timeframe_ms(timeframe: str) -> int:
    """Return the length of a timeframe such as ``5m`` in milliseconds.

    Raises ``ValueError`` for anything but a count and one of s, m, h, d.
    """
    match = _TIMEFRAME.match(timeframe)
    if match is None:
        raise ValueError(f"{timeframe!r} is not a timeframe; write it as 1m, 5m, 15m, 1h or 1d")
    return int(match.group(1)) * _UNIT_MS[match.group(2)]


class Candle(NamedTuple):
    """One bar: open time (ms UTC), prices in quote currency, volume in base currency."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Instrument:
    """The trading rules of one pair. Fees and rates are fractions; sizes in base currency."""

    pair: Pair
    tick_size: Decimal
    step_size: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    taker_fee: Decimal
    maker_fee: Decimal
    maintenance_margin_rate: Decimal
    max_leverage: int
    sector: str

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Round a quantity down to a whole number of steps."""
        return (quantity / self.step_size).to_integral_value(ROUND_DOWN) * self.step_size

    def round_price(self, price: Decimal) -> Decimal:
        """Round a price to the nearest tick."""
        return (price / self.tick_size).to_integral_value(ROUND_HALF_EVEN) * self.tick_size


@dataclass(frozen=True, slots=True)
class MarketStep:
    """What the market did up to one instant.

    ``time`` is the instant (ms UTC). ``bars`` holds, per pair, the finest bar ending then:
    it moves prices and triggers orders. ``closed`` holds the candles of the decision
    timeframe that closed then: each asks for a decision.
    """

    time: int
    bars: Mapping[Pair, Candle]
    closed: Mapping[Pair, Candle]
