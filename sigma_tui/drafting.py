"""Confirming a draft: the operator's key, the same question as for any key, then the command."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from engine.model.commands import ApplyStrategy, Command, Source
from sigma_tui.screens.dialogs import Dialog, Given

if TYPE_CHECKING:
    from engine.assistant.drafts import Draft
    from engine.strategy import Strategy
    from sigma_tui.app import SigmaApp

Say = Callable[[str], None]


class Drafts:
    """Turns a card into a command, once the operator has said yes."""

    def __init__(self, app: SigmaApp) -> None:
        self._app = app

    def confirm(self, draft: Draft, close: Say) -> None:
        """Ask the operator and do it; ``close`` is told what became of the draft, once it is."""
        snapshot = self._app.snapshot
        if problem := self._problem(draft):
            close(problem)
            return
        asks_word = draft.lifts_protection or draft.moves_money
        live = snapshot is not None and snapshot.mode == "LIVE"
        word = draft.kind.upper() if live and asks_word else ""
        deed = draft.title.split()[0]
        dialog = Dialog(draft.title, draft.effect, deed, word)
        self._app.push_screen(dialog, partial(self._answered, draft, close))

    def _answered(self, draft: Draft, close: Say, given: Given | None) -> None:
        if given is None:
            return  # the card stays as it is
        if problem := self._problem(draft):  # time has passed in the dialog
            close(problem)
            return
        from engine.assistant.drafts import ApplyRequest, SaveRequest, confirm

        request = confirm(draft)
        match request:
            case ApplyRequest(name=name, version=version):
                reason = f"assistant's draft: {draft.reason}" if draft.reason else ""
                command = ApplyStrategy(
                    source=Source.ASSISTANT, reason=reason, name=name, version=version
                )
                self._send(command, draft, close)
            case SaveRequest(strategy=strategy):
                self._app.run_worker(self._save(strategy, close), exit_on_error=False)
            case Command():
                self._send(request, draft, close)

    def _send(self, command: Command, draft: Draft, close: Say) -> None:
        close("confirmed by key; the events tell how it goes")
        self._app.command(command, draft.title)

    async def _save(self, strategy: Strategy, close: Say) -> None:
        try:
            kept = await self._app.assistance.open_strategies().save(strategy)
        except Exception as error:  # noqa: BLE001 - told on the card; the cockpit goes on
            close(f"not saved: {error}")
            return
        close(f"saved as {kept.name} v{kept.version}; nothing is traded by it until it is applied")
        self._app.tell_plain(f"saved: {kept.name} v{kept.version}")

    def _problem(self, draft: Draft) -> str:
        from engine.assistant.drafts import still_valid

        snapshot = self._app.snapshot
        if snapshot is None:
            return "the engine has shown nothing yet"
        return still_valid(draft, snapshot, time.time_ns() // 1_000_000)
