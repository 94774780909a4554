"""A short soak: three runs on one home, one of them killed, a viewer looking on."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.soak import report, soak
from engine.home import Home


def test_half_a_day_with_a_kill_and_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOWED_SYMBOLS", "BTC,ETH,SOL")
    monkeypatch.setenv("WARMUP_CANDLES", "500")
    home = Home(tmp_path / "home")
    home.prepare()
    found = soak(home, days=0.3, legs=3, speed=7_200)
    assert [leg.killed for leg in found.legs] == [False, True, False]
    assert all(leg.hours > 2 for leg in found.legs)
    assert found.database_sound
    assert found.logs_whole
    assert found.pictures > 0
    first, last = found.legs[0], found.legs[-1]
    assert last.descriptors <= first.descriptors + 5
    assert last.threads <= first.threads + 5
    assert last.tasks == first.tasks
    assert last.memory[-1][1] < first.memory[-1][1] + 20e6
    assert "database sound, audit chain whole" in report(found)
