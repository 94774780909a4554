"""Strategy parameters: everything a strategy may change, each with its bounds."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Annotated

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from engine.model.market import Pair
from engine.model.signal import Regime

SCHEMA_VERSION = 1
_STRICT = ConfigDict(extra="forbid")


def _fraction(default: float, low: float = 0.0, high: float = 1.0) -> float:
    return Field(default=default, ge=low, le=high, allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class CategoryWeights:
    """Weights of the six V1 categories; they sum to 1."""

    momentum: float = _fraction(0.25)
    trend: float = _fraction(0.20)
    mean_reversion: float = _fraction(0.20)
    volatility: float = _fraction(0.15)
    volume: float = _fraction(0.10)
    probability: float = _fraction(0.10)

    @model_validator(mode="after")
    def _sum_to_one(self) -> CategoryWeights:
        total = sum(self.as_tuple())
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the six weights sum to {total:g}; they must sum to 1")
        return self

    def as_tuple(self) -> tuple[float, ...]:
        """Return the weights in the order of ``engine.signals.v1.CATEGORIES``."""
        return (
            self.momentum,
            self.trend,
            self.mean_reversion,
            self.volatility,
            self.volume,
            self.probability,
        )


@dataclass(frozen=True, slots=True, config=_STRICT)
class ByRegime:
    """One number per kind of regime (both trends share one)."""

    trend: float = Field(ge=0, le=1_440)
    range: float = Field(ge=0, le=1_440)
    chop: float = Field(ge=0, le=1_440)
    volatile: float = Field(ge=0, le=1_440)

    def of(self, regime: Regime) -> float:
        """Return the number for a regime; UNKNOWN takes that of CHOP, the most careful."""
        if regime.trending:
            return self.trend
        if regime is Regime.RANGE:
            return self.range
        return self.volatile if regime is Regime.VOLATILE else self.chop


def _each(low: float, high: float) -> tuple[AfterValidator, FieldInfo]:
    """Hold all four numbers of a ``ByRegime`` between two bounds, and say so in the schema."""

    def check(value: ByRegime) -> ByRegime:
        for item in fields(value):
            number = getattr(value, item.name)
            if not low <= number <= high:
                raise ValueError(f"{item.name} = {number:g}: must be from {low:g} to {high:g}")
        return value

    return AfterValidator(check), Field(json_schema_extra={"each": [low, high]})


@dataclass(frozen=True, slots=True, config=_STRICT)
class ExitParams:
    """The dynamic exits. Distances and thresholds are fractions of price or of the entry."""

    arm_r: float = Field(default=1.0, ge=0.25, le=5)
    trail: Annotated[ByRegime, *_each(0.002, 0.2)] = field(
        default_factory=lambda: ByRegime(0.02, 0.015, 0.01, 0.025)
    )
    trail_atr: float = Field(default=3.0, ge=0.5, le=10)
    limit_minutes: Annotated[ByRegime, *_each(5, 1_440)] = field(
        default_factory=lambda: ByRegime(240, 120, 60, 30)
    )
    keep_past_limit: float = _fraction(0.03)
    keep_past_regime_change: float = _fraction(0.05)
    partial_at_r: float = Field(default=0.0, ge=0, le=10)  # 0 = no partial exits


@dataclass(frozen=True, slots=True, config=_STRICT)
class Strategy:
    """A strategy: which pairs, how they are scored, where it stops and what it demands.

    Versions are immutable; trades carry name and version.
    """

    name: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    version: int = Field(default=1, ge=1)
    schema_version: int = Field(default=SCHEMA_VERSION, ge=SCHEMA_VERSION, le=SCHEMA_VERSION)
    description: str = Field(default="Built-in balanced strategy.", max_length=500)
    pairs: tuple[str, ...] = ()  # empty = every allowed pair
    weights: CategoryWeights = field(default_factory=CategoryWeights)
    entry_score: float = Field(default=0.20, ge=0.05, le=0.9)
    full_confidence_score: float = Field(default=0.50, ge=0.1, le=1.0)
    v2_min_confidence: float = _fraction(0.40)
    v2_min_supporting: int = Field(default=3, ge=1, le=13)
    v2_max_conflicting: int = Field(default=2, ge=0, le=12)
    rsi_low: float = Field(default=30, ge=5, le=50)
    rsi_high: float = Field(default=70, ge=50, le=95)
    stop_atr: float = Field(default=1.5, ge=0.5, le=10)
    target_r: float = Field(default=2.0, ge=2.0, le=10)
    stop_by_regime: Annotated[ByRegime, *_each(0.5, 3)] = field(
        default_factory=lambda: ByRegime(1.2, 0.9, 0.8, 1.5)
    )
    min_net_reward_risk: float = Field(default=1.2, ge=0.5, le=5)
    exits: ExitParams = field(default_factory=ExitParams)

    @field_validator("pairs", mode="after")
    @classmethod
    def _full_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Write pairs as their unified symbols, which is what the scanner compares with."""
        pairs = tuple(Pair.parse(item) for item in value)
        if len(set(pairs)) != len(pairs):
            raise ValueError("a pair is named twice")
        return pairs

    @model_validator(mode="after")
    def _consistent(self) -> Strategy:
        if self.full_confidence_score <= self.entry_score:
            raise ValueError(
                f"full_confidence_score {self.full_confidence_score:g} must be above "
                f"entry_score {self.entry_score:g}"
            )
        return self


STRATEGY_SCHEMA: TypeAdapter[Strategy] = TypeAdapter(Strategy)
