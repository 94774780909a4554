"""The dialog that asks for a strategy in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Input, Static

from sigma_tui.screens.dialogs import Dialog, Given


class SentenceDialog(Dialog):
    """Asks what the strategy is to do."""

    def fields(self) -> Iterable[Widget]:
        """Ask for a sentence."""
        yield Static("What is it to do?", markup=False, classes="field")
        yield Input(id="sentence", placeholder="a cautious range strategy for BTC and ETH")

    def read(self) -> tuple[Given, str]:
        """Demand a sentence."""
        sentence = self.query_one("#sentence", Input).value.strip()
        return Given(reason=sentence), "" if sentence else "say what it is to do"
