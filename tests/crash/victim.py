"""The engine that is killed: a whole one on the loopback exchange, trading by a script.

Everything between decision and exchange is the real thing: safety checker, book, desk, ledger,
venue, user stream, reconciliation. Only what to do next is drawn by lot, many times a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine import exchange_stage
from engine.account import EquityHistory, account_state, exposures
from engine.engine import Engine
from engine.exchange_stage import ExchangeStage
from engine.execution.exits import Exit, StopMove
from engine.execution.order_ids import entry_id
from engine.markets import Stage
from engine.model.market import MarketStep, Pair
from engine.model.orders import ExitReason, Position
from engine.model.signal import Side
from engine.options import RunOptions
from engine.risk.safety import OrderRefused, approve
from engine.settings import Settings
from engine.trader import Trader
from engine.venues.exchange import userdata
from tests.crash.death import Death, Plan
from tests.engine.scripted import decision
from tests.exchange_server.hosting import Remote

STEP_S = 0.004
QUANTITY = {"BTC": Decimal("0.01"), "ETH": Decimal("0.2")}


@dataclass(frozen=True)
class Orders:
    """What a child is to do. ``trades`` ends it in order after so many; 0 = until it is killed."""

    home: Path
    url: str
    seed: int
    plan: Plan = field(default_factory=Plan)
    trades: int = 0
    by_hand: bool = True


class Line:
    """A child's line to its parent: tells in JSON, and waits for a word."""

    def __init__(self, out: int, back: int) -> None:
        self._out, self._back = out, back

    def tell(self, **what: Any) -> None:
        os.write(self._out, json.dumps(what).encode() + b"\n")

    def wait(self) -> None:
        """Stand still until the parent has looked."""
        if not os.read(self._back, 1):
            raise SystemExit("the parent is gone")


def run(orders: Orders, line: Line) -> None:
    """Be the engine until killed, or until the trades asked for are done."""
    exchange_stage.WARM_UP = 60
    userdata.POLL_S = 0.25
    userdata.RECONNECT_S = (0.05, 0.1, 0.2)  # type: ignore[assignment]
    settings = Settings(
        _env_file=None,
        exchange="binance",
        trading_mode="live",
        exchange_url=orders.url,
        allowed_symbols="BTC,ETH",
        default_timeframe="1m",
        binance_api_key="test-key",
        binance_api_secret="test-secret",
        log_level="ERROR",
    )
    death = Death(orders.plan, lambda where: line.tell(died=where))
    death.watch_recorder()
    options = RunOptions(home=orders.home, start=True, confirm_live="binance")

    class Victim(Engine):
        def _stage(self, settings: Settings, options: RunOptions) -> Stage:
            return ScriptedStage(settings, options, orders, death, line, self.end)

    asyncio.run(Victim(settings, options).run())


class ScriptedStage(ExchangeStage):
    """Steps as fast as the machine can, each with one thing to do."""

    def __init__(
        self, settings: Settings, options: RunOptions, orders: Orders, death: Death, line: Line,
        end: Any,
    ) -> None:  # fmt: skip
        super().__init__(settings, options)
        self._orders, self._death, self._line, self._end = orders, death, line, end
        self._chance = random.Random(orders.seed)
        self._remote = Remote(orders.url)
        self._looked = False
        self._told = 0
        self._over = False
        self._last = 0
        self._session.gate.limit = 10**9  # so many starts a minute no exchange would take

    async def open(self, left: Any, say: Any) -> None:
        if self._orders.plan.from_start:
            loop = asyncio.get_running_loop()
            loop.call_later(self._orders.plan.seconds, self._death.die, "in the start")
        self._death.watch_client(self._session.trading)
        await super().open(left, say)

    async def steps(self) -> AsyncIterator[MarketStep]:
        last = self.clock.now()
        while True:
            await asyncio.sleep(STEP_S)
            now = self.clock.now()
            yield MarketStep(now, self._feed.take_bars(last), {})
            last = now

    async def attend(self, trader: Trader) -> None:
        await super().attend(trader)
        if not self._looked:
            await self._let_look(trader)
            self._looked = True
            self._death.arm()
        if self._over:
            return
        await self._act(trader)
        traded = trader.fingerprint.trades
        if traded - self._told >= 20:
            self._told = traded
            self._line.tell(traded=traded)
        if self._orders.trades and traded >= self._orders.trades:
            await trader.book.close_all(ExitReason.OPERATOR, "the test is over")
            await self._let_look(trader)
            self._over = True
            self._end("the test is over")

    async def _let_look(self, trader: Trader) -> None:
        """Come to rest, then stand still while the parent compares everything."""
        assert self._reconciler is not None
        for _ in range(3):
            await trader.position_pass(self.clock.now())
            await self._reconciler.run(self.clock.now())
        await trader.journal.flush()
        self._line.tell(
            disputed=dict(self._reconciler.disputed),
            unknown=sorted(trader.book.desk.unknown),
            level=str(trader.watch.level),
        )
        self._line.wait()

    # One thing at a time

    async def _act(self, trader: Trader) -> None:
        pair = self._chance.choice(self.pairs)
        position = trader.book.positions.get(pair)
        if position is None:
            if pair not in trader.book.desk.blocked:
                await self._enter(trader, pair)
            return
        mark = trader.mark(pair)
        if mark is None or position.stop_order_id is None:
            return
        act = self._chance.choice(("tighten", "part", "leave", "stop", "target", "hand"))
        if act == "tighten":
            await self._tighten(trader, position, mark)
        elif act == "part":
            part = self.venue.instruments[pair].round_quantity(position.quantity / 2)
            if part > 0:
                exit_ = Exit(ExitReason.PARTIAL_TARGET, part, "half of it")
                await trader.book.leave(pair, exit_)
        elif act == "leave":
            exit_ = Exit(ExitReason.TIME_LIMIT, position.quantity, "enough")
            await trader.book.leave(pair, exit_)
        elif act in ("stop", "target"):
            price = position.stop_price if act == "stop" else position.target_price
            with suppress(ValueError):
                await asyncio.to_thread(self._remote.set_price, f"{pair.base}USDT", price)
        elif self._orders.by_hand:
            side = "SELL" if position.side is Side.LONG else "BUY"
            with suppress(ValueError):  # a stop or target may have been quicker
                await asyncio.to_thread(
                    self._remote.call, "external", symbol=f"{pair.base}USDT", side=side,
                    quantity=str(position.quantity), reduce_only=True,
                )  # fmt: skip

    async def _tighten(self, trader: Trader, position: Position, mark: Decimal) -> None:
        between = position.stop_price + (mark - position.stop_price) / 4
        price = self.venue.instruments[position.pair].round_price(between)
        if (price - position.stop_price) * position.side.sign > 0:
            await trader.book.move_stop(position.pair, StopMove(price, False, False, "tighter"))

    async def _enter(self, trader: Trader, pair: Pair) -> None:
        mark = trader.mark(pair)
        if mark is None:
            return
        side = self._chance.choice((Side.LONG, Side.SHORT))
        rules = self.venue.instruments[pair]
        account = await self.venue.account()
        now = self._last = max(self.clock.now(), self._last + 1)
        try:
            order = approve(
                pair=pair,
                side=side,
                quantity=QUANTITY[pair.base],
                entry=mark,
                stop=rules.round_price(mark * (1 - side.sign * Decimal("0.01"))),
                target=rules.round_price(mark * (1 + side.sign * Decimal("0.02"))),
                leverage=5,
                account=account_state(
                    account, now, EquityHistory(),
                    exposures(trader.book.positions.values(), {}),
                ),
                limits=trader.limits,
                instrument=rules,
                client_order_id=entry_id(self.tag, pair, now),
            )  # fmt: skip
        except OrderRefused:
            return
        await trader.book.enter(order, decision(pair), trader.strategy, account.equity)
