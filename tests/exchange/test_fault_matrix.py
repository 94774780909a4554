"""The fault matrix in the docs: every row names a test, and every test named exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "faults.md"
ROWS = [
    line
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| fault", "| figure"))
]
NAMED = re.compile(r"`(?:(test_\w+\.py))?(?:::)?(test_\w+)?`")
HERE = Path(__file__).parent


def _tests_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


EVERY = {name: _tests_in(HERE / name) for name in (f.name for f in HERE.glob("test_*.py"))}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_row_names_tests_that_exist(row: str) -> None:
    named = [match.groups() for match in NAMED.finditer(row.split("|")[-2])]
    if row.split("|")[-2].strip() == "same":
        return
    assert named, "the row names no test"
    known = set().union(*EVERY.values())
    for file, test in named:
        if file:
            assert file in EVERY, f"there is no {file}"
        if file and not test:
            continue
        assert test in (EVERY[file] if file else known), f"there is no {test}"
