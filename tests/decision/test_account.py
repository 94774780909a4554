"""The account as decisions see it, and the fingerprint."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.account import SAMPLE_MS, EquityHistory, account_state, exposures
from engine.decision import decide, outrank
from engine.fingerprint import Fingerprint
from engine.model.market import DAY_MS
from engine.model.orders import ClosedTrade, ExitReason
from engine.model.signal import Side
from engine.venues.port import Account
from tests.decision.build import BTC, ETH, NOW, context, inputs, no_edge, position
from tests.risk.builders import trade

D = Decimal

# Equity


def history(*samples: tuple[int, float]) -> EquityHistory:
    past = EquityHistory()
    for time, equity in samples:
        past.add(time, equity)
    return past


def test_the_loss_is_measured_from_a_day_ago() -> None:
    past = history((0, 10_000.0), (DAY_MS // 2, 9_000.0))
    assert past.day_loss(DAY_MS, 9_500.0) == pytest.approx(0.05)
    assert past.day_pnl(DAY_MS, 9_500.0) == -500.0
    # A moment later the first sample is more than a day old.
    assert past.day_loss(DAY_MS + 1, 9_500.0) == 0.0
    assert past.day_pnl(DAY_MS + 1, 9_500.0) == 500.0


def test_without_a_past_nothing_was_lost() -> None:
    assert EquityHistory().day_loss(NOW, 9_000.0) == 0.0
    assert EquityHistory().day_pnl(NOW, 9_000.0) == 0.0
    assert history((0, 0.0)).day_loss(1, -5.0) == 0.0


def test_samples_lie_five_minutes_apart_and_their_number_is_bounded() -> None:
    past = history((0, 1.0), (SAMPLE_MS - 1, 2.0), (SAMPLE_MS, 3.0))
    assert past.dump() == [(0, 1.0), (SAMPLE_MS, 3.0)]
    for time in range(0, 5 * DAY_MS, 60_000):
        past.add(time, 1.0)
    assert len(past.dump()) <= DAY_MS // SAMPLE_MS + 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=400), st.floats(1.0, 1e6))
def test_the_day_agrees_with_a_plain_search(equities: list[float], now: float) -> None:
    step = SAMPLE_MS
    past = history(*((i * step, equity) for i, equity in enumerate(equities)))
    end = len(equities) * step
    base = next(e for i, e in enumerate(equities) if end - i * step <= DAY_MS)
    assert past.day_loss(end, now) == max(0.0, (base - now) / base)


def test_a_restart_remembers_the_day() -> None:
    past = history((0, 10_000.0), (SAMPLE_MS, 9_800.0))
    again = EquityHistory()
    again.load(past.dump())
    assert again.dump() == past.dump()
    assert again.day_loss(2 * SAMPLE_MS, 9_700.0) == past.day_loss(2 * SAMPLE_MS, 9_700.0) == 0.03


# Exposure


def test_exposure_is_taken_at_the_mark_and_risk_from_there_to_the_stop() -> None:
    long, short = position(), position(Side.SHORT, pair=ETH)
    marks = {BTC: D("100.5"), ETH: D("100.5")}
    first, second = exposures([long, short], marks)
    assert (first.pair, first.side, first.notional) == (BTC, Side.LONG, 201.0)
    assert first.risk_at_stop == 3.0  # 2 x (100.5 - 99)
    assert second.risk_at_stop == 1.0  # 2 x (101 - 100.5)


def test_a_stop_that_has_been_passed_risks_nothing_more() -> None:
    (passed,) = exposures([position()], {BTC: D(98)})
    assert passed.risk_at_stop == 0.0


def test_without_a_mark_the_entry_price_stands_in() -> None:
    (held,) = exposures([position()], {})
    assert (held.notional, held.risk_at_stop) == (200.0, 2.0)


def test_the_account_state_is_plain_floats() -> None:
    past = history((0, 10_000.0))
    held = exposures([position()], {})
    state = account_state(Account(D("9600.5"), D("9500"), D("9000.25")), SAMPLE_MS, past, held)
    account = Account(D("9600.5"), D("9500"), D("9000.25"))
    assert state.equity == float(account.equity)
    assert state.balance == float(account.balance)
    assert state.available == float(account.available)
    assert state.day_loss == pytest.approx((10_000.0 - state.equity) / 10_000.0)
    assert state.exposures == held


# Fingerprint


def test_the_fingerprint_counts_what_it_hashes() -> None:
    entered = decide(inputs(), context())
    waiting = decide(inputs(), no_edge())
    counts = Fingerprint()
    counts.add_decisions([entered, waiting, outrank(entered, ETH, 1)])
    counts.add_trade(trade(5))
    assert (counts.decisions, counts.proposals, counts.entries, counts.trades) == (3, 3, 1, 1)
    assert counts.blocked == {"expectancy": 1, "execution": 1}
    assert len(counts.hexdigest()) == 64


def test_equal_runs_are_equal_however_they_are_cut() -> None:
    a, b = decide(inputs(), context()), decide(inputs(), no_edge())
    once, twice = Fingerprint(), Fingerprint()
    once.add_decisions([a, b])
    twice.add_decisions([a])
    twice.add_decisions([b])
    for counts in (once, twice):
        counts.add_trade(trade(5))
    assert once.hexdigest() == twice.hexdigest()
    assert once.hexdigest() == once.hexdigest()  # asking changes nothing


def test_every_action_counts() -> None:
    a, b = decide(inputs(), context()), decide(inputs(), no_edge())

    def of(*decisions: object) -> str:
        counts = Fingerprint()
        counts.add_decisions(decisions)  # type: ignore[arg-type]
        return counts.hexdigest()

    variants = [
        of(),
        of(a),
        of(b),
        of(a, b),
        of(b, a),
        of(a._replace(time=a.time + 1)),
        of(a._replace(pair=ETH)),
    ]
    assert len(set(variants)) == len(variants)


BASE = trade(5)


@pytest.mark.parametrize(
    "changed",
    [
        replace(BASE, pair=ETH),
        replace(BASE, side=Side.SHORT),
        replace(BASE, entry_time=BASE.entry_time + 1),
        replace(BASE, exit_time=BASE.exit_time + 1),
        replace(BASE, entry_price=D("100.01")),
        replace(BASE, exit_price=D("101.01")),
        replace(BASE, quantity=D("1.001")),
        replace(BASE, fees=D("0.11")),
        replace(BASE, funding=D("-0.01")),
        replace(BASE, pnl=D("5.01")),
        replace(BASE, exit_reason=ExitReason.TIME_LIMIT),
    ],
    ids=lambda value: "",
)
def test_every_figure_of_a_trade_counts(changed: ClosedTrade) -> None:
    ours, theirs = Fingerprint(), Fingerprint()
    ours.add_trade(BASE)
    theirs.add_trade(changed)
    assert ours.hexdigest() != theirs.hexdigest()


def test_the_way_a_decimal_is_written_does_not_count() -> None:
    ours, theirs = Fingerprint(), Fingerprint()
    ours.add_trade(BASE)
    theirs.add_trade(replace(BASE, entry_price=D("100.000"), id="other", confidence=0.1))
    assert ours.hexdigest() == theirs.hexdigest()
