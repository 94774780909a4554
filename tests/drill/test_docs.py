"""The documents keep up with the code: thresholds, tests by name, scenes, services."""

from __future__ import annotations

import re

import pytest

from engine.model.commands import Level
from engine.notify.channels import open_channels
from engine.protection.drill import SCENES
from engine.protection.triggers import Breach, BreakerSettings, Trigger, trigger_table
from tests.conftest import ROOT

GUIDE = (ROOT / "docs" / "circuit-breaker.md").read_text()
NOTIFICATIONS = (ROOT / "docs" / "notifications.md").read_text()
LEVELS = (Level.ALERT, Level.THROTTLE, Level.HALT, Level.SHUTDOWN)
SIGN = {Breach.ABOVE: "> ", Breach.BELOW: "< ", Breach.REACHED: ""}


def rows() -> dict[str, list[str]]:
    """Return the guide's table of triggers: name -> cells."""
    table = GUIDE.split("## What moves it")[1].split("\n\n")[1]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {line[0]: line[1:] for line in cells}


def test_the_table_has_every_trigger_and_no_other() -> None:
    assert list(rows()) == [str(trigger) for trigger in Trigger]


@pytest.mark.parametrize("trigger", list(Trigger))
def test_the_table_shows_the_thresholds_in_force(trigger: Trigger) -> None:
    rule = trigger_table(BreakerSettings())[trigger]
    thresholds = dict(rule.limits)
    expected = [
        f"{SIGN[rule.breach]}{rule.show(thresholds[level])}" if level in thresholds else ""
        for level in LEVELS
    ]
    assert rows()[str(trigger)][:4] == expected


def test_every_test_and_file_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", GUIDE)
    assert len(named) > len(Trigger)
    for path, test in named:
        text = (ROOT / path).read_text()
        assert not test or f"def {test}(" in text, f"{path}::{test}"


def test_every_scene_of_the_drill_is_named() -> None:
    told = " ".join(rows()[str(trigger)][5] for trigger in Trigger)
    for scene in SCENES:
        assert scene in told or scene == "the exchange answers slowly"


def test_the_addresses_shown_are_of_services_that_open() -> None:
    shown = re.findall(r"`((?:tgram|discord|slack|ntfy|twilio)://[^`]+)`", NOTIFICATIONS)
    assert len(shown) == 5
    real = {
        "BOT_TOKEN/CHAT_ID": "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr/987654321",
        "WEBHOOK_ID/WEBHOOK_TOKEN": f"{'1' * 18}/{'a' * 60}",
        "TOKEN_A/TOKEN_B/TOKEN_C/#channel": f"{'T' * 9}/{'B' * 9}/{'c' * 24}/#channel",
        "SID:TOKEN@FROM/TO": f"AC{'a' * 32}:{'b' * 32}@15551230000/15551230001",
    }
    for address in shown:
        scheme, _, rest = address.partition("://")
        assert open_channels(f"{scheme}://{real.get(rest, rest.lower())}")
