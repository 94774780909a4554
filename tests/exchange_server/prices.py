"""Synthetic prices: a seeded history of minute candles and a present that tests may steer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tests.exchange_server.clock import Clock
from tests.exchange_server.instruments import Rules

MINUTE = 60_000
DAY = 86_400_000
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240,
    "6h": 360, "8h": 480, "12h": 720, "1d": 1440,
}  # fmt: skip

Row = tuple[int, float, float, float, float, float]


@dataclass(slots=True)
class Quote:
    """The present of one contract, in USDT."""

    last: Decimal
    mark: Decimal
    bid: Decimal
    ask: Decimal
    funding_rate: Decimal = Decimal("0.0001")


@dataclass(slots=True)
class Tape:
    """Minute candles of one contract from ``start`` (ms) on; rows of OHLCV."""

    start: int
    rows: NDArray[np.float64]
    count: int

    def append(self, row: tuple[float, ...]) -> None:
        if self.count == len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self.rows[self.count] = row
        self.count += 1


@dataclass
class Prices:
    """Quotes and candles of every contract; ``history_days`` end at the present minute."""

    rules: dict[str, Rules]
    clock: Clock
    seed: int
    history_days: int = 12
    quotes: dict[str, Quote] = field(default_factory=dict)
    tapes: dict[str, Tape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        for rules in self.rules.values():
            self.tapes[rules.symbol] = self._history(rules)
            self.quotes[rules.symbol] = self._quote(rules, rules.start_price, rules.start_price)

    def set(self, symbol: str, price: Decimal, mark: Decimal | None = None) -> None:
        """Trade at a price now; the mark follows unless given apart."""
        self.roll()
        rules = self.rules[symbol]
        quote = self._quote(rules, price, price if mark is None else mark)
        quote.funding_rate = self.quotes[symbol].funding_rate
        self.quotes[symbol] = quote
        tape = self.tapes[symbol]
        row = tape.rows[tape.count - 1]
        value = float(price)
        row[HIGH], row[LOW] = max(row[HIGH], value), min(row[LOW], value)
        row[CLOSE] = value
        row[VOLUME] += 1.0

    def walk(self, symbol: str, seconds: float) -> Decimal:
        """Return the next price of a random walk over ``seconds``, on the tick."""
        rules = self.rules[symbol]
        sigma = rules.daily_volatility * math.sqrt(seconds / 86_400)
        value = float(self.quotes[symbol].last) * math.exp(sigma * self.random.standard_normal())
        ticks = max(1, round(value / float(rules.tick)))
        return rules.tick * ticks

    def roll(self) -> None:
        """Open flat candles up to the present minute."""
        now = self.clock.now() // MINUTE
        for symbol, tape in self.tapes.items():
            price = float(self.quotes[symbol].last)
            for _ in range(now - tape.start // MINUTE - tape.count + 1):
                tape.append((price, price, price, price, 1.0))

    def klines(
        self, symbol: str, interval: str, start: int | None, end: int | None, limit: int
    ) -> list[Row]:
        """Return candles oldest first, the forming one last; from ``start`` or the newest."""
        self.roll()
        tape = self.tapes[symbol]
        minutes = INTERVALS[interval]
        span = minutes * MINUTE
        last_open = (tape.start + (tape.count - 1) * MINUTE) // span * span
        if end is not None:
            last_open = min(last_open, end // span * span)
        if start is None:
            first_open = last_open - (limit - 1) * span
        else:
            first_open = -(-start // span) * span
            last_open = min(last_open, first_open + (limit - 1) * span)
        first_open = max(first_open, tape.start)
        if last_open < first_open:
            return []
        first = (first_open - tape.start) // MINUTE
        past = min(tape.count, (last_open - tape.start) // MINUTE + minutes)
        rows = tape.rows[first:past]
        edges = np.arange(0, len(rows), minutes)
        ends = np.append(edges[1:], len(rows)) - 1
        columns = (
            rows[edges, OPEN],
            np.maximum.reduceat(rows[:, HIGH], edges),
            np.minimum.reduceat(rows[:, LOW], edges),
            rows[ends, CLOSE],
            np.add.reduceat(rows[:, VOLUME], edges),
        )
        values = zip(*(column.tolist() for column in columns), strict=True)
        return [(first_open + i * span, *row) for i, row in enumerate(values)]

    def revise(self, symbol: str, open_time: int, close: float) -> None:
        """Change the close of a past minute, as an exchange that corrects a candle does."""
        tape = self.tapes[symbol]
        row = tape.rows[(open_time - tape.start) // MINUTE]
        row[CLOSE] = close
        row[HIGH], row[LOW] = max(row[HIGH], close), min(row[LOW], close)

    def _quote(self, rules: Rules, price: Decimal, mark: Decimal) -> Quote:
        return Quote(last=price, mark=mark, bid=price, ask=price + rules.tick)

    def _history(self, rules: Rules) -> Tape:
        now = self.clock.now()
        start = (now // DAY - self.history_days) * DAY
        count = (now - start) // MINUTE + 1
        sigma = rules.daily_volatility / math.sqrt(1440)
        shocks = self.random.standard_normal((count, 4))
        path = np.exp(np.cumsum(shocks[:, 0]) * sigma)
        close = path / path[-1] * float(rules.start_price)
        opened = np.append(close[0], close[:-1])
        wick = np.abs(shocks[:, 1:3]) * sigma * 0.5
        high = np.maximum(opened, close) * (1 + wick[:, 0])
        low = np.minimum(opened, close) * (1 - wick[:, 1])
        tick = float(rules.tick)
        prices = np.round(np.stack([opened, high, low, close], axis=1) / tick) * tick
        volume = np.exp(shocks[:, 3] * 0.5) * 1_000_000 / float(rules.start_price)
        rows = np.zeros((count + 2880, 5))
        rows[:count, :4] = np.maximum(prices, tick)
        rows[:count, VOLUME] = volume
        return Tape(start, rows, int(count))
