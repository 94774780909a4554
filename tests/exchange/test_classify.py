"""The classifier: every error class of ccxt has one meaning for writes and one for reads."""

from __future__ import annotations

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ledger.redact import Redactor
from engine.venues.exchange.classify import nothing_found, read_failure, write_failure
from engine.venues.exchange.library import errors, exchange_class
from engine.venues.exchange.limiter import Blocked
from engine.venues.port import Fatal, NotExecuted, Refusal, Retryable, UnknownOutcome, VenueError

CCXT = errors()
REDACT = Redactor(("hidden-key",))
CLASSES = {
    name: kind
    for name, kind in vars(CCXT).items()
    if isinstance(kind, type) and issubclass(kind, CCXT.BaseError)
}
NOT_EXECUTED = {
    "ArgumentsRequired", "BadRequest", "BadSymbol", "OperationRejected", "NoChange",
    "MarginModeAlreadySet", "MarketClosed", "ManualInteractionNeeded", "InsufficientFunds",
    "InvalidAddress", "AddressPending", "InvalidOrder", "OrderNotFound", "OrderNotCached",
    "OrderImmediatelyFillable", "OrderNotFillable", "ContractUnavailable", "NotSupported",
    "ExchangeClosedByUser", "DDoSProtection", "RateLimitExceeded", "InvalidNonce",
    "ChecksumError",
}  # fmt: skip
FATAL = {
    "AuthenticationError", "PermissionDenied", "AccountNotEnabled", "AccountSuspended",
    "InvalidProxySettings", "RestrictedLocation",
}  # fmt: skip
UNKNOWN = {
    "BaseError", "ExchangeError", "DuplicateOrderId", "OperationFailed", "NetworkError",
    "ExchangeNotAvailable", "OnMaintenance", "RequestTimeout", "BadResponse", "NullResponse",
    "CancelPending", "UnsubscribeError",
}  # fmt: skip


def test_every_class_is_listed() -> None:
    assert set(CLASSES) == NOT_EXECUTED | FATAL | UNKNOWN


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_write(name: str) -> None:
    found = write_failure(CLASSES[name]("binance said no"), REDACT)
    expected = NotExecuted if name in NOT_EXECUTED else Fatal if name in FATAL else UnknownOutcome
    assert type(found) is expected


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_write_with_a_network_cause_is_unknown_whatever_its_class(name: str) -> None:
    error = CLASSES[name]("binance POST /fapi/v1/order")
    error.__cause__ = aiohttp.ClientPayloadError("reset in mid-reply")
    assert type(write_failure(error, REDACT)) is UnknownOutcome


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_read(name: str) -> None:
    expected = Fatal if name in FATAL | {"BadSymbol"} else Retryable
    assert type(read_failure(CLASSES[name]("binance said no"), REDACT)) is expected


@pytest.mark.parametrize(
    ("code", "kind", "refusal"),
    [
        (-1007, UnknownOutcome, None),
        (-1008, UnknownOutcome, None),
        (-1006, UnknownOutcome, None),
        (-4116, UnknownOutcome, None),
        (-1021, NotExecuted, Refusal.CLOCK),
        (-2019, NotExecuted, Refusal.INSUFFICIENT_MARGIN),
        (-2020, NotExecuted, Refusal.OTHER),
        (-2023, NotExecuted, Refusal.OTHER),
        (-2021, NotExecuted, Refusal.WOULD_TRIGGER),
        (-2022, NotExecuted, Refusal.REDUCE_ONLY),
        (-4118, NotExecuted, Refusal.REDUCE_ONLY),
        (-4164, NotExecuted, Refusal.MIN_NOTIONAL),
        (-1111, NotExecuted, Refusal.PRECISION),
        (-2027, NotExecuted, Refusal.LEVERAGE),
        (-1015, NotExecuted, Refusal.RATE_LIMIT),
        (-1121, NotExecuted, Refusal.UNKNOWN_SYMBOL),
        (-4400, NotExecuted, Refusal.PERMISSION),
        (-4061, Fatal, None),
        (-2015, Fatal, None),
        (-2014, Fatal, None),
        (-1022, Fatal, None),
        (-9999, NotExecuted, Refusal.OTHER),
    ],
)
def test_write_by_code(code: int, kind: type[VenueError], refusal: Refusal | None) -> None:
    """The class is the one ccxt itself gives the code, found in its merged futures table."""
    binance = exchange_class("binance")()
    table = binance.exceptions["exact"] | binance.exceptions["linear"]["exact"]
    error = table.get(str(code), CCXT.ExchangeError)(f'binance {{"code":{code},"msg":"no"}}')
    found = write_failure(error, REDACT)
    assert type(found) is kind
    if isinstance(found, NotExecuted):
        assert found.refusal is refusal


def test_what_is_no_error_of_the_library_is_unknown() -> None:
    assert isinstance(write_failure(TimeoutError(), REDACT), UnknownOutcome)
    assert isinstance(write_failure(KeyError("orderId"), REDACT), UnknownOutcome)
    assert isinstance(read_failure(KeyError("x"), REDACT), Retryable)


def test_what_was_not_sent_was_not_executed() -> None:
    found = write_failure(Blocked(1_500, "429"), REDACT)
    assert isinstance(found, NotExecuted)
    assert found.refusal is Refusal.RATE_LIMIT
    read = read_failure(Blocked(1_500, "429"), REDACT)
    assert isinstance(read, Retryable)
    assert read.after_ms == 1_500


@given(
    name=st.sampled_from(sorted(CLASSES)),
    code=st.integers(-9999, -1),
    text=st.text(max_size=200),
)
def test_every_failure_has_a_type_and_no_secret(name: str, code: int, text: str) -> None:
    error = CLASSES[name](f'{text} hidden-key {{"code":{code}}} signature=abcdef0123')
    for found in (write_failure(error, REDACT), read_failure(error, REDACT)):
        assert isinstance(found, VenueError)
        assert "hidden-key" not in str(found)
        assert "abcdef0123" not in str(found)


def test_no_such_order() -> None:
    assert nothing_found(CCXT.OrderNotFound('{"code":-2013}'))
    assert not nothing_found(CCXT.NetworkError("down"))


def test_other_users_of_the_library_find_the_class_where_they_look_for_it() -> None:
    found = exchange_class("binance")
    import ccxt.async_support
    import ccxt.pro

    assert ccxt.pro.binance is found
    assert issubclass(found, ccxt.async_support.binance)
    assert isinstance(ccxt.async_support.binance, type)
