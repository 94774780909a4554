"""The report: JSON, words, files and the page."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as xml
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest import svg, text
from engine.backtest.compare import compare
from engine.backtest.files import FILES, ReportError, write_files
from engine.backtest.folds import walk_of
from engine.backtest.null_model import judge
from engine.backtest.page import page
from engine.backtest.report import study_json
from engine.backtest.study import Study
from sigma_tui.cli.plots import equity_plots
from tests.backtest.conftest import DAY, HOUR, START, result_of, trade

HOSTILE = "</pre><script>alert(1)</script>&\"'"


def some(count: int = 30, scale: float = 10.0):
    return [
        trade(n, scale * (1.5 if n % 3 == 0 else -0.8), at=START + n * 7 * HOUR)
        for n in range(count)
    ]


@pytest.fixture
def study() -> Study:
    result = result_of(some(), equity=tuple((START + n * HOUR, 10_000.0 + n) for n in range(200)))
    other = result_of(some(scale=12.0))
    return Study(
        result,
        HOSTILE,
        "recorded rates",
        walk_of([result_of(some(5), days=2), result_of([], days=2), None]),
        compare("one", result, HOSTILE, other),
        judge(result, [result_of(some(scale=s)) for s in (5.0, 8.0, 11.0)]),
        ("ETH covers only a day",),
        ("1 of 3 folds",),
    )


def test_json_holds_every_part_and_no_nan(study):
    found = orjson.loads(orjson.dumps(study_json(study)))
    assert found["interrupted"] is True
    assert found["unfinished"] == ["1 of 3 folds"]
    assert found["notes"] == ["ETH covers only a day"]
    assert found["edge"]["shown"] is False
    assert found["folds"]["planned"] == 3
    assert len(found["folds"]["folds"]) == 2
    assert found["compare"]["difference"]["value"] == pytest.approx(
        found["compare"]["metrics"]["net_pnl"] - found["metrics"]["net_pnl"]
    )
    assert found["null"]["seeds"] == 3
    for groups in found["breakdown"].values():
        assert sum(group["trades"] for group in groups) == len(found["trades"])
        assert sum(g["pnl"] for g in groups) == pytest.approx(found["metrics"]["net_pnl"])
    interval = found["intervals"]["net_pnl"]
    assert interval["low"] < interval["value"] < interval["high"]
    bare = study_json(Study(result_of([])))
    assert not {"folds", "compare", "null", "unfinished"} & bare.keys()
    assert bare["intervals"]["expectancy"] is None


def test_words_name_every_part(study):
    shown = "\n".join(text.as_text(study))
    for words in (
        "INTERRUPTED", "not finished: 1 of 3 folds", "data: ETH covers only a day", "It lost",
        "exit reason", "regime", "hour", "month", "pair", "only 2 of 3 folds ran",
        "1 of 2 folds made money" if study.walk.winning else "0 of 2 folds made money",
        "no difference is shown", "random entries, 3 seeds", "fewer than 19 seeds cannot show one",
        "95 % interval",
    ):  # fmt: skip
        assert words in shown


def test_a_difference_by_day_cancels_the_market():
    """Two runs that swing together by the same days differ surely; alone neither is sure."""
    base = [trade(n, 100 if n % 2 else -100, at=START + n * DAY + HOUR) for n in range(40)]
    better = [replace(t, pnl=t.pnl + Decimal(2)) for t in base]
    found = compare("a", result_of(base, days=40), "b", result_of(better, days=40))
    assert found.difference.verdict == 1
    assert "b is better" in text.difference_sentence(found)
    assert (found.better_days, found.worse_days) == (40, 0)
    assert Study(result_of(better, days=40)).intervals["net_pnl"].verdict == 0
    back = compare("b", result_of(better, days=40), "a", result_of(base, days=40))
    assert "a is worse" in text.difference_sentence(back)


class Page(HTMLParser):
    """Collects what a browser would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [v for k, v in attributes if k in ("src", "href", "xlink:href", "data")]
        self.loads += [k for k, _ in attributes if k.startswith("on")]


def test_the_page_stands_alone_and_takes_text_as_text(study):
    made = page(study)
    found = Page()
    found.feed(made)
    assert "script" not in found.tags
    assert found.loads == []
    assert "http" not in made.replace("http-equiv", "")
    assert "url(" not in made
    assert "@import" not in made
    assert found.tags.count("svg") >= 6
    assert "&lt;script&gt;" in made
    assert study.edge in made or study.edge.replace("'", "&#x27;") in made
    for part in made.split("<svg")[1:]:
        xml.fromstring("<svg" + part.partition("</svg>")[0] + "</svg>")


def test_the_page_of_nothing_is_still_a_page():
    made = page(Study(result_of([])))
    assert "nothing to draw" in made
    assert "no trade" in made


VALUES = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(VALUES, max_size=50), st.sampled_from(["line", "fall"]))
@settings(max_examples=60, deadline=None)
def test_plots_are_sound_xml_inside_their_frame(values, kind):
    points = [(START + n * HOUR, value) for n, value in enumerate(values)]
    for made in (
        svg.line(points, "a < b & c", str, kind),
        svg.bars([str(n) for n in range(len(values))], values, "bars", str),
        svg.histogram(values, "values", values[0] if values else None),
    ):
        frame = xml.fromstring(made)
        assert "nan" not in made
        assert "inf" not in made
        for node in frame.iter():
            for name in ("x", "x1", "x2"):
                if name in node.attrib:
                    assert -1 <= float(node.attrib[name]) <= svg.WIDTH + 1
            for name in ("y", "y1", "y2"):
                if name in node.attrib:
                    assert -1 <= float(node.attrib[name]) <= svg.HEIGHT + 1


@given(st.lists(VALUES, min_size=1, max_size=5_000))
@settings(max_examples=20, deadline=None)
def test_thinning_keeps_ends_and_extremes(values):
    points = list(enumerate(values))
    kept = svg.thin(points)
    assert len(kept) <= 2 * svg.MOST_POINTS
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert max(v for _, v in kept) == max(values)
    assert min(v for _, v in kept) == min(values)
    assert kept == sorted(kept)


def test_falls_are_below_the_highest_so_far():
    points = [(0, 100.0), (1, 80.0), (2, 120.0), (3, 90.0)]
    assert [round(fall, 3) for _, fall in svg.falls(points)] == [0, -0.2, 0, -0.25]


def test_files_are_whole_and_agree(study, tmp_path):
    paths = write_files(tmp_path, study)
    assert tuple(path.name for path in paths) == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    kept = orjson.loads((tmp_path / "result.json").read_bytes())
    with (tmp_path / "breakdown.csv").open() as file:
        rows = list(csv.DictReader(file))
    total = sum(Decimal(row["pnl"]) for row in rows if row["trait"] == "pair")
    assert float(total) == pytest.approx(kept["metrics"]["net_pnl"])
    with (tmp_path / "equity.csv").open() as file:
        falls = [float(row["drawdown"]) for row in csv.DictReader(file)]
    assert max(falls) == pytest.approx(kept["metrics"]["max_drawdown"], abs=1e-6)
    with (tmp_path / "equity_hourly.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 200


def test_a_write_that_fails_leaves_the_old_report(study, tmp_path, monkeypatch):
    write_files(tmp_path, study)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ReportError, match="No space left"):
        write_files(tmp_path, Study(result_of([])))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_terminal_plots_fit(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    points = [(START + n * HOUR, 10_000.0 + n % 7) for n in range(100)]
    shown = equity_plots(points, svg.falls(points))
    assert len(shown) > 20
    assert all(len(line) <= 70 for line in shown)
    assert "2023-11-15" in "\n".join(shown)
    assert equity_plots(points[:1], points[:1]) == []
