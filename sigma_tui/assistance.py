"""What the chat pane and the strategies view need of the engine's rooms; opened when first used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.model.snapshot import Snapshot

if TYPE_CHECKING:
    from engine.assistant.history import ChatLedger
    from engine.assistant.port import ChatModel
    from engine.assistant.session import ChatSession
    from engine.home import Home
    from engine.settings import Settings
    from sigma_tui.strategy_room import StrategyRoom


class LedgerHost(Protocol):
    """Where a conversation is kept: the ledger of an engine in this process, in its own loop."""

    @property
    def ledger(self) -> ChatLedger | None:
        """Return the ledger, None before it is open."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the loop the ledger belongs to."""


class Assistance:
    """Opens the conversation and the strategies of one cockpit.

    Without ``settings`` there is no key; without ``home`` nothing is saved; without ``host`` the
    conversation is not kept. ``data`` is the directory of candles that strategies are tried on.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot | None],
        *,
        settings: Settings | None = None,
        home: Home | None = None,
        host: LedgerHost | None = None,
        data: Path | None = None,
    ) -> None:
        self._snapshot = snapshot
        self.settings = settings
        self.home = home
        self.host = host
        self.data = data

    @property
    def key(self) -> str:
        """Return the key of the model, "" where none is set."""
        return self.settings.gemini_api_key.get_secret_value() if self.settings else ""

    @property
    def model(self) -> str:
        """Return the name of the model."""
        return self.settings.gemini_model if self.settings else ""

    def open_model(self) -> ChatModel:
        """Return the model; raises a ``ChatError``. Slow: run it in a thread."""
        from engine.assistant.factory import open_model

        url = self.settings.gemini_url if self.settings else ""
        return open_model(self.key, self.model, url)

    def open_chat(self) -> ChatSession:
        """Return a new conversation. Slow at first: run it in a thread."""
        from engine.assistant.history import LedgerHistory, NoHistory
        from engine.assistant.session import ChatSession
        from engine.assistant.sight import SnapshotSight
        from engine.ledger.redact import Redactor

        redact = Redactor(self.settings.secrets() if self.settings else ())
        host = self.host
        return ChatSession(
            self.open_model,
            SnapshotSight(self._snapshot, redact),
            LedgerHistory(lambda: host.ledger, lambda: host.loop) if host else NoHistory(),
            redact,
            model_name=self.model,
        )

    def open_strategies(self) -> StrategyRoom:
        """Return the strategies of the home. Slow at first: run it in a thread."""
        from sigma_tui.strategy_room import StrategyRoom

        return StrategyRoom(self, self._snapshot)
