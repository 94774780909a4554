"""What the engine keys do: ask what must be asked, then send one command."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.model.commands import (
    Adopt,
    ClosePosition,
    Command,
    Flatten,
    Level,
    Override,
    PauseEntries,
    Recover,
    ReplayAction,
    ReplayControl,
    Source,
    StartTrading,
    StopTrading,
    Trip,
)
from engine.model.market import Pair
from engine.model.snapshot import PositionView, Snapshot
from sigma_tui import figures
from sigma_tui.screens.cockpit import CockpitView
from sigma_tui.screens.dialogs import Dialog, Given, OverrideDialog, ReasonDialog, TimeDialog
from sigma_tui.widgets.positions import PositionsPanel, position_of

if TYPE_CHECKING:
    from sigma_tui.app import SigmaApp

_PAPER = ("SIMULATED", "PAPER")


class Verbs:
    """One method a verb; the app's actions call them."""

    def __init__(self, app: SigmaApp) -> None:
        self._app = app

    @property
    def _snapshot(self) -> Snapshot | None:
        return self._app.snapshot

    @property
    def _live(self) -> bool:
        return self._snapshot is not None and self._snapshot.mode == "LIVE"

    def start(self) -> None:
        """Start trading; ask where money or a latch is involved."""
        snapshot = self._snapshot
        latched = snapshot.acknowledge if snapshot is not None else ""
        if snapshot is not None and not latched and snapshot.breaker.level is Level.SHUTDOWN:
            latched = f"SHUTDOWN for {snapshot.breaker.cause or 'an unknown cause'}"
        command = StartTrading(source=Source.KEY, acknowledge=bool(latched))
        if snapshot is not None and snapshot.mode in _PAPER and not latched:
            self._app.command(command, "start")
            return
        words = [f"Allow new entries on {self._where()}?"]
        if latched:
            words += ["Look at the positions first. Starting acknowledges:", latched]
        self._ask(Dialog("Start trading", words, "Start"), lambda _: command, "start")

    def stop(self) -> None:
        """Stop trading."""
        self._app.command(StopTrading(source=Source.KEY), "stop")

    def pause(self) -> None:
        """Hold entries off, or let them again."""
        resume = self._snapshot is not None and self._snapshot.entries_paused
        command = PauseEntries(source=Source.KEY, resume=resume)
        self._app.command(command, "resume entries" if resume else "pause entries")

    def halt(self) -> None:
        """Trip the breaker to HALT."""
        words = ["No new entry until you recover. Exits and stops go on."]
        command = Trip(source=Source.KEY, level=Level.HALT, reason="operator")
        self._ask(Dialog("Trip to HALT", words, "Halt"), lambda _: command, "halt")

    def override(self) -> None:
        """Pin the breaker at a level."""
        words = [f"Pin the circuit breaker of {self._where()} for a stated time."]
        dialog = OverrideDialog("Override the breaker", words, "Override", self._word("OVERRIDE"))
        self._ask(
            dialog,
            lambda given: Override(
                source=Source.KEY,
                level=given.level,
                seconds=given.minutes * 60,
                reason=given.reason,
            ),
            "override",
        )

    def recover(self) -> None:
        """Force the breaker to CLOSED."""
        snapshot = self._snapshot
        words = ["Force the circuit breaker to CLOSED."]
        if snapshot is not None:
            words.append(
                f"It stands at {snapshot.breaker.level}: {snapshot.breaker.cause or 'healthy'}"
            )
        self._ask(
            ReasonDialog("Recover", words, "Recover"),
            lambda given: Recover(source=Source.KEY, reason=given.reason),
            "recover",
        )

    def close(self) -> None:
        """Close the selected position."""
        view = self._chosen_position()
        if view is None and self._disputed() is not None:
            self._close_disputed()
            return
        if view is None:
            self._app.tell_plain("There is no open position in the selected pair.")
            return
        words = [
            f"{view.side.value.upper()} {view.quantity} {view.pair.base} at market, "
            f"about {figures.price(view.mark)}.",
            f"PnL now {figures.signed(view.pnl)} ({figures.signed(view.r_multiple)} R).",
        ]
        command = ClosePosition(source=Source.KEY, pair=view.pair)
        label = f"close {view.pair.base}"
        self._ask(Dialog(f"Close {view.pair.base}", words, "Close"), lambda _: command, label)

    def adopt(self) -> None:
        """Take over what the exchange shows in a disputed pair."""
        found = self._disputed()
        if found is None:
            self._app.tell_plain("Nothing is disputed: book and exchange agree.")
            return
        pair, difference = found
        words = [
            f"The records have {difference}.",
            "What the exchange shows becomes ours and gets a stop 5 % away from the mark.",
        ]
        command = Adopt(source=Source.KEY, pair=pair, reason="operator")
        label = f"adopt {pair.base}"
        self._ask(Dialog(f"Adopt {pair.base}", words, "Adopt"), lambda _: command, label)

    def _close_disputed(self) -> None:
        found = self._disputed()
        assert found is not None
        pair, difference = found
        words = [
            f"The records have {difference}.",
            "What the exchange shows is closed at market and the records are put right.",
        ]
        command = ClosePosition(source=Source.KEY, pair=pair)
        label = f"close {pair.base}"
        self._ask(Dialog(f"Close {pair.base}", words, "Close"), lambda _: command, label)

    def _disputed(self) -> tuple[Pair, str] | None:
        """Return the selected pair where it is disputed, else the first that is."""
        found = self._snapshot.disputed if self._snapshot is not None else ()
        chosen = [item for item in found if item[0] == self._app.selected]
        return next(iter([*chosen, *found]), None)

    def flatten(self) -> None:
        """Halt, cancel everything, close everything."""
        count = len(self._snapshot.positions) if self._snapshot is not None else 0
        words = [
            f"Halt entries, cancel every order and close {count} position"
            f"{'' if count == 1 else 's'} at market on {self._where()}."
        ]
        dialog = Dialog("Flatten all", words, "Flatten", self._word("FLATTEN"))
        self._ask(dialog, lambda _: Flatten(source=Source.KEY, reason="operator"), "flatten all")

    # The time of a simulated or replayed market

    def still(self) -> None:
        """Let time stand still, or go on."""
        snapshot = self._snapshot
        stands = snapshot is not None and snapshot.speed == 0
        self._steer(ReplayAction.RESUME if stands else ReplayAction.PAUSE)

    def step(self) -> None:
        """Take one step and stand still."""
        self._steer(ReplayAction.STEP)

    def faster(self) -> None:
        """Let time pass twice as fast."""
        self._change_speed(2.0)

    def slower(self) -> None:
        """Let time pass half as fast."""
        self._change_speed(0.5)

    def jump(self) -> None:
        """Run ahead to an instant."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.mode != "SIMULATED":
            self._steer(ReplayAction.JUMP)
            return
        words = ["Run ahead as fast as possible. Every decision on the way is made as ever."]
        self._ask(
            TimeDialog("Jump", words, "Jump", now=snapshot.time),
            lambda given: ReplayControl(
                source=Source.KEY, action=ReplayAction.JUMP, until=given.instant
            ),
            "jump",
        )

    def _change_speed(self, factor: float) -> None:
        snapshot = self._snapshot
        if snapshot is not None and snapshot.speed == 0:
            self._app.tell_plain("Time stands still; let it go on first.")
            return
        speed = None if snapshot is None else snapshot.speed * factor
        self._steer(ReplayAction.SPEED, speed)

    def _steer(self, action: ReplayAction, speed: float | None = None) -> None:
        snapshot = self._snapshot
        if snapshot is not None and snapshot.mode != "SIMULATED":
            self._app.tell_plain("The time of an exchange cannot be steered.")
            return
        command = ReplayControl(source=Source.KEY, action=action, speed=speed)
        self._app.command(command, f"time: {action}")

    def _ask(self, dialog: Dialog, build: Callable[[Given], Command], label: str) -> None:
        def answered(given: Given | None) -> None:
            if given is not None:
                self._app.command(build(given), label)

        self._app.push_screen(dialog, answered)

    def _word(self, word: str) -> str:
        return word if self._live else ""

    def _where(self) -> str:
        snapshot = self._snapshot
        return f"{snapshot.mode} ({snapshot.exchange})" if snapshot else "the engine"

    def _chosen_position(self) -> PositionView | None:
        """Return the position under the cursor where that table is in use, else the pair's."""
        snapshot, app = self._snapshot, self._app
        if snapshot is None:
            return None
        if isinstance(app.view, CockpitView):
            panel = app.view.query_one(PositionsPanel)
            if panel.table.has_focus:
                return next((p for p in snapshot.positions if p.id == panel.chosen), None)
        return position_of(snapshot, app.selected) if app.selected is not None else None
