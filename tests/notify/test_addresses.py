"""NOTIFY_URLS: taken apart, checked, and never shown."""

from __future__ import annotations

import pytest

from engine.ledger.redact import Redactor
from engine.notify.addresses import AddressError, secrets_of, service, split_addresses
from engine.notify.channels import open_channels
from engine.settings import SettingsError, load_settings

TELEGRAM = "tgram://123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr/987654321/"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("  ", ()),
        ("json://a/b", ("json://a/b",)),
        ("json://a/b,json://c", ("json://a/b", "json://c")),
        ("json://a/b  json://c\n xml://d,", ("json://a/b", "json://c", "xml://d")),
        ("mailto://u:p@h?to=a@b.c,d@e.f, json://x", ("mailto://u:p@h?to=a@b.c,d@e.f", "json://x")),
    ],
)
def test_addresses_are_parted_by_space_or_comma(text: str, expected: tuple[str, ...]) -> None:
    assert split_addresses(text) == expected


@pytest.mark.parametrize("bad", ["mysecrettoken", "json://ok mysecrettoken"])
def test_an_entry_that_is_no_address_is_named_without_its_text(bad: str) -> None:
    with pytest.raises(AddressError, match=r"entry \d of \d \(my\*\*\*\)") as caught:
        split_addresses(bad)
    assert "secret" not in str(caught.value)


def test_settings_refuse_a_malformed_address_and_do_not_print_it() -> None:
    with pytest.raises(SettingsError, match="NOTIFY_URLS") as caught:
        load_settings(notify_urls="json://fine hiddentoken99")
    assert "hiddentoken99" not in str(caught.value)
    assert "entry 2 of 2" in str(caught.value)


def test_settings_refuse_quiet_hours_that_make_no_sense() -> None:
    with pytest.raises(SettingsError, match=r"QUIET_HOURS='25:00-07:00'"):
        load_settings(quiet_hours="25:00-07:00")


@pytest.mark.parametrize("address", ["nosuchservice://token12345", "discord://", "slack://x"])
def test_what_apprise_cannot_use_is_refused_by_entry_and_service(address: str) -> None:
    with pytest.raises(AddressError, match=r"entry 2 of 2 \(\w+://\*\*\*\)") as caught:
        open_channels(f"json://127.0.0.1/x {address}")
    assert "token12345" not in str(caught.value)


def test_known_services_open_and_are_shown_without_secrets() -> None:
    channels = open_channels(f"{TELEGRAM} mailto://user:hunter22@example.com")
    assert [channel.name for channel in channels] == ["tgram://*** (1)", "mailto://*** (2)"]


def test_every_token_of_an_address_is_known_to_the_redactor() -> None:
    settings = load_settings(notify_urls=f"{TELEGRAM} json://user:hunter22@127.0.0.1:9/hooktoken12")
    redact = Redactor(settings.secrets())
    said = (
        f"failed: {TELEGRAM} and https://api.telegram.org/botAAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr/x "
        "chat 987654321 at 127.0.0.1 with hunter22 on /hooktoken12"
    )
    cleaned = redact(said)
    for secret in ("AAbbCC", "987654321", "hunter22", "hooktoken12", "123456789:"):
        assert secret not in cleaned
    assert "127.0.0.1" in cleaned


def test_secrets_leave_host_names_readable() -> None:
    assert "hooks.example.com" not in secrets_of(("https://hooks.example.com/T00000/B11111",))
    assert service("HTTPS://hooks.example.com/T0") == "https://***"
    assert "tokentoken" not in repr(load_settings(notify_urls="json://h/tokentoken"))
