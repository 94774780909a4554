"""The report's files: JSON, tables and a page, each whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import orjson

from engine.backtest.breakdown import breakdowns
from engine.backtest.page import page
from engine.backtest.report import TRADE_COLUMNS, study_json
from engine.backtest.study import Study
from engine.model.orders import ClosedTrade
from engine.risk.performance import drawdown_curve, equity_curve
from engine.trace import iso

FILES = (
    "result.json",
    "trades.csv",
    "equity.csv",
    "equity_hourly.csv",
    "breakdown.csv",
    "report.html",
)


class ReportError(Exception):
    """The report's directory cannot be used; the message says why."""


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


def write_files(directory: Path, study: Study) -> tuple[Path, ...]:
    """Write ``FILES``. Nothing is replaced before all are on disk. Raises ``ReportError``."""
    result = study.result
    balances = equity_curve(result.trades, result.starting_balance, result.start)
    texts = (
        orjson.dumps(study_json(study), option=orjson.OPT_INDENT_2),
        _csv(TRADE_COLUMNS, (tuple(_exact(t, c) for c in TRADE_COLUMNS) for t in result.trades)),
        _csv(
            ("time", "balance", "drawdown"),
            (
                (iso(time), f"{balance:f}", f"{fall:.6f}")
                for (time, balance), (_, fall) in zip(
                    balances, drawdown_curve(balances), strict=True
                )
            ),
        ),
        _csv(("time", "equity"), ((iso(time), f"{value:.2f}") for time, value in result.equity)),
        _csv(
            ("trait", "name", "trades", "win_rate", "pnl", "fees", "r_multiple"),
            (
                (
                    trait,
                    g.name,
                    g.trades,
                    f"{g.win_rate:.4f}",
                    f"{g.pnl:f}",
                    f"{g.fees:f}",
                    f"{g.r:.4f}",
                )
                for trait, groups in breakdowns(result.trades).items()
                for g in groups
            ),
        ),
        page(study).encode(),
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


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
