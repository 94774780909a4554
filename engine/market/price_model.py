"""The synthetic price model: any hour of any pair, computed from seed and time alone.

One market factor drives all pairs through their betas; each pair adds noise of its own. The
factor and every noise go through regimes of their own (trends, ranges, chop, violence) that
last for hours, with clustered volatility and jumps. Time is cut into blocks of 40 hours and
cells of 5 minutes; a block's randomness is keyed by (seed, stream, block), so that it can be
made again at any time. A pair's log price at a block's end is

    level + sum over the last 30 blocks of  exp(-age / 6) x (log return of that block),

a discrete Ornstein-Uhlenbeck process: prices return to their level over weeks, restarts agree
with earlier starts, and no state has to be kept. Inside a cell, ticks of 5 s follow a bridge
between the cell's ends.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.random import Generator, Philox

from engine.market.series import Floats, Ints
from engine.model.market import YEAR_MS, Pair

TICK_MS = 5_000
CELL_MS = 300_000
HOUR_MS = 3_600_000
BLOCK_MS = 40 * HOUR_MS

_TICKS = CELL_MS // TICK_MS  # per cell
_CELLS = BLOCK_MS // CELL_MS  # per block
_HOUR_CELLS = HOUR_MS // CELL_MS
_MEMORY = 30  # blocks a price remembers: 50 days
_FADING = 6  # blocks, 10 days: how fast what moved a log price fades
_CELL_YEARS = CELL_MS / YEAR_MS
_WORD = 2**64
_VOLUME_PARTS = 1_024

_VOL_LAGS = 96  # cells the clustering of volatility remembers: 8 hours
_VOL_KERNEL = 0.12 * 0.96 ** np.arange(_VOL_LAGS)


class Profile(NamedTuple):
    """How a pair behaves.

    ``level`` is the price (quote currency) it returns to, ``beta`` its loading on the market,
    ``volatility`` that of its own noise (annual, fraction), ``turnover`` its usual quote volume
    in five minutes, ``decimals`` the decimal places of its price.
    """

    level: float
    beta: float
    volatility: float
    turnover: float
    decimals: int


_PROFILES = {
    "BTC": Profile(100_000.0, 1.00, 0.14, 60e6, 1),
    "ETH": Profile(3_500.0, 1.30, 0.24, 40e6, 2),
    "SOL": Profile(180.0, 1.45, 0.36, 15e6, 2),
    "BNB": Profile(650.0, 1.05, 0.24, 6e6, 2),
    "XRP": Profile(2.3, 1.25, 0.38, 10e6, 4),
    "ADA": Profile(0.8, 1.40, 0.38, 4e6, 4),
    "DOGE": Profile(0.2, 1.50, 0.42, 8e6, 5),
    "LTC": Profile(100.0, 1.20, 0.36, 2e6, 2),
}
_GENERIC = Profile(10.0, 1.30, 0.50, 2e6, 4)
_MARKET_VOLATILITY = 0.31


class _Mood(NamedTuple):
    """A regime of the factor or of a pair's noise.

    ``share`` is how often it is drawn; it lasts between the two numbers of ``hours``; drift per
    cell is in units of the cell's sigma; ``pull`` draws back to where the spell began, per cell;
    ``jumps`` is the chance of a jump per cell.
    """

    share: float
    hours: tuple[float, float]
    volatility: float
    drift: float
    pull: float
    jumps: float


_MOODS = (
    _Mood(0.20, (2.0, 7.0), 0.85, +0.30, 0.0, 0.001),  # trending up
    _Mood(0.20, (2.0, 7.0), 0.85, -0.30, 0.0, 0.001),  # trending down
    _Mood(0.34, (3.0, 9.0), 0.65, 0.0, 0.12, 0.001),  # ranging
    _Mood(0.18, (1.5, 5.0), 1.50, 0.0, 0.25, 0.003),  # choppy
    _Mood(0.08, (1.0, 3.0), 3.30, 0.0, 0.0, 0.010),  # violent
)
_MOOD_SHARES = tuple(accumulate(mood.share for mood in _MOODS[:-1]))


class _Component(NamedTuple):
    """One block of the factor or of one noise, a value per cell. Log returns.

    ``jump_tick`` is the tick inside the cell at which its jump falls.
    """

    sigma: Floats
    diffusion: Floats
    jump: Floats
    jump_tick: Ints


class _Block(NamedTuple):
    """One block of all pairs: shape (pairs, cells), ``border`` (pairs, cells + 1).

    ``border`` is the log price at the cells' borders. Jumps are of
    the market's and the pair's own kind, shape (2, pairs, cells).
    """

    border: Floats
    market_sigma: Floats
    own_sigma: Floats
    jump: Floats
    jump_tick: Ints


class Hour(NamedTuple):
    """One hour in ticks of 5 s, each array of the shape (pairs, 720). Rounded prices."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class PriceModel:
    """Compute hours of prices for some pairs. A pair's prices do not depend on the others.

    Memory is bounded: two blocks are kept whole and 46 as their returns.
    """

    def __init__(self, pairs: Sequence[Pair], seed: int) -> None:
        self._seed = seed % _WORD
        self._profiles = [_PROFILES.get(pair.base, _GENERIC) for pair in pairs]
        self._streams = [crc32(pair.base.encode()) + 1 for pair in pairs]  # 0 is the market's
        self._level = np.log([profile.level for profile in self._profiles])
        self._beta = np.array([profile.beta for profile in self._profiles])
        self._decimals = [profile.decimals for profile in self._profiles]
        self._turnover = np.array([p.turnover / p.level / _TICKS for p in self._profiles])
        own = np.array([profile.volatility for profile in self._profiles])
        usual = np.hypot(self._beta * _MARKET_VOLATILITY, own)
        self._usual_sigma: Floats = usual * math.sqrt(_CELL_YEARS / _TICKS)
        self._weights: Floats = np.exp(np.arange(1.0 - _MEMORY, 1.0) / _FADING)
        self._returns: OrderedDict[int, Floats] = OrderedDict()
        self._blocks: OrderedDict[int, _Block] = OrderedDict()

    def hour(self, index: int) -> Hour:
        """Return the hour that begins ``index`` hours after the epoch."""
        number, place = divmod(index * HOUR_MS, BLOCK_MS)
        block = self._block(number)
        first = place // CELL_MS
        cells = slice(first, first + _HOUR_CELLS)
        market, own, up, down, busy = self._hour_noise(index)
        market_sigma = self._beta[:, None, None] * block.market_sigma[cells, None]
        own_sigma = block.own_sigma[:, cells, None]
        shocks = (market_sigma * market + own_sigma * own) / math.sqrt(_TICKS)
        sigma = np.hypot(market_sigma, own_sigma) / math.sqrt(_TICKS)

        start = block.border[:, first : first + _HOUR_CELLS, None]
        end = block.border[:, first + 1 : first + _HOUR_CELLS + 1, None]
        jump = block.jump[:, :, cells, None]
        leap = np.where(np.arange(_TICKS) >= block.jump_tick[:, :, cells, None], jump, 0.0)
        rest = end - start - jump.sum(axis=0)
        moves = shocks - shocks.mean(axis=2, keepdims=True) + rest / _TICKS
        close = start + moves.cumsum(axis=2) + leap.sum(axis=0)
        close[..., -1:] = end  # exactly, so that cells join
        open_ = np.concatenate([start, close[..., :-1]], axis=2)
        move = close - open_
        high = (open_ + close + _reach(move, sigma, up)) / 2
        low = (open_ + close - _reach(move, sigma, down)) / 2
        volume = self._volume(np.abs(move) / sigma, sigma, busy)
        price = self._price
        return Hour(price(open_), price(high), price(low), price(close), volume)

    def _hour_noise(self, index: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return normal shocks of market and pairs, how far out highs and lows lie, activity."""
        count = _HOUR_CELLS * _TICKS
        market = self._random(0, index, 1).standard_normal(count)
        own, up, down, busy = np.empty((4, len(self._streams), count))
        for row, stream in enumerate(self._streams):
            random = self._random(stream, index, 1)
            random.standard_normal(out=own[row])
            random.standard_exponential(out=up[row])
            random.standard_exponential(out=down[row])
            random.standard_normal(out=busy[row])
        shape = (-1, _HOUR_CELLS, _TICKS)
        return (
            market.reshape(shape),
            own.reshape(shape),
            up.reshape(shape),
            down.reshape(shape),
            busy.reshape(shape),
        )

    def _volume(self, move: Floats, sigma: Floats, busy: Floats) -> Floats:
        """Return base volume per tick: more when prices move, and when they usually do.

        ``move`` is in units of ``sigma``, the volatility per tick.
        """
        turnover = self._turnover[:, None, None]
        activity = (sigma / self._usual_sigma[:, None, None]) ** 1.2 * turnover
        volume: Floats = activity * (0.6 + 0.5 * move) * np.exp(0.5 * busy - 0.125)
        # Whole parts of a power of two: their sums are exact in whatever order.
        volume = np.round(volume * _VOLUME_PARTS) / _VOLUME_PARTS
        return volume.reshape(len(volume), -1)

    def _price(self, log_price: Floats) -> Floats:
        prices: Floats = np.exp(log_price.reshape(len(log_price), -1))
        for row, decimals in enumerate(self._decimals):
            np.round(prices[row], decimals, out=prices[row])
        return prices

    def _block(self, number: int) -> _Block:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        diffusion, block = self._skeleton(number)
        self._returns[number] = _total(diffusion, block.jump)
        before, after = self._deviation(number - 1), self._deviation(number)
        path = (diffusion + block.jump.sum(axis=0)).cumsum(axis=1)
        pull = (after - before - path[:, -1])[:, None] * np.arange(1, _CELLS + 1) / _CELLS
        border = np.concatenate([before[:, None], before[:, None] + path + pull], axis=1)
        border[:, -1] = after  # exactly, so that blocks join
        block = block._replace(border=border + self._level[:, None])
        self._blocks[number] = block
        if len(self._blocks) > 2:
            self._blocks.popitem(last=False)
        return block

    def _deviation(self, number: int) -> Floats:
        """Return the log price less its level at the end of a block."""
        returns = [self._block_return(number - age) for age in range(_MEMORY - 1, -1, -1)]
        while len(self._returns) > _MEMORY + 16:
            self._returns.popitem(last=False)
        # Summed in order: a matrix product's last bits would depend on the number of pairs.
        deviation: Floats = (self._weights[:, None] * np.array(returns)).cumsum(axis=0)[-1]
        return deviation

    def _block_return(self, number: int) -> Floats:
        if number not in self._returns:
            diffusion, block = self._skeleton(number)
            self._returns[number] = _total(diffusion, block.jump)
        return self._returns[number]

    def _skeleton(self, number: int) -> tuple[Floats, _Block]:
        """Return the pairs' diffusive returns per cell, and the block still without borders."""
        market = self._component(0, number, _MARKET_VOLATILITY)
        own = [
            self._component(stream, number, profile.volatility)
            for stream, profile in zip(self._streams, self._profiles, strict=True)
        ]
        beta = self._beta[:, None]
        diffusion = beta * market.diffusion + np.array([part.diffusion for part in own])
        jump = np.array([beta * market.jump, [part.jump for part in own]])
        ticks = np.array([part.jump_tick for part in own])
        jump_tick = np.array([np.broadcast_to(market.jump_tick, ticks.shape), ticks])
        own_sigma = np.array([part.sigma for part in own])
        return diffusion, _Block(np.empty(0), market.sigma, own_sigma, jump, jump_tick)

    def _component(self, stream: int, number: int, volatility: float) -> _Component:
        random = self._random(stream, number, 0)
        weather = self._weather(number, random, self._random(stream, number - 1, 0))
        base = volatility * math.sqrt(_CELL_YEARS) * weather
        shocks = _fat(random, _CELLS)
        leaps, sizes, places = random.random((3, _CELLS))
        sizes = base * np.where(sizes < 0.5, 8 * sizes - 7, 8 * sizes - 1)  # -7..-3 or 3..7
        choices = iter(random.random((_CELLS, 2)).tolist())
        sigma, diffusion, jump = np.empty(_CELLS), np.empty(_CELLS), np.empty(_CELLS)
        first = 0
        while first < _CELLS:
            which, length = next(choices)
            mood = _MOODS[bisect(_MOOD_SHARES, which)]
            shortest, longest = mood.hours
            hours = shortest + length * (longest - shortest)
            last = min(_CELLS, first + round(hours * _HOUR_CELLS))
            spell = slice(first, last)
            sigma[spell] = mood.volatility * base[spell]
            moves = sigma[spell] * (shocks[spell] + mood.drift)
            diffusion[spell] = _pulled(moves, mood.pull) if mood.pull else moves
            jump[spell] = (leaps[spell] < mood.jumps) * sizes[spell]
            first = last
        return _Component(sigma, diffusion, jump, (places * _TICKS).astype(np.int64))

    def _weather(self, number: int, random: Generator, earlier: Generator) -> Floats:
        """Return the factor on volatility per cell: days, hours and the time of day.

        Both generators must be fresh, that of the block and that of the block before.
        """
        before, now = (each.standard_normal(_CELLS + 1) for each in (earlier, random))
        recent = np.concatenate([before[-_VOL_LAGS + 1 :], now[1:]])
        clustered = np.convolve(recent, _VOL_KERNEL, mode="valid")
        share = np.arange(_CELLS) / _CELLS
        slow = 0.20 * (before[0] * (1 - share) + now[0] * share)
        hours = (number * BLOCK_MS / HOUR_MS + np.arange(_CELLS) / _HOUR_CELLS) % 24
        season = 0.15 * np.cos((hours - 15) * (math.tau / 24))  # busiest at 15:00 UTC
        factor: Floats = np.exp(clustered + slow + season)
        return factor

    def _random(self, stream: int, index: int, purpose: int) -> Generator:
        key = np.array([self._seed, stream], dtype=np.uint64)
        counter = np.array([0, purpose, index % _WORD, 0], dtype=np.uint64)
        return Generator(Philox(counter=counter, key=key))


def _fat(random: Generator, count: int) -> Floats:
    """Return fat-tailed shocks (Student t, 5 degrees of freedom) of variance 1."""
    return random.standard_t(5, count) / math.sqrt(5 / 3)


def _pulled(shocks: Floats, pull: float) -> Floats:
    """Return the steps of a walk that loses ``pull`` of its distance from the start each step."""
    kept = (1 - pull) ** np.arange(len(shocks))
    steps: Floats = np.convolve(shocks, kept)[: len(shocks)]
    steps[1:] -= steps[:-1].copy()
    return steps


def _total(diffusion: Floats, jump: Floats) -> Floats:
    total: Floats = diffusion.sum(axis=1) + jump.sum(axis=2).sum(axis=0)
    return total


def _reach(move: Floats, sigma: Floats, far: Floats) -> Floats:
    """Return 2 x extreme - start - end of a Brownian bridge, given ``far``, exponential.

    Maximum of a bridge by inversion: Glasserman, Monte Carlo Methods in Financial Engineering
    (2003), section 6.4.
    """
    reach: Floats = np.sqrt(move * move + 2 * sigma * sigma * far)
    return reach
