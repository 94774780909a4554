"""The words of the socket: what is understood, what is refused and how it says so."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.control.protocol import (
    COMMANDS,
    ProtocolError,
    body_of,
    command_of,
    decode,
    encode,
    reachable,
    request_of,
)
from engine.model.commands import Adopt, ClosePosition, Level, Override, Source, StartTrading, Trip
from engine.model.market import Pair

_REASONS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=40)
_SENDER = st.sampled_from([Source.KEY, Source.CLI, Source.SOCKET, Source.ASSISTANT])
_COMMANDS = st.one_of(
    st.builds(StartTrading, source=_SENDER, reason=_REASONS, acknowledge=st.booleans()),
    st.builds(Trip, source=_SENDER, reason=_REASONS, level=st.sampled_from(Level)),
    st.builds(
        Override,
        source=_SENDER,
        reason=_REASONS,
        level=st.sampled_from(Level),
        seconds=st.integers(1, 7 * 86_400),
    ),
    st.builds(Adopt, source=_SENDER, reason=_REASONS, pair=st.just(Pair.parse("BTC"))),
    st.builds(ClosePosition, source=_SENDER, reason=_REASONS, pair=st.just(Pair.parse("SOL"))),
)


@given(_COMMANDS)
@settings(deadline=None, max_examples=60)
def test_a_command_survives_the_wire(command):
    assert command_of(decode(encode(body_of(command)))) == command


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_can_be_written_by_hand(name):
    extra = {"trip": {"level": "halt"}, "close": {"pair": "btc"}, "adopt": {"pair": "btc"}}
    extra["replay"] = {"action": "pause"}
    extra["override"] = {"level": "ALERT", "seconds": 60}
    extra["apply"] = {"name": "careful"}
    command = command_of({"command": name, **extra.get(name, {})})
    assert type(command) is COMMANDS[name]
    assert command.source is Source.SOCKET


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "is none of start"),
        ({"command": "explode"}, "is none of start"),
        ({"command": ["stop"]}, "is none of start"),
        ({"command": "stop", "now": True}, "does not take now"),
        ({"command": "close"}, "needs pair"),
        ({"command": "override", "level": "HALT"}, "needs seconds"),
        ({"command": "close", "pair": "no pair"}, "is not a pair"),
        ({"command": "trip", "level": "LOUD"}, "one of CLOSED"),
        ({"command": "override", "level": "HALT", "seconds": True}, "whole number"),
        ({"command": "override", "level": "HALT", "seconds": 10**9}, "whole number"),
        ({"command": "start", "acknowledge": "yes"}, "true or false"),
        ({"command": "stop", "source": "engine"}, "one of key"),
        ({"command": "stop", "reason": "x" * 501}, "at most 500"),
    ],
)
def test_a_wrong_command_is_explained(body, said):
    with pytest.raises(ProtocolError, match=said):
        command_of(body)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({}, "exactly one"),
        ({"ask": "status", "do": {}}, "exactly one"),
        ({"ask": 5}, "takes a name"),
        ({"do": "stop"}, "takes an object"),
        ({"follow": None}, "takes a name"),
    ],
)
def test_a_wrong_request_is_explained(message, said):
    with pytest.raises(ProtocolError, match=said):
        request_of(message)


def test_a_reason_stays_on_one_line():
    assert command_of({"command": "stop", "reason": "a\nb"}).reason == "a b"


@given(st.binary(max_size=80))
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_a_message_or_an_error(line):
    try:
        message = decode(line)
    except ProtocolError as error:
        message = {"said": str(error)}
    assert isinstance(message, dict)
    assert message.get("said") != ""


def test_a_deep_home_can_be_reached(tmp_path: Path):
    """A path longer than the system's limit for sockets works all the same."""
    deep = tmp_path / ("d" * 100) / ("e" * 60)
    deep.mkdir(parents=True)
    path = deep / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        with reachable(path) as name:
            listener.bind(name)
        listener.listen()
        assert path.is_socket()
        with reachable(path) as name:
            other.connect(name)
