"""Fixtures of the command line: candles, a clean place to stand, and the program itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from engine.settings import Settings
from sigma_tui.__main__ import main
from tests.cli import candle_files
from tests.conftest import ROOT

WARMUP = "500"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return orjson.loads(self.out)

    @property
    def error(self) -> str:
        """Return the one line on stderr; more or fewer is a failure."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of candles: five days of BTC and ETH."""
    return candle_files.write_market(tmp_path_factory.mktemp("market"), 1_440)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty directory, with no setting but a short warm-up and a home below it."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SIGMA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WARMUP_CANDLES", WARMUP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sigma(place: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ran]:
    """Return a function that runs a command line in this process."""

    def run(*words: object) -> Ran:
        capfdbinary.readouterr()
        code = main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return Ran(code, out.decode(), err.decode())

    return run


def run_program(place: Path, *words: object) -> Ran:
    """Run a command line as a process of its own, with a short warm-up."""
    done = subprocess.run(
        [sys.executable, "-m", "sigma_tui", *map(str, words)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WARMUP_CANDLES": WARMUP},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def program(place: Path) -> Callable[..., Ran]:
    """Return a function that runs a command line as a process of its own."""
    return lambda *words: run_program(place, *words)
