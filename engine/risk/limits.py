"""Risk limits: the numbers no strategy may loosen. Fractions of equity unless named otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.model.market import Pair


def _default_pairs() -> tuple[Pair, ...]:
    return tuple(Pair.parse(b) for b in ("BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "LTC"))


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Validated by ``engine.settings``; the pure core takes it as an argument."""

    allowed_pairs: tuple[Pair, ...] = field(default_factory=_default_pairs)
    leverage: int = 10
    max_leverage: int = 20
    max_risk_per_trade: float = 0.02
    max_daily_loss: float = 0.05
    max_open_positions: int = 3
    max_notional_multiple: float = 3.0  # notional of one position <= 3 x equity
    kelly_fraction: float = 0.25
    exploration_risk: float = 0.005
    min_confidence: float = 0.33
    throttled_confidence: float = 0.70
    max_asset_exposure: float = 0.40
    max_group_exposure: float = 0.60
    group_correlation: float = 0.70
    max_sector_exposure: float = 0.50
    max_heat: float = 0.06
    one_sided: float = 0.50  # net exposure beyond which the heavy side is closed
    entry_one_sided: float = 0.50  # net exposure up to which an entry may add
    max_entries_per_pass: int = 1
    warmup_candles: int = 1_500
    shadow_reentry: bool = True  # 30 good shadow trades re-open exploration
    reentry_on_request: bool = False  # ... but only once the operator recovers (live)
    slippage: float = 0.0002  # expected, one way
    funding_per_8h: float = 0.0001  # expected, against the position
