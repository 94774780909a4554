"""The report of a backtest: as JSON, as files, and in words a trader can act on.

The JSON keys are a contract with scripts: adding is free, renaming is not.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from engine.backtest.runner import BacktestResult
from engine.model.orders import ClosedTrade
from engine.risk.expectancy import window_stats
from engine.risk.performance import Metrics, Reading, equity_curve, metrics
from engine.trace import iso

FILES = ("result.json", "trades.csv", "equity.csv")
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
_DAY_MS = 86_400_000


class ReportError(Exception):
    """The report's directory cannot be used; the message says why."""


def metrics_of(result: BacktestResult) -> Metrics:
    """Return the figures of a backtest's real trades over its whole span."""
    return metrics(result.trades, result.starting_balance, result.start, result.end)


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
    """Return the result as JSON values; undefined figures are None.

    ``funding`` says where funding rates came from.
    """
    shadow = window_stats(result.shadow_trades, "shadow")
    elapsed = result.elapsed_s
    return {
        "pairs": [str(pair) for pair in result.pairs],
        "timeframe": timeframe_name(result.candle_ms),
        "from": iso(result.start),
        "to": iso(result.end),
        "candles": result.candles,
        "decisions": result.decisions,
        "proposals": result.proposals,
        "entries": result.entries,
        "starting_balance": float(result.starting_balance),
        "trades": [trade_row(trade) for trade in result.trades],
        "metrics": metrics_of(result).as_dict(),
        "blocked": result.blocked,
        "exits": dict(exits_by_reason(result.trades)),
        "shadow": {
            "trades": shadow.trades,
            "win_rate": shadow.win_rate,
            "expectancy_r": shadow.expectancy_r,
        },
        "funding_source": funding,
        "elapsed_s": elapsed,
        "candles_per_s": result.candles / elapsed if elapsed > 0 else None,
        "fingerprint": result.fingerprint,
        "interrupted": result.interrupted,
    }


def exits_by_reason(trades: Sequence[ClosedTrade]) -> list[tuple[str, int]]:
    """Return how many trades ended for which reason, the most frequent first."""
    return Counter(str(trade.exit_reason) for trade in trades).most_common()


def timeframe_name(ms: int) -> str:
    """Return a timeframe's length (ms) as it is written, e.g. ``5m``."""
    minutes = ms // 60_000
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def as_text(result: BacktestResult, funding: str = "") -> list[str]:
    """Return the report for a person, line by line; what was lost is called lost."""
    figures = metrics_of(result)
    return [
        *_what_ran(result, funding),
        "",
        verdict(result, figures),
        "",
        *_readings(figures),
        "",
        *_shares("exits", exits_by_reason(result.trades), len(result.trades)),
        *_shares("proposals blocked by", _largest(result.blocked), result.proposals),
        *_shadow(result),
        "",
        f"fingerprint   {result.fingerprint}",
    ]


def verdict(result: BacktestResult, figures: Metrics) -> str:
    """Return the outcome in one or two plain sentences."""
    if not result.trades:
        return "It closed no trade: there is nothing to judge."
    share = float(figures.net_pnl / result.starting_balance)
    costs = figures.fees + figures.funding
    word = "lost" if figures.net_pnl < 0 else "made"
    gross = figures.net_pnl + costs
    return (
        f"It {word} {abs(figures.net_pnl):,.2f} USDT ({share:+.2%}) in {figures.trades} trades: "
        f"{gross:+,.2f} before costs, {costs:,.2f} of fees and funding. "
        f"Balance {result.starting_balance:,.2f} -> {figures.final_balance:,.2f}."
    )


def _what_ran(result: BacktestResult, funding: str) -> Iterator[str]:
    names = ", ".join(pair.base for pair in result.pairs)
    days = (result.end - result.start) / _DAY_MS
    speed = result.candles / result.elapsed_s if result.elapsed_s > 0 else 0.0
    if result.interrupted:
        yield "INTERRUPTED: what follows covers only the part that ran."
    yield f"{names} {timeframe_name(result.candle_ms)}, {iso(result.start)[:16]} to " + (
        f"{iso(result.end)[:16]} UTC ({days:.1f} days)"
    )
    yield (
        f"{result.candles:,} candles, {result.decisions:,} decisions, {result.proposals:,} "
        f"proposals ({result.proposals / max(1, result.decisions):.1%}), {result.entries:,} "
        f"entries; {result.elapsed_s:.1f} s, {speed:,.0f} candles/s"
    )
    if funding:
        yield f"funding: {funding}"


def _readings(figures: Metrics) -> Iterator[str]:
    payoff = "-" if figures.payoff_ratio is None else f"{figures.payoff_ratio:.2f}"
    for reading in figures.readings():
        yield f"{reading.name:<14}{_value(reading):>12}  {reading.words}"
        if reading.name == "win rate":
            yield f"{'payoff ratio':<14}{payoff:>12}  average win / average loss"


def _value(reading: Reading) -> str:
    if reading.value is None:
        return "-"
    if reading.name in ("win rate", "max drawdown", "exposure time"):
        return f"{reading.value:.1%}"
    return f"{reading.value:,.0f}" if reading.name == "sample size" else f"{reading.value:,.2f}"


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _shares(title: str, counts: Sequence[tuple[str, int]], total: int) -> Iterator[str]:
    if counts:
        listed = ", ".join(f"{name} {count} ({count / total:.0%})" for name, count in counts)
        yield f"{title}: {listed}"


def _shadow(result: BacktestResult) -> Iterator[str]:
    shadow = window_stats(result.shadow_trades, "shadow")
    if shadow.trades and shadow.expectancy_r is not None and shadow.win_rate is not None:
        yield (
            f"shadow trades (no money, size was withheld): {shadow.trades}, win rate "
            f"{shadow.win_rate:.0%}, {shadow.expectancy_r:+.2f} R each"
        )


# Files


def prepare_directory(directory: Path) -> None:
    """See that a report can be written there, before hours of work. Raises ``ReportError``."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / ".sigma-writable"
        probe.write_bytes(b"")
        probe.unlink()
    except FileExistsError:
        raise ReportError(f"{directory}: is a file; name a directory for the report") from None
    except OSError as error:
        raise ReportError(f"{directory}: cannot be written ({error.strerror})") from None


def write_files(directory: Path, result: BacktestResult, funding: str = "") -> tuple[Path, ...]:
    """Write result.json, trades.csv and equity.csv, each whole or not at all.

    Nothing is replaced before all three are on disk. Raises ``ReportError``.
    """
    texts = (
        orjson.dumps(as_json(result, funding), option=orjson.OPT_INDENT_2),
        _csv(TRADE_COLUMNS, (tuple(_exact(t, c) for c in TRADE_COLUMNS) for t in result.trades)),
        _csv(
            ("time", "balance"),
            (
                (iso(time), f"{balance:f}")
                for time, balance in equity_curve(
                    result.trades, result.starting_balance, result.start
                )
            ),
        ),
    )
    targets = tuple(directory / name for name in FILES)
    partial = [target.with_name(f".{target.name}.{os.getpid()}") for target in targets]
    try:
        for path, text in zip(partial, texts, strict=True):
            with path.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for path, target in zip(partial, targets, strict=True):
            os.replace(path, target)
    except OSError as error:
        raise ReportError(f"{directory}: cannot be written ({error.strerror})") from None
    finally:
        for path in partial:
            path.unlink(missing_ok=True)
    return targets


def _exact(trade: ClosedTrade, column: str) -> str:
    value = getattr(trade, column)
    if column.endswith("_time"):
        return iso(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _csv(header: Sequence[str], rows: Iterator[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
