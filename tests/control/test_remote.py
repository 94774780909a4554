"""The remote link: a replica over the socket, commands, several viewers, reconnecting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.control import server as server_module
from engine.control.client import ControlClient
from engine.home import Home
from engine.host import EngineHost
from engine.model.commands import Outcome, PauseEntries, Source
from engine.options import RunOptions
from engine.settings import load_settings
from sigma_tui.remote import RemoteLink
from tests.control.conftest import listening, wait_until

PAUSE = PauseEntries(source=Source.KEY)


@pytest.fixture
def link(engine: tuple[EngineHost, Home]) -> Iterator[RemoteLink]:
    found = RemoteLink(engine[1], period_s=0.02, retry_s=0.05)
    found.start()
    wait_until(lambda: found.snapshot() is not None)
    yield found
    found.close()


def test_the_replica_follows_the_engine(engine, link):
    host, _ = engine
    assert link.alive()
    assert (link.cut(), link.fate()) == ("", "")
    before = link.snapshot()
    wait_until(lambda: link.snapshot().last_cycle > before.last_cycle + 300_000)
    after, own = link.snapshot(), host.snapshot()
    assert after.account == own.account
    assert [row.pair for row in after.market] == [row.pair for row in own.market]
    assert after.decisions[-1] in own.decisions or after.decisions[0] in own.decisions
    assert after.history.keys() == own.history.keys()
    assert all(type(d) is type(own.decisions[0]) for d in after.decisions)


def test_commands_cross_and_say_what_became_of_them(link):
    future = link.send(PAUSE)
    assert future.result(20).outcome is Outcome.DONE
    wait_until(lambda: link.snapshot().entries_paused)
    again = link.send(PauseEntries(source=Source.KEY, resume=True))
    assert again.result(20).outcome is Outcome.DONE
    wait_until(lambda: not link.snapshot().entries_paused)


def test_viewers_do_not_disturb_each_other(engine, link):
    others = [RemoteLink(engine[1], period_s=0.02) for _ in range(4)]
    try:
        for other in others:
            other.start()
        wait_until(lambda: all(other.snapshot() is not None for other in others))
        link.close()
        seq = others[0].snapshot().seq
        wait_until(lambda: all(other.snapshot().seq > seq + 2 for other in others))
        assert all(other.cut() == "" for other in others)
    finally:
        for other in others:
            other.close()


def test_a_viewer_of_another_version_is_told(engine, monkeypatch):
    monkeypatch.setattr(server_module, "SCHEMA", "another")
    link = RemoteLink(engine[1], retry_s=0.05)
    link.start()
    try:
        wait_until(lambda: "dialect" in link.cut())
        assert link.snapshot() is None
        with pytest.raises(RuntimeError, match="dialect"):
            link.send(PAUSE).result(1)
    finally:
        link.close()


def test_a_connection_gets_changes_only_after_the_first_answer(engine):
    with ControlClient(engine[1].socket) as client:
        first = client.ask("snapshot", schema=server_module.SCHEMA)
        second = client.ask("snapshot", schema=server_module.SCHEMA)
    assert "whole" in first
    assert "changed" in second


def test_it_waits_for_an_engine_and_connects_again(tmp_path: Path):
    home = Home(tmp_path / "home")
    home.prepare()
    link = RemoteLink(home, period_s=0.02, retry_s=0.05)
    link.start()

    def run() -> EngineHost:
        settings = load_settings(allowed_symbols="BTC", warmup_candles=500, _env_file=None)
        host = EngineHost.of(settings, RunOptions(home=home.root, speed=600, seed=3))
        host.start()
        wait_until(lambda: host.error is not None or listening(home))
        assert host.error is None
        return host

    try:
        wait_until(lambda: "waiting for the next one" in link.fate())
        assert not link.alive()
        with pytest.raises(RuntimeError, match="no engine runs"):
            link.send(PAUSE).result(1)
        for _ in range(2):
            host = run()
            wait_until(lambda: link.alive() and link.snapshot() is not None and not link.cut())
            host.end("the test says so")
            assert host.join(30)
            wait_until(lambda: not link.alive())
    finally:
        link.close()


def test_an_engine_that_does_not_answer_is_out_of_reach_not_ended(engine, link):
    _, home = engine
    hidden = home.socket.with_name("hidden.sock")
    link.close()
    home.socket.rename(hidden)
    other = RemoteLink(home, period_s=0.02, retry_s=0.05)
    other.start()
    try:
        wait_until(lambda: "cannot be reached" in other.cut())
        assert other.alive()
        assert "pid" in other.cut()
        hidden.rename(home.socket)
        wait_until(lambda: other.snapshot() is not None)
        assert other.cut() == ""
        seq = other.snapshot().seq
        time.sleep(0.1)
        wait_until(lambda: other.snapshot().seq > seq)
    finally:
        other.close()
        if hidden.exists():
            hidden.rename(home.socket)
