"""The fault drill: break one thing after the other and watch the ladder go up and come down.

A whole trader trades a simulated market in accelerated time; nothing of it touches a home, a
network or a real account. Latency, clock offset, mismatch and memory faults have no source on
the simulated venue: there the reading itself is given, as the API monitor or the reconciliation
would give it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from engine.execution.flatten import flatten, make_safe
from engine.model.commands import Level
from engine.model.events import BreakerChanged, Event
from engine.protection.breaker import CircuitBreaker
from engine.protection.drill_rig import BTC, START, Rig

_LONGEST_MIN = 60


class Line(NamedTuple):
    """One line of the drill: market time since the scene began (s), the level, what happened."""

    seconds: int
    level: Level
    text: str


class Scene(NamedTuple):
    """One fault: what is broken, the lines of it, and whether the ladder came all the way down."""

    name: str
    lines: tuple[Line, ...]
    highest: Level
    cleared: bool


Say = Callable[[str], None]


async def drill(say: Say = lambda text: None) -> tuple[Scene, ...]:
    """Play every scene on a fresh rig; ``say`` gets each line as it happens."""
    scenes = []
    for number, (name, play) in enumerate(SCENES.items(), 1):
        say(f"{number}. {name}")
        scenes.append(await _Stage(name, say).play(play))
        say("")
    return tuple(scenes)


class _Stage:
    """Plays one scene and keeps what happened."""

    def __init__(self, name: str, say: Say) -> None:
        self.rig = Rig(self._hear)
        self._name = name
        self._say = say
        self._lines: list[Line] = []
        self._highest = Level.CLOSED

    async def play(self, scene: Callable[[_Stage], Awaitable[None]]) -> Scene:
        await self.rig.minutes(1)
        await scene(self)
        cleared = self.rig.watch.level is Level.CLOSED
        return Scene(self._name, tuple(self._lines), self._highest, cleared)

    def note(self, text: str, level: Level | None = None) -> None:
        seconds = (self.rig.clock.now() - START) // 1_000
        line = Line(seconds, level or self.rig.watch.level, text)
        self._lines.append(line)
        self._say(f"   {seconds // 60:>3} min {seconds % 60:02d} s  {line.level:<8}  {text}")

    async def wait(self) -> None:
        """Let healthy time pass until the ladder is down, or long enough to see it will not."""
        self.note(self.rig.watch.breaker.view(self.rig.clock.now()).clears)
        for _ in range(_LONGEST_MIN):
            if self.rig.watch.level is Level.CLOSED:
                return
            await self.rig.minutes(1)

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, BreakerChanged):
                self._highest = max(self._highest, event.after, key=lambda level: level.rank)
                self.note(f"{event.before} -> {event.after}: {event.detail}", event.after)


async def _orders_refused(stage: _Stage) -> None:
    rig = stage.rig
    rig.venue.refusing = True
    stage.note("the venue refuses every order; five entries are tried")
    for _ in range(5):
        await rig.enter()
    await rig.minutes(1)
    rig.venue.refusing = False
    stage.note("the venue takes orders again")
    await stage.wait()


async def _slippage(stage: _Stage) -> None:
    rig = stage.rig
    await rig.enter()
    rig.liquidity = 0.00002
    stage.note("the market thins out while a position is open; then it is closed")
    await rig.minutes(13)
    await rig.leave()
    await rig.minutes(1)
    rig.liquidity = 1.0
    await stage.wait()


async def _gap(stage: _Stage) -> None:
    rig = stage.rig
    await rig.enter()
    rig.prices[BTC] *= 0.96
    stage.note("the price gaps 4 % through the stop")
    await rig.minutes(1)
    stage.note("the stop has closed the position; the loss leaves its window of 15 min by itself")
    await stage.wait()


async def _no_prices(stage: _Stage) -> None:
    rig = stage.rig
    await rig.enter()
    rig.silent.add(BTC)
    stage.note("the open position's pair gets no more prices")
    await rig.minutes(7)
    rig.silent.clear()
    stage.note("prices are back")
    await rig.minutes(1)
    await rig.leave()
    await stage.wait()


async def _disk_full(stage: _Stage) -> None:
    rig = stage.rig
    await rig.enter()
    rig.recorder.full = True
    stage.note("the disk is full: nothing can be recorded any more")
    await rig.minutes(2)
    entered = await rig.enter()
    stage.note(f"an entry is {'TAKEN' if entered else 'refused: its intent cannot be recorded'}")
    found = await flatten(rig.trader.book, rig.clock, "drill")
    stage.note(f"exits still work: {found.detail}")
    rig.recorder.full = False
    stage.note("there is room again")
    await rig.minutes(1)
    await stage.wait()


async def _edge_lost(stage: _Stage) -> None:
    rig = stage.rig
    stage.note("the strategy loses: 60 trades, three in four a loss")
    rig.closed(60, (-1.0, -1.0, -0.8, 0.5))
    await rig.minutes(6)
    stage.note("30 shadow trades, two in three a win, show an edge again")
    rig.closed(30, (1.0, 1.0, -0.8), shadow=True)
    await rig.tell()
    await stage.wait()


async def _slow_exchange(stage: _Stage) -> None:
    rig = stage.rig
    stage.note("ten calls take 4 s each (given as the API monitor reports them)")
    for _ in range(10):
        rig.trader.journal.extend(rig.watch.breaker.record_latency(4_000, rig.clock.now()))
    await rig.tell()
    stage.note("calls take 80 ms again")
    for _ in range(10):
        rig.trader.journal.extend(rig.watch.breaker.record_latency(80, rig.clock.now()))
    await stage.wait()


async def _fault(stage: _Stage) -> None:
    rig = stage.rig
    await rig.enter()
    changes = rig.watch.breaker.record_fault("the drill's memory fault", rig.clock.now())
    rig.trader.journal.extend(changes)
    await rig.tell()
    left = await make_safe(rig.trader.book, rig.clock, "drill")
    stage.note(
        "the venue shows a working stop for every position; the engine ends"
        if not left
        else f"NOT safe: {left}"
    )
    refused = rig.watch.breaker.recover("drill", rig.clock.now())[1]
    stage.note(f"recover: {refused.outcome}: {refused.detail}")
    again, notes = CircuitBreaker.restored(rig.watch.breaker.state(), rig.clock.now(), True)
    rig.watch.breaker = again
    stage.note(f"restarted: {'; '.join(notes)}")
    stage.note(f"start waits: {again.needs_acknowledgement}")
    changes, answer = again.acknowledge("drill", rig.clock.now())
    rig.trader.journal.extend(changes)
    await rig.tell()
    stage.note(answer.detail)


SCENES: dict[str, Callable[[_Stage], Awaitable[None]]] = {
    "the venue refuses orders": _orders_refused,
    "a fill slips in a thin market": _slippage,
    "the price gaps through a stop": _gap,
    "an open position gets no prices": _no_prices,
    "the disk is full": _disk_full,
    "the strategy loses its edge": _edge_lost,
    "the exchange answers slowly": _slow_exchange,
    "a memory fault shuts the engine down": _fault,
}
