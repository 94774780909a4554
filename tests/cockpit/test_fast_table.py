"""The table keeps its place and touches only what changed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text
from textual.app import App, ComposeResult
from textual.geometry import Region

from sigma_tui.columns import Col, fit
from sigma_tui.widgets.fast_table import FastTable

COLS = (Col("a", "a", 8), Col("b", "b", 8, rank=1, right=True), Col("c", "c", 10, flex=True))


class Host(App[None]):
    def __init__(self, follow: bool = False) -> None:
        super().__init__()
        self.table = FastTable(COLS, follow=follow, empty="nothing [here]")

    def compose(self) -> ComposeResult:
        yield self.table


def rows(keys: list[int], tick: int = 0) -> list[tuple[str, list[Text]]]:
    return [(str(k), [Text(f"row{k}"), Text(str(k + tick)), Text("x" * (k % 5))]) for k in keys]


async def test_cursor_scroll_and_focus_stay_over_1000_updates() -> None:
    source = random.Random(4)
    app = Host()
    async with app.run_test(size=(60, 15)) as pilot:
        keys = list(range(40))
        app.table.set_rows(rows(keys))
        await pilot.pause()
        app.table.focus()
        app.table.point_at("20")
        await pilot.pause()
        fresh = 1_000
        for tick in range(1_000):
            match tick % 4:
                case 0:
                    keys.insert(source.randrange(len(keys) + 1), fresh)
                    fresh += 1
                case 1:
                    keys.remove(source.choice([k for k in keys if k != 20]))
                case 2:
                    source.shuffle(keys)
            app.table.set_rows(rows(keys, tick // 10))
            assert app.table.cursor_key == "20"
            if tick % 100 == 0:
                await pilot.pause()
                at = app.table.cursor_row - app.table.scroll_y
                assert 0 <= at < app.table.size.height - 1
        assert app.table.has_focus
        assert [app.table.get_row_at(i)[0].plain.strip() for i in range(len(keys))] == [
            f"row{k}" for k in keys
        ]


async def test_cursor_goes_to_a_neighbour_only_when_its_row_is_gone() -> None:
    app = Host()
    async with app.run_test(size=(60, 15)) as pilot:
        app.table.set_rows(rows([1, 2, 3, 4]))
        app.table.point_at("3")
        app.table.set_rows(rows([1, 2, 4]))
        await pilot.pause()
        assert app.table.cursor_key == "4"
        app.table.set_rows(rows([]))
        await pilot.pause()
        assert app.table.cursor_key is None
        app.table.set_rows(rows([7]))
        await pilot.pause()
        assert app.table.cursor_key == "7"


async def test_the_screen_row_of_the_cursor_stays_while_rows_arrive_above() -> None:
    app = Host()
    async with app.run_test(size=(60, 15)) as pilot:
        app.table.set_rows(rows(list(range(60))))
        app.table.focus()
        app.table.point_at("40")
        await pilot.pause()
        before = app.table.cursor_row - app.table.scroll_y
        for new in range(100, 110):
            app.table.set_rows(rows([*range(new, 99, -1), *range(60)]))
            await pilot.pause()
            assert app.table.cursor_row - app.table.scroll_y == before


@pytest.mark.parametrize(("follow", "key"), [(True, "9"), (False, "1")])
async def test_following_stays_on_the_newest(follow: bool, key: str) -> None:
    app = Host(follow)
    async with app.run_test(size=(60, 15)) as pilot:
        app.table.set_rows(rows([1, 2]))
        await pilot.pause()
        app.table.set_rows(rows([9, 1, 2]))
        await pilot.pause()
        assert app.table.cursor_key == key


async def test_only_the_changed_cell_is_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Host()
    async with app.run_test(size=(60, 15)) as pilot:
        app.table.set_rows(rows([1, 2, 3]))
        await pilot.pause()
        seen: list[tuple[Region, ...]] = []
        monkeypatch.setattr(app.table, "refresh", lambda *regions, **_: seen.append(regions))
        app.table.set_rows(rows([1, 2, 3]))
        assert seen == []
        changed = rows([1, 2, 3])
        changed[1][1][1] = Text("99")
        app.table.set_rows(changed)
        assert len(seen) == 1
        (region,) = seen[0]
        assert region.height == 1
        assert region.width <= 10


async def test_brackets_are_text_and_an_empty_table_says_so() -> None:
    app = Host()
    async with app.run_test(size=(60, 15)) as pilot:
        await pilot.pause()
        assert "nothing [here]" in app.table.render_line(1).text
        app.table.set_rows([("k", [Text("[b]E[R]"), Text("[/x]"), Text("y")])])
        await pilot.pause()
        assert (
            "[b]E[…" in app.table.render_line(1).text or "[b]E[R" in app.table.render_line(1).text
        )


columns = st.lists(
    st.builds(
        Col, st.uuids().map(str), st.just("x"), st.integers(1, 20), st.integers(0, 5),
        st.booleans(), st.booleans(),
    ),
    min_size=1, max_size=9,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(columns, st.integers(1, 200))
def test_columns_fit_or_only_the_indispensable_remain(cols: list[Col], width: int) -> None:
    fitted = fit(cols, width)
    used = sum(part.full for part in fitted)
    kept = [part.place for part in fitted]
    assert kept == sorted(kept)
    if used > width:
        assert len(kept) == 1 or all(cols[i].rank == 0 for i in kept)
    for i, col in enumerate(cols):
        if i not in kept:
            assert all(cols[k].rank <= col.rank for k in kept)
