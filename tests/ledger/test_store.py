"""The ledger keeps every field, counts repeats once and answers its questions."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from dataclasses import fields
from decimal import Decimal as D
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ledger import queries, rows
from engine.ledger.errors import LedgerError
from engine.ledger.port import RecordError
from engine.ledger.reader import LedgerReader
from engine.ledger.rows import Codec, Intent
from engine.ledger.store import Ledger
from engine.model.commands import Level
from engine.model.events import (
    BalanceChanged,
    BreakerChanged,
    DecisionMade,
    FundingPaid,
    OrderFilled,
    PositionChanged,
    PositionOpened,
)
from engine.model.orders import ClosedTrade, Fill, OrderKind, OrderState, Position
from engine.model.signal import Action, Side
from tests.ledger.factory import (
    BTC,
    NOW,
    closed,
    decision,
    entry_order,
    fill,
    one_of_each,
    order_changed,
    position,
    stop_order,
    trade,
)


@pytest.mark.parametrize(
    ("table", "codec", "kind"),
    [
        ("trades", rows.TRADE, ClosedTrade),
        ("positions", rows.POSITION, Position),
        ("fills", rows.FILL, Fill),
        ("signals", rows.SIGNAL, rows.SignalRow),
        ("notifications", rows.NOTIFICATION, rows.Notification),
        ("strategies", rows.STRATEGY, rows.SavedStrategy),
    ],
)
async def test_every_field_has_its_column(
    ledger: Ledger, table: str, codec: Codec, kind: type
) -> None:
    with sqlite3.connect(ledger.path) as connection:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    assert {field.name for field in fields(kind)} <= columns
    assert set(codec.columns) == {field.name for field in fields(kind)}


@pytest.mark.parametrize("shadow", [False, True])
async def test_positions_and_trades_round_trip(ledger: Ledger, shadow: bool) -> None:
    held = position(shadow=shadow)
    bare = position(
        id="p2", shadow=shadow, opened=NOW + 1, stop_order_id=None, target_order_id=None, thesis=()
    )
    await ledger.write([PositionOpened(time=NOW, position=item) for item in (held, bare)])
    assert await ledger.open_positions(shadow) == [held, bare]
    assert await ledger.open_positions(not shadow) == []
    await ledger.write([closed(shadow=shadow)])
    assert await ledger.open_positions(shadow) == [bare]
    assert await ledger.closed_trades(shadow=shadow) == [trade(shadow=shadow)]
    assert await ledger.closed_trades(shadow=not shadow) == []


decimals = st.decimals(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=150)
@given(
    prices=st.tuples(*[decimals] * 5),
    confidence=st.floats(),
    ids=st.lists(st.text(), max_size=3),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_codec_is_exact_for_any_value(prices, confidence, ids, flags) -> None:
    item = position(
        quantity=prices[0],
        entry_price=prices[1],
        fees=prices[2],
        funding=prices[3],
        exit_notional=prices[4],
        confidence=confidence,
        thesis=tuple(ids),
        trailing=flags[0],
        breakeven=flags[1],
    )
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    marks = ", ".join(f"? AS {name}" for name in rows.POSITION.columns)
    back = rows.POSITION.decode(
        connection.execute(f"SELECT {marks}", rows.POSITION.encode(item)).fetchone()
    )
    connection.close()
    for field in fields(Position):
        was, now = getattr(item, field.name), getattr(back, field.name)
        assert type(now) is type(was)
        same = str(was) == str(now) if isinstance(was, D) else was == now
        assert same or (math.isnan(was) and math.isnan(now))


async def test_fills_round_trip_and_count_once(ledger: Ledger) -> None:
    kept = [fill(), fill("f2", reason=None)]
    events = [OrderFilled(time=NOW, fill=item) for item in kept]
    await ledger.write(events)
    await ledger.write(events)
    assert await ledger.fills("e-1") == kept
    # The same number on another pair, or followed only on paper, is another fill.
    await ledger.write([OrderFilled(time=NOW, fill=fill(pair=rows.Pair.parse("ETH")))])
    await ledger.write([OrderFilled(time=NOW, fill=fill(), shadow=True)])
    assert (await ledger.counts())["fills"] == 4


async def test_a_trade_is_recorded_once(ledger: Ledger) -> None:
    await ledger.write([closed(), closed()])
    await ledger.write([closed()])
    assert await ledger.closed_trades() == [trade()]


async def test_a_change_updates_the_position(ledger: Ledger) -> None:
    await ledger.write([PositionOpened(time=NOW, position=position())])
    moved = position(stop_price=D("43210.50"), breakeven=False, quantity=D("0.0005"))
    await ledger.write([PositionChanged(time=NOW, position=moved, detail="moved")])
    assert await ledger.open_positions(shadow=True) == [moved]


async def test_closed_trades_newest_last_limited_and_by_strategy(ledger: Ledger) -> None:
    await ledger.write(
        [
            closed(f"t{i}", exit_time=NOW + 60_000 - i, strategy="a" if i % 2 else "b")
            for i in range(6)
        ]
    )
    assert [t.id for t in await ledger.closed_trades()] == ["t5", "t4", "t3", "t2", "t1", "t0"]
    assert [t.id for t in await ledger.closed_trades(limit=2)] == ["t1", "t0"]
    assert [t.id for t in await ledger.closed_trades(limit=2, strategy="a")] == ["t3", "t1"]


async def test_accounts_do_not_mix(ledger: Ledger) -> None:
    await ledger.write(one_of_each())
    await ledger.put_state("k", 1)
    other = await Ledger.open(ledger.path, "binance-live")
    try:
        assert await other.closed_trades() == []
        assert await other.open_positions(shadow=False) == []
        assert await other.get_state("k") is None
        assert sum((await other.counts()).values()) == 0
        await other.write([closed()])
        assert len(await ledger.closed_trades()) == len(await other.closed_trades()) == 1
    finally:
        await other.close()


async def test_intents_stay_unresolved_until_their_order_is_final(ledger: Ledger) -> None:
    await ledger.intend(entry_order(), NOW)
    await ledger.intend(stop_order(), NOW + 1, shadow=True)
    entry, stop = await ledger.unresolved_intents()
    order, protection = entry_order(), stop_order()
    assert entry == Intent(
        client_order_id="e-1",
        pair=BTC,
        kind=OrderKind.ENTRY,
        side=Side.LONG,
        quantity=order.quantity,
        time=NOW,
        state=OrderState.INTENT,
        reference_price=order.reference_price,
        stop_price=order.stop_price,
        target_price=order.target_price,
        leverage=9,
    )
    assert stop == Intent(
        client_order_id="s-1",
        pair=BTC,
        kind=OrderKind.STOP,
        side=Side.SHORT,
        quantity=protection.quantity,
        time=NOW + 1,
        state=OrderState.INTENT,
        trigger_price=protection.trigger_price,
        reason=protection.reason,
        shadow=True,
    )
    await ledger.write([order_changed(OrderState.UNKNOWN)])
    assert [i.state for i in await ledger.unresolved_intents()] == ["UNKNOWN", "INTENT"]
    await ledger.write([order_changed(OrderState.FILLED)])
    assert [i.client_order_id for i in await ledger.unresolved_intents()] == ["s-1"]


async def test_an_intent_is_good_once(ledger: Ledger) -> None:
    await ledger.intend(entry_order(), NOW)
    with pytest.raises(RecordError, match="UNIQUE"):
        await ledger.intend(entry_order(), NOW + 1)
    assert len(await ledger.unresolved_intents()) == 1


async def test_a_final_order_does_not_come_back_to_life(ledger: Ledger) -> None:
    await ledger.intend(entry_order(), NOW)
    await ledger.write(
        [order_changed(OrderState.CANCELLED), order_changed(OrderState.ACKNOWLEDGED)]
    )
    assert await ledger.unresolved_intents() == []


async def test_every_event_leaves_its_rows_and_repeats_change_little(ledger: Ledger) -> None:
    await ledger.begin_run(NOW, {"exchange": "sim"})
    await ledger.write(one_of_each())
    counts = await ledger.counts()
    assert counts == {
        "trades": 1,
        "orders": 1,
        "fills": 1,
        "funding": 1,
        "intents": 0,
        "positions": 0,
        "strategies": 0,
        "signals": 1,
        "performance_snapshots": 1,
        "compliance_events": 7,
        "chat_history": 0,
        "notifications": 0,
        "breaker_state": 1,
        "state": 0,
        "runs": 1,
    }
    await ledger.write(one_of_each())
    again = await ledger.counts()
    assert {k: v for k, v in again.items() if k != "compliance_events"} == {
        k: v for k, v in counts.items() if k != "compliance_events"
    }
    kinds = {event.kind for event in await ledger.compliance_events()}
    assert {"OrderDenied", "ExitDecided", "CommandHandled", "Noticed", "MonitorReported"} <= kinds


async def test_waiting_leaves_no_signal_row(ledger: Ledger) -> None:
    wait = decision(proposal=Action.WAIT)
    await ledger.write([DecisionMade(time=NOW, decision=wait)])
    assert await ledger.signals() == []
    await ledger.write([DecisionMade(time=NOW, decision=decision(plan=None, v1=None, shadow=True))])
    (row,) = await ledger.signals()
    assert (row.pair, row.blocked_by, row.entry, row.score, row.shadow) == (
        BTC,
        "sizing",
        None,
        None,
        True,
    )


async def test_one_snapshot_a_minute_the_newest(ledger: Ledger) -> None:
    start = NOW // 60_000 * 60_000
    await ledger.write(
        [
            BalanceChanged(time=start + i * 20_000, balance=D(i), equity=D(i) + D("0.50"))
            for i in range(6)
        ]
    )
    points = await ledger.equity_curve()
    assert [(p.time - start, str(p.balance), str(p.equity)) for p in points] == [
        (40_000, "2", "2.50"),
        (100_000, "5", "5.50"),
    ]


async def test_state_round_trips_json(ledger: Ledger) -> None:
    value = {"level": "HALT", "since": NOW, "list": [1, 2.5, None, "ä"]}
    assert await ledger.get_state("breaker") is None
    await ledger.put_state("breaker", {})
    await ledger.write([], {"breaker": value})
    assert await ledger.get_state("breaker") == value
    with pytest.raises(TypeError):
        await ledger.put_state("bad", object())


async def test_breaker_level_survives_reopening(ledger: Ledger) -> None:
    change = {"before": Level.CLOSED, "after": Level.HALT, "cause": "loss", "detail": "6 %"}
    await ledger.write([BreakerChanged(time=NOW, **change)])
    await ledger.close()
    again = await Ledger.open(ledger.path, "sim")
    try:
        row = await again.breaker()
    finally:
        await again.close()
    assert row is not None
    assert (row.level, row.cause, row.since) == ("HALT", "loss", NOW)


async def test_runs_tell_an_unclean_end(ledger: Ledger) -> None:
    assert await ledger.begin_run(1, {}) is None
    assert await ledger.begin_run(2, {}) == 1
    await ledger.end_run(3, {"trades": 0})
    assert await ledger.begin_run(4, {}) is None


async def test_notifications_chat_and_strategies(ledger: Ledger) -> None:
    for i in range(3):
        await ledger.notify(NOW + i, "warning", "breaker", f"text {i}")
        await ledger.add_chat(NOW + i, "user", f"line {i}")
    newest = (await ledger.notifications(1))[0]
    assert (newest.text, newest.read) == ("text 2", False)
    await ledger.mark_read(newest.seq)
    assert [n.text for n in await ledger.notifications(unread_only=True)] == ["text 1", "text 0"]
    await ledger.mark_read()
    assert await ledger.notifications(unread_only=True) == []
    await ledger.clear_notifications()
    assert await ledger.notifications() == []
    assert [line.text for line in await ledger.chat(2)] == ["line 1", "line 2"]
    await ledger.save_strategy("cautious", 1, "{}", NOW)
    with pytest.raises(RecordError):
        await ledger.save_strategy("cautious", 1, '{"changed": true}', NOW)
    assert [(s.name, s.version, s.definition) for s in await ledger.strategies()] == [
        ("cautious", 1, "{}")
    ]


async def test_prune_drops_signals_and_keeps_a_snapshot_a_day(ledger: Ledger) -> None:
    day = 86_400_000
    times = [n * day // 4 for n in range(16)]
    await ledger.write(
        [BalanceChanged(time=t, balance=D(1), equity=D(1)) for t in times]
        + [DecisionMade(time=t, decision=decision(t)) for t in times]
    )
    await ledger.prune(2 * day)
    assert [s.time for s in reversed(await ledger.signals())] == times[8:]
    assert [p.time for p in await ledger.equity_curve()] == [times[3], times[7], *times[8:]]


async def test_check_finds_what_does_not_add_up(ledger: Ledger) -> None:
    await ledger.write(
        [closed(), closed("t2", side=Side.LONG, pnl=-trade().pnl - 2 * (D("0.0852") - D("0.011")))]
    )
    assert await ledger.check() == []
    await ledger.write(
        [
            closed("wrong", pnl=trade().pnl + D("0.02")),
            PositionOpened(time=NOW, position=position(shadow=False)),
            PositionOpened(time=NOW, position=position(id="p9", quantity=D(3), shadow=False)),
        ]
    )
    found = "\n".join(await ledger.check())
    assert "trade wrong of sim: pnl" in found
    assert "position p1 of sim: open, though its trade is recorded" in found
    assert "position p9 of sim: 3 open of 0.002" in found
    assert "2 positions are open in BTC" in found


async def test_a_row_that_makes_no_sense_is_an_error(ledger: Ledger) -> None:
    await ledger.write([closed()])
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("UPDATE trades SET pnl = 'plenty'")
    with pytest.raises(LedgerError, match="a row cannot be read"):
        await ledger.closed_trades()
    assert ["cannot be read" in finding for finding in await ledger.check()] == [True]


async def test_backup_while_writing(ledger: Ledger, tmp_path: Path) -> None:
    async def write_on() -> None:
        for i in range(200):
            await ledger.write([closed(f"w{i}")])

    await ledger.write([closed(f"b{i}") for i in range(500)])
    writer = asyncio.create_task(write_on())
    await asyncio.sleep(0)
    target = tmp_path / "copies" / "copy.db"
    await ledger.backup(target)
    await writer
    assert [path.name for path in target.parent.iterdir()] == ["copy.db"]
    with LedgerReader(target, "sim") as copy:
        kept = {t.id for t in copy.fetch(queries.closed_trades("sim"))}
    assert {f"b{i}" for i in range(500)} <= kept
    written = len(kept) - 500
    assert kept == {f"b{i}" for i in range(500)} | {f"w{i}" for i in range(written)}
    assert len(await ledger.closed_trades()) == 700
    with pytest.raises(RecordError, match="already exists"):
        await ledger.backup(target)


async def test_cancelled_write_completes(ledger: Ledger) -> None:
    task = asyncio.create_task(ledger.write([closed()]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ledger.closed_trades() == [trade()]
    await ledger.write([closed("t2")])


async def test_a_failed_group_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(OverflowError):
        await ledger.write([closed(), closed("t2", exit_time=2**70)])
    assert await ledger.closed_trades() == []
    await ledger.write([closed()])
    assert await ledger.closed_trades() == [trade()]


async def test_closed_ledger_says_so(ledger: Ledger) -> None:
    await ledger.close()
    await ledger.close()
    with pytest.raises(RecordError, match="closed"):
        await ledger.write([closed()])
    with pytest.raises(RecordError, match="closed"):
        await ledger.closed_trades()


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(range(8)), repeats=st.lists(st.integers(0, 7), max_size=8))
def test_shuffled_and_repeated_reports_count_once(tmp_path_factory, order, repeats) -> None:
    async def run() -> None:
        path = tmp_path_factory.mktemp("ledger") / "sigma.db"
        ledger = await Ledger.open(path, "sim")
        try:
            for i in (*order, *repeats):
                await ledger.write(
                    [
                        OrderFilled(time=NOW, fill=fill(f"f{i}")),
                        closed(f"t{i}"),
                        FundingPaid(time=NOW + i, pair=BTC, amount=D(i), rate=D("0.0001")),
                    ]
                )
            counts = await ledger.counts()
            assert (counts["fills"], counts["trades"], counts["funding"]) == (8, 8, 8)
        finally:
            await ledger.close()

    asyncio.run(run())


async def test_reader_knows_the_account_that_ran_last(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.begin_run(NOW, {})
    await ledger.write([closed()])
    with LedgerReader(ledger.path) as reader:  # while the ledger is open
        assert reader.account == "sim"
        assert reader.fetch(queries.closed_trades(reader.account)) == [trade()]
    with pytest.raises(RecordError, match="no database"):
        LedgerReader(tmp_path / "none.db")
