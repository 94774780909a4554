from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.ledger.compliance import ComplianceLog
from engine.ledger.store import Ledger
from tests.ledger.factory import render


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(tmp_path / "sigma.db", "sim")
    yield ledger
    await ledger.close()


@pytest.fixture
def log(tmp_path: Path) -> ComplianceLog:
    return ComplianceLog(tmp_path / "compliance", render, "sim")
