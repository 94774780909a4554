"""View 5: strategies: which there are, how one differs, trying it, applying it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import DataTable

from engine.model.commands import ApplyStrategy, Source
from engine.model.snapshot import Snapshot
from engine.strategies.applying import consequences
from engine.strategies.store import BUILT_IN, Kept
from engine.strategy import Strategy
from sigma_tui.screens.dialogs import Dialog, Given
from sigma_tui.screens.strategy_dialog import SentenceDialog
from sigma_tui.screens.strategy_panels import ComparisonPanel, Trial, TrialPanel, VersionsPanel
from sigma_tui.screens.view import View

if TYPE_CHECKING:
    from sigma_tui.strategy_room import StrategyRoom

DRAFT = "draft"  # the key of the row of what the assistant wrote and nobody saved yet


class StrategiesScreen(View):
    """Every version in a list; the one under the cursor against the active one; a trial of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "apply", "apply", show=False),
        Binding("d", "create", "draft", show=False),
        Binding("b", "trial", "back-test", show=False),
        Binding("w", "save", "save", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Hold the panels."""
        self.kept: tuple[Kept, ...] = ()
        self.draft: Strategy | None = None
        self.chosen: Strategy = BUILT_IN
        self.trial: Trial | None = None
        self._room: StrategyRoom | None = None
        self._stop: asyncio.Event | None = None
        self._active = ""
        with Horizontal(id="strategies-top"):
            yield VersionsPanel(id="versions")
            yield ComparisonPanel(id="comparison")
        yield TrialPanel(id="trial")

    def show(self, snapshot: Snapshot) -> None:
        """Draw; read the list anew when another strategy has become active."""
        if snapshot.strategy != self._active:
            self._active = snapshot.strategy
            self._load("")
        super().show(snapshot)

    def _changed(self) -> None:
        """Draw what this view itself has changed."""
        self.redraw()
        if (snapshot := self.cockpit.snapshot) is not None:
            super().show(snapshot)

    # -- what there is ---------------------------------------------------------------------

    async def _opened(self) -> StrategyRoom:
        if self._room is None:
            self._room = await asyncio.to_thread(self.cockpit.assistance.open_strategies)
        return self._room

    @work(group="strategies", exit_on_error=False)
    async def _load(self, point_at: str) -> None:
        """Read the list; then the cursor goes to a row, if one is named."""

        async def read() -> None:
            self.kept = await (await self._opened()).list()
            self._changed()
            panel = self.query_one(VersionsPanel)
            panel.table.point_at(point_at or next((key(k) for k in self.kept if k.active), ""))

        await self._told(read)

    async def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Compare the version under the cursor."""
        event.stop()
        if event.data_table.id == "versions-table" and event.row_key.value:
            self._choose(event.row_key.value)

    @work(group="choosing", exclusive=True, exit_on_error=False)
    async def _choose(self, row: str) -> None:
        async def read() -> None:
            if row == DRAFT and self.draft is not None:
                self.chosen = self.draft
            else:
                name, _, version = row.rpartition(" v")
                self.chosen = await (await self._opened()).get(name, int(version))
            self._changed()

        await self._told(read)

    async def _told(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do something that may fail; say so if it does. Return whether it was done."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - told to the operator; the cockpit goes on
            sentence = getattr(error, "sentence", "") or str(error) or type(error).__name__
            self.app.notify(sentence, title="Strategies", severity="warning", markup=False)
            return False
        return True

    # -- keys ------------------------------------------------------------------------------

    def action_apply(self) -> None:
        """Ask, saying what becomes of open positions, then apply the chosen version."""
        snapshot, chosen = self.cockpit.snapshot, self.chosen
        if snapshot is None:
            return
        if snapshot.active == chosen:
            self.cockpit.tell_plain(f"{titled(chosen)} decides already.")
            return
        words = [
            f"Decide by {self._named(chosen)} instead of {snapshot.strategy} on {snapshot.mode} "
            f"({snapshot.exchange}).",
            *consequences(snapshot),
        ]
        word = "APPLY" if snapshot.mode == "LIVE" else ""
        dialog = Dialog(f"Apply {chosen.name}", words, "Apply", word)

        def answered(given: Given | None) -> None:
            if given is not None:
                self._apply(chosen)

        self.app.push_screen(dialog, answered)

    def _named(self, strategy: Strategy) -> str:
        return f"{strategy.name} (not saved yet)" if strategy is self.draft else titled(strategy)

    @work(group="strategies", exit_on_error=False)
    async def _apply(self, chosen: Strategy) -> None:
        async def send() -> None:
            kept = await self._keep(chosen) if chosen is self.draft else chosen
            command = ApplyStrategy(source=Source.KEY, name=kept.name, version=kept.version)
            self.cockpit.command(command, f"apply {titled(kept)}")

        await self._told(send)

    async def _keep(self, draft: Strategy) -> Strategy:
        kept = await (await self._opened()).save(draft)
        self.draft, self.chosen = None, kept
        self._load(f"{kept.name} v{kept.version}")
        return kept

    @work(group="strategies", exit_on_error=False)
    async def action_save(self) -> None:
        """Save what the assistant wrote."""
        draft = self.draft
        if draft is None:
            self.cockpit.tell_plain("There is no unsaved draft; d drafts one.")
            return

        async def save() -> None:
            kept = await self._keep(draft)
            self.cockpit.tell_plain(f"Saved as {titled(kept)}; u applies it.")

        await self._told(save)

    def action_create(self) -> None:
        """Ask for a sentence and have the assistant write a strategy."""
        dialog = SentenceDialog(
            "Draft a strategy",
            ["The assistant writes it; nothing is saved or applied by that."],
            "Draft",
        )

        def answered(given: Given | None) -> None:
            if given is not None:
                self._create(given.reason)

        self.app.push_screen(dialog, answered)

    @work(group="creating", exclusive=True, exit_on_error=False)
    async def _create(self, sentence: str) -> None:
        async def create() -> None:
            self.query_one(VersionsPanel).waiting = "the assistant is writing"
            self._changed()
            made = await (await self._opened()).create(sentence)
            self.draft = self.chosen = made.strategy

        done = await self._told(create)
        panel = self.query_one(VersionsPanel)
        panel.waiting = ""
        self._changed()
        if done:
            panel.table.point_at(DRAFT)

    def action_trial(self) -> None:
        """Try the chosen version on stored candles; while that runs, stop it."""
        if self._stop is not None:
            self._stop.set()
        else:
            self._stop = asyncio.Event()
            self._try(self.chosen, self._stop)

    @work(group="trial", exit_on_error=False)
    async def _try(self, chosen: Strategy, stop: asyncio.Event) -> None:
        trial = self.trial = Trial(self._named(chosen))

        def progress(share: float) -> None:
            trial.share = share
            self._changed()

        async def run() -> None:
            trial.found = await (await self._opened()).try_out(chosen, progress, stop)

        self._changed()
        try:
            if not await self._told(run):
                self.trial = None
        finally:
            self._stop = None
            self._changed()

    @property
    def running(self) -> bool:
        """Return whether a trial is under way."""
        return self._stop is not None


def titled(strategy: Strategy) -> str:
    """Return a strategy's name and version."""
    return f"{strategy.name} v{strategy.version}"


def key(kept: Kept) -> str:
    """Return the key of a version's row."""
    return f"{kept.name} v{kept.version}"
