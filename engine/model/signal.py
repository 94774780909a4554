"""Signal vocabulary: indicator values, regimes, votes, scores and proposals."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import NamedTuple

# Enumerations that are looked up on every candle hash as the strings they are: Enum's own hash
# is a Python function, ten times the price of the look-up.


class Side(StrEnum):
    """The direction of a position or a proposal."""

    __hash__ = str.__hash__

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """Return +1 for long and -1 for short."""
        return 1 if self is Side.LONG else -1

    @property
    def opposite(self) -> Side:
        """Return the other side."""
        return Side.SHORT if self is Side.LONG else Side.LONG


class Action(StrEnum):
    """What one pass decides for one pair."""

    __hash__ = str.__hash__

    ENTER_LONG = "ENTER_LONG"
    ENTER_SHORT = "ENTER_SHORT"
    WAIT = "WAIT"

    @property
    def side(self) -> Side | None:
        """Return the side of an entry, or None for WAIT."""
        return _SIDES[self]

    @classmethod
    def enter(cls, side: Side) -> Action:
        """Return the entry on a side."""
        return cls.ENTER_LONG if side is Side.LONG else cls.ENTER_SHORT


_SIDES = {Action.ENTER_LONG: Side.LONG, Action.ENTER_SHORT: Side.SHORT, Action.WAIT: None}


class Regime(StrEnum):
    """The state a market is in."""

    __hash__ = str.__hash__

    TREND_UP = "TREND_UP"
    TREND_DOWN = "TREND_DOWN"
    RANGE = "RANGE"
    CHOP = "CHOP"
    VOLATILE = "VOLATILE"
    UNKNOWN = "UNKNOWN"

    @property
    def trending(self) -> bool:
        """Return whether this is one of the two trends."""
        return self is Regime.TREND_UP or self is Regime.TREND_DOWN

    @property
    def trend_side(self) -> Side | None:
        """Return the side a trend favours, or None outside a trend."""
        if self is Regime.TREND_UP:
            return Side.LONG
        return Side.SHORT if self is Regime.TREND_DOWN else None


class RegimeState(NamedTuple):
    """A pair's regime after hysteresis.

    ``confidence`` in [0, 1]; ``risk_multiplier`` in [0, 1.5]; ``since`` is the close time (ms)
    of the candle on which the regime was adopted; ``pending`` is a different regime seen on
    the last ``pending_count`` candles and not adopted yet.
    """

    regime: Regime
    confidence: float
    risk_multiplier: float
    since: int
    pending: Regime | None = None
    pending_count: int = 0


class Indicators(NamedTuple):
    """Every indicator of one pair after one closed candle.

    Prices in quote currency; ``atr`` in price; slopes as a fraction of price per candle;
    volatility annualised as a fraction (0.6 = 60 %); probabilities and quantiles as fractions.
    Values that score are finite by construction: see ``notes`` for what was replaced.
    """

    time: int  # close time of the candle, ms UTC
    candles: int  # candles seen since the last warm-up restart
    open: float
    high: float
    low: float
    close: float
    volume: float
    rsi: float
    macd: float
    macd_signal: float
    macd_hist: float
    stoch_k: float
    stoch_d: float
    ema9: float
    ema20: float
    ema50: float
    ema200: float
    sma20: float
    bb_upper: float
    bb_middle: float
    bb_lower: float
    atr: float
    adx: float
    plus_di: float
    minus_di: float
    cci: float
    mfi: float
    obv: float
    obv_slope: float  # OBV change over 10 candles / volume traded over them, in [-1, 1]
    vwap: float
    vwap_distance: float  # (close - vwap) / vwap
    mc_up: float  # P(close in 12 candles > close now)
    mc_low: float  # 5 % quantile of the 12-candle return
    mc_mid: float  # 50 % quantile
    mc_high: float  # 95 % quantile
    mc_error: float  # standard error of mc_up
    gk: float  # Garman-Klass volatility, annualised
    gk_median: float  # its median over the last 500 candles
    z_score: float
    slope: float  # linear-regression slope over 10 candles / close
    bb_width_ratio: float  # Bollinger width / its 100-candle mean; 1 when unknown
    htf_15m: int  # trend of the higher timeframe: -1, 0, +1
    htf_1h: int
    notes: tuple[str, ...]  # data-quality notes


class Vote(Enum):
    """How one rule votes, before the side of the proposal is known."""

    LONG = "long"
    SHORT = "short"
    NEUTRAL = "neutral"
    AVOID = "avoid"


class RuleVote(NamedTuple):
    """One rule's vote with the value it saw. ``text`` has a place for the value."""

    rule: str
    vote: Vote
    value: float
    weight: float
    text: str

    @property
    def sentence(self) -> str:
        """Return what the rule saw and how it votes."""
        return f"{self.text.format(self.value)}: {self.vote.value}"


class Strength(StrEnum):
    """How strongly the rules confirm a proposal."""

    STRONG = "STRONG"
    NORMAL = "NORMAL"
    WEAK = "WEAK"
