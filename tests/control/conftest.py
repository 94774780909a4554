"""A real engine on the simulated market, in its own thread, for the whole module."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.control.client import ControlClient, NotRunning
from engine.home import Home
from engine.host import EngineHost
from engine.options import RunOptions
from engine.settings import load_settings
from tests.cli.conftest import place, sigma  # noqa: F401 - fixtures used here too

PATIENCE_S = 60.0


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until something holds; give up after a generous time."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            pytest.fail("the engine did not get there in time")
        time.sleep(0.05)


def listening(home: Home) -> bool:
    """Return whether an engine answers in a home."""
    try:
        with ControlClient(home.socket) as client:
            return client.ask("status")["last_cycle"]["time"] is not None
    except NotRunning:
        return False


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EngineHost, Home]]:
    """Run an engine on three simulated pairs at 600 x real time; end it in order."""
    home = Home(tmp_path_factory.mktemp("engine") / "home")
    settings = load_settings(allowed_symbols="BTC,ETH,SOL", _env_file=None)
    host = EngineHost.of(settings, RunOptions(home=home.root, speed=600, seed=3))
    host.start()
    wait_until(lambda: host.error is not None or listening(home))
    assert host.error is None
    yield host, home
    host.end("the test is over")
    assert host.join(30)
    assert host.error is None


@pytest.fixture
def home(engine: tuple[EngineHost, Home]) -> Path:
    """Return the running engine's home directory."""
    return engine[1].root
