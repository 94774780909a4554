from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.decision import SafetyCheck
from engine.model.orders import ApprovedOrder
from engine.model.signal import Side
from engine.risk.limits import RiskLimits
from engine.risk.safety import OrderRefused, approve, check_safety, liquidation_price
from engine.risk.sizing import size_position
from tests.risk.builders import BTC, DOGE, ETH, LIMITS, account, edge, instrument

NAN, INF = math.nan, math.inf


def arguments(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "pair": BTC,
        "side": Side.LONG,
        "quantity": Decimal("0.1"),
        "entry": 50_000.0,
        "stop": 49_500.0,
        "leverage": 10,
        "account": account(),
        "limits": LIMITS,
        "instrument": instrument(),
    }
    return base | changes


def check(**changes: Any) -> SafetyCheck:
    return check_safety(**arguments(**changes))


def test_a_sound_order_passes_all_five() -> None:
    result = check()
    assert result.passed
    assert result.failed_layer == 0
    assert result.reason == ""
    assert len(result.sentences) == 5


FAILURES: list[tuple[int, dict[str, Any], str]] = [
    (1, {"limits": RiskLimits(allowed_pairs=(ETH,))}, "not an allowed pair"),
    (1, {"instrument": instrument(ETH)}, "trading rules are those of"),
    (1, {"instrument": instrument(step_size=Decimal("NaN"))}, "incomplete"),
    (1, {"instrument": instrument(tick_size=Decimal(0))}, "incomplete"),
    (1, {"instrument": instrument(maintenance_margin_rate=Decimal("Infinity"))}, "incomplete"),
    (2, {"leverage": 21}, "outside 1x to 20x"),
    (2, {"leverage": 0}, "outside 1x"),
    (2, {"leverage": -3}, "outside 1x"),
    (2, {"leverage": NAN}, "outside 1x"),
    (2, {"instrument": instrument(max_leverage=5)}, "outside 1x to 5x"),
    (3, {"quantity": Decimal(0)}, "not a positive number"),
    (3, {"quantity": Decimal("-0.1")}, "not a positive number"),
    (3, {"quantity": Decimal("NaN")}, "not a positive number"),
    (3, {"quantity": Decimal("sNaN")}, "not a positive number"),
    (3, {"quantity": Decimal("Infinity")}, "not a positive number"),
    (3, {"quantity": Decimal("0.1005")}, "not on the step"),
    (3, {"quantity": Decimal("1e60")}, "above"),
    (3, {"instrument": instrument(min_quantity=Decimal(1))}, "below the minimum"),
    (3, {"instrument": instrument(min_notional=Decimal(9_999))}, "below 9999"),
    (3, {"entry": NAN}, "entry nan"),
    (3, {"entry": INF}, "entry inf"),
    (3, {"entry": -1.0}, "entry"),
    (3, {"stop": NAN}, "stop nan"),
    (3, {"stop": 0.0}, "stop"),
    (3, {"stop": 50_000.0}, "loss side"),
    (3, {"stop": 50_500.0}, "loss side"),
    (3, {"side": Side.SHORT}, "loss side"),
    (3, {"account": account(equity=NAN)}, "equity nan"),
    (3, {"account": account(equity=0.0)}, "equity"),
    (3, {"stop": 47_900.0}, "risk at the stop 2.10% is above 2.00%"),
    (3, {"quantity": Decimal("0.61"), "stop": 49_900.0}, "3.05 x equity"),
    (4, {"account": account(available=400.0)}, "available"),
    (4, {"account": account(balance=400.0)}, "available"),
    (4, {"account": account(available=500.0)}, "507.00"),  # 500 margin, 5 fees, 2 slippage
    (4, {"account": account(available=NAN)}, "not a finite number"),
    (4, {"account": account(balance=INF)}, "not a finite number"),
    (
        4,
        {"leverage": 20, "quantity": Decimal("0.02"), "stop": 47_000.0},
        "liquidation price 47738.7 comes before the stop",
    ),
    (
        4,
        {"leverage": 20, "quantity": Decimal("0.02"), "stop": 53_000.0, "side": Side.SHORT},
        "comes before the stop",
    ),
    (4, {"instrument": instrument(maintenance_margin_rate=Decimal("0.2"))}, "liquidation"),
    (5, {"account": account(day_loss=0.05)}, "has reached 5.00%"),
    (5, {"account": account(day_loss=0.2)}, "has reached"),
    (5, {"account": account(day_loss=NAN)}, "not a finite number"),
    (5, {"account": account(day_loss=-INF)}, "not a finite number"),
]


@pytest.mark.parametrize(("layer", "changes", "words"), FAILURES)
def test_each_layer_fails_alone(layer: int, changes: dict[str, Any], words: str) -> None:
    result = check(**changes)
    assert not result.passed
    assert result.failed_layer == layer
    assert words in result.reason
    assert len(result.sentences) == layer  # the ones before it passed, the ones after not reached
    assert result.sentences[-1] == result.reason


def test_the_first_failure_wins() -> None:
    bad = {"pair": DOGE, "leverage": 50, "quantity": Decimal(-1)}
    assert check(**bad, limits=RiskLimits(allowed_pairs=(BTC,))).failed_layer == 1
    assert check(leverage=50, quantity=Decimal(-1)).failed_layer == 2


def test_a_short_is_checked_like_a_long() -> None:
    assert check(side=Side.SHORT, stop=50_500.0).passed


def test_liquidation_price_by_hand() -> None:
    # Margin + PnL = maintenance margin at the price returned.
    for side in Side:
        for leverage in (1, 5, 20):
            price = liquidation_price(side, 100.0, leverage, 0.005)
            equity = 100.0 / leverage + (price - 100.0) * side.sign
            assert equity == pytest.approx(0.005 * price)


def approve_with(**changes: Any) -> ApprovedOrder:
    base = arguments(
        entry=Decimal(50_000),
        stop=Decimal(49_500),
        target=Decimal("51000.0"),
        client_order_id="sigma-1",
    )
    return approve(**(base | changes))


def test_approval_returns_the_sealed_order() -> None:
    order = approve_with()
    assert (order.client_order_id, order.pair, order.side) == ("sigma-1", BTC, Side.LONG)
    assert (order.quantity, order.reference_price) == (Decimal("0.1"), Decimal(50_000))
    assert (order.stop_price, order.target_price) == (Decimal(49_500), Decimal(51_000))
    assert order.leverage == 10


@pytest.mark.parametrize(
    ("layer", "changes", "words"),
    [
        (2, {"leverage": 30}, "leverage"),
        (3, {"quantity": Decimal("NaN")}, "quantity"),
        (3, {"entry": Decimal("NaN")}, "entry"),
        (3, {"stop": Decimal("sNaN")}, "stop"),
        (3, {"target": Decimal(50_000)}, "profit side"),
        (3, {"target": Decimal("NaN")}, "profit side"),
        (3, {"side": Side.SHORT, "stop": Decimal(50_500)}, "profit side"),
        (3, {"side": Side.SHORT, "stop": Decimal(50_500), "target": Decimal(-1)}, "profit side"),
        (3, {"stop": Decimal("49500.05")}, "tick"),
        (3, {"target": Decimal("51000.01")}, "tick"),
        (3, {"client_order_id": ""}, "client order id"),
        (5, {"account": account(day_loss=0.06)}, "24 h loss"),
    ],
)
def test_approval_refuses(layer: int, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OrderRefused, match=words) as refused:
        approve_with(**changes)
    assert refused.value.layer == layer
    assert words in refused.value.reason


@pytest.mark.parametrize("layer", [1, 2, 3, 4, 5])
def test_approval_runs_every_layer_again(layer: int) -> None:
    for failing, changes, _ in FAILURES:
        if failing != layer:
            continue
        prices = {
            name: Decimal(str(changes[name])) for name in ("entry", "stop") if name in changes
        }
        with pytest.raises(OrderRefused) as refused:
            approve_with(**(changes | prices))
        assert refused.value.layer == layer


@settings(max_examples=100, deadline=None)
@given(
    st.floats(100, 1e6),
    st.floats(1, 1e5),
    st.floats(0.02, 0.04),
    st.sampled_from(list(Side)),
)
def test_what_sizing_allows_passes_the_size_layer(
    equity: float, entry: float, share: float, side: Side
) -> None:
    stop = entry * (1 - side.sign * share)
    rules = instrument(step_size=Decimal("0.000001"), min_quantity=Decimal("0.000001"))
    sizing = size_position(
        edge=edge(kelly=0.5),
        equity=equity,
        entry=entry,
        stop=stop,
        instrument=rules,
        regime_multiplier=1.3,
        gk=0.2,
        breaker_factor=1.0,
        limits=LIMITS,
    )
    result = check(
        side=side,
        quantity=sizing.quantity,
        entry=entry,
        stop=stop,
        instrument=rules,
        account=account(equity=equity, balance=equity, available=equity),
    )
    assert result.passed or not sizing.quantity
