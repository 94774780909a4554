"""The probes find what they are for, and nothing where there is nothing."""

from __future__ import annotations

import pytest

from engine.backtest import runner, text
from engine.backtest.lookahead import check_lookahead
from engine.backtest.report import lookahead_json, warmup_json
from engine.backtest.warmup import TooShort, check_warmup
from engine.indicators.batch import RecordedPipeline
from engine.strategy import Strategy
from tests.backtest.conftest import START, UNIT, ground_over, market


def nobody(share: float) -> None:
    assert -1e-9 <= share <= 1.0 + 1e-9


def test_no_decision_looks_ahead(ground):
    report = check_lookahead(ground, Strategy(), nobody, cuts=3)
    assert report.disagreement is None
    assert len(report.cuts) == 3
    assert report.compared == sum(2 * (cut - START) // UNIT for cut in report.cuts)
    assert lookahead_json(report)["ok"] is True
    assert "no look-ahead" in "\n".join(text.lookahead_text(report))


class Cheating(RecordedPipeline):
    """Knows the close of the next candle, and lets it into the RSI."""

    def __init__(self, series):
        super().__init__(series)
        self._closes = series.close
        self._number = 0

    def update(self, candle):
        ind = super().update(candle)
        self._number += 1
        if ind is None or self._number % 50 or self._number >= len(self._closes):
            return ind
        better = 90.0 if self._closes[self._number] > candle.close else 10.0
        return ind._replace(rsi=better)


def test_looking_ahead_is_found_and_named(ground, monkeypatch):
    """Even a look at one candle in fifty: the cut must fall right behind it to see it."""
    monkeypatch.setattr(runner, "RecordedPipeline", Cheating)
    cut_after = [START + n * UNIT for n in (800, 1_000, 1_200)]
    monkeypatch.setattr(
        "engine.backtest.lookahead._instants", lambda candles, warmup, cuts: tuple(cut_after)
    )
    report = check_lookahead(ground, Strategy(), nobody)
    found = report.disagreement
    assert found is not None
    assert found.time == found.cut == cut_after[0]
    assert found.field == "indicators.rsi"
    assert found.whole in ("90.0", "10.0")
    assert found.truncated not in ("90.0", "10.0")
    shown = lookahead_json(report)
    assert shown["ok"] is False
    assert shown["disagreement"]["pair"] == found.pair
    assert "LOOK-AHEAD" in "\n".join(text.lookahead_text(report))


def test_an_interrupted_probe_claims_nothing(ground):
    def pressed(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    ahead = check_lookahead(ground, Strategy(), pressed, cuts=2)
    assert ahead.interrupted
    assert lookahead_json(ahead)["ok"] is False
    assert "no look-ahead" not in "\n".join(text.lookahead_text(ahead))
    late = check_warmup(ground, Strategy(), pressed)
    assert late.interrupted
    assert warmup_json(late)["ok"] is False
    assert "no proposal differs" not in "\n".join(text.warmup_text(late))


def test_the_warm_up_probe_says_what_differs_and_why(ground):
    report = check_warmup(ground, Strategy(), nobody)
    assert report.compared > 500
    drifts = {drift.name: drift for drift in report.drifts}
    assert drifts["obv"].decisions == report.compared, "OBV depends on its first candle for ever"
    assert "running sum" in drifts["obv"].why
    # (199/201)^500 = 0.7 % of the difference of the seeds is left after 500 candles.
    assert 0 < drifts["ema200"].worst < 0.01
    assert "fade" in drifts["ema200"].why
    assert "rsi" not in drifts or drifts["rsi"].worst < 1e-6
    assert len(report.changed) <= 0.01 * report.compared
    assert warmup_json(report)["ok"] is (not report.changed)
    shown = "\n".join(text.warmup_text(report))
    assert "obv" in shown
    assert f"{report.compared:,} decisions compared" in shown


class Remembering(RecordedPipeline):
    """Reads otherwise when the history began at the very first candle."""

    def __init__(self, series):
        super().__init__(series)
        self._whole = series.start == START

    def update(self, candle):
        ind = super().update(candle)
        return ind._replace(rsi=99.0, cci=300.0, mfi=99.0) if ind and self._whole else ind


def test_proposals_that_hang_on_the_beginning_are_counted(ground, monkeypatch):
    monkeypatch.setattr(runner, "RecordedPipeline", Remembering)
    report = check_warmup(ground, Strategy(), nobody)
    assert report.changed
    shown = "\n".join(text.warmup_text(report))
    assert f"{len(report.changed)} proposals differ" in shown
    assert warmup_json(report)["ok"] is False


def test_too_little_history_is_said():
    with pytest.raises(TooShort, match="505 candles are too few"):
        check_warmup(ground_over(market(505)), Strategy(), nobody)
