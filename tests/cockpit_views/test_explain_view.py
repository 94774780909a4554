"""The explain view: stepping, pairs, scrolling, following the newest, and thrift."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.model.decision import Decision
from engine.model.market import Pair
from sigma_tui.screens.explain import ExplainView
from tests.cockpit_views.sample import (
    BTC,
    ETH,
    PERIOD,
    START,
    Host,
    blocked,
    entry,
    history,
    snapshot,
    waiting,
    with_decisions,
)


def three(pair: Pair = BTC) -> list[Decision]:
    """Return three decisions of a pair, oldest first."""
    return [
        waiting(pair, START),
        blocked(pair, START + PERIOD),
        entry(pair, START + 2 * PERIOD),
    ]


def text_of(view: ExplainView) -> str:
    parts = (view.query_one(name, Static) for name in ("#explain-head", "#explain-body"))
    return "\n".join(str(part.content) for part in parts)


def scroll_of(view: ExplainView) -> VerticalScroll:
    return view.query_one("#explain-scroll", VerticalScroll)


async def test_it_opens_on_the_newest_decision() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(120, 40)) as pilot:
        view.show(snapshot({BTC: with_decisions(*three())}))
        await pilot.pause()
        text = text_of(view)
        assert "decision 3 of 3, newest" in text
        assert "ENTER LONG" in text
        for title in ("TRACE", "V1 SCORE", "V2 RULES", "PLAN", "SIZE"):
            assert title in text


async def test_arrows_step_through_earlier_decisions() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(120, 40)) as pilot:
        view.show(snapshot({BTC: with_decisions(*three())}))
        await pilot.press("left")
        assert view.decision == three()[1]
        assert "1 back" in text_of(view)
        assert "stopped at costs" in text_of(view)
        await pilot.press("left", "left")
        assert view.decision == three()[0]
        await pilot.press("right")
        assert view.decision == three()[1]
        await pilot.press("end")
        assert view.decision == three()[2]


async def test_an_earlier_decision_stays_while_new_ones_arrive() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(120, 40)) as pilot:
        view.show(snapshot({BTC: with_decisions(*three())}))
        await pilot.press("left")
        more = [*three(), waiting(BTC, START + 3 * PERIOD)]
        view.show(snapshot({BTC: with_decisions(*more)}, seq=2))
        assert view.decision == three()[1]
        await pilot.press("end")
        assert view.decision == more[-1]
        more.append(blocked(BTC, START + 4 * PERIOD))
        view.show(snapshot({BTC: with_decisions(*more)}, seq=3))
        assert view.decision == more[-1]


async def test_brackets_change_the_pair() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(100, 30)) as pilot:
        both = {BTC: with_decisions(*three()), ETH: with_decisions(*three(ETH))}
        view.show(snapshot(both))
        await pilot.press("left", "right_square_bracket")
        assert view.pair == ETH
        assert view.decision == three(ETH)[-1]
        await pilot.press("right_square_bracket")
        assert view.pair == BTC
        await pilot.press("left_square_bracket")
        assert view.pair == ETH
        view.select(BTC)
        assert view.decision == three()[-1]


async def test_it_scrolls_by_keys_and_keeps_its_place() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(80, 24)) as pilot:
        view.show(snapshot({BTC: with_decisions(*three())}))
        await pilot.press("down", "down")
        assert scroll_of(view).scroll_y == 2
        await pilot.press("pagedown")
        place = scroll_of(view).scroll_y
        assert place > 10
        view.show(snapshot({BTC: with_decisions(*three())}, seq=2))
        await pilot.pause()
        assert scroll_of(view).scroll_y == place
        await pilot.press("home")
        assert scroll_of(view).scroll_y == 0


async def test_narrow_is_one_column_and_wide_is_two() -> None:
    for width, two in ((80, False), (120, True), (200, True)):
        view = ExplainView()
        async with Host(view).run_test(size=(width, 40)) as pilot:
            view.show(snapshot({BTC: with_decisions(*three())}))
            await pilot.pause()
            line = next(line for line in text_of(view).splitlines() if "TRACE" in line)
            assert ("V1 SCORE" in line) is two
            assert scroll_of(view).max_scroll_x == 0


async def test_the_unchanged_emits_nothing() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(120, 40)) as pilot:
        view.show(snapshot({BTC: with_decisions(*three())}))
        await pilot.pause()
        updates: list[object] = []
        for part in view.query(Static):
            part.update = lambda *args, **options: updates.append(args)  # type: ignore[method-assign]
        for seq in range(2, 7):
            view.show(snapshot({BTC: with_decisions(*three())}, seq=seq))
        await pilot.pause()
        assert updates == []


async def test_every_input_on_demand() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(80, 24)) as pilot:
        view.show(snapshot({BTC: with_decisions(*three())}))
        await pilot.pause()
        assert "gk median" not in text_of(view)
        await pilot.press("i")
        assert "gk median" in " ".join(text_of(view).split())


async def test_no_decision_yet_is_said_calmly() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(80, 24)) as pilot:
        for key in ("left", "right", "end", "right_square_bracket", "i", "down", "pagedown"):
            await pilot.press(key)
        view.show(snapshot({}))
        view.show(snapshot({BTC: history(10)}))
        await pilot.pause()
        assert "no decision yet" in text_of(view)
        view.show(snapshot({BTC: with_decisions(waiting())}))
        await pilot.pause()
        assert "decision 1 of 1, newest" in text_of(view)


async def test_select_before_any_snapshot() -> None:
    view = ExplainView()
    async with Host(view).run_test(size=(80, 24)) as pilot:
        view.select(ETH)
        view.show(snapshot({BTC: with_decisions(*three()), ETH: with_decisions(*three(ETH))}))
        await pilot.pause()
        assert view.decision == three(ETH)[-1]
