"""The account as decisions see it: equity, the rolling day's loss, exposures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.model.account import AccountState, Exposure
from engine.model.market import DAY_MS, Pair
from engine.model.orders import Position
from engine.venues.port import Account

SAMPLE_MS = 300_000


class EquityHistory:
    """Equity over the last 24 hours, one sample every five minutes, for the rolling day's loss."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, float]] = deque(maxlen=DAY_MS // SAMPLE_MS + 2)

    def add(self, now: int, equity: float) -> None:
        """Note equity; samples nearer than five minutes to the last are left out."""
        if self._samples and now - self._samples[-1][0] < SAMPLE_MS:
            return
        self._samples.append((now, equity))

    def day_pnl(self, now: int, equity: float) -> float:
        """Return the change of equity over the rolling 24 hours, in quote currency."""
        return equity - self._base(now, equity)

    def day_loss(self, now: int, equity: float) -> float:
        """Return the loss of the rolling 24 hours as a fraction of the equity before, >= 0."""
        base = self._base(now, equity)
        return max(0.0, (base - equity) / base) if base > 0 else 0.0

    def dump(self) -> list[tuple[int, float]]:
        """Return the samples, oldest first, so that a restart remembers the day."""
        return list(self._samples)

    def load(self, samples: Iterable[tuple[int, float]]) -> None:
        """Take over samples of an earlier run."""
        self._samples.extend((int(time), float(equity)) for time, equity in samples)

    def _base(self, now: int, equity: float) -> float:
        while self._samples and now - self._samples[0][0] > DAY_MS:
            self._samples.popleft()
        return self._samples[0][1] if self._samples else equity


def exposures(positions: Iterable[Position], marks: Mapping[Pair, Decimal]) -> tuple[Exposure, ...]:
    """Return the exposure of each position at its mark price (entry price without one).

    Risk at stop is what is lost from the mark price to where the stop rests, never negative.
    """
    result = []
    for position in positions:
        mark = marks.get(position.pair, position.entry_price)
        distance = (mark - position.stop_price) * position.side.sign
        result.append(
            Exposure(
                position.pair,
                position.side,
                float(mark * position.quantity),
                float(max(Decimal(0), distance) * position.quantity),
            )
        )
    return tuple(result)


def account_state(
    account: Account, now: int, history: EquityHistory, held: tuple[Exposure, ...]
) -> AccountState:
    """Return what the gates may know of the account."""
    equity = float(account.equity)
    return AccountState(
        equity,
        float(account.balance),
        float(account.available),
        history.day_loss(now, equity),
        held,
    )
