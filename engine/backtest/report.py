"""The report of a backtest as JSON values.

The keys are a contract with scripts: adding is free, renaming is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from engine.backtest.breakdown import Group, breakdowns
from engine.backtest.compare import Comparison
from engine.backtest.folds import Walk
from engine.backtest.intervals import Interval
from engine.backtest.lookahead import LookaheadReport
from engine.backtest.null_model import NullFindings
from engine.backtest.runner import BacktestResult
from engine.backtest.study import Study
from engine.backtest.warmup import WarmupReport
from engine.model.orders import ClosedTrade
from engine.risk.expectancy import window_stats
from engine.trace import iso

TRADE_COLUMNS = (
    "pair",
    "side",
    "entry_time",
    "exit_time",
    "entry_price",
    "exit_price",
    "quantity",
    "fees",
    "funding",
    "pnl",
    "r_multiple",
    "exit_reason",
    "regime",
    "confidence",
)


def trade_row(trade: ClosedTrade) -> dict[str, Any]:
    """Return a trade as JSON values: money and quantities as numbers, times ISO 8601."""
    row: dict[str, Any] = {}
    for name in TRADE_COLUMNS:
        value = getattr(trade, name)
        if name.endswith("_time"):
            value = iso(value)
        elif isinstance(value, Decimal):
            value = float(value)
        row[name] = str(value) if isinstance(value, str) else value
    return row


def as_json(result: BacktestResult, funding: str = "") -> dict[str, Any]:
    """Return a result alone as JSON values (see ``study_json``)."""
    return study_json(Study(result, funding=funding))


def study_json(study: Study) -> dict[str, Any]:
    """Return a study as JSON values; undefined figures are None.

    ``folds``, ``compare`` and ``null`` are there only where they were asked for.
    """
    result, elapsed = study.result, study.result.elapsed_s
    shadow = window_stats(result.shadow_trades, "shadow")
    found: dict[str, Any] = {
        "pairs": [str(pair) for pair in result.pairs],
        "timeframe": timeframe_name(result.candle_ms),
        "from": iso(result.start),
        "to": iso(result.end),
        "strategy": study.strategy,
        "candles": result.candles,
        "decisions": result.decisions,
        "proposals": result.proposals,
        "entries": result.entries,
        "starting_balance": float(result.starting_balance),
        "trades": [trade_row(trade) for trade in result.trades],
        "metrics": study.figures.as_dict(),
        "intervals": {name: _interval(value) for name, value in study.intervals.items()},
        "equity_drawdown": study.deepest_fall(),
        "edge": {"shown": study.edge_shown, "sentence": study.edge},
        "breakdown": {
            trait: [_group(group) for group in groups]
            for trait, groups in breakdowns(result.trades).items()
        },
        "blocked": result.blocked,
        "exits": dict(exits_by_reason(result.trades)),
        "shadow": {
            "trades": shadow.trades,
            "win_rate": shadow.win_rate,
            "expectancy_r": shadow.expectancy_r,
        },
        "funding_source": study.funding,
        "notes": list(study.notes),
        "elapsed_s": elapsed,
        "candles_per_s": result.candles / elapsed if elapsed > 0 else None,
        "fingerprint": result.fingerprint,
        "interrupted": study.interrupted,
    }
    if study.unfinished:
        found["unfinished"] = list(study.unfinished)
    if study.walk is not None:
        found["folds"] = _walk(study.walk)
    if study.comparison is not None:
        found["compare"] = _comparison(study.comparison)
    if study.null is not None:
        found["null"] = _null(study.null)
    return found


def exits_by_reason(trades: Sequence[ClosedTrade]) -> list[tuple[str, int]]:
    """Return how many trades ended for which reason, the most frequent first."""
    return Counter(str(trade.exit_reason) for trade in trades).most_common()


def timeframe_name(ms: int) -> str:
    """Return a timeframe's length (ms) as it is written, e.g. ``5m``."""
    minutes = ms // 60_000
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _interval(value: Interval | None) -> dict[str, float | None] | None:
    return None if value is None else dict(value._asdict())


def _group(group: Group) -> dict[str, Any]:
    return group._asdict() | {"pnl": float(group.pnl), "fees": float(group.fees)}


def _walk(walk: Walk) -> dict[str, Any]:
    return {
        "folds": [
            {
                "from": iso(fold.start),
                "to": iso(fold.end),
                "metrics": fold.figures.as_dict(),
                "expectancy_r": fold.r,
                "shadow_trades": fold.shadow_trades,
                "fingerprint": fold.fingerprint,
            }
            for fold in walk.folds
        ],
        "planned": walk.planned,
        "winning": walk.winning,
        "losing": walk.losing,
        "mean_return": walk.mean_return,
        "spread": walk.spread,
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "strategy": found.other,
        "metrics": found.other_figures.as_dict(),
        "difference": _interval(found.difference),
        "days": found.days,
        "better_days": found.better_days,
        "worse_days": found.worse_days,
        "fingerprint": found.other_fingerprint,
    }


def _null(found: NullFindings) -> dict[str, Any]:
    return {
        "seeds": found.seeds,
        "trades": found.trades,
        "strategy_trades": found.strategy_trades,
        "edge_shown": found.edge_shown,
        "figures": [chance._asdict() | {"seeds": list(chance.seeds)} for chance in found.chances],
    }


# Probes


def lookahead_json(report: LookaheadReport) -> dict[str, Any]:
    """Return what the bias probe found."""
    found = report.disagreement
    return {
        "check": "lookahead",
        "ok": found is None and not report.interrupted,
        "cuts": [iso(cut) for cut in report.cuts],
        "compared": report.compared,
        "disagreement": None
        if found is None
        else found._asdict() | {"time": iso(found.time), "cut": iso(found.cut)},
        "interrupted": report.interrupted,
    }


def warmup_json(report: WarmupReport) -> dict[str, Any]:
    """Return what the warm-up probe found."""
    return {
        "check": "warmup",
        "ok": not report.changed and not report.interrupted,
        "warmup": report.warmup,
        "begins": [iso(begin) for begin in report.begins],
        "compared": report.compared,
        "changed": [one._asdict() | {"time": iso(one.time)} for one in report.changed],
        "drifts": [drift._asdict() for drift in report.drifts],
        "interrupted": report.interrupted,
    }
