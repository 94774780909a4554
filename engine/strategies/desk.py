"""The strategy desk: by which saved strategy an engine trades, and what it has learnt of each."""

from __future__ import annotations

from engine import resume
from engine.ledger.store import Ledger
from engine.risk.track_record import TrackRecord
from engine.strategies.store import StrategyStore
from engine.strategies.validation import StrategyError
from engine.strategy import Strategy
from engine.trader import Trader


class StrategyDesk:
    """The strategies of a home in the hands of one engine. Used from the engine's loop only.

    Every method may raise ``RecordError`` when storage fails; nothing is changed then.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.store = StrategyStore(ledger)
        self._ledger = ledger

    async def begin(self) -> tuple[Strategy, TrackRecord, list[str]]:
        """Return the active strategy, the record of its trades, and what to tell of it."""
        strategy, warning = await self.store.active()
        record = await resume.track_record(self._ledger, strategy.name)
        return strategy, record, [warning] if warning else []

    async def recall(self, trader: Trader) -> list[str]:
        """Find the strategies of positions taken over, so that each is guarded by its own.

        Returns a sentence for every one that cannot be had: the active strategy guards there.
        """
        notes: list[str] = []
        for book in (trader.book, trader.shadow_book):
            for position in book.positions.values():
                name, version = position.strategy, position.strategy_version
                if trader.knows(name, version):
                    continue
                try:
                    trader.know(await self.store.get(name, version))
                except StrategyError as error:
                    notes.append(
                        f"{position.pair.base} was opened by {name} v{version}, which cannot be "
                        f"had ({error}); the exits of {trader.strategy.name} guard it"
                    )
        return notes

    async def apply(self, trader: Trader, name: str, version: int | None, now: int) -> str:
        """Have a trader decide by another saved strategy; return what follows, in a sentence.

        A restart takes it as well. Raises ``StrategyError`` for one that does not exist or may
        enter no pair that is traded here.
        """
        strategy = await self.store.get(name, version)
        before, titled = trader.strategy, f"{strategy.name} v{strategy.version}"
        if strategy == before:
            return f"{titled} decides already"
        traded = trader.scanner.pairs
        if strategy.pairs and not set(strategy.pairs) & set(traded):
            names = ", ".join(pair.base for pair in traded)
            raise StrategyError(f"pairs: {titled} may enter none of the pairs traded here: {names}")
        record = await resume.track_record(self._ledger, strategy.name)
        await self.store.activate(strategy.name, strategy.version)
        trader.use(strategy)
        trader.record = record
        trader.journal.extend(trader.watch.change(now, record, trader.limits))
        held = len(trader.book.positions)
        kept = "; 1 open position keeps its exits" if held == 1 else f"; {held} keep their exits"
        return (
            f"{titled} decides from the next closed candle on, instead of {before.name} "
            f"v{before.version}{kept if held else ''}"
        )
