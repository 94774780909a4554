"""No secret survives, whatever way it took into a text; ordinary words do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ledger.logfile import FILE_NAME, configure_logging
from engine.ledger.redact import MASK, Redactor

SECRET = "Zx9+secret/value=="
LEAKS = [
    "https://x/fapi/v1/order?symbol=BTCUSDT&signature=LEAK&timestamp=1",
    "PUT /fapi/v1/listenKey?listenKey=LEAK",
    "{'X-MBX-APIKEY': 'LEAK', 'Content-Type': 'json'}",
    '{"apiKey": "LEAK", "n": 1}',
    '{"apiKey":"LEAK"}',
    "apiKey=LEAK",
    "api_key: LEAK",
    "BINANCE_API_KEY=LEAK",
    "WEEX_API_SECRET='LEAK'",
    "X-MBX-APIKEY: LEAK",
    "ACCESS-PASSPHRASE: LEAK",
    "ACCESS-SIGN:LEAK",
    "passphrase=LEAK",
    "password = 'LEAK with spaces'",
    "https://g/v1beta/models/m:generateContent?key=LEAK&alt=sse",
    "https://g/x?alt=sse&key=LEAK",
    "x-goog-api-key: LEAK",
    "Authorization: Bearer LEAK",
    "{'Authorization': 'Basic LEAK'}",
    "smtp://user:LEAK@mail.example.org",
    "wss://fstream/ws?listenKey=LEAK\nnext line",
    'the "secretKey":"LEAK" of WEEX',
]


@pytest.mark.parametrize("text", LEAKS)
def test_named_secrets(text: str) -> None:
    value = "a1B2-c3D4_e5F6"
    redacted = Redactor()(text.replace("LEAK", value))
    assert value not in redacted
    assert MASK in redacted
    assert Redactor()(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "Position size: 0.001234 | Method: empirical_kelly | Regime mult: 1.30",
        "Kelly inputs: WR=0.68, PR=2.15, Kelly=0.523, n=45",
        "key=q pressed; signature of the line checked",
        "the api key may withdraw: refused",
        "https://fapi.binance.com/fapi/v1/klines?symbol=BTCUSDT&interval=5m",
        "2023-11-14T22:13:20.123Z BTC/USDT:USDT stop @ 43210.5",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Redactor([SECRET])(text) == text


@settings(deadline=None, max_examples=100)
@given(
    before=st.text(max_size=20), secret=st.text(min_size=4, max_size=40), after=st.text(max_size=20)
)
def test_known_secrets_never_appear(before: str, secret: str, after: str) -> None:
    if secret in MASK * 20 or secret in f"{before}{MASK}{after}":
        return
    assert secret not in Redactor([secret])(f"{before} {secret} {after}")


def test_known_secrets_in_their_encoded_forms_and_short_ones_ignored() -> None:
    redact = Redactor([SECRET, "", "abc"])
    assert redact(f"x {SECRET} y") == "x *** y"
    assert redact("https://h/?a=Zx9%2Bsecret%2Fvalue%3D%3D") == "https://h/?a=***"
    assert redact("abc") == "abc"


def test_a_secret_within_another_leaves_no_rest() -> None:
    assert Redactor(["abcd", "abcdefgh"])("abcdefgh") == MASK


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [item for item in root.handlers if item not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.mark.usefixtures("restored_logging")
def test_the_log_file_holds_no_secret(tmp_path: Path) -> None:
    handler = configure_logging(tmp_path, "INFO", [SECRET])
    log = logging.getLogger("engine.test")
    log.info("message %s and %s", SECRET, {"apiKey": "a1B2c3D4"})
    try:
        raise ValueError(f"signature=deadbeef {SECRET}")
    except ValueError:
        log.exception("failed")
    log.info("two\nlines", stack_info=True)
    log.debug("not at this level")
    logging.getLogger("ccxt.base").info("noise with a key")
    logging.getLogger("ccxt.base").warning("ccxt warns")
    text = (tmp_path / FILE_NAME).read_text()
    assert SECRET not in text
    assert "a1B2c3D4" not in text
    assert "deadbeef" not in text
    assert "noise" not in text
    assert "not at this level" not in text
    assert "ccxt warns" in text
    records = [line for line in text.splitlines() if not line.startswith("    ")]
    assert len(records) == 4
    assert all(line[10] == "T" and line[23] == "Z" for line in records)
    assert "ValueError" in text
    assert handler.failures == 0


@pytest.mark.usefixtures("restored_logging")
def test_configuring_again_replaces_and_rotation_is_bounded(tmp_path: Path) -> None:
    first = configure_logging(tmp_path)
    second = configure_logging(tmp_path)
    assert first not in logging.getLogger().handlers
    assert (second.maxBytes, second.backupCount) == (10_000_000, 5)
    second.maxBytes = 1_000
    for number in range(200):
        logging.getLogger("engine").info("line %d", number)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [FILE_NAME, *(f"{FILE_NAME}.{n}" for n in range(1, 6))]


@pytest.mark.usefixtures("restored_logging")
def test_a_log_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    handler = configure_logging(tmp_path)
    assert handler.stream is not None
    handler.stream.close()
    logging.getLogger("engine").info("lost")
    assert handler.failures == 1
    assert handler.last_failure.startswith("engine:")
    handler.stream = handler._open()
