"""Whether the candles of a run agree: two timeframes of one pair, and the spans of several."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.market.aggregate import aggregate
from engine.market.series import CandleDataError, CandleSeries, iso
from engine.model.market import DAY_MS, Pair

TOLERANCE = 1e-9  # relative, of prices
WORST_SHARE = 0.05  # of candles that disagree, above which two files are of different markets
FEWEST = 10  # candles that disagree before that is said


def agreeing(series: CandleSeries, detail: CandleSeries) -> tuple[CandleSeries, str]:
    """Return the detail inside candles it agrees with, and a note where it does not ("" = all).

    Prices are compared, volumes are not. Raises ``CandleDataError`` when too many disagree.
    """
    made = aggregate(detail, series.timeframe_ms)
    common, mine, theirs = np.intersect1d(series.time, made.time, return_indices=True)
    differs = np.zeros(len(common), dtype=np.bool_)
    for name in ("open", "high", "low", "close"):
        one, two = getattr(series, name)[mine], getattr(made, name)[theirs]
        differs |= ~np.isclose(one, two, rtol=TOLERANCE, atol=0.0)
    bad = common[differs]
    if not len(bad):
        return detail, ""
    pair, fine, coarse = series.pair.base, _name(detail), _name(series)
    where = f"{len(bad)} of {len(common)} candles, first {iso(int(bad[0]))[:16]} UTC"
    if len(bad) >= FEWEST and len(bad) > WORST_SHARE * len(common):
        raise CandleDataError(
            f"{pair}: the {fine} and {coarse} files disagree in {where}: they are not of one "
            "market; remove one of them"
        )
    inside = detail.time // series.timeframe_ms * series.timeframe_ms
    kept = detail.rows(np.flatnonzero(~np.isin(inside, bad)))
    return kept, f"{pair}: {fine} and {coarse} disagree in {where}; the {coarse} candles stand"


def different_spans(series: Mapping[Pair, CandleSeries]) -> list[str]:
    """Return a note for every pair that begins a day later, or ends a day earlier, than others."""
    if len(series) < 2:
        return []
    first = min(one.start for one in series.values())
    last = max(one.end for one in series.values())
    return [
        f"{pair.base} covers only {iso(one.start)[:16]} to {iso(one.end)[:16]} UTC"
        for pair, one in series.items()
        if one.start - first >= DAY_MS or last - one.end >= DAY_MS
    ]


def _name(series: CandleSeries) -> str:
    minutes = series.timeframe_ms // 60_000
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
