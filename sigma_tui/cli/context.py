"""What commands share: their home, their settings, and readers of option values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigma_tui.cli.failures import UsageError

if TYPE_CHECKING:
    from engine.home import Home
    from engine.model.market import Pair
    from engine.settings import Settings

TIMEFRAMES = ("1m", "5m", "15m", "1h")


def wants_json(args: argparse.Namespace) -> bool:
    """Return whether ``--json`` was given."""
    return bool(getattr(args, "json", False))


def settings_of(args: argparse.Namespace, **overrides: Any) -> Settings:
    """Return the settings, command-line options winning. Raises ``SettingsError``."""
    from engine.settings import load_settings

    return load_settings(sigma_home=getattr(args, "home", None), **overrides)


def home_of(args: argparse.Namespace) -> Home:
    """Return the home a command works on; settings are read only where no ``--home`` says."""
    from engine.home import Home

    given: Path | None = getattr(args, "home", None)
    if given is not None:
        return Home(given.expanduser())
    return Home(settings_of(args).home())


def pair(text: str) -> Pair:
    """Read one pair. Raises ``ArgumentTypeError`` saying how pairs are written."""
    from engine.model.market import Pair

    try:
        return Pair.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def pairs(text: str) -> tuple[Pair, ...]:
    """Read a list such as ``BTC,ETH``."""
    found = tuple(pair(part) for part in text.split(",") if part.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names no pair; write BTC or BTC,ETH")
    return tuple(dict.fromkeys(found))


def require_allowed(chosen: Sequence[Pair] | None, settings: Settings) -> None:
    """Refuse pairs that the settings do not allow to trade. Raises ``UsageError``."""
    if strange := [one.base for one in chosen or () if one not in settings.pairs]:
        allowed = ", ".join(one.base for one in settings.pairs)
        raise UsageError(f"{', '.join(strange)} is not among ALLOWED_SYMBOLS ({allowed})")


def instant(text: str) -> int:
    """Read an ISO date or time (UTC unless it says otherwise) as ms since the epoch."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no ISO date; write 2025-06-01 or 2025-06-01T12:00"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    ms = round(moment.timestamp() * 1000)
    if ms < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is before 1970")
    return ms


def positive(text: str) -> float:
    """Read a number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
    return value


def count(text: str) -> int:
    """Read a whole number from 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value
