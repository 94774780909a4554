"""Delivery through apprise to a loopback web hook: slow, failing, hanging; never in the way."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from engine.ledger.redact import Redactor
from engine.model.commands import Level
from engine.model.events import BreakerChanged, DecisionMade, Event, Noticed, Severity
from engine.narrative import describe
from engine.notify.channels import DeliveryError, open_channels
from engine.notify.message import Message
from engine.notify.notifier import Notifier, try_channels
from engine.notify.outbox import Outbox
from tests.notify.conftest import Hook


def halt() -> Event:
    return BreakerChanged(
        time=1, before=Level.CLOSED, after=Level.HALT, cause="order failures", detail="5 in a row"
    )


def notice(text: str, level: Severity = Severity.WARNING) -> Event:
    return Noticed(time=1, level=level, topic="feed", detail=text)


def notifier(hook: Hook, **options: object) -> Notifier:
    return Notifier(
        open_channels(hook.url),
        redact=Redactor(["topsecret99"]),
        retries=(0.01, 0.01),
        **options,  # type: ignore[arg-type]
    )


def see(told: Notifier, *events: Event) -> None:
    for event in events:
        told.see(event, describe(event))


def test_a_breaker_change_arrives_with_its_level(hook: Hook) -> None:
    told = notifier(hook)
    see(told, halt())
    assert told.close(10)
    (body,) = hook.bodies
    assert body["title"] == "Sigma CRITICAL: breaker"
    assert body["message"] == "breaker CLOSED -> HALT: 5 in a row"
    assert body["type"] == "failure"
    assert told.bells == 1


def test_secrets_never_reach_a_channel(hook: Hook) -> None:
    kept: list[Message] = []
    told = notifier(hook, keep=kept.append)
    see(told, notice("POST https://x/order?apiKey=topsecret99&signature=abcdef failed"))
    assert told.close(10)
    assert "topsecret99" not in str(hook.bodies)
    assert "abcdef" not in str(hook.bodies)
    assert "topsecret99" not in kept[0].text


def test_a_failing_service_is_retried_then_given_up(
    hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = 500
    told = notifier(hook)
    with caplog.at_level(logging.WARNING):
        see(told, notice("first"))
        while told.overview()[0][2] == 0:
            threading.Event().wait(0.01)
    assert hook.requests == 3  # one attempt and two retries
    name, state, lost = told.overview()[0]
    assert (name, lost) == ("notify json://*** (1)", 1)
    assert state.startswith("failing: ")
    assert [r.message for r in caplog.records if "no notification reaches" in r.message]
    assert "hooktoken1234" not in caplog.text
    hook.status = 200
    see(told, notice("second"))
    assert told.close(10)
    assert [body["message"] for body in hook.bodies] == ["feed: second"]
    assert told.overview()[0][1] == "1 sent"


def test_a_retry_delivers_once(hook: Hook) -> None:
    hook.status = 503
    told = notifier(hook)
    see(told, notice("eventually"))
    assert hook.arrived.wait(10)
    hook.status = 200
    while not hook.bodies:
        threading.Event().wait(0.01)
    assert told.close(10)
    assert len(hook.bodies) == 1


async def test_a_hanging_service_holds_nobody_up(hook: Hook) -> None:
    """The loop ticks on while the service hangs: every tick falls between request and answer."""
    hook.gate.clear()
    told = notifier(hook)
    see(told, notice("stuck"))
    assert await asyncio.to_thread(hook.arrived.wait, 10)
    ticks = 0
    for number in range(200):
        see(told, notice(f"event {'x' * number}"))
        await asyncio.sleep(0)
        ticks += 1
    assert ticks == 200
    assert hook.bodies == []  # not one of them waited for an answer
    hook.gate.set()
    assert await asyncio.to_thread(told.close, 10)
    assert hook.bodies[0]["message"] == "feed: stuck"


def test_an_end_does_not_wait_for_a_hanging_service(hook: Hook) -> None:
    hook.gate.clear()
    told = notifier(hook)
    see(told, notice("stuck"))
    assert hook.arrived.wait(10)
    assert told.close(0.05) is False
    see(told, notice("too late"))  # harmless
    assert told.overview()[0][2] == 1


def test_one_hanging_channel_does_not_hold_up_another(hook: Hook) -> None:
    other = Hook()
    try:
        hook.gate.clear()
        told = Notifier(open_channels(f"{hook.url} {other.url}"), redact=Redactor())
        see(told, halt())
        assert hook.arrived.wait(10)
        while not other.bodies:
            threading.Event().wait(0.01)
        assert hook.bodies == []
    finally:
        other.close()


class Stuck:
    """A channel that takes nothing until it is let go."""

    name = "stuck"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.sending = threading.Event()
        self.got: list[Message] = []

    def send(self, message: Message) -> None:
        self.sending.set()
        self.go.wait(10)
        self.got.append(message)


def test_a_full_queue_lets_the_oldest_of_the_mildest_go() -> None:
    channel = Stuck()
    outbox = Outbox(channel, str, kept=3)
    outbox.offer(Message(0, Severity.INFO, "t", "under way"))
    assert channel.sending.wait(10)
    for text, level in (
        ("a", Severity.INFO),
        ("b", Severity.EMERGENCY),
        ("c", Severity.INFO),
        ("d", Severity.WARNING),
        ("e", Severity.CRITICAL),
    ):
        outbox.offer(Message(0, level, "t", text))
    assert outbox.delivery.waiting == 3
    assert outbox.delivery.dropped == 2
    channel.go.set()
    assert outbox.close(10)
    assert [m.text for m in channel.got] == ["under way", "b", "d", "e"]


class Broken:
    """A channel whose client raises whatever it likes."""

    name = "broken"

    def send(self, message: Message) -> None:
        raise RuntimeError("signature=abcdef123456 exploded")


def test_any_exception_of_a_client_is_told_redacted_and_survived() -> None:
    outbox = Outbox(Broken(), Redactor(), retries=())
    outbox.offer(Message(0, Severity.INFO, "t", "x"))
    outbox.offer(Message(0, Severity.INFO, "t", "y"))
    outbox.close(10)
    assert outbox.delivery.failed + outbox.delivery.dropped == 2
    assert outbox.delivery.error == "RuntimeError: signature=*** exploded"


def test_decisions_and_small_news_are_not_notified(hook: Hook) -> None:
    told = notifier(hook)
    told.see(Noticed(time=1, level=Severity.INFO, topic="x", detail="small"), "x: small")
    told.see(DecisionMade(time=1, decision=None), None)  # type: ignore[arg-type]
    assert told.close(5)
    assert hook.requests == 0


def test_the_test_command_reports_each_channel(hook: Hook) -> None:
    bad = "json://127.0.0.1:9/hooktoken1234"
    results = try_channels(open_channels(f"{hook.url} {bad}"), Redactor(), now=1)
    assert [bool(problem) for _, problem, _ in results] == [False, True]
    assert hook.bodies[0]["message"] == "Notifications reach you here."
    assert "hooktoken" not in results[1][1]


def test_a_delivery_error_is_a_plain_sentence() -> None:
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1"):
        open_channels("json://127.0.0.1:9/x")[0].send(Message(0, Severity.INFO, "t", "x"))
