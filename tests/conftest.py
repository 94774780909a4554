"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the recorded candles beside the checkout; skip where there are none."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("recorded candles are not on this machine (expected beside the checkout)")
    return path
