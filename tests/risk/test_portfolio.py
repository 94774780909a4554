from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.account import Exposure
from engine.model.decision import LimitCheck, PortfolioCheck, Verdict
from engine.model.signal import Side
from engine.risk.portfolio import (
    CorrelationModel,
    check_portfolio,
    heat,
    one_sided,
    rebalance_needed,
)
from tests.risk.builders import (
    ADA,
    BNB,
    BTC,
    DOGE,
    ETH,
    INSTRUMENTS,
    LIMITS,
    SOL,
    XRP,
    account,
    exposure,
    instrument,
)

MODEL = CorrelationModel(LIMITS.allowed_pairs)
UNSIDED = replace(LIMITS, entry_one_sided=10.0)  # so that each other limit can act alone


def check(**changes: Any) -> PortfolioCheck:
    arguments: dict[str, Any] = {
        "pair": BTC,
        "side": Side.LONG,
        "quantity": Decimal("0.1"),
        "entry": 50_000.0,
        "stop": 49_500.0,
        "account": account(),
        "correlation": MODEL,
        "limits": UNSIDED,
        "instruments": INSTRUMENTS,
        "leverage": 10,
    }
    return check_portfolio(**(arguments | changes))


def named(result: PortfolioCheck, name: str) -> LimitCheck:
    return next(item for item in result.checks if item.name == name)


def test_a_small_trade_passes_and_every_limit_is_listed() -> None:
    result = check()
    assert result.verdict is Verdict.PASS
    assert result.quantity == Decimal("0.1")
    assert [item.name for item in result.checks] == [
        "open positions",
        "one asset",
        "correlated group",
        "sector",
        "net exposure",
        "position notional",
        "correlation-adjusted heat",
    ]
    assert named(result, "one asset") == LimitCheck("one asset", 0.0, pytest.approx(0.05), 0.40)
    assert result.heat == pytest.approx(0.005)
    assert result.adjusted_heat == pytest.approx(0.005)


def test_an_entry_does_not_make_the_book_one_sided() -> None:
    longs = account(exposure(XRP, 44_000))  # 44 % of equity in margin at 10x
    result = check(account=longs, limits=LIMITS)
    assert result.verdict is Verdict.PASS
    assert named(result, "net exposure") == LimitCheck(
        "net exposure", pytest.approx(0.44), pytest.approx(0.49), LIMITS.entry_one_sided
    )
    more = check(account=longs, quantity=Decimal("0.2"), limits=LIMITS)
    assert more.verdict is Verdict.REDUCE
    assert named(more, "net exposure").after <= LIMITS.entry_one_sided <= LIMITS.one_sided
    hedge = check(account=longs, side=Side.SHORT, stop=51_000.0, quantity=Decimal("0.2"))
    assert hedge.verdict is Verdict.PASS


def test_open_positions_block() -> None:
    full = account(exposure(SOL, 100), exposure(XRP, 100), exposure(DOGE, 100))
    result = check(account=full)
    assert result.verdict is Verdict.BLOCK
    assert result.quantity == 0
    assert result.reason == "open positions: 3 of 3 are open"


def test_notional_reduces_to_three_times_equity() -> None:
    result = check(quantity=Decimal(1), stop=49_950.0)
    assert result.verdict is Verdict.REDUCE
    assert result.quantity == Decimal("0.6")
    assert result.reason == "one asset, position notional: reduced to 60% of the size"


def test_asset_limit_reduces() -> None:
    result = check(quantity=Decimal("0.3"), leverage=2)  # 15,000 / 2 = 75 % of equity
    assert result.verdict is Verdict.REDUCE
    assert result.quantity == Decimal("0.16")
    assert named(result, "one asset").after == pytest.approx(0.40)


def test_correlated_group_reduces() -> None:
    held = account(exposure(ETH, 25_000), exposure(SOL, 30_000))
    result = check(
        account=held,
        quantity=Decimal("0.6"),
        stop=49_900.0,
        limits=replace(UNSIDED, max_sector_exposure=1),
    )
    assert named(result, "correlated group").used == pytest.approx(0.25)  # SOL is at 0.50
    assert result.verdict is Verdict.PASS
    held = account(exposure(ETH, 25_000), exposure(BNB, 15_000))
    result = check(
        account=held,
        quantity=Decimal("0.6"),
        stop=49_900.0,
        limits=replace(UNSIDED, max_sector_exposure=1),
    )
    assert named(result, "correlated group").used == pytest.approx(0.40)
    assert result.verdict is Verdict.REDUCE
    assert Decimal("0.399") <= result.quantity <= Decimal("0.4")  # strictly within, in floats


def test_exactly_at_the_correlation_limit_belongs_to_the_group() -> None:
    result = check(pair=XRP, account=account(exposure(LTC_PAIR, 10_000)))
    assert named(result, "correlated group").used == pytest.approx(0.10)


LTC_PAIR = LIMITS.allowed_pairs[7]


def test_sector_reduces() -> None:
    result = check(account=account(exposure(ETH, 40_000)), quantity=Decimal("0.3"))
    assert result.verdict is Verdict.REDUCE
    assert result.reason.startswith("sector")
    assert Decimal("0.199") <= result.quantity <= Decimal("0.2")


def test_a_rounding_at_the_limit_costs_one_step_not_the_trade() -> None:
    # 8.7 % + 1.475 x 28 % of equity at 10x is 50 % on paper and a hair above it in floats.
    result = check(
        account=account(exposure(ETH, 8_700)),
        entry=28_000.0,
        stop=27_900.0,
        quantity=Decimal(2),
        limits=replace(UNSIDED, max_notional_multiple=10, max_asset_exposure=1),
    )
    assert result.verdict is Verdict.REDUCE
    assert result.quantity == Decimal("1.474")
    assert named(result, "sector").after <= 0.50


def test_heat_is_solved_exactly() -> None:
    held = account(exposure(ETH, 1_000, 300.0), exposure(SOL, 1_000, 200.0))
    result = check(account=held, quantity=Decimal("0.5"), stop=49_200.0)  # 400 more at risk
    c = {"be": 0.85, "bs": 0.50, "es": 0.50}
    used = math.sqrt(0.03**2 + 0.02**2 + 2 * c["es"] * 0.03 * 0.02)
    cross = c["be"] * 0.03 + c["bs"] * 0.02
    x = -cross + math.sqrt(cross**2 - used**2 + 0.06**2)
    item = named(result, "correlation-adjusted heat")
    assert item.used == pytest.approx(used)
    assert result.verdict is Verdict.REDUCE
    assert float(result.quantity) == pytest.approx(x * 10_000 / 800, abs=0.001)
    assert float(result.quantity) <= x * 10_000 / 800
    assert result.heat == pytest.approx(0.05 + float(result.quantity) * 0.08)


def test_a_hedge_lowers_the_heat() -> None:
    held = account(exposure(ETH, 1_000, 550.0))
    long = check(account=held, quantity=Decimal("0.4"))
    short = check(account=held, quantity=Decimal("0.4"), side=Side.SHORT, stop=50_500.0)
    assert long.verdict is Verdict.REDUCE
    assert short.verdict is Verdict.PASS
    assert short.adjusted_heat < 0.055


def test_a_hedge_too_small_for_an_excessive_heat_is_blocked() -> None:
    held = account(exposure(ETH, 1_000, 900.0))
    tiny = check(account=held, quantity=Decimal("0.01"), side=Side.SHORT, stop=50_500.0)
    assert tiny.verdict is Verdict.BLOCK
    assert tiny.reason == "correlation-adjusted heat: no size fits"


def test_nothing_left_blocks_with_the_limit_named() -> None:
    result = check(account=account(exposure(ETH, 49_990)))
    assert result.verdict is Verdict.BLOCK
    assert result.quantity == 0
    assert result.reason.startswith("sector: no room")
    over = check(account=account(exposure(ETH, 90_000)))
    assert over.verdict is Verdict.BLOCK
    assert "-" not in over.reason


def test_a_rest_below_the_minimum_notional_blocks() -> None:
    rules = INSTRUMENTS | {BTC: instrument(min_notional=Decimal(6_000))}
    result = check(
        account=account(exposure(ETH, 45_000)), quantity=Decimal("0.2"), instruments=rules
    )
    assert result.verdict is Verdict.BLOCK
    assert "minimum of 6000" in result.reason


def test_a_stop_that_locks_profit_in_risks_nothing() -> None:
    assert heat(account(exposure(ETH, 1_000, -50.0), exposure(SOL, 1_000, 30.0))) == 0.003


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["entry", "stop", "equity", "notional", "risk"])
def test_a_figure_that_is_no_number_blocks(name: str, bad: float) -> None:
    changes: dict[str, Any] = {name: bad} if name in ("entry", "stop") else {}
    if name == "equity":
        changes["account"] = account(equity=bad)
    if name == "notional":
        changes["account"] = account(exposure(ETH, bad))
    if name == "risk":
        changes["account"] = account(exposure(ETH, 1.0, bad))
    assert check(**changes).verdict is Verdict.BLOCK
    assert check(quantity=Decimal(str(bad))).verdict is Verdict.BLOCK


def test_a_pair_without_trading_rules_blocks() -> None:
    assert check(instruments={}).verdict is Verdict.BLOCK
    assert check(account=account(equity=0.0)).verdict is Verdict.BLOCK


def test_one_sided() -> None:
    longs = account(exposure(ETH, 30_000), exposure(SOL, 30_000), exposure(ADA, 5_000))
    hedged = account(exposure(ETH, 30_000), exposure(SOL, 30_000, side=Side.SHORT))
    shorts = account(exposure(ETH, 60_000, side=Side.SHORT))
    assert one_sided(longs, LIMITS) == pytest.approx(0.65)
    assert rebalance_needed(longs, LIMITS)
    assert one_sided(hedged, LIMITS) == 0.0
    assert not rebalance_needed(hedged, LIMITS)
    assert one_sided(shorts, LIMITS) == pytest.approx(-0.6)
    assert rebalance_needed(shorts, LIMITS)


def test_without_equity_nothing_divides_by_zero() -> None:
    broke = account(exposure(ETH, 30_000, 100.0), equity=0.0)
    assert heat(broke) == math.inf
    assert heat(account(equity=0.0)) == 0.0
    assert not rebalance_needed(broke, LIMITS)


SIDES = st.sampled_from(list(Side))
EXPOSURES = st.lists(
    st.builds(
        Exposure,
        pair=st.sampled_from(LIMITS.allowed_pairs),
        side=SIDES,
        notional=st.floats(0, 60_000),
        risk_at_stop=st.floats(-200, 700),
    ),
    max_size=3,
    unique_by=lambda item: item.pair,
)


@settings(max_examples=300, deadline=None)
@given(
    EXPOSURES,
    st.sampled_from(LIMITS.allowed_pairs),
    SIDES,
    st.floats(0.5, 90_000),
    st.floats(0.001, 0.1),
    st.floats(0.001, 0.03),
    st.integers(1, 20),
)
def test_what_is_granted_never_exceeds_a_limit(
    held: list[Exposure],
    pair: Any,
    side: Side,
    entry: float,
    share: float,
    risk: float,
    leverage: int,
) -> None:
    asked = INSTRUMENTS[pair].round_quantity(Decimal(repr(10_000 * risk / (entry * share))))
    result = check(
        pair=pair,
        side=side,
        quantity=asked,
        entry=entry,
        stop=entry * (1 - side.sign * share),
        account=account(*held),
        leverage=leverage,
    )
    assert 0 <= result.quantity <= asked
    assert result.quantity == INSTRUMENTS[pair].round_quantity(result.quantity)
    if result.verdict is Verdict.BLOCK:
        assert result.quantity == 0
        assert result.reason
        return
    assert all(item.after <= item.limit for item in result.checks)
    assert float(result.quantity) * entry >= 5
    if result.verdict is Verdict.PASS:
        assert result.quantity == asked
    else:  # one step more would break a limit: the reduction is no larger than needed
        more = check(
            pair=pair,
            side=side,
            quantity=result.quantity + 2 * INSTRUMENTS[pair].step_size,
            entry=entry,
            stop=entry * (1 - side.sign * share),
            account=account(*held),
            leverage=leverage,
        )
        assert more.quantity <= result.quantity + INSTRUMENTS[pair].step_size
