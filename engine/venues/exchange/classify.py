"""From what a client raises to the closed set of venue errors, whose type is what to do.

A *write* that failed is one of: not executed, and for which reason; unknown (it may have been
executed: ask, never send again); fatal (a person must act). A *read* that failed is retryable or
fatal. When in doubt a write is unknown: asking costs a second, a second order costs money.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from engine.ledger.redact import Redactor
from engine.venues.exchange.library import errors
from engine.venues.exchange.limiter import Blocked
from engine.venues.port import (
    Fatal,
    NotExecuted,
    Refusal,
    Retryable,
    UnknownOutcome,
    VenueError,
)

READ_AGAIN_MS = 1_000
_CODE = re.compile(r'"code"\s*:\s*"?(-?\d+)')
_LONGEST = 300

# Codes that say more than the class ccxt gives them.
_UNKNOWN_CODES = frozenset({-1000, -1001, -1006, -1007, -1008, -1010, -4116, -4115})
_REFUSALS: Mapping[int, Refusal] = {
    -1003: Refusal.RATE_LIMIT,
    -1015: Refusal.RATE_LIMIT,
    -1021: Refusal.CLOCK,
    -5028: Refusal.CLOCK,
    -1111: Refusal.PRECISION,
    -4003: Refusal.PRECISION,
    -4014: Refusal.PRECISION,
    -4023: Refusal.PRECISION,
    -4004: Refusal.MIN_NOTIONAL,
    -4164: Refusal.MIN_NOTIONAL,
    -2018: Refusal.INSUFFICIENT_MARGIN,
    -2019: Refusal.INSUFFICIENT_MARGIN,
    -2020: Refusal.OTHER,  # unable to fill
    -2021: Refusal.WOULD_TRIGGER,
    -2022: Refusal.REDUCE_ONLY,
    -2023: Refusal.OTHER,  # the account is being liquidated
    -2024: Refusal.REDUCE_ONLY,
    -4118: Refusal.REDUCE_ONLY,
    -2027: Refusal.LEVERAGE,
    -2028: Refusal.LEVERAGE,
    -4028: Refusal.LEVERAGE,
    -4161: Refusal.LEVERAGE,
    -4209: Refusal.LEVERAGE,
    -3313: Refusal.LEVERAGE,
    -1121: Refusal.UNKNOWN_SYMBOL,
    -4108: Refusal.UNKNOWN_SYMBOL,
    -4140: Refusal.UNKNOWN_SYMBOL,
    -4141: Refusal.UNKNOWN_SYMBOL,
    -1046: Refusal.CLOCK,
}

# Until a person acts, nothing will work.
ADVICE: Mapping[int, str] = {
    -1022: "the API secret does not belong to the key: set both anew",
    -2014: "the API key is malformed: copy it again from the exchange",
    -2015: (
        "the exchange refuses the key: check the key itself, that it may trade futures, and that "
        "this machine's IP address is on its list"
    ),
    -1002: "the key may not do this: allow futures trading for it on the exchange",
    -1005: "this machine's IP address is not on the key's list: add it on the exchange",
    -1011: "this machine's IP address may not use this route: add it to the key's list",
    -2017: "the exchange has locked the API keys of this account: unlock them there",
    -4061: (
        "the account is in hedge mode: switch to one-way mode (Futures, Preferences, Position "
        "Mode, One-way) and restart"
    ),
    -4168: (
        "the account is in multi-assets mode, which has no isolated margin: switch to "
        "single-asset mode (Futures, Preferences, Asset Mode) and restart"
    ),
    -1040: "no API key was sent: set WEEX_API_KEY",
    -1044: "the API key is wrong: check WEEX_API_KEY",
    -1047: "the signature is wrong: check WEEX_API_SECRET",
    -1049: "key or passphrase is wrong: check WEEX_API_KEY and WEEX_API_PASSPHRASE",
    -1051: "the key may not do this: allow contract trading for it on the exchange",
    -1052: "the key may not do this: allow contract trading for it on the exchange",
    -1053: "the key may not do this: allow contract trading for it on the exchange",
    -1056: "this machine's IP address is not on the key's list: add it on the exchange",
    -1057: "the exchange has locked this account: ask its support",
    -3236: "the key may not use this endpoint: allow contract trading for it on the exchange",
}


def code_of(error: BaseException) -> int | None:
    """Return the exchange's numeric error code, None where the text has none."""
    match = _CODE.search(str(error))
    return int(match.group(1)) if match else None


def write_failure(error: BaseException, redact: Redactor) -> VenueError:
    """Return what a failed write means."""
    ccxt = errors()
    text = _text(error, redact)
    if isinstance(error, VenueError):
        return error
    if isinstance(error, Blocked):
        return NotExecuted(Refusal.RATE_LIMIT, text)
    if not isinstance(error, ccxt.BaseError) or error.__cause__ is not None:
        # A reset in mid-reply is a plain ExchangeError caused by an aiohttp error.
        return UnknownOutcome(text)
    code = code_of(error)
    if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
        return NotExecuted(Refusal.RATE_LIMIT, text)
    if isinstance(error, ccxt.InvalidNonce):
        return NotExecuted(Refusal.CLOCK, text)
    if (
        code is not None and code in _REFUSALS
    ):  # whatever class ccxt gives it, the exchange documents a refusal
        return NotExecuted(_REFUSALS[code], text)
    if isinstance(error, ccxt.OperationFailed | ccxt.DuplicateOrderId | ccxt.UnsubscribeError):
        return UnknownOutcome(text)
    if code in _UNKNOWN_CODES:
        return UnknownOutcome(text)
    if code is not None and code in ADVICE:
        return Fatal(ADVICE[code])
    if isinstance(error, ccxt.PermissionDenied) and code is not None:
        return NotExecuted(Refusal.PERMISSION, text)  # a rule for this order, not for the key
    if isinstance(error, ccxt.AuthenticationError | ccxt.InvalidProxySettings):
        return Fatal(f"the exchange refuses the key: {text}")
    if isinstance(error, ccxt.RestrictedLocation):
        return Fatal(f"the exchange does not serve this location: {text}")
    if isinstance(error, ccxt.InsufficientFunds):
        return NotExecuted(Refusal.INSUFFICIENT_MARGIN, text)
    if isinstance(error, ccxt.BadSymbol):
        return NotExecuted(Refusal.UNKNOWN_SYMBOL, text)
    if isinstance(error, ccxt.OrderImmediatelyFillable):
        return NotExecuted(Refusal.WOULD_TRIGGER, text)
    if type(error) in (ccxt.BaseError, ccxt.ExchangeError) and code is None:
        return UnknownOutcome(text)
    return NotExecuted(Refusal.OTHER, text)


def read_failure(error: BaseException, redact: Redactor) -> Retryable | Fatal:
    """Return what a failed read means."""
    ccxt = errors()
    text = _text(error, redact)
    if isinstance(error, Retryable | Fatal):
        return error
    if isinstance(error, Blocked):
        return Retryable(error.after_ms, text)
    code = code_of(error)
    refused = isinstance(error, ccxt.AuthenticationError | ccxt.InvalidProxySettings)
    if code in ADVICE or (refused and not isinstance(error, ccxt.OperationFailed)):
        return Fatal(ADVICE.get(code or 0, f"the exchange refuses the key: {text}"))
    if isinstance(error, ccxt.RestrictedLocation):
        return Fatal(f"the exchange does not serve this location: {text}")
    if isinstance(error, ccxt.BadSymbol):
        return Fatal(f"the exchange does not list this pair: {text}")
    return Retryable(READ_AGAIN_MS, text)


def nothing_found(error: BaseException) -> bool:
    """Return whether the exchange says that it knows no such order."""
    found: bool = isinstance(error, errors().OrderNotFound)
    return found or code_of(error) in (-2013, -2011, -2200, -3200)


def _text(error: BaseException, redact: Redactor) -> str:
    if isinstance(error, asyncio.TimeoutError) and not str(error):
        return "no answer in time"
    shown: Any = redact(str(error)) or type(error).__name__
    return str(shown).partition("?")[0][:_LONGEST] if "?" in shown else str(shown)[:_LONGEST]
