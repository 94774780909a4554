"""What a fill costs on the simulated venue: spread, slippage, impact, and how much is there.

The model is deterministic and scale-free: it sees prices only relative to each other and sizes
only relative to the notional that traded, so the same market in another unit costs the same.

    price = reference x (1 +/- (half spread + base slippage + impact)), rounded adversely to a tick
    impact = coefficient x sqrt(order notional / notional traded a minute), at most ``max_impact``

The square root is the usual impact law, I = Y sigma sqrt(Q / V) with Y near 1 (Almgren et al.,
"Direct Estimation of Equity Market Impact", 2005; Toth et al., Phys. Rev. X 1, 021006, 2011).
With V the turnover of a minute, sigma is the volatility of a minute: 3 % a day / sqrt(1440) is
0.0008, the default coefficient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import MappingProxyType

from engine.model.market import Candle, Instrument, MarketStep, Pair

MINUTE_MS = 60_000
RECENT_BARS = 12
_FRACTION_UNIT = Decimal("0.00000001")


def _half_spreads() -> Mapping[str, Decimal]:
    return MappingProxyType(
        {
            "large_cap": Decimal("0.00002"),
            "layer_1": Decimal("0.00005"),
            "payment": Decimal("0.00005"),
            "meme": Decimal("0.0001"),
            "other": Decimal("0.0002"),
        }
    )


@dataclass(frozen=True, slots=True)
class CostModel:
    """Costs of taking liquidity, as fractions of price unless named otherwise.

    ``half_spread`` by sector (unknown sectors: the widest); ``base_slippage`` on every market
    fill; ``impact`` at an order as large as a minute's turnover; ``max_participation``: an entry
    fills at most this share of the volume of ``volume_window_minutes`` at the recent rate;
    ``funding_rate`` per 8 h where none was recorded, paid by longs to shorts.
    """

    half_spread: Mapping[str, Decimal] = field(default_factory=_half_spreads)
    base_slippage: Decimal = Decimal("0.00005")
    impact: float = 0.0008
    max_impact: float = 0.01
    max_participation: float = 0.10
    volume_window_minutes: float = 5.0
    funding_rate: Decimal = Decimal("0.0001")

    def adverse_fraction(self, sector: str, notional: float, turnover: float) -> Decimal:
        """Return by what fraction of price a fill is worse than its reference.

        ``notional`` of the order and ``turnover`` a minute, in quote currency; without turnover
        the impact is at its maximum.
        """
        widest = max(self.half_spread.values(), default=Decimal(0))
        spread = self.half_spread.get(sector, widest)
        impact = self.max_impact
        if turnover > 0:
            impact = min(impact, self.impact * math.sqrt(notional / turnover))
        return spread + self.base_slippage + Decimal(str(impact)).quantize(_FRACTION_UNIT)

    def fillable_notional(self, turnover: float) -> float:
        """Return how much of one entry the market takes, in quote currency."""
        return self.max_participation * self.volume_window_minutes * turnover

    def fill_price(
        self,
        instrument: Instrument,
        buy: bool,
        reference: Decimal,
        notional: float,
        turnover: float,
    ) -> Decimal:
        """Return the price of a market fill: the reference moved adversely, on a tick."""
        fraction = self.adverse_fraction(instrument.sector, notional, turnover)
        return adverse_tick(instrument, buy, reference * (1 + fraction if buy else 1 - fraction))


def adverse_tick(instrument: Instrument, buy: bool, price: Decimal) -> Decimal:
    """Round a price to the tick that is worse for the order, never below one tick."""
    ticks = (price / instrument.tick_size).to_integral_value(ROUND_CEILING if buy else ROUND_FLOOR)
    return max(ticks, Decimal(1)) * instrument.tick_size


def usable(bar: Candle) -> bool:
    """Return whether a bar's prices are finite and positive (False for any NaN)."""
    return (
        0.0 < bar.open < math.inf
        and 0.0 < bar.high < math.inf
        and 0.0 < bar.low < math.inf
        and 0.0 < bar.close < math.inf
    )


def recent_bars(steps: Iterable[MarketStep], pair: Pair) -> list[tuple[int, Candle]]:
    """Return up to 12 of a pair's bars with their end times, newest first.

    ``steps`` come newest first.
    """
    found: list[tuple[int, Candle]] = []
    for step in steps:
        bar = step.bars.get(pair)
        if bar is not None and usable(bar):
            found.append((step.time, bar))
            if len(found) == RECENT_BARS:
                break
    return found


def turnover_per_minute(bars: Iterable[tuple[int, Candle]]) -> float:
    """Return the notional that traded per minute over some bars, in quote currency; 0 if none."""
    notional = 0.0
    minutes = 0.0
    for end, bar in bars:
        if 0.0 <= bar.volume < math.inf and end > bar.time:
            notional += bar.volume * bar.close
            minutes += (end - bar.time) / MINUTE_MS
    return notional / minutes if minutes else 0.0
