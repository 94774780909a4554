"""Quiet hours, repeats and rate limits of a channel."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.events import Severity
from engine.notify.admission import Admission, Rules
from engine.notify.message import Message
from engine.notify.quiet import QuietHours

HOUR = 3_600.0
NIGHT = 23 * HOUR
NOON = 12 * HOUR


def message(text: str = "x", level: Severity = Severity.WARNING, key: str = "") -> Message:
    return Message(0, level, "test", text, key)


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        ("22:00-07:00", (22 * HOUR, 0.0, 7 * HOUR - 1), (7 * HOUR, NOON, 22 * HOUR - 1)),
        ("09:30-17:00", (9.5 * HOUR, 16 * HOUR), (9 * HOUR, 17 * HOUR)),
        ("", (), (0.0, NOON)),
    ],
)
def test_quiet_hours_hold_from_start_to_before_end(
    span: str, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    quiet = QuietHours.parse(span)
    assert all(quiet.holds(moment + 5 * 86_400) for moment in inside)
    assert not any(quiet.holds(moment) for moment in outside)


@pytest.mark.parametrize("text", ["22", "22:00", "24:00-07:00", "22:60-07:00", "22:00-22:00", "x"])
def test_a_span_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"22:00-07:00|empty"):
        QuietHours.parse(text)


def test_quiet_hours_let_only_critical_and_emergency_pass() -> None:
    admission = Admission(Rules(quiet=QuietHours.parse("22:00-07:00")))
    admitted = [level for level in Severity if admission.admit(message(level=level), NIGHT)]
    assert admitted == [Severity.CRITICAL, Severity.EMERGENCY]
    assert admission.admit(message(), NOON) is not None


def test_what_quiet_hours_held_back_is_told_afterwards() -> None:
    admission = Admission(Rules(quiet=QuietHours.parse("22:00-07:00")))
    for _ in range(3):
        assert admission.admit(message("overnight"), NIGHT) is None
    morning = admission.admit(message("good morning"), NOON)
    assert morning is not None
    assert morning.text == "good morning (3 other messages held back)"
    later = admission.admit(message("later"), NOON + 1)
    assert later is not None
    assert later.text == "later"


def test_a_repeat_is_sent_once_a_window_and_counted() -> None:
    admission = Admission(Rules(repeat_s=600))
    assert admission.admit(message("feed late 3 s", key="feed late # s"), 0) is not None
    for second in (1, 200, 599):
        assert admission.admit(message("feed late 9 s", key="feed late # s"), second) is None
    again = admission.admit(message("feed late 8 s", key="feed late # s"), 600)
    assert again is not None
    assert again.text == "feed late 8 s (3 more like it before this one)"


def test_messages_without_a_key_never_count_as_repeats() -> None:
    admission = Admission(Rules())
    assert all(admission.admit(message("HALT"), second) for second in range(5))


def test_a_milder_level_is_never_a_repeat_of_a_louder_one() -> None:
    admission = Admission(Rules())
    assert admission.admit(message(key="k"), 0)
    assert admission.admit(message(key="k", level=Severity.CRITICAL), 1)


@given(
    st.lists(st.tuples(st.sampled_from(list(Severity)), st.floats(0, 50)), min_size=1, max_size=200)
)
@settings(deadline=None, max_examples=60)
def test_a_flood_is_bounded_and_emergencies_always_pass(
    flood: list[tuple[Severity, float]],
) -> None:
    rules = Rules(most=5, window_s=100)
    admission = Admission(rules)
    now = 0.0
    sent: list[tuple[Severity, float]] = []
    for level, pause in flood:
        now += pause
        admitted = admission.admit(message(level=level), now)
        assert admitted is not None or level is not Severity.EMERGENCY
        if admitted is not None:
            sent.append((level, now))
    for level, bound in ((Severity.INFO, 5), (Severity.WARNING, 5), (Severity.CRITICAL, 10)):
        for _, start in sent:
            window = [w for what, w in sent if what is level and start <= w < start + 100]
            assert len(window) <= bound


def test_a_clock_set_back_silences_nothing() -> None:
    admission = Admission(Rules(most=2))
    for _ in range(2):
        assert admission.admit(message(key="k"), 1_000_000) or True
    assert admission.admit(message(key="k"), 10) is not None


def test_the_memory_of_repeats_is_bounded() -> None:
    admission = Admission(Rules(most=10_000))
    for number in range(2_000):
        admission.admit(message(key=f"k{number}"), 0)
    assert len(admission._said) <= 256
