"""The documents are true: their commands run, links lead somewhere, keys are current."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.regime import _MULTIPLIER
from engine.signals.v2 import RULES
from engine.strategy import Strategy
from sigma_tui.actions import docs_page
from sigma_tui.run import END_S, LEAVE_S
from tests.cli.conftest import place, sigma  # noqa: F401 - fixtures used here too
from tests.conftest import ROOT

DOCS = sorted((ROOT / "docs").glob("*.md"))
OURS = [ROOT / "docs" / f"{name}.md" for name in ("setup", "signals", "deployment", "operations")]


def commands_of(page: Path) -> list[list[str]]:
    """Return the ``sigma`` commands in a page's sh blocks, word by word."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("sigma ")]


def test_the_keys_are_those_of_the_action_table() -> None:
    current = (ROOT / "docs" / "keys.md").read_text() == docs_page()
    assert current, "write docs/keys.md again from sigma_tui.actions.docs_page()"


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.stem)
def test_every_command_shown_runs(
    page: Path,
    sigma: Callable,  # noqa: F811
    place: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    assert sigma("run", "--headless", "--duration", 1, "--speed", 60).code == 0
    for words in commands_of(page):
        result = sigma(*words)
        assert result.code == 0, f"sigma {shlex.join(words)}: {result.err}"
        assert result.out


def test_there_are_commands_to_run() -> None:
    assert sum(len(commands_of(page)) for page in OURS) > 15


@pytest.mark.parametrize("page", [*DOCS, ROOT / "README.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_signal_page_states_the_figures_in_force() -> None:
    text = (ROOT / "docs" / "signals.md").read_text()
    known = Strategy()
    for name in ("momentum", "trend", "mean_reversion", "volatility", "volume", "probability"):
        assert f"| {name} | {getattr(known.weights, name):.2f} |" in text
    for regime, factor in _MULTIPLIER.items():
        assert re.search(rf"^\| .*{regime}.* \| {factor:g} \|$", text, re.MULTILINE), regime
    assert len(RULES) == 13
    assert f"+/- {known.entry_score:.2f}" in text
    assert f"V1 confidence {known.v2_min_confidence:.2f}" in text


def test_the_deadline_is_stated() -> None:
    assert f"{END_S + LEAVE_S:g} s later" in (ROOT / "docs" / "commands.md").read_text()
