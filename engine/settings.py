"""Settings: read once from the environment and ``.env``, validated, never printed with secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engine.model.market import Pair, timeframe_ms
from engine.notify.addresses import secrets_of, split_addresses
from engine.notify.quiet import QuietHours
from engine.risk.limits import RiskLimits

_DEFAULT_PAIRS = "BTC,ETH,SOL,BNB,XRP,ADA,DOGE,LTC"


class SettingsError(Exception):
    """A setting is unknown, malformed or out of range; the message says which and what is."""


class Settings(BaseSettings):
    """Every setting with its default and range. Fractions unless a name says otherwise."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    exchange: Literal["sim", "binance", "weex"] = "sim"
    trading_mode: Literal["paper", "testnet", "live"] = "paper"
    binance_api_key: SecretStr = SecretStr("")
    binance_api_secret: SecretStr = SecretStr("")
    weex_api_key: SecretStr = SecretStr("")
    weex_api_secret: SecretStr = SecretStr("")
    weex_api_passphrase: SecretStr = SecretStr("")
    exchange_url: str = ""
    allow_withdrawal_key: bool = False
    gemini_api_key: SecretStr = SecretStr("")
    gemini_model: str = "gemini-2.5-flash"
    gemini_url: str = ""
    default_symbol: str = "BTC"
    allowed_symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        default=tuple(_DEFAULT_PAIRS.split(","))
    )
    default_timeframe: Literal["1m", "5m", "15m", "1h"] = "5m"
    default_leverage: int = Field(default=10, ge=1, le=20)
    max_leverage: int = Field(default=20, ge=1, le=20)
    max_risk_per_trade: float = Field(default=0.02, gt=0, le=0.05)
    max_daily_loss: float = Field(default=0.05, gt=0, le=0.5)
    max_open_positions: int = Field(default=3, ge=1, le=20)
    kelly_fraction: float = Field(default=0.25, gt=0, le=1)
    min_confidence: float = Field(default=0.33, ge=0, le=1)
    exploration_risk: float = Field(default=0.005, gt=0, le=0.01)
    max_asset_exposure: float = Field(default=0.40, gt=0, le=1)
    max_group_exposure: float = Field(default=0.60, gt=0, le=1)
    max_sector_exposure: float = Field(default=0.50, gt=0, le=1)
    max_heat: float = Field(default=0.06, gt=0, le=0.5)
    warmup_candles: int = Field(default=1_500, ge=500, le=10_000)
    shadow_reentry: bool = True
    trade_cycle_seconds: float = Field(default=5, ge=1, le=60)
    paper_balance: float = Field(default=10_000, ge=10, le=1e9)
    sigma_home: Path | None = None
    notify_urls: SecretStr = SecretStr("")  # such addresses carry tokens
    notify_level: Literal["info", "warning", "critical", "emergency"] = "info"
    quiet_hours: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("allowed_symbols", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_symbols", mode="after")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one pair, e.g. BTC,ETH")
        pairs = tuple(Pair.parse(item) for item in value)
        if len(set(pairs)) != len(pairs):
            raise ValueError("a pair is named twice")
        return pairs

    @field_validator("default_symbol", mode="after")
    @classmethod
    def _pair(cls, value: str) -> str:
        return Pair.parse(value)

    @field_validator("exchange_url", "gemini_url", mode="after")
    @classmethod
    def _url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("notify_urls", mode="after")
    @classmethod
    def _addresses(cls, value: SecretStr) -> SecretStr:
        split_addresses(value.get_secret_value())
        return value

    @field_validator("quiet_hours", mode="after")
    @classmethod
    def _span(cls, value: str) -> str:
        QuietHours.parse(value)
        return value.strip()

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.default_leverage > self.max_leverage:
            raise ValueError(
                f"DEFAULT_LEVERAGE {self.default_leverage} is above "
                f"MAX_LEVERAGE {self.max_leverage}"
            )
        if self.default_symbol not in self.allowed_symbols:
            raise ValueError(f"DEFAULT_SYMBOL {self.default_symbol} is not among ALLOWED_SYMBOLS")
        return self

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Return the allowed pairs in the order given."""
        return tuple(Pair(item) for item in self.allowed_symbols)

    @property
    def candle_ms(self) -> int:
        """Return the decision timeframe in ms."""
        return timeframe_ms(self.default_timeframe)

    def secrets(self) -> tuple[str, ...]:
        """Return every secret that is set, for the redaction filter."""
        values = (getattr(self, name) for name in type(self).model_fields)
        found = [v.get_secret_value() for v in values if isinstance(v, SecretStr)]
        found += secrets_of(split_addresses(self.notify_urls.get_secret_value()))
        return tuple(dict.fromkeys(value for value in found if value))

    def home(self, override: Path | None = None) -> Path:
        """Return the directory of data, logs and socket: option, SIGMA_HOME or the platform's."""
        chosen = override or self.sigma_home
        return chosen.expanduser() if chosen else Path(platformdirs.user_state_dir("sigma"))

    def limits(self) -> RiskLimits:
        """Return the risk limits the pure core works with."""
        return RiskLimits(
            allowed_pairs=self.pairs,
            leverage=self.default_leverage,
            max_leverage=self.max_leverage,
            max_risk_per_trade=self.max_risk_per_trade,
            max_daily_loss=self.max_daily_loss,
            max_open_positions=self.max_open_positions,
            kelly_fraction=self.kelly_fraction,
            min_confidence=self.min_confidence,
            exploration_risk=self.exploration_risk,
            max_asset_exposure=self.max_asset_exposure,
            max_group_exposure=self.max_group_exposure,
            max_sector_exposure=self.max_sector_exposure,
            max_heat=self.max_heat,
            warmup_candles=self.warmup_candles,
            shadow_reentry=self.shadow_reentry and self.trading_mode != "live",
            reentry_on_request=self.shadow_reentry and self.trading_mode == "live",
        )


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; keyword arguments (command-line options) win over the environment.

    Raises ``SettingsError`` naming the variable, the value given and what is allowed.
    """
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(item) for item in error.errors())) from None


def _sentence(item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"]).upper()
    field = Settings.model_fields.get(name.lower())
    secret = field is not None and field.annotation is SecretStr
    given = "" if secret or not name else f"={item.get('input')!r}"
    said = str(item["msg"]).removeprefix("Value error, ")
    return f"{name}{given}: {said}" if name else said
