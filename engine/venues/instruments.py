"""Trading rules of the simulated venue: those of Binance USD-M perpetuals, first margin tier."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from engine.model.market import Instrument, Pair

TAKER_FEE = Decimal("0.0005")
MAKER_FEE = Decimal("0.0002")


class _Rules(NamedTuple):
    """Tick (quote), step = minimum quantity (base), minimum notional (quote), margin, sector."""

    tick: str
    step: str
    min_notional: str
    maintenance: str
    max_leverage: int
    sector: str


_KNOWN = {
    "BTC": _Rules("0.1", "0.001", "100", "0.004", 125, "large_cap"),
    "ETH": _Rules("0.01", "0.001", "20", "0.004", 125, "large_cap"),
    "BNB": _Rules("0.01", "0.01", "5", "0.005", 75, "large_cap"),
    "SOL": _Rules("0.01", "0.01", "5", "0.005", 100, "layer_1"),
    "ADA": _Rules("0.0001", "1", "5", "0.005", 75, "layer_1"),
    "XRP": _Rules("0.0001", "0.1", "5", "0.005", 75, "payment"),
    "LTC": _Rules("0.01", "0.001", "5", "0.005", 75, "payment"),
    "DOGE": _Rules("0.00001", "1", "5", "0.005", 75, "meme"),
}
# Fine enough for any price above 0.0001; margin as strict as on a thin contract.
_OTHER = _Rules("0.000001", "0.001", "5", "0.01", 25, "other")


def simulated_instruments(pairs: Iterable[Pair]) -> dict[Pair, Instrument]:
    """Return the trading rules of each pair; pairs without rules of their own get careful ones."""
    return {pair: _instrument(pair, _KNOWN.get(pair.base, _OTHER)) for pair in pairs}


def _instrument(pair: Pair, rules: _Rules) -> Instrument:
    return Instrument(
        pair=pair,
        tick_size=Decimal(rules.tick),
        step_size=Decimal(rules.step),
        min_quantity=Decimal(rules.step),
        min_notional=Decimal(rules.min_notional),
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
        maintenance_margin_rate=Decimal(rules.maintenance),
        max_leverage=rules.max_leverage,
        sector=rules.sector,
    )
